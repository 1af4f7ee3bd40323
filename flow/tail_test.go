package flow

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/neuralrg/neuralrg/bijector"
)

// paretos are draws of the generalised Pareto distribution of index k and scale 1,
// ascending quantiles of it if rnd is nil.
func paretos(n int, k float64, rnd *rand.Rand) []float64 {
	y := make([]float64, n)
	for i := range y {
		p := 1 - (float64(i)+0.5)/float64(n)
		if rnd != nil {
			p = 1 - rnd.Float64()
		}
		if y[i] = -math.Log(p); k != 0 {
			y[i] = (math.Pow(p, -k) - 1) / k
		}
	}
	return y
}

// The fit finds index and scale of exact quantiles.
func TestFitPareto(t *testing.T) {
	for _, k := range []float64{-0.4, 0, 0.2, 0.5, 0.7, 1, 2} {
		got, sigma := fitPareto(paretos(2000, k, nil))
		if math.Abs(got-k) > 0.03*(1+k) || math.Abs(sigma-1) > 0.03*(1+k) {
			t.Errorf("index %g, scale %g, want %g and 1", got, sigma, k)
		}
	}
}

// weighted are the moments and the tail of weights of given logarithms.
func weighted(lw []float64) (moments, *tail) {
	s, t := newMoments(), newTail(len(lw))
	for _, v := range lw {
		s.add(-v)
		t.add(v)
	}
	return s, t
}

// The index is the same for every multiple of the weights, however large, and in
// every order; weights that do not vary have none.
func TestTailIndex(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	lw := make([]float64, 3000)
	for i := range lw {
		lw[i] = rnd.NormFloat64()
	}
	index := func(lw []float64) float64 {
		s, tail := weighted(lw)
		return s.estimate(tail).TailIndex
	}
	want := index(lw)
	if !(want > 0.1 && want < 0.5) {
		t.Errorf("index %g of log-normal weights", want)
	}
	for _, by := range []float64{1e3, -1e5, 1e9} {
		moved := make([]float64, len(lw))
		for i, v := range lw {
			moved[len(lw)-1-i] = v + by
		}
		if got := index(moved); math.Abs(got-want) > 1e-6 {
			t.Errorf("moved by %g: index %g, want %g", by, got, want)
		}
	}
	same := make([]float64, 1000)
	if got := index(same); got != 0 {
		t.Errorf("equal weights: index %g", got)
	}
	same[3], same[500] = 20, 21
	if s, tail := weighted(same); !math.IsInf(s.estimate(tail).LogZErr, 1) {
		t.Error("two weights outweigh all others, and ln Z has an error")
	}
	if got := index(lw[:minTail-1]); got != 0 {
		t.Errorf("few weights: index %g", got)
	}
}

// The tail of weights π/q of a normal q and a wider normal π is known: that of
// exp(a x²/2), x ∼ N(0, 1/(1+a)), has index a/(1+a).
func TestTailIndexOfNormals(t *testing.T) {
	for _, a := range []float64{0.25, 0.5, 1, 2} {
		sigma := math.Sqrt(1 + a)
		e := evaluate(t, model(t, newShift(1)), gaussian(1, sigma), 20000, 5)
		k := a / (1 + a)
		if math.Abs(e.TailIndex-k) > 0.1 {
			t.Errorf("variance %g: index %g, want %g", 1+a, e.TailIndex, k)
		}
	}
}

// The error of ln Z covers the truth as often as a standard error does, for
// light and for heavy tails, and is refused where it could not.
func TestLogZErrCovers(t *testing.T) {
	lognormal := func(v float64) func(rnd *rand.Rand) float64 {
		return func(rnd *rand.Rand) float64 { return -v/2 + math.Sqrt(v)*rnd.NormFloat64() }
	}
	pareto := func(k float64) func(rnd *rand.Rand) float64 {
		return func(rnd *rand.Rand) float64 { return math.Log(1-k) - k*math.Log(1-rnd.Float64()) }
	}
	for _, c := range []struct {
		name    string
		n       int
		draw    func(rnd *rand.Rand) float64 // ln w, ⟨w⟩ = 1
		refused float64                      // of all, at most
	}{
		{"log-normal, ESS .9", 1000, lognormal(0.1), 0},
		{"log-normal, ESS .37", 1000, lognormal(1), 0.02},
		{"log-normal, ESS .37, few", 200, lognormal(1), 0.2},
		{"log-normal, ESS .14", 1000, lognormal(2), 0.15},
		{"log-normal, ESS .1", 4000, lognormal(2.3), 0.1},
		{"Pareto of index .4", 1000, pareto(0.4), 0.1},
		{"Pareto of index .55, without a variance", 1000, pareto(0.55), 0.4},
	} {
		const runs = 150
		rnd := rand.New(rand.NewPCG(3, uint64(c.n)))
		one, two, kept := 0, 0, 0
		for range runs {
			lw := make([]float64, c.n)
			for i := range lw {
				lw[i] = c.draw(rnd)
			}
			s, tail := weighted(lw)
			e := s.estimate(tail)
			if math.IsInf(e.LogZErr, 1) {
				continue
			}
			kept++
			if d := math.Abs(e.LogZ) / e.LogZErr; d < 2 {
				two++
				if d < 1 {
					one++
				}
			}
		}
		in1, in2, refused := float64(one)/float64(kept), float64(two)/float64(kept), 1-float64(kept)/runs
		t.Logf("%s: %.2f within one error, %.3f within two, %.3f refused", c.name, in1, in2, refused)
		// .68 and .954, ± .04 and .017, and rather too many than too few.
		if in1 < 0.6 || in1 > 0.9 || in2 < 0.89 || refused > c.refused {
			t.Errorf("%s: %.2f within one error, %.3f within two, %.3f refused", c.name, in1, in2, refused)
		}
	}
	for name, draw := range map[string]func(rnd *rand.Rand) float64{
		"log-normal, ESS 1e-4": lognormal(9), "Pareto of index .95": pareto(0.95),
		// Its plain error is small.
		"a little of a heavy tail": func(rnd *rand.Rand) float64 {
			return math.Log(50 +
				math.Pow(1-rnd.Float64(), -0.95))
		},
	} {
		refused := 0
		for seed := range uint64(50) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			lw := make([]float64, 1000)
			for i := range lw {
				lw[i] = draw(rnd)
			}
			s, tail := weighted(lw)
			if math.IsInf(s.estimate(tail).LogZErr, 1) {
				refused++
			}
		}
		if refused < 45 {
			t.Errorf("%s: %d of 50 refused", name, refused)
		}
	}
}

// So it does for a flow, from its samples and from the target's.
func TestLogZErrOfFlow(t *testing.T) {
	const runs, n, sigma = 100, 500, 0.8
	m := model(t, must(bijector.NewTree([]int{2, 2}, blocks(4, 1, 5), nil)))
	scramble(m, 1, 0.25)
	lnZ := gaussianLogZ(4, sigma)
	within := [2]int{}
	kept := [2]int{}
	ess := 0.0
	for seed := range uint64(runs) {
		x := randn(seed, n, 4)
		x.Scale(sigma, x)
		e, err := Evaluate(t.Context(), m, gaussian(4, sigma),
			&EvaluateSettings{Samples: n, Data: &DataRows{X: x}, Src: rand.NewPCG(seed, 3)})
		if err != nil {
			t.Fatal(err)
		}
		ess += e.ESS / runs
		for k, v := range [2][2]float64{{e.LogZ, e.LogZErr}, {e.Forward.LogZ, e.Forward.LogZErr}} {
			if !math.IsInf(v[1], 1) {
				kept[k]++
				if math.Abs(v[0]-lnZ) < 2*v[1] {
					within[k]++
				}
			}
		}
	}
	t.Logf("ESS %.2f: within two errors %v of %v", ess, within, kept)
	if ess < 0.1 || ess > 0.8 {
		t.Errorf("ESS %g", ess)
	}
	for k := range within {
		if kept[k] < runs/2 || float64(within[k]) < 0.9*float64(kept[k]) {
			t.Errorf("%d of %d within two errors, %d runs", within[k], kept[k], runs)
		}
	}
}
