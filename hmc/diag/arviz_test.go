package diag

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// The numbers are those of ArviZ on the same chains. testdata/chains.py made them.
func TestArviZ(t *testing.T) {
	data, err := os.ReadFile("testdata/chains.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name     string
		X        [][]float64
		RHat     *float64
		ESS      float64
		ESSTail  float64   `json:"ess_tail"`
		ESSMean  float64   `json:"ess_mean"`
		MCSE     float64   `json:"mcse"`
		Std      float64   `json:"mcse_std"`
		Quantile []float64 `json:"mcse_quantile"`
		BFMI     []float64 `json:"bfmi"`
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		x := mat.NewDense(len(c.X), len(c.X[0]), nil)
		for k, row := range c.X {
			x.SetRow(k, row)
		}
		check := func(name string, got, want float64, err error) {
			t.Helper()
			if err != nil || !(math.Abs(got-want) <= 1e-9*math.Abs(want)) {
				t.Errorf("%s: %s is %.15g, want %.15g, %v", c.Name, name, got, want, err)
			}
		}
		of := func(name string, f func(*mat.Dense) (float64, error), want float64) {
			t.Helper()
			got, err := f(x)
			check(name, got, want, err)
		}
		if c.RHat != nil {
			of("RHat", RHat, *c.RHat)
		}
		of("ESS", ESS, c.ESS)
		of("ESSTail", ESSTail, c.ESSTail)
		of("ESSMean", ESSMean, c.ESSMean)
		of("MCSE", MCSE, c.MCSE)
		of("MCSEStd", MCSEStd, c.Std)
		for i, p := range []float64{0.05, 0.3, 0.5, 0.95} {
			got, err := MCSEQuantile(x, p)
			check("MCSEQuantile", got, c.Quantile[i], err)
		}
		e, err := EBFMI(x)
		for i := range e {
			check("EBFMI", e[i], c.BFMI[i], err)
		}
		if err != nil && c.Name != "nearly constant" {
			t.Errorf("%s: EBFMI: %v", c.Name, err)
		}
	}
}
