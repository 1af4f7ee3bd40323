package flow

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/target"
)

// ownKL is ReverseKL{} as a user would write it.
func ownKL(b *Batch) (*gorgonia.Node, error) { return gorgonia.Sub(b.LogQ, b.LogPi) }

// variance is the variance of ln(q/π), a scalar.
func variance(b *Batch) (*gorgonia.Node, error) {
	w, err := gorgonia.Sub(b.LogQ, b.LogPi)
	if err != nil {
		return nil, err
	}
	square := gorgonia.Must(gorgonia.Mean(gorgonia.Must(gorgonia.Square(w))))
	return gorgonia.Sub(square, gorgonia.Must(gorgonia.Square(gorgonia.Must(gorgonia.Mean(w)))))
}

// The reverse divergence as a loss of one's own trains to the same bits.
func TestOwnReverseKL(t *testing.T) {
	for name, m := range variants(t, 3) {
		for own, s := range map[string]Settings{
			"plain":  {},
			"anneal": {Anneal: Ramp(0.4, 10)},
			"images": {Images: 1},
			"data":   {Data: &DataSettings{Source: &numberedData{}}},
		} {
			trained := func(o Objective) []float64 {
				s.Batch, s.Steps, s.Objective, s.Src = 16, 5, o, rand.NewPCG(1, 2)
				if s.Data != nil {
					s.Data = &DataSettings{Source: &numberedData{}}
				}
				was := params(m)
				defer setParams(m, was)
				train(t, m, ising(t, 4), &s)
				return params(m)
			}
			want := trained(nil)
			for kind, o := range map[string]Objective{
				"value": ReverseKL{}, "pointer": &ReverseKL{}, "method": LossFunc(ReverseKL{}.Loss),
				"own": LossFunc(ownKL),
			} {
				if got := trained(o); !slices.Equal(got, want) {
					t.Errorf("%s, %s: %s: other parameters", name, own, kind)
				}
			}
		}
	}
}

// The gradient of a scalar loss is that of finite differences.
func TestScalarObjective(t *testing.T) {
	const rows, h = 7, 1e-5
	m, pi := mera(t, 4, 2), ising(t, 4)
	tr := must(NewTrainer(m, pi, &Settings{Batch: rows, Objective: LossFunc(variance), Src: rand.NewPCG(1, 1)}))
	if _, err := tr.gradients(); err != nil {
		t.Fatal(err)
	}
	z, want := slices.Clone(tr.z), slices.Clone(tr.gradient)
	loss := func() float64 {
		if err := tr.program.Run(rows, [][]float64{z, {1}}, tr.out); err != nil {
			t.Fatal(err)
		}
		mean, square := 0.0, 0.0
		for r := range tr.logq {
			v := tr.logq[r] - tr.logpi[r]
			mean += v / rows
			square += v * v / rows
		}
		return square - mean*mean
	}
	at := 0
	for _, p := range m.Params() {
		v := p.Value().Float64s()
		for i := 0; i < len(v); i += 11 {
			was := v[i]
			v[i] = was + h
			up := loss()
			v[i] = was - h
			down := loss()
			v[i] = was
			if got := (up - down) / (2 * h); math.Abs(got-want[at+i]) > 1e-6*(1+math.Abs(got)) {
				t.Errorf("gradient %d is %g, want %g", at+i, want[at+i], got)
			}
		}
		at += len(v)
	}
}

// Where q = π/Z the variance of ln(q/π) is least, and its gradient zero for any
// batch.
func TestVarianceVanishes(t *testing.T) {
	m := model(t, must(bijector.NewActNorm(3)))
	tr := must(NewTrainer(m, target.NewNormal(3), &Settings{Batch: 9, Objective: LossFunc(variance),
		Src: rand.NewPCG(1, 1)}))
	if _, err := tr.gradients(); err != nil {
		t.Fatal(err)
	}
	for i, g := range tr.gradient {
		if math.Abs(g) > 1e-13 {
			t.Errorf("gradient %d is %g", i, g)
		}
	}
}

// ln q at constant samples has the gradient of the likelihood of these samples,
// with and without symmetry.
func TestConstant(t *testing.T) {
	const rows = 5
	for _, m := range []*Model{mera(t, 4, 2), spins(t, mera(t, 4, 2))} {
		score := LossFunc(func(b *Batch) (*gorgonia.Node, error) {
			x, err := b.Constant(b.X)
			if err != nil {
				return nil, err
			}
			return b.LogProb(x)
		})
		tr := must(NewTrainer(m, ising(t, 4), &Settings{Batch: rows, Objective: score, Src: rand.NewPCG(1, 1)}))
		if _, err := tr.gradients(); err != nil {
			t.Fatal(err)
		}
		x := mat.NewDense(rows, 16, nil)
		if err := m.Decode(x, nil, mat.NewDense(rows, 16, tr.z)); err != nil {
			t.Fatal(err)
		}
		l := newLikelihood(m, &DataSettings{Source: &DataRows{X: x}, Weight: 1}, rows, rows, nil)
		got := make([]float64, len(tr.gradient))
		if err := errors.Join(l.next(), l.add(got, 0, rand.New(rand.NewPCG(1, 1)))); err != nil {
			t.Fatal(err)
		}
		for i := range got {
			got[i] *= -1 // the likelihood is to grow
		}
		wantClose(t, "gradient at fixed x", tr.gradient, got, 1e-12)
	}
}

// What is wrong with an objective is said before or at the first step.
func TestObjectiveErrors(t *testing.T) {
	m, pi := mera(t, 2, 2), ising(t, 2)
	broken := errors.New("broken")
	settings := func(o Objective) *Settings { return &Settings{Batch: 4, Objective: o, Src: rand.NewPCG(1, 1)} }
	for name, o := range map[string]Objective{
		"function":          LossFunc(nil),
		"pointer":           (*ReverseKL)(nil),
		"penalty NaN":       ReverseKL{InversionKL: math.NaN()},
		"penalty below 0":   ReverseKL{InversionKL: -1},
		"penalty and path":  ReverseKL{InversionKL: 1, PathGradient: true},
		"by way of pointer": &ReverseKL{InversionKL: -1},
	} {
		_, err := NewTrainer(m, pi, settings(o))
		wantError(t, name, err, ErrSettings, "flow: Objective: ")
	}
	_, err := NewTrainer(symmetrize(t, m, Inversion(4)), pi, settings(ReverseKL{InversionKL: 1}))
	wantError(t, "penalty and symmetry", err, ErrSettings, "flow: Objective: ")
	for name, c := range map[string]struct {
		f    LossFunc
		is   error
		says string
	}{
		"error":  {func(*Batch) (*gorgonia.Node, error) { return nil, broken }, broken, "broken"},
		"panic":  {func(*Batch) (*gorgonia.Node, error) { panic(broken) }, broken, "panic"},
		"nil":    {func(*Batch) (*gorgonia.Node, error) { return nil, nil }, ErrShape, "nil node"},
		"matrix": {func(b *Batch) (*gorgonia.Node, error) { return b.X, nil }, ErrShape, "want a (4) vector"},
		"longer": {func(b *Batch) (*gorgonia.Node, error) { return graph.Flatten(b.X) }, ErrShape, "want a (4) vector"},
	} {
		before := params(m)
		_, err := must(NewTrainer(m, pi, settings(c.f))).Step()
		wantError(t, name, err, c.is, "step 1", "objective flow.LossFunc", c.says)
		if !slices.Equal(before, params(m)) {
			t.Errorf("%s: the model has changed", name)
		}
	}
}

// A recorder sees how many steps there will be, where that is known.
func TestReportSteps(t *testing.T) {
	var reports []Report
	tr := must(NewTrainer(mera(t, 2, 2), ising(t, 2), &Settings{Batch: 4, Recorder: keep(&reports),
		Src: rand.NewPCG(1, 1)}))
	must(tr.Step())
	if err := tr.Run(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	must(tr.Step())
	for k, want := range []int{0, 3, 3, 0} {
		if r := reports[k]; r.Step != k+1 || r.Steps != want {
			t.Errorf("step %d of %d, want %d of %d", r.Step, r.Steps, k+1, want)
		}
	}
}
