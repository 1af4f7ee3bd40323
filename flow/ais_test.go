package flow

import (
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/target"
)

// evenly are so many rungs at equal distances.
func evenly(rungs int) []float64 {
	betas := make([]float64, rungs+1)
	for k := range betas {
		betas[k] = float64(k) / float64(rungs)
	}
	return betas
}

// someMoves are of every kind, on a lattice of 4 × 4 sites.
func someMoves(t testing.TB) []hmc.Proposal {
	return []hmc.Proposal{
		hmc.Windows{Sites: must(bijector.Windows([]int{4, 4}, 2, 0))}, hmc.CrankNicolson{Beta: 0.4},
		hmc.Independence{},
	}
}

func ais(t testing.TB, m *Model, d target.Density, s *AISSettings) *AISResult {
	t.Helper()
	r, err := AIS(t.Context(), m, d, s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// weightedMean is the mean of f under the weights, with its error.
func (r *AISResult) weightedMean(f func(x []float64) float64) (mean, stdErr float64) {
	var sum, sum2 float64
	v, w := make([]float64, len(r.LogWeights)), make([]float64, len(r.LogWeights))
	for k, lw := range r.LogWeights {
		v[k], w[k] = f(r.X.RawRowView(k)), math.Exp(lw-r.LogZ)
		sum += w[k]
		mean += w[k] * v[k]
	}
	mean /= sum
	for k := range v {
		sum2 += w[k] * w[k] * (v[k] - mean) * (v[k] - mean)
	}
	return mean, math.Sqrt(sum2) / sum
}

// The weights of a flow with random parameters give the exact ln Z and ⟨m²⟩ of the Ising
// model, with any prior, symmetrised or not, and ⟨x_0⟩ = 0 where images are drawn. Of 12
// numbers none is off by more than 4 errors, and the mean square of their deviations is that
// of a normal distribution, 1 ± √(2/12), within four errors.
func TestAISIsExact(t *testing.T) {
	pi := must(target.NewIsing([]int{4, 4}, 8)) // one mode, not too far from a random flow
	exact, _ := pi.ExactStructureFactor()
	h := mera(t, 4, 1)
	scramble(h, 1, 0.15)
	plain := model(t, must(bijector.NewChain(h.Bijector(), must(bijector.NewSpectral([]int{4, 4}, pi.Spectrum())))))
	odd := must(New(newLogistic(16), plain.Bijector()))
	square, n := 0.0, 0
	for _, c := range []struct {
		name string
		m    *Model
	}{{"plain", plain}, {"symmetrised", symmetrize(t, plain, Inversion(16))}, {"logistic prior", odd}} {
		for seed := range uint64(2) {
			r := ais(t, c.m, pi, &AISSettings{
				Samples: 1500, Betas: evenly(40), Moves: someMoves(t), Src: rand.NewPCG(seed, 4),
			})
			m2, stdErr := r.weightedMean(pi.StructureFactor)
			z := []float64{(r.LogZ - pi.LogZ()) / r.LogZErr, (m2 - exact) / stdErr}
			t.Logf("%s: gap %.3f, ESS %.2f, ln Z − exact %.4f ± %.4f, ⟨m²⟩ %.4f ± %.4f (%.4f), accepted %.2f, z %.1f",
				c.name, r.Loss+pi.LogZ(), r.ESS, r.LogZ-pi.LogZ(), r.LogZErr, m2, stdErr, exact, r.AcceptRates, z)
			if r.LogZErr > 0.15 || stdErr > 0.02 {
				t.Errorf("%s: errors %g of ln Z and %g of ⟨m²⟩ test nothing", c.name, r.LogZErr, stdErr)
			}
			for _, v := range z {
				square, n = square+v*v, n+1
				if math.Abs(v) > 4 {
					t.Errorf("%s: off by %.1f errors", c.name, v)
				}
			}
			if c.name != "symmetrised" {
				continue
			}
			if x0, stdErr := r.weightedMean(func(x []float64) float64 { return x[0] }); math.Abs(x0) > 4*stdErr {
				t.Errorf("⟨x_0⟩ = %g ± %g", x0, stdErr)
			}
		}
	}
	if mean := square / float64(n); mean > 1+4*math.Sqrt(2/float64(n)) {
		t.Errorf("mean square deviation %.2f", mean)
	}
}

// Where q = π/Z all weights are Z, whatever the path.
func TestAISOfTheTargetItself(t *testing.T) {
	const lnZ = 3.7
	for name, m := range models(t) {
		for _, s := range []AISSettings{{}, {Betas: evenly(3), Steps: 2}, {Rungs: 4, Resample: 1}} {
			s.Samples, s.Batch, s.Src = 60, 23, rand.NewPCG(1, 1)
			r := ais(t, m, shifted{m, lnZ}, &s)
			for _, lw := range r.LogWeights {
				if math.Abs(lw-lnZ) > 1e-9 {
					t.Fatalf("%s: ln w = %g, want %g", name, lw, lnZ)
				}
			}
			if name == "logistic prior" || name == "logistic, translation" {
				continue // not all proposals are accepted
			}
			for k, rate := range r.AcceptRates {
				if rate < 1-1e-6 {
					t.Errorf("%s: move %d accepted with %g", name, k, rate)
				}
			}
		}
	}
}

// With one rung AIS is importance sampling: the weights are π/q.
func TestAISOfOneRung(t *testing.T) {
	pi := gaussian(16, 1.3)
	for name, m := range models(t) {
		r := ais(t, m, pi, &AISSettings{Samples: 70, Batch: 32, Rungs: 1, Src: rand.NewPCG(1, 1)})
		want := logProb(t, pi, r.X)
		for k, logq := range logProbs(t, m, r.X) {
			want[k] -= logq
		}
		wantClose(t, name, r.LogWeights, want, 1e-9)
		wantSame(t, name+": rungs", r.Betas, []float64{0, 1})
	}
}

// bellCurve is a model and a target of which p_β is normal, of a given precision and mean:
// x = z + by and ln π = −x²/2σ².
func bellCurve(t testing.TB, dim int, by, sigma, beta float64) (m *Model, d target.Density, precision, mean float64) {
	b := newShift(dim)
	for i := range dim {
		b.by.Value().Float64s()[i] = by
	}
	precision = 1 - beta + beta/(sigma*sigma)
	return model(t, b), gaussian(dim, sigma), precision, -beta * by / (sigma * sigma) / precision
}

// A rung leaves p_β invariant, and its move is reversible: of z ∼ p_β the moments after it
// are those before, and E[f(z)h(z')] = E[h(z)f(z')]. Of 4·10⁵ values of a unit normal
// each mean is within five errors.
func TestAISRung(t *testing.T) {
	const n, dim, beta = 100_000, 4, 0.6
	m, d, precision, mean := bellCurve(t, dim, 0.5, 0.6, beta)
	for name, move := range map[string]hmc.Proposal{
		"windows": hmc.Windows{Sites: [][]int{{0, 1}, {1, 2, 3}}}, "Crank–Nicolson": hmc.CrankNicolson{Beta: 0.6},
		"independence": hmc.Independence{},
	} {
		s := must((&AISSettings{Samples: n, Batch: n, Moves: []hmc.Proposal{move}, Src: rand.NewPCG(1, 2)}).defaults(m))
		a := newAnnealer(t.Context(), m, d, s)
		p := a.particles(0, make([]float64, n*dim), a.draw(n))
		rnd := rand.New(rand.NewPCG(3, 4))
		for i := range p.z {
			p.z[i] = mean + rnd.NormFloat64()/math.Sqrt(precision)
		}
		if err := a.evaluate(p.z, 0, 0); err != nil {
			t.Fatal(err)
		}
		copy(p.w, a.w)
		p.beta = beta
		before := append([]float64(nil), p.z...)
		if err := a.moves(p, 1); err != nil {
			t.Fatal(err)
		}
		if rate := float64(a.accepted[0]) / n; rate < 0.2 || rate > 0.95 {
			t.Errorf("%s: %g accepted: no test", name, rate)
		}
		normal := func(z float64) float64 { return (z - mean) * math.Sqrt(precision) }
		for moment, f := range map[string]func(a, b float64) float64{
			"mean": func(_, b float64) float64 { return b }, "variance": func(_, b float64) float64 { return b*b - 1 },
			"third":     func(_, b float64) float64 { return b * b * b },
			"fourth":    func(_, b float64) float64 { return b*b*b*b - 3 },
			"exchange":  func(a, b float64) float64 { return a*a*b - a*b*b },
			"exchange²": func(a, b float64) float64 { return a*a*a*b - a*b*b*b },
		} {
			var sum, sum2 float64 // of the means over a row: its values are moved together
			for r := range n {
				row := 0.0
				for i := r * dim; i < (r+1)*dim; i++ {
					row += f(normal(before[i]), normal(p.z[i])) / dim
				}
				sum, sum2 = sum+row, sum2+row*row
			}
			if z := sum / math.Sqrt(sum2); math.Abs(z) > 5 {
				t.Errorf("%s: %s is off by %.1f errors", name, moment, z)
			}
		}
	}
}

// Beyond hard walls the weight is zero, and ln Z is that within: ln 2.2² = 1.577.
func TestAISWithWalls(t *testing.T) {
	box := target.Func(2, func(_, x []float64) float64 {
		if math.Abs(x[0]) > 1.1 || math.Abs(x[1]) > 1.1 {
			return math.Inf(-1)
		}
		return 0
	})
	for _, resample := range []float64{0, 0.7} {
		r := ais(t, model(t, newShift(2)), box, &AISSettings{
			Samples: 4000, Rungs: 8, Resample: resample, Src: rand.NewPCG(1, 1),
		})
		if z := (r.LogZ - 2*math.Log(2.2)) / r.LogZErr; r.LogZErr > 0.05 || math.Abs(z) > 4 {
			t.Errorf("Resample %g: ln Z = %g ± %g", resample, r.LogZ, r.LogZErr)
		}
		dead := 0
		for k, lw := range r.LogWeights {
			if math.IsInf(lw, -1) {
				dead++
			} else if x := r.X.RawRowView(k); math.Abs(x[0]) > 1.1 || math.Abs(x[1]) > 1.1 {
				t.Errorf("ln w = %g at %v", lw, x)
			}
		}
		// .729² of all begin within. Resampling leaves no others.
		if f := float64(dead) / 4000; resample == 0 && math.Abs(f-0.469) > 0.04 || resample > 0 && f > 0 {
			t.Errorf("Resample %g: %g of the samples have weight zero", resample, f)
		}
		if r.OutOfSupport != dead {
			t.Errorf("Resample %g: %d outside, want %d", resample, r.OutOfSupport, dead)
		}
		if (r.OutOfSupport > 0) != (resample == 0) || (r.Resampled > 0) != (resample > 0) {
			t.Errorf("Resample %g: %d outside, resampled %d times", resample, r.OutOfSupport, r.Resampled)
		}
	}
	nowhere := target.Func(2, func(_, _ []float64) float64 { return math.Inf(-1) })
	for _, resample := range []float64{0, 1} {
		r := ais(t, model(t, newShift(2)), nowhere, &AISSettings{
			Samples: 60, Resample: resample, Src: rand.NewPCG(1, 1),
		})
		if !math.IsInf(r.LogZ, -1) || !math.IsInf(r.LogZErr, 1) || r.ESS != 0 {
			t.Errorf("a target that is zero: %+v", r.Estimate)
		}
	}
}

// The bits depend on the source alone: not on batches, the number of processors, nor on
// the precision of the model.
func TestAISBits(t *testing.T) {
	pi := ising(t, 4)
	m := symmetrize(t, mera(t, 4, 1), Inversion(16))
	for _, resample := range []float64{0, 0.9} {
		run := func(m *Model, batch int) *AISResult {
			return ais(t, m, pi, &AISSettings{
				Samples: 90, Batch: batch, Rungs: 5, Steps: 2, Resample: resample, Src: rand.NewPCG(5, 6),
			})
		}
		want := run(m, 90)
		same := func(what string, r *AISResult) {
			wantSame(t, what+": X", r.X.RawMatrix().Data, want.X.RawMatrix().Data)
			wantSame(t, what+": weights", r.LogWeights, want.LogWeights)
			wantSame(t, what+": rungs", r.Betas, want.Betas)
			wantSame(t, what+": acceptance", r.AcceptRates, want.AcceptRates)
			wantSame(t, what+": estimate", []float64{r.LogZ, r.LogZErr, r.ESS, r.Loss, float64(r.Resampled)},
				[]float64{want.LogZ, want.LogZErr, want.ESS, want.Loss, float64(want.Resampled)})
		}
		if resample > 0 && want.Resampled == 0 {
			t.Error("not resampled")
		}
		same("again", run(m, 90))
		same("in batches", run(m, 17))
		same("one by one", run(m, 1))
		same("float32", run(m.Float32(), 40))
		before := runtime.GOMAXPROCS(1)
		same("one processor", run(m, 90))
		runtime.GOMAXPROCS(before)
	}
}

// Moves are left to a default that fits the model.
func TestAISDefaultMoves(t *testing.T) {
	half := func(h *bijector.Hierarchy) int { return len(h.Cells(h.Levels() - 3)[0]) }
	plain := mera(t, 4, 1)
	h := plain.Bijector().(*bijector.Hierarchy)
	white := must(bijector.NewChain(h, must(bijector.NewSpectral([]int{4, 4}, ising(t, 4).Spectrum()))))
	for name, c := range map[string]struct {
		m      *Model
		window int
	}{
		"hierarchy": {plain, half(h)}, "symmetrised": {symmetrize(t, plain, Inversion(16)), half(h)},
		"whitened": {model(t, white), half(h)}, "no hierarchy": {model(t, newShift(3)), 0},
	} {
		moves := defaultMoves(c.m)
		if err := checkMoves(moves, c.m.Dim()); err != nil {
			t.Error(err)
		}
		if len(moves) != 2 || moves[0] != (hmc.Independence{}) {
			t.Errorf("%s: moves %v", name, moves)
		}
		switch second := moves[1].(type) {
		case hmc.Windows:
			if len(second.Sites[0]) != c.window {
				t.Errorf("%s: windows of %d", name, len(second.Sites[0]))
			}
		case hmc.CrankNicolson:
			if c.window != 0 || second.Beta != 0.3 {
				t.Errorf("%s: moves %v", name, moves)
			}
		}
	}
	if half(h) != 4 {
		t.Errorf("windows of %d sites", half(h))
	}
	r := ais(t, model(t, newShift(3)), gaussian(3, 0.9), &AISSettings{Rungs: 3, Samples: 10, Src: rand.NewPCG(1, 1)})
	if rows, cols := r.X.Dims(); rows != 10 || cols != 3 || len(r.LogWeights) != 10 || len(r.AcceptRates) != 2 {
		t.Errorf("%d × %d samples, %d weights, %d rates", rows, cols, len(r.LogWeights), len(r.AcceptRates))
	}
}
