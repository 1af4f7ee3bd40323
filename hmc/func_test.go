package hmc

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// quartic is ln π(x) = −Σ x⁴/4 with its gradient.
func quartic(grad, x []float64) float64 {
	s := 0.0
	for i, v := range x {
		s -= v * v * v * v / 4
		if grad != nil {
			grad[i] = -v * v * v
		}
	}
	return s
}

// TestFunc checks that every chain gets its own value and gradient, that grad
// may be nil, and that the bits are the same on one processor and on several.
func TestFunc(t *testing.T) {
	const chains, dim = 13, 3
	rnd := rand.New(rand.NewPCG(1, 2))
	x := mat.NewDense(chains, dim, nil)
	for i := range x.RawMatrix().Data {
		x.RawMatrix().Data[i] = rnd.NormFloat64()
	}
	d := Func(dim, quartic)
	for _, procs := range []int{1, 2, 5} {
		previous := runtime.GOMAXPROCS(procs)
		logp, grad := make([]float64, chains), mat.NewDense(chains, dim, nil)
		err := d.LogProbGrad(logp, grad, x)
		alone := make([]float64, chains)
		err = errors.Join(err, d.LogProbGrad(alone, nil, x))
		runtime.GOMAXPROCS(previous)
		if err != nil {
			t.Fatal(err)
		}
		want := make([]float64, dim)
		for i := range chains {
			v, got := quartic(want, x.RawRowView(i)), grad.RawRowView(i)
			if v != logp[i] || v != alone[i] || !slices.Equal(want, got) {
				t.Errorf("%d processors: chain %d: %g, %g, gradient %v, want %g, %v",
					procs, i, logp[i], alone[i], got, v, want)
			}
		}
	}
}

// TestFuncErrors checks that a misuse of Func is an error.
func TestFuncErrors(t *testing.T) {
	x := mat.NewDense(4, 2, []float64{0, 0, 1, 1, 2, 2, 3, 3})
	logp := make([]float64, 4)
	if err := Func(2, nil).LogProbGrad(logp, nil, x); !errors.Is(err, ErrSettings) {
		t.Errorf("nil function: %v", err)
	}
	if err := Func(3, quartic).LogProbGrad(logp, nil, x); !errors.Is(err, ErrShape) {
		t.Errorf("wrong dimension: %v", err)
	}
	fails := Func(2, func(_, x []float64) float64 {
		if x[0] == 2 {
			panic("two")
		}
		return 0
	})
	err := fails.LogProbGrad(logp, nil, x)
	if err == nil || !strings.Contains(err.Error(), "chain 2: log-density panicked: two") {
		t.Errorf("a panic of chain 2: %v", err)
	}
}

// TestFuncAdds checks that New fails for a function that adds to its gradient.
func TestFuncAdds(t *testing.T) {
	d := Func(1, func(grad, x []float64) float64 {
		if grad != nil {
			grad[0] += -x[0]
		}
		return -x[0] * x[0] / 2
	})
	if _, err := New(d, mat.NewDense(2, 1, nil), &Settings{Src: rand.NewPCG(1, 2)}); !errors.Is(err, ErrNotFinite) {
		t.Errorf("New with a gradient that was never set: %v", err)
	}
}
