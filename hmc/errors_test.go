package hmc

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
)

func wantError(t *testing.T, name string, err, is error, text string) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("%s: no error", name)
	case !errors.Is(err, is):
		t.Errorf("%s: %q is not %q", name, err, is)
	case !strings.HasPrefix(err.Error(), "hmc: ") || !strings.Contains(err.Error(), text):
		t.Errorf("%s: %q does not say %q", name, err, text)
	}
}

func TestBadStart(t *testing.T) {
	src := rand.NewPCG(1, 2)
	nan, inf := math.NaN(), math.Inf(1)
	good := &pointwise{dim: 2, f: anharmonic}
	x := mat.NewDense(3, 2, []float64{0, 0, 0, 1, 1, 0})
	broken := errors.New("broken")
	_, nilPointer := dimension((*pointwise)(nil))
	nilPointer = errors.Unwrap(nilPointer)
	at := func(logp, grad float64) LogDensity {
		return &pointwise{dim: 2, f: func(g, x []float64) float64 {
			g[0], g[1] = 0, 0
			if x[1] == 1 {
				g[1] = grad
				return logp
			}
			return 0
		}}
	}
	for _, c := range []struct {
		name    string
		density LogDensity
		x       *mat.Dense
		set     *Settings
		is      error
		text    string
	}{
		{"nil density", nil, x, &Settings{Src: src}, ErrSettings, "nil density"},
		{"nil settings", good, x, nil, ErrSettings, "nil settings"},
		{"nil source", good, x, &Settings{}, ErrSettings, "nil source"},
		{"nil pointer to a source", good, x, &Settings{Src: (*rand.PCG)(nil)}, ErrSettings, "nil source"},
		{"rand.Rand", good, x, &Settings{Src: rand.New(src)}, ErrSettings, "pass the *rand.PCG or *rand.ChaCha8"},
		{"nil pointer to a density", (*pointwise)(nil), x, &Settings{Src: src}, nilPointer,
			"dimension of the density: log-density panicked"},
		{"nil pointer to a force", good, x, &Settings{Kernel: HMC{Force: (*pointwise)(nil)}, Src: src}, nilPointer,
			"dimension of the force: log-density panicked"},
		{"negative step", good, x, &Settings{Kernel: HMC{StepSize: -1}, Src: src}, ErrSettings, "StepSize -1"},
		{"NaN step", good, x, &Settings{Kernel: HMC{StepSize: nan}, Src: src}, ErrSettings, "StepSize NaN"},
		{"infinite step", good, x, &Settings{Kernel: HMC{StepSize: inf}, Src: src}, ErrSettings, "StepSize +Inf"},
		{"negative leapfrog", good, x, &Settings{Kernel: HMC{Steps: -2}, Src: src}, ErrSettings, "Steps -2"},
		{"jitter one", good, x, &Settings{Kernel: HMC{Jitter: 1}, Src: src}, ErrSettings, "Jitter 1"},
		{"NaN jitter", good, x, &Settings{Kernel: HMC{Jitter: nan}, Src: src}, ErrSettings, "Jitter NaN"},
		{"negative energy error", good, x,
			&Settings{Kernel: HMC{MaxEnergyError: -1}, Src: src}, ErrSettings, "MaxEnergyError -1"},
		{"NaN energy error", good, x,
			&Settings{Kernel: HMC{MaxEnergyError: nan}, Src: src}, ErrSettings, "MaxEnergyError NaN"},
		{"infinite energy error", good, x,
			&Settings{Kernel: HMC{MaxEnergyError: inf}, Src: src}, ErrSettings, "MaxEnergyError +Inf"},
		{"nil start", good, nil, &Settings{Src: src}, ErrShape, "no rows"},
		{"empty start", good, &mat.Dense{}, &Settings{Src: src}, ErrShape, "no rows"},
		{"wrong columns", good, mat.NewDense(2, 3, nil), &Settings{Src: src}, ErrShape,
			"3 columns, the density dimension 2"},
		{"no dimension", &pointwise{f: normal}, x, &Settings{Src: src}, ErrShape, "2 columns, the density dimension 0"},
		{"NaN position", good, mat.NewDense(2, 2, []float64{0, 0, 0, nan}), &Settings{Src: src}, ErrNotFinite,
			"chain 1: coordinate 1 is NaN"},
		{"infinite position", good, mat.NewDense(2, 2, []float64{-inf, 0, 0, 0}), &Settings{Src: src}, ErrNotFinite,
			"chain 0: coordinate 0 is -Inf"},
		{"NaN density", at(nan, 0), x, &Settings{Src: src}, ErrNotFinite, "chain 1: log-density is NaN"},
		{"no density", at(-inf, 0), x, &Settings{Src: src}, ErrNotFinite, "chain 1: log-density is -Inf"},
		{"infinite density", at(inf, 0), x, &Settings{Src: src}, ErrNotFinite, "chain 1: log-density is +Inf"},
		{"NaN gradient", at(0, nan), x, &Settings{Src: src}, ErrNotFinite, "chain 1: gradient in coordinate 1 is NaN"},
		{"infinite gradient", at(0, -inf), x, &Settings{Src: src}, ErrNotFinite,
			"chain 1: gradient in coordinate 1 is -Inf"},
		{"gradient not written", &pointwise{dim: 2, f: func(_, _ []float64) float64 { return 0 }}, x,
			&Settings{Src: src}, ErrNotFinite, "chain 0: gradient in coordinate 0 is NaN"},
		{"failing density", &pointwise{dim: 2, before: func(int) error { return broken }}, x, &Settings{Src: src},
			broken, "at the start"},
		{"panicking density", &pointwise{dim: 2, before: func(int) error { panic(broken) }}, x, &Settings{Src: src},
			broken, "at the start: log-density panicked"},
	} {
		s, err := New(c.density, c.x, c.set)
		wantError(t, c.name, err, c.is, c.text)
		if s != nil {
			t.Errorf("%s: a sampler beside the error", c.name)
		}
	}
}

// A failure in the middle of sweep 3, at leapfrog step 2, leaves the chains where
// sweep 2 put them. The sampler can go on.
func TestFailureMidRun(t *testing.T) {
	const leapfrog = 5
	const failing = 1 + 3*leapfrog + 2 + 1 // one call in New, calls counted from one
	broken := errors.New("broken")
	ctx, cancel := context.WithCancel(context.Background())
	for _, c := range []struct {
		name string
		fail func() error
		is   error
		text string
	}{
		{"error", func() error { return broken }, broken, "sweep 3, leapfrog step 2: broken"},
		{"panic with an error", func() error { panic(broken) }, broken,
			"sweep 3, leapfrog step 2: log-density panicked: broken"},
		{"cancel", func() error { cancel(); return nil }, context.Canceled,
			"sweep 3, leapfrog step 3: context canceled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := randn(3, 4, 2, 1)
			s := mustNew(t, &pointwise{dim: 2, f: anharmonic, before: func(call int) error {
				if call == failing {
					return c.fail()
				}
				return nil
			}}, start, &Settings{Kernel: HMC{Steps: leapfrog}, Src: rand.NewPCG(4, 5)})
			visits := 0
			err := s.Run(ctx, 10, func(sweep int) error {
				if sweep != visits {
					t.Errorf("visit %d is told sweep %d", visits, sweep)
				}
				visits++
				return nil
			})
			wantError(t, "Run", err, c.is, c.text)

			twin := mustNew(t, &pointwise{dim: 2, f: anharmonic}, start,
				&Settings{Kernel: HMC{Steps: leapfrog}, Src: rand.NewPCG(4, 5)})
			mustRun(t, twin, 3, nil)
			if visits != 3 || s.Sweeps() != 3 || s.AcceptRate() != twin.AcceptRate() {
				t.Errorf("%d visits, %d sweeps, acceptance %v, want 3, 3, %v",
					visits, s.Sweeps(), s.AcceptRate(), twin.AcceptRate())
			}
			if !mat.Equal(s.X(), twin.X()) || s.LogProb()[0] != twin.LogProb()[0] {
				t.Error("the chains are not where the last complete sweep left them")
			}
			if err := s.Sweep(); err != nil || s.Sweeps() != 4 || mat.Equal(s.X(), twin.X()) {
				t.Errorf("after the failure: error %v, %d sweeps", err, s.Sweeps())
			}
			mustRun(t, twin, 1, nil)
			if !mat.Equal(s.X(), twin.X()) {
				t.Error("the sweep after the failure is not the one that failed")
			}
		})
	}
}

func TestPanicWithValue(t *testing.T) {
	d := &pointwise{dim: 1, f: normal}
	s := mustNew(t, d, mat.NewDense(1, 1, nil), &Settings{Src: rand.NewPCG(1, 2)})
	d.before = func(int) error { panic("no such site") }
	want := "hmc: sweep 0, leapfrog step 0: log-density panicked: no such site"
	if err := s.Sweep(); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

// resizer empties its arguments after the start.
type resizer struct {
	pointwise
	resize bool
}

func (r *resizer) LogProbGrad(logp []float64, grad, x *mat.Dense) error {
	if r.resize {
		grad.Reset()
		x.Reset()
		return nil
	}
	return r.pointwise.LogProbGrad(logp, grad, x)
}

func TestResizedArgumentsAreNotWritten(t *testing.T) {
	d := &resizer{pointwise: pointwise{dim: 2, f: anharmonic}}
	start := randn(6, 3, 2, 1)
	s := mustNew(t, d, start, &Settings{Src: rand.NewPCG(7, 8)})
	d.resize = true
	if err := s.Sweep(); err != nil || s.Divergent() != 3 || !mat.Equal(s.X(), start) {
		t.Errorf("error %v, %d divergent, want 3 that stay", err, s.Divergent())
	}
}

func TestRunStops(t *testing.T) {
	s := mustNew(t, &pointwise{dim: 2, f: anharmonic}, randn(9, 3, 2, 1), &Settings{Src: rand.NewPCG(10, 11)})
	ctx, cancel := context.WithCancel(context.Background())
	wantError(t, "negative length", s.Run(ctx, -1, nil), ErrSettings, "run of -1 sweeps")
	var none context.Context
	wantError(t, "nil context", s.Run(none, 1, nil), ErrSettings, "nil context")

	enough := errors.New("enough")
	wantError(t, "visit", s.Run(ctx, 10, func(sweep int) error {
		if sweep == 4 {
			return enough
		}
		return nil
	}), enough, "visit after sweep 4: enough")
	if s.Sweeps() != 5 {
		t.Errorf("%d sweeps, want 5", s.Sweeps())
	}

	x := mat.DenseCopyOf(s.X())
	wantError(t, "cancelled in visit", s.Run(ctx, 10, func(sweep int) error {
		x.Copy(s.X())
		if sweep == 2 {
			cancel()
		}
		return nil
	}), context.Canceled, "sweep 8: context canceled")
	if s.Sweeps() != 8 || !mat.Equal(s.X(), x) {
		t.Errorf("%d sweeps, want 8 and the chains where the last left them", s.Sweeps())
	}
}
