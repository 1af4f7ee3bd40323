package target

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gorgonia.org/tensor"
)

// checkLaws tests what every density of the package keeps, at the rows of x: the gradient
// agrees with differences within tol, float32 with float64, and a row alone with the row in
// a batch, to the bit.
func checkLaws(t *testing.T, what string, d Density, x *mat.Dense, tol float64) {
	t.Helper()
	if err := CheckGrad(d, x, tol); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	rows, n := x.Dims()
	ones := make([]float64, rows)
	floats.AddConst(1, ones)
	logp, grad := inPrecision(t, tensor.Float64, d, x, ones)
	e := NewEvaluator(d)
	for r := range rows {
		one, row := make([]float64, 1), mat.NewDense(1, n, nil)
		if err := e.LogProbGrad(one, row, x.Slice(r, r+1, 0, n).(*mat.Dense)); err != nil {
			t.Fatal(err)
		}
		checkSameBits(t, what+": ln π alone", one, logp[r:r+1])
		checkSameBits(t, what+": gradient alone", row.RawRowView(0), grad.RawRowView(r))
	}
	rounded := mat.DenseCopyOf(x)
	rounded.Apply(func(_, _ int, v float64) float64 { return float64(float32(v)) }, rounded)
	logp, grad = inPrecision(t, tensor.Float64, d, rounded, ones)
	logp32, grad32 := inPrecision(t, tensor.Float32, d, rounded, ones)
	for r, v := range logp {
		if !(math.Abs(logp32[r]-v) <= 1e-6*math.Max(1, math.Abs(v))) {
			t.Errorf("%s, row %d: ln π is %g in float32, want %g", what, r, logp32[r], v)
		}
		for i, g := range grad.RawRowView(r) {
			if !(math.Abs(grad32.At(r, i)-g) <= 1e-6*math.Max(1, math.Abs(g))) {
				t.Errorf("%s, row %d, coordinate %d: gradient %g in float32, want %g", what, r, i, grad32.At(r, i), g)
			}
		}
	}
}
