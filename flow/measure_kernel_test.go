package flow

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/floats"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/target"
)

// For the model that is the target every proposal is accepted, and renews of the mean field
// the part of the latent variables that it redraws. 12 000 jumps of each kernel give it to 5 %.
func TestKernelsAreJudged(t *testing.T) {
	pi, m := target.NewNormal(16), mera(t, 4, 1)
	scramble(m, 1, 0) // the identity
	mean := Observable{"mean", func(x []float64) float64 { return floats.Sum(x) }}
	fixed := Observable{"constant", func([]float64) float64 { return 1 }}
	s := must((MeasureSettings{Chains: 100, Src: rand.NewPCG(1, 2)}).defaults(m, []Observable{mean, fixed}))
	r := must(newMeasurer(m, pi, []Observable{mean, fixed}, s))
	tried := must(r.try(context.Background(), 1000))
	if len(tried.renewed) != 1 {
		t.Fatalf("%d observables change, want 1", len(tried.renewed))
	}
	weights := tried.weights()
	for k, kernel := range tried.kernels {
		want := 1.0
		switch kernel := kernel.(type) {
		case hmc.Windows:
			want = float64(len(kernel.Sites[0])) / 16
		case hmc.CrankNicolson:
			want = 1 - math.Sqrt((1-kernel.Beta)*(1+kernel.Beta))
		}
		got := tried.renewed[0][k]
		t.Logf("%T: renews %.4f, want %.4f, weight %.3f", kernel, got, want, weights[k])
		if math.Abs(got-want) > 0.08*want {
			t.Errorf("%T renews %g, want %g", kernel, got, want)
		}
	}
	if sum := floats.Sum(weights); math.Abs(sum-1) > 1e-12 {
		t.Errorf("weights add up to %g", sum)
	}
	if s := tried.slowest(); s < 0.9 {
		t.Errorf("the best kernel renews %g", s)
	}
}

// Without an observable that changes all kernels weigh the same, and none is too slow.
func TestKernelsWithoutAJudge(t *testing.T) {
	tried := &trial{kernels: make([]hmc.Kernel, 4)}
	for _, w := range tried.weights() {
		if math.Abs(w-0.25) > 1e-15 && math.Abs(w-spread/4) > 1e-15 {
			t.Errorf("weight %g", w)
		}
	}
	if !math.IsInf(tried.slowest(), 1) {
		t.Error("slow")
	}
}

// The coarse windows are those of the coarsest latent variables, growing to all but the
// finest.
func TestCoarseWindows(t *testing.T) {
	m := mera(t, 8, 1)
	h := hierarchyIn(m)
	windows := coarseOf(m)
	if len(windows) != h.Levels()-1 {
		t.Fatalf("%d windows for %d levels", len(windows), h.Levels())
	}
	for k, w := range windows {
		if err := w.Check(m.Dim()); err != nil {
			t.Error(err)
		}
		for _, site := range w.Sites[0] {
			if h.Level(site) < h.Levels()-1-k {
				t.Errorf("window %d has site %d of level %d", k, site, h.Level(site))
			}
		}
	}
	if n := len(windows[len(windows)-1].Sites[0]) + len(h.Latents(0)); n != m.Dim() {
		t.Errorf("%d variables in all", n)
	}
}

// Angles before a hierarchy leave its latent variables where they are. A checkerboard is a
// hierarchy, a chain of several ones is not.
func TestHierarchyAmongAngles(t *testing.T) {
	angles := must(bijector.NewAngles(16))
	board := anglesModel(1, []int{4}, 4, 4).Bijector()
	for name, h := range map[string]bijector.Bijector{
		"a MERA": mera(t, 4, 1).Bijector(), "a checkerboard": board,
	} {
		m := must(New(target.NewNormal(16), must(bijector.NewChain(angles, h))))
		if bijector.Bijector(hierarchyIn(m)) != h || len(coarseOf(m)) == 0 || len(windowsOf(m, 1)) == 0 {
			t.Errorf("Angles hide %s", name)
		}
	}
	for name, b := range map[string]bijector.Bijector{
		"two hierarchies": must(bijector.NewChain(board, board)), "angles": angles,
		"two hierarchies of angles": must(bijector.NewChain(angles, board, board)),
	} {
		m := must(New(target.NewNormal(16), b))
		if hierarchyIn(m) != nil || coarseOf(m) != nil || windowsOf(m, 3) != nil {
			t.Errorf("%s: has windows", name)
		}
	}
}
