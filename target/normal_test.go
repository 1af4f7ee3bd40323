package target

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/internal/graph"
)

var _ Prior = (*Normal)(nil)

// inPrecision returns ln π and the gradient of Σ_r weight_r ln π(x_r), computed in a graph
// of the given precision. It checks that a second run returns the same bits.
func inPrecision(
	t *testing.T, dt tensor.Dtype, d Density, x *mat.Dense, weight []float64,
) (logp []float64, grad *mat.Dense) {
	t.Helper()
	rows, cols := x.Dims()
	inputs := []graph.Input{{Name: "x", Cols: cols}}
	p := graph.NewProgram(dt, inputs, nil, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		p, err := d.LogProb(in[0])
		if err != nil {
			return nil, err
		}
		if p.Dtype() != dt {
			t.Errorf("ln π of a %v node is %v", dt, p.Dtype())
		}
		cost, err := graph.Dot(p, weight)
		if err != nil {
			return nil, err
		}
		g, err := graph.Grad(cost, in[0])
		return append([]*gorgonia.Node{p}, g...), err
	})
	data := mat.DenseCopyOf(x).RawMatrix().Data
	var first []float64
	for range 2 {
		logp, grad = make([]float64, rows), mat.NewDense(rows, cols, nil)
		if err := p.Run(rows, [][]float64{data}, [][]float64{logp, grad.RawMatrix().Data}); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = logp
		}
		checkSameBits(t, "second run", first, logp)
	}
	checkSameBits(t, "input after the run", mat.DenseCopyOf(x).RawMatrix().Data, data)
	return logp, grad
}

func TestNormalLogProb(t *testing.T) {
	for _, dim := range []int{1, 2, 7, 64} {
		d := NewNormal(dim)
		for _, rows := range []int{1, 2, 19} {
			x := mat.NewDense(rows, dim, normalRows(1, rows*dim))
			x.Set(0, dim-1, 30)
			weight := normalRows(2, rows)
			for dt, eps := range map[tensor.Dtype]float64{tensor.Float64: 1e-14, tensor.Float32: 2e-7} {
				what := fmt.Sprintf("%v, %d rows of %d", dt, rows, dim)
				logp, grad := inPrecision(t, dt, d, x, weight)
				for r := range rows {
					want := 0.0
					for i, v := range x.RawRowView(r) {
						want += distuv.UnitNormal.LogProb(v)
						if want := -weight[r] * v; !(math.Abs(grad.At(r, i)-want) <= eps*math.Abs(want)) {
							t.Errorf("%s: gradient (%d, %d) is %v, want %v", what, r, i, grad.At(r, i), want)
						}
					}
					checkRelative(t, fmt.Sprint(what, ": row ", r), logp[r], want, 2*eps)
				}
			}
		}
	}
}

func TestNormalGradient(t *testing.T) {
	if err := CheckGrad(NewNormal(5), mat.NewDense(4, 5, normalRows(3, 20)), 1e-8); err != nil {
		t.Error(err)
	}
}

func TestNormalRejectsOtherWidths(t *testing.T) {
	inputs := []graph.Input{{Name: "x", Cols: 4}}
	p := graph.NewProgram(tensor.Float64, inputs, nil, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		y, err := NewNormal(3).LogProb(in[0])
		return []*gorgonia.Node{y}, err
	})
	err := p.Run(1, [][]float64{make([]float64, 4)}, [][]float64{make([]float64, 1)})
	checkError(t, "4 columns for 3 values", err, ErrShape, "(rows, 3)")
}

// Moments of the draws are those of independent normal values.
func TestNormalRand(t *testing.T) {
	const draws, dim = 40000, 3
	d := NewNormal(dim)
	rnd, again := rand.New(rand.NewPCG(4, 1)), rand.New(rand.NewPCG(4, 1))
	x, same := mat.NewDense(draws, dim, nil), make([]float64, dim)
	for r := range draws {
		d.Rand(x.RawRowView(r), rnd)
		d.Rand(same, again)
		checkSameBits(t, "the same seed", x.RawRowView(r), same)
	}
	values := make([]float64, draws)
	mean := func(what string, want float64, f func(row []float64) float64) {
		for r := range values {
			values[r] = f(x.RawRowView(r))
		}
		checkMean(t, what, values, want)
	}
	for i := range dim {
		for power, want := range []float64{1, 0, 1, 0, 3, 0, 15} {
			mean(fmt.Sprintf("x_%d^%d", i, power), want,
				func(row []float64) float64 { return math.Pow(row[i], float64(power)) })
		}
		j := (i + 1) % dim
		mean(fmt.Sprintf("x_%d x_%d", i, j), 0, func(row []float64) float64 { return row[i] * row[j] })
		mean(fmt.Sprintf("x_%d² x_%d²", i, j), 1,
			func(row []float64) float64 { return row[i] * row[i] * row[j] * row[j] })
	}
	// The mean of ln π over draws is minus the entropy.
	logp := make([]float64, draws)
	if err := NewEvaluator(d).LogProbs(logp, x); err != nil {
		t.Fatal(err)
	}
	checkMean(t, "ln π", logp, -0.5*dim*(1+math.Log(2*math.Pi)))
}
