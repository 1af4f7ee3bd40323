package flow

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/target"
)

// normalRows are draws of N(0, σ²).
func normalRows(seed uint64, rows, dim int, sigma float64) *mat.Dense {
	x := randn(seed, rows, dim)
	x.Scale(sigma, x)
	return x
}

// Of a normal q of variance 1 and a normal π of variance σ² everything is known:
// both divergences, the effective sample size (σ√(2−σ²))^d and ln Z.
func TestForwardOfNormals(t *testing.T) {
	const d, n = 3, 20000
	for _, sigma := range []float64{0.8, 1, 1.1} {
		for _, dt := range []tensor.Dtype{tensor.Float64, tensor.Float32} {
			m := model(t, newShift(d)).as(dt)
			e, err := Evaluate(t.Context(), m, gaussian(d, sigma), &EvaluateSettings{
				Samples: n, Data: &DataRows{X: normalRows(1, n, d, sigma)}, Src: rand.NewPCG(1, 2),
			})
			if err != nil {
				t.Fatal(err)
			}
			f, v, lnZ := e.Forward, sigma*sigma, gaussianLogZ(d, sigma)
			reverse, forward := d/2.*(1/v-1+math.Log(v)), d/2.*(v-1-math.Log(v))
			ess := math.Pow(sigma*math.Sqrt(2-v), d)
			for _, c := range []struct {
				name           string
				got, want, err float64
			}{
				{"loss", e.Loss, reverse - lnZ, e.StdErr},
				{"bound", f.Bound, forward + lnZ, f.StdErr},
				{"ln Z of the model", e.LogZ, lnZ, e.LogZErr},
				{"ln Z of the target", f.LogZ, lnZ, f.LogZErr},
				{"ESS of the model", e.ESS, ess, 0.003},
				{"ESS of the target", f.ESS, ess, 0.003},
			} {
				if !(math.Abs(c.got-c.want) <= 4*c.err+1e-5) {
					t.Errorf("σ = %g, %v: %s %g ± %g, want %g", sigma, dt, c.name, c.got, c.err, c.want)
				}
			}
			if e.Samples != n || f.Samples != n || !(math.Abs(f.Deviation) < 4) {
				t.Errorf("σ = %g, %v: %d samples, %d configurations, deviation %g", sigma, dt, e.Samples, f.Samples,
					f.Deviation)
			}
			if want := (e.LogZ - f.LogZ) / math.Hypot(e.LogZErr, f.LogZErr); sigma != 1 &&
				math.Abs(f.Deviation-want) > 0.05 {
				t.Errorf("σ = %g, %v: deviation %g, want %g", sigma, dt, f.Deviation, want)
			}
		}
	}
}

// wellsAt is a density with two normal modes of equal weight.
func wellsAt(far float64) (d target.Density, logZ float64) {
	return target.Func(2, func(_, x []float64) float64 {
		a, b := -0.5*(x[0]-far)*(x[0]-far), -0.5*(x[0]+far)*(x[0]+far)
		top := max(a, b)
		return top + math.Log(math.Exp(a-top)+math.Exp(b-top)) - 0.5*x[1]*x[1]
	}), math.Log(2 * 2 * math.Pi)
}

// inBothWells draws of both modes.
func inBothWells(seed uint64, rows int, far float64) *mat.Dense {
	x, rnd := randn(seed, rows, 2), rand.New(rand.NewPCG(seed, 7))
	for r := range rows {
		x.Set(r, 0, x.At(r, 0)+far*float64(2*rnd.IntN(2)-1))
	}
	return x
}

// A model that leaves out one of two modes looks perfect to its own samples. The
// target's show what is missing.
func TestModeDroppingShows(t *testing.T) {
	const far, n = 5.0, 2000
	pi, logZ := wellsAt(far)
	b := newShift(2)
	b.by.Value().Float64s()[0] = far
	m := model(t, b)
	alone := evaluate(t, m, pi, n, 1)
	if !(alone.ESS > 0.999 && alone.StdErr < 1e-6 && alone.LogZErr < 1e-6 &&
		math.Abs(alone.LogZ-(logZ-math.Ln2)) < 1e-6) {
		t.Errorf("the model is not perfect on its mode: the test shows nothing\n%v", alone)
	}
	if s := alone.String(); !strings.Contains(s, "cannot show what it never proposes") {
		t.Errorf("no word of what cannot be seen:\n%s", s)
	}
	e, err := Evaluate(t.Context(), m, pi, &EvaluateSettings{Samples: n, Data: &DataRows{X: inBothWells(2, n, far)},
		Src: rand.NewPCG(1, 3)})
	if err != nil {
		t.Fatal(err)
	}
	f := e.Forward
	// Half of the configurations have q/π = 2/Z, the others none of any size.
	if !(f.ESS < 1e-6 && f.Bound > logZ+10 && math.Abs(f.LogZ-logZ) < 4*f.LogZErr && f.LogZErr < 0.05 &&
		f.Deviation < -10) {
		t.Errorf("%+v", *f)
	}
	if s := e.String(); !strings.Contains(s, "DISAGREE") || !strings.Contains(s, "leaves out") ||
		strings.Contains(s, "never proposes") {
		t.Errorf("no word of the mode that is missing:\n%s", s)
	}
	// Symmetrised, it has both.
	whole, err := Evaluate(t.Context(), symmetrize(t, m, Inversion(2)), pi,
		&EvaluateSettings{Samples: n, Data: &DataRows{X: inBothWells(2, n, far)}, Src: rand.NewPCG(1, 3)})
	if err != nil {
		t.Fatal(err)
	}
	if f := whole.Forward; !(f.ESS > 0.999 && math.Abs(f.Deviation) < 3 && math.Abs(f.LogZ-logZ) < 1e-6 &&
		math.Abs(f.Bound-logZ) < 1e-6) {
		t.Errorf("of the whole: %v", whole)
	}
}

// Over random images the bound is one, and so is ln Z what it was.
func TestForwardOfImages(t *testing.T) {
	quarter := Symmetry{Perm: []int{1, 0}, Sign: []float64{-1, 1}}
	b := newShift(2)
	copy(b.by.Value().Float64s(), []float64{0.8, 0.4})
	m := symmetrize(t, model(t, b), quarter)
	const sigma, n = 1.1, 6000
	lnZ := gaussianLogZ(2, sigma)
	last := math.Inf(1)
	// One configuration of every four images will do.
	x := normalRows(3, n, 2, sigma)
	x.Apply(func(_, _ int, v float64) float64 { return math.Abs(v) }, x)
	for _, images := range []int{1, 2, 4, 0} {
		e, err := Evaluate(t.Context(), m, gaussian(2, sigma), &EvaluateSettings{
			Samples: n, Images: images, Data: &DataRows{X: x}, Src: rand.NewPCG(1, 2),
		})
		if err != nil {
			t.Fatal(err)
		}
		f := e.Forward
		if !(math.Abs(f.LogZ-lnZ) < 4*f.LogZErr && f.LogZErr < 0.05 && f.Bound > lnZ-4*f.StdErr &&
			math.Abs(f.Deviation) < 4 && f.Bound < last+2*f.StdErr) {
			t.Errorf("%d images: ln Z %g, %+v", images, lnZ, *f)
		}
		last = f.Bound
	}
}

func TestForwardSettings(t *testing.T) {
	m, src := model(t, newShift(2)), rand.NewPCG(1, 1)
	pi := gaussian(2, 1)
	x := randn(1, 30, 2)
	for _, c := range []struct {
		name    string
		s       EvaluateSettings
		samples int
	}{
		{"all rows", EvaluateSettings{Data: &DataRows{X: x}}, 30},
		{"some rows", EvaluateSettings{Data: &DataRows{X: x}, DataSamples: 7}, 7},
		{"as many as samples", EvaluateSettings{Data: dataFunc(func(x *mat.Dense) error { x.Zero(); return nil }),
			Batch: 7}, 20},
	} {
		c.s.Samples, c.s.Src = 20, src
		e, err := Evaluate(t.Context(), m, pi, &c.s)
		if err != nil || e.Forward.Samples != c.samples || e.Samples != 20 {
			t.Errorf("%s: %v, error %v", c.name, e, err)
		}
	}
	broken := errors.New("broken")
	fill := func(v float64) DataSource {
		return dataFunc(func(x *mat.Dense) error {
			x.Apply(func(_, _ int, _ float64) float64 { return v },
				x)
			return nil
		})
	}
	walls := target.Func(2, func(_, x []float64) float64 {
		if x[0] > 100 {
			return math.Inf(-1)
		}
		return 0
	})
	for _, c := range []struct {
		name string
		pi   target.Density
		s    EvaluateSettings
		is   error
		text string
	}{
		{"samples without data", pi, EvaluateSettings{DataSamples: 3}, ErrSettings, "without Data"},
		{"negative samples", pi, EvaluateSettings{Data: fill(0), DataSamples: -3}, ErrSettings, "DataSamples -3"},
		{"rows that come again", pi, EvaluateSettings{Data: &DataRows{X: x}, DataSamples: 31}, ErrSettings,
			"DataSamples 31"},
		{"columns", pi, EvaluateSettings{Data: &DataRows{X: randn(1, 3, 3)}}, ErrShape, "data: "},
		{"nil rows", pi, EvaluateSettings{Data: &DataRows{}}, ErrShape, "data: "},
		{"no rows", pi, EvaluateSettings{Data: &DataRows{X: &mat.Dense{}}}, ErrShape, "data: "},
		{"error", pi, EvaluateSettings{Data: dataFunc(func(*mat.Dense) error { return broken })}, broken, "data: "},
		{"panic", pi, EvaluateSettings{Data: dataFunc(func(*mat.Dense) error { panic(broken) })}, broken, "data: "},
		{"NaN", pi, EvaluateSettings{Data: fill(math.NaN())}, ErrNotFinite, "configuration 0"},
		{"not of this target", walls, EvaluateSettings{Data: fill(101)}, ErrNotFinite, "ln π is -Inf"},
	} {
		c.s.Samples, c.s.Src = 20, src
		e, err := Evaluate(t.Context(), m, c.pi, &c.s)
		wantError(t, c.name, err, c.is, "flow: Evaluate: ", c.text)
		if e != nil {
			t.Errorf("%s: an estimate beside the error", c.name)
		}
	}
}

// A trainer judges on data of its own, not those it learns from.
func TestHeldOutData(t *testing.T) {
	m, pi := model(t, newShift(2)), gaussian(2, 1)
	data := &DataRows{X: randn(1, 40, 2)}
	s := &Settings{Batch: 8, Src: rand.NewPCG(1, 1), Data: &DataSettings{Source: data},
		Evaluation: &EvaluationSettings{EvaluateSettings: EvaluateSettings{Samples: 60, Data: data,
			Src: rand.NewPCG(2, 2)}, Every: 1}}
	_, err := NewTrainer(m, pi, s)
	wantError(t, "same data", err, ErrSettings, "data of its own")
	s.Evaluation.Data = &DataRows{X: randn(2, 50, 2)}
	tr, err := NewTrainer(m, pi, s)
	if err != nil {
		t.Fatal(err)
	}
	r, err := tr.Step()
	if err != nil || r.Evaluation.Forward == nil || r.Evaluation.Forward.Samples != 50 || data.Next != 8 {
		t.Errorf("%v, row %d comes next, error %v", r, data.Next, err)
	}
	if *r != *r {
		t.Error("a report is not itself")
	}
}

// Splines outside their bounds and whatever else a bijector does: where q is zero,
// it says so.
func TestForwardOutsideTheModel(t *testing.T) {
	m := model(t, must(bijector.NewPermutation([]int{1, 0})))
	m = must(New(newBox(2), m.Bijector()))
	e, err := Evaluate(t.Context(), m, target.NewNormal(2), &EvaluateSettings{Samples: 400,
		Data: &DataRows{X: randn(3, 4000, 2)}, Src: rand.NewPCG(1, 1)})
	if err != nil {
		t.Fatal(err)
	}
	f := e.Forward
	inside := math.Pow(math.Erf(1/math.Sqrt2), 2) // of the target, in [−1, 1]²
	if got := 1 - float64(f.OutOfSupport)/float64(f.Samples); math.Abs(got-inside) > 0.04 || f.ESS != 0 ||
		!math.IsInf(f.Bound, 1) || !math.IsNaN(f.StdErr) {
		t.Errorf("%g inside, want %g, %+v", got, inside, *f)
	}
	// q/π on the support is 1/Z all the same: ln⟨q/π⟩ = 0.
	if !(math.Abs(f.LogZ) < 4*f.LogZErr && f.LogZErr < 0.1) {
		t.Errorf("ln Z %g ± %g", f.LogZ, f.LogZErr)
	}
}

// box is uniform in [−1, 1] in every direction.
type box struct{ target.Density }

func newBox(dim int) box {
	return box{target.Func(dim, func(grad, x []float64) float64 {
		clear(grad)
		for _, v := range x {
			if v < -1 || v > 1 {
				return math.Inf(-1)
			}
		}
		return -float64(dim) * math.Ln2
	})}
}

func (box) Rand(dst []float64, rnd *rand.Rand) {
	for i := range dst {
		dst[i] = 2*rnd.Float64() - 1
	}
}
