package hmc

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// LogDensity is all that the sampler sees of a target.
type LogDensity interface {
	// Dim is the number of coordinates, at least 1.
	Dim() int

	// LogProbGrad evaluates every chain: row i of x, (chains, Dim), is the
	// position of chain i, logp[i] receives its log-density in nats up to a
	// constant, and row i of grad, (chains, Dim), the gradient of logp[i] with
	// respect to row i of x.
	//
	// It must write every element of logp and grad in place, and must neither
	// change x nor keep any of the three. The sampler passes only finite
	// positions. Outside the support logp is −Inf; any value that is not
	// finite, NaN included, makes the sampler reject the trajectory of the chain
	// that met it, and no other. An error is for what no rejection can mend: it
	// ends the sweep. Where the gradients come from Settings.Force the density is
	// asked without them: grad is nil.
	LogProbGrad(logp []float64, grad, x *mat.Dense) error
}

// state is a position of every chain with the log-density and gradient there.
type state struct {
	x, grad *mat.Dense
	logp    []float64

	xArg, gradArg mat.Dense // the headers that the density is handed
}

func newState(x *mat.Dense) state {
	chains, dim := x.Dims()
	return state{
		x:    mat.DenseCopyOf(x),
		grad: mat.NewDense(chains, dim, nil),
		logp: make([]float64, chains),
	}
}

func (s *state) copyFrom(t *state) {
	s.x.Copy(t.x)
	s.grad.Copy(t.grad)
	copy(s.logp, t.logp)
}

func (s *state) copyChain(i int, t *state) {
	copy(s.x.RawRowView(i), t.x.RawRowView(i))
	copy(s.grad.RawRowView(i), t.grad.RawRowView(i))
	s.logp[i] = t.logp[i]
}

// evaluate brings logp and grad up to date with x.
func (s *state) evaluate(d LogDensity) error {
	// What the density forgets to write must not pass for a value: a stale
	// gradient would bias the chain and nobody would notice.
	for i := range s.logp {
		g := s.grad.RawRowView(i)
		for j := range g {
			g[j] = math.NaN()
		}
	}
	s.gradArg = *s.grad
	return s.ask(d, &s.gradArg)
}

// ask brings logp, and grad unless it is nil, up to date with x. A panic of the
// density becomes an error.
func (s *state) ask(d LogDensity, grad *mat.Dense) (err error) {
	for i := range s.logp {
		s.logp[i] = math.NaN()
	}
	defer caught(&err)
	// Not our own header: a density that resizes its arguments would resize us.
	s.xArg = *s.x
	return d.LogProbGrad(s.logp, grad, &s.xArg)
}

// dimension is d.Dim(), or its panic as an error.
func dimension(d LogDensity) (dim int, err error) {
	defer caught(&err)
	return d.Dim(), nil
}

// caught, deferred, turns a panic of a log-density into an error.
func caught(err *error) {
	switch r := recover().(type) {
	case nil:
	case error:
		*err = fmt.Errorf("log-density panicked: %w", r)
	default:
		*err = fmt.Errorf("log-density panicked: %v", r)
	}
}

func finite(v float64) bool { return v-v == 0 }

// firstNotFinite returns the first index of v that is NaN or infinite, or −1.
func firstNotFinite(v []float64) int {
	for i, e := range v {
		if !finite(e) {
			return i
		}
	}
	return -1
}
