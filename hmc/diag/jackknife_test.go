package diag

import (
	"fmt"
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// powers returns x and x².
func powers(x *mat.Dense) []*mat.Dense {
	squares := new(mat.Dense)
	squares.MulElem(x, x)
	return []*mat.Dense{x, squares}
}

// variance is that of means of x and x².
func variance(m []float64) float64 { return m[1] - m[0]*m[0] }

// The error of a variance of correlated measurements covers, and there is no bias.
func TestJackknife(t *testing.T) {
	const seeds = 400
	one, mean := 0, 0.0
	for seed := range uint64(seeds) {
		v, e, err := Jackknife(powers(autoregressive(0.5, 200, 10, seed)), 4, variance)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(v-1) < e {
			one++
		}
		mean += v / seeds
	}
	// x² has correlations ρ², so τ = ½ (1+¼)/(1−¼), and var x² is 2.
	width := math.Sqrt(2 * 2 * 0.5 * 1.25 / 0.75 / 2000)
	if math.Abs(mean-1) > sigmas*width/math.Sqrt(seeds) {
		t.Errorf("mean %v, want 1", mean)
	}
	if got := float64(one) / seeds; math.Abs(got-0.68) > 0.03+sigmas*math.Sqrt(0.68*0.32/seeds) {
		t.Errorf("%v covered, want 0.68", got)
	}
	x := autoregressive(0, 10, 2, 1)
	inf := func([]float64) float64 { return math.Inf(1) }
	for _, c := range []struct {
		series []*mat.Dense
		blocks int
		f      func([]float64) float64
		is     error
		text   string
	}{
		{nil, 1, variance, ErrShape, "no series"},
		{powers(x), 0, variance, ErrSettings, "0 blocks"},
		{powers(x), 11, variance, ErrSettings, "11 blocks"},
		{powers(autoregressive(0, 10, 1, 1)), 1, variance, ErrShape, "one block"},
		{[]*mat.Dense{x, autoregressive(0, 10, 3, 1)}, 1, variance, ErrShape, "series 1"},
		{powers(x), 1, inf, ErrNotFinite, "+Inf"},
	} {
		_, _, err := Jackknife(c.series, c.blocks, c.f)
		wantError(t, "Jackknife", err, c.is, c.text)
	}
}

func ExampleJackknife() {
	v, e, err := Jackknife(powers(autoregressive(0.5, 1000, 20, 1)), 1, variance)
	if err != nil {
		panic(err)
	}
	fmt.Printf("variance %.2f ± %.2f, exact 1\n", v, e)
	// Output: variance 1.01 ± 0.01, exact 1
}
