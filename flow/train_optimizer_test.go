package flow

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/target"
)

// Three steps at rate 0.1, worked out in decimal arithmetic from Algorithm 1
// of Kingma and Ba. The third parameter has gradients that epsilon matters to.
func TestAdam(t *testing.T) {
	params := [][]float64{{1, -2}, {0.25}, {7}}
	a := newAdam(0.1, params)
	for k, step := range []struct{ grads, want [][]float64 }{
		{[][]float64{{0.5, 0}, {1e-9}, {0}}, [][]float64{{0.90000000199999997, -2}, {0.24090909090909091}, {7}}},
		{[][]float64{{-1, 3}, {-2e-9}, {0}}, [][]float64{{0.9366103542405656, -2.0744136820059969},
			{0.24590804235781855}, {7}}},
		{[][]float64{{2, -0.01}, {5e-9}, {0}}, [][]float64{{0.89464479271810482, -2.131722310696504},
			{0.23466711136531654}, {7}}},
	} {
		grads := [][]float64{slices.Clone(step.grads[0]), slices.Clone(step.grads[1]), slices.Clone(step.grads[2])}
		if err := a.update(params, grads, 1); err != nil {
			t.Fatal(err)
		}
		for i := range params {
			wantClose(t, "parameters", params[i], step.want[i], 1e-15)
			wantSame(t, "gradients after the update", grads[i], step.grads[i])
		}
		if a.step != k+1 {
			t.Errorf("step %d, want %d", a.step, k+1)
		}
	}
}

func TestClipNorm(t *testing.T) {
	// The first step of Adam does not see the length of the gradient, the
	// moments do.
	norms := map[float64]float64{}
	for _, clip := range []float64{0, 1e-3} {
		m := mera(t, 2, 1)
		tr, err := NewTrainer(m, target.NewNormal(4),
			&Settings{Batch: 16, Optimizer: OptimizerSettings{ClipNorm: clip}, Src: rand.NewPCG(1, 1)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tr.Step(); err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, v := range slices.Concat(tr.adam.m...) {
			sum += v * v
		}
		norms[clip] = math.Sqrt(sum) / (1 - tr.adam.beta1)
	}
	if norms[0] < 1e-2 || math.Abs(norms[1e-3]/1e-3-1) > 1e-9 {
		t.Errorf("norms %v", norms)
	}
}

func TestMaxScale(t *testing.T) {
	m := mera(t, 4, 1)
	tr, err := NewTrainer(m, target.NewNormal(16),
		&Settings{Batch: 16, Optimizer: OptimizerSettings{MaxScale: 0.1}, Src: rand.NewPCG(1, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tr.Step(); err != nil {
		t.Fatal(err)
	}
	largest := 0.0
	for _, l := range m.Bijector().(*bijector.Hierarchy).Layers() {
		for _, c := range l.Block().(*bijector.RealNVP).Couplings() {
			for i := range c.Scale.Len() {
				largest = max(largest, math.Abs(c.Scale.AtVec(i)))
			}
		}
	}
	if largest != 0.1 {
		t.Errorf("largest scale %g, bounded by 0.1", largest)
	}
}
