package hmc

import (
	"fmt"
	"math"

	"github.com/neuralrg/neuralrg/internal/num"
	"gonum.org/v1/gonum/mat"
)

// LogDensity is all that the sampler sees of a target.
type LogDensity interface {
	// Dim is the number of coordinates, at least 1.
	Dim() int

	// LogProbGrad evaluates every chain. Row i of x, (chains, Dim), is the
	// position of chain i. logp[i] receives its log-density in nats, up to a
	// constant. Row i of grad, (chains, Dim), receives the gradient of logp[i]
	// with respect to row i of x. grad is nil where the sampler needs none: in
	// kernels without gradients, and with HMC.Force, whose gradients are used.
	//
	// LogProbGrad must write every element of logp and grad in place. It must not
	// change x, and must not keep logp, grad or x. The sampler passes only finite
	// positions. Outside the support logp is −Inf. A value that is NaN or infinite
	// makes the sampler reject the trajectory of that chain alone. An error ends
	// the sweep of all chains.
	LogProbGrad(logp []float64, grad, x *mat.Dense) error
}

// state is the position of every chain, with log-density and gradient there. The
// gradient is nil if no kernel needs it.
type state struct {
	x, grad *mat.Dense
	logp    []float64

	xArg, gradArg mat.Dense // the matrices that the density is given
}

func newState(x *mat.Dense, grad bool) state {
	chains, dim := x.Dims()
	s := state{x: mat.DenseCopyOf(x), logp: make([]float64, chains)}
	if grad {
		s.grad = mat.NewDense(chains, dim, nil)
	}
	return s
}

func (s *state) copyFrom(t *state) {
	s.x.Copy(t.x)
	s.grad.Copy(t.grad)
	copy(s.logp, t.logp)
}

// copyChain copies the position of chain i with its log-density and, if wanted, the
// gradient.
func (s *state) copyChain(i int, t *state, grad bool) {
	copy(s.x.RawRowView(i), t.x.RawRowView(i))
	if grad {
		copy(s.grad.RawRowView(i), t.grad.RawRowView(i))
	}
	s.logp[i] = t.logp[i]
}

// evaluate sets logp and grad to their values at x.
func (s *state) evaluate(d LogDensity) error {
	// NaN shows if the density forgets to write a component. A gradient of the
	// step before would bias the chain unnoticed.
	for i := range s.logp {
		g := s.grad.RawRowView(i)
		for j := range g {
			g[j] = math.NaN()
		}
	}
	s.gradArg = *s.grad
	return s.ask(d, &s.gradArg)
}

// ask sets logp, and grad unless it is nil, to their values at x. A panic of the
// density becomes an error.
func (s *state) ask(d LogDensity, grad *mat.Dense) (err error) {
	for i := range s.logp {
		s.logp[i] = math.NaN()
	}
	defer caught(&err)
	// The density gets a matrix of its own with the same data, so that it cannot
	// resize the sampler's.
	s.xArg = *s.x
	return d.LogProbGrad(s.logp, grad, &s.xArg)
}

// dimension is d.Dim(). A panic becomes an error.
func dimension(d LogDensity) (dim int, err error) {
	defer caught(&err)
	return d.Dim(), nil
}

// caught turns a panic of a log-density into an error. It must be deferred.
func caught(err *error) {
	switch r := recover().(type) {
	case nil:
	case error:
		*err = fmt.Errorf("log-density panicked: %w", r)
	default:
		*err = fmt.Errorf("log-density panicked: %v", r)
	}
}

// firstNotFinite returns the first index of v that is NaN or infinite, or −1.
func firstNotFinite(v []float64) int {
	for i, e := range v {
		if !num.Finite(e) {
			return i
		}
	}
	return -1
}
