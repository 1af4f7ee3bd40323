package target

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
	"gorgonia.org/tensor"
)

var _ Prior = (*UniformAngles)(nil)

// The density of angles is constant, also beyond (−π, π], in both precisions.
func TestUniformAnglesLogProb(t *testing.T) {
	for _, dim := range []int{1, 2, 64} {
		d := NewUniformAngles(dim)
		if d.Dim() != dim {
			t.Errorf("dimension %d, want %d", d.Dim(), dim)
		}
		for _, rows := range []int{1, 19} {
			x := mat.NewDense(rows, dim, normalRows(1, rows*dim))
			x.Set(0, dim-1, 30)
			for dt, eps := range map[tensor.Dtype]float64{tensor.Float64: 1e-15, tensor.Float32: 1e-7} {
				logp, grad := inPrecision(t, dt, d, x, normalRows(2, rows))
				for r, v := range logp {
					checkRelative(t, "ln π", v, -float64(dim)*math.Log(2*math.Pi), eps)
					for i, g := range grad.RawRowView(r) {
						if g != 0 {
							t.Errorf("gradient (%d, %d) is %g", r, i, g)
						}
					}
				}
			}
		}
	}
	bad := []float64{math.NaN(), math.Inf(1), math.Inf(-1)}
	logp := make([]float64, len(bad))
	if err := NewEvaluator(NewUniformAngles(1)).LogProbs(logp, mat.NewDense(len(bad), 1, bad)); err != nil {
		t.Fatal(err)
	}
	for r, v := range logp {
		if !math.IsNaN(v) {
			t.Errorf("ln π of %g is %g", bad[r], v)
		}
	}
}

func TestUniformAnglesErrors(t *testing.T) {
	for _, dim := range []int{-1, 0} {
		err := NewEvaluator(NewUniformAngles(dim)).LogProbs(make([]float64, 1), mat.NewDense(1, 1, nil))
		checkError(t, "no angles", err, ErrShape, "")
	}
	err := NewEvaluator(NewUniformAngles(3)).LogProbs(make([]float64, 1), mat.NewDense(1, 4, nil))
	checkError(t, "4 columns for 3 angles", err, ErrShape, "3")
}

// Draws are uniform on (−π, π]: the means of cos kθ and sin kθ vanish, as do those of two
// angles. The same seed gives the same draws.
func TestUniformAnglesRand(t *testing.T) {
	const draws, dim = 40000, 3
	d := NewUniformAngles(dim)
	rnd, again := rand.New(rand.NewPCG(4, 1)), rand.New(rand.NewPCG(4, 1))
	x, same := make([][]float64, draws), make([]float64, dim)
	for r := range x {
		x[r] = make([]float64, dim)
		d.Rand(x[r], rnd)
		d.Rand(same, again)
		checkSameBits(t, "the same seed", x[r], same)
		for _, v := range x[r] {
			if !(v > -math.Pi && v <= math.Pi) {
				t.Fatalf("draw %g", v)
			}
		}
	}
	values := make([]float64, draws)
	for _, k := range [][]float64{{1, 0, 0}, {2, 0, 0}, {0, 1, 0}, {0, 3, 0}, {0, 0, 1}, {1, 1, 0}, {0, 1, -1}} {
		for _, f := range []func(float64) float64{math.Cos, math.Sin} {
			for r, row := range x {
				values[r] = f(k[0]*row[0] + k[1]*row[1] + k[2]*row[2])
			}
			if m := stat.Mean(values, nil); math.Abs(m) > 4*math.Sqrt(0.5/draws) {
				t.Errorf("wave %v has the mean %g", k, m)
			}
		}
	}
}
