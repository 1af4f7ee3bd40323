package flow

import (
	"fmt"
	"math"
	"reflect"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
)

// Objective is what training minimises: a ReverseKL, or a loss of one's own. All
// reports and results are of the mean of ln(q/π), whatever is minimised.
type Objective interface {
	// Loss builds the loss of a batch: a node of (rows), of which training
	// minimises the mean, or a scalar, which it minimises itself. It is called once
	// for every graph that is built, and must return the same loss each time.
	Loss(b *Batch) (*gorgonia.Node, error)
}

// LossFunc makes a function an Objective.
type LossFunc func(b *Batch) (*gorgonia.Node, error)

// Loss calls f.
func (f LossFunc) Loss(b *Batch) (*gorgonia.Node, error) { return f(b) }

// Batch holds the nodes of a batch of samples x ∼ q, of which an Objective builds
// its loss. All of them depend on the parameters but Z. The operations of Gorgonia
// that are sound are listed in docs/nodes.md.
type Batch struct {
	Z *gorgonia.Node // latent variables, (rows, Dim), drawn from the prior
	X *gorgonia.Node // configurations x = g(z), (rows, Dim)
	// LogQ is ln q(x), (rows), of the symmetrised model over Settings.Images.
	LogQ *gorgonia.Node
	// LogPi is β ln π(x), (rows), β being the inverse temperature of the step by
	// Settings.Anneal.
	LogPi *gorgonia.Node

	m     *Model
	orbit *orbit
}

// LogProb returns ln q(y), (rows), of other configurations y, (rows, Dim), as many
// as the batch has. It costs an inverse pass for y and for each of its images.
func (b *Batch) LogProb(y *gorgonia.Node) (*gorgonia.Node, error) { return b.m.logProb(y, b.orbit) }

// Constant returns a node of the same values that counts as a constant: no
// gradient goes through it. LogProb of Constant(X) is ln q at fixed x, whose
// gradient is the score.
func (b *Batch) Constant(x *gorgonia.Node) (*gorgonia.Node, error) {
	return graph.Apply(graph.Spec{
		Name: "constant", Shape: x.Shape(),
		Run: graph.Generic(
			func(out []float64, in [][]float64) error { copy(out, in[0]); return nil },
			func(out []float32, in [][]float32) error { copy(out, in[0]); return nil }),
	}, x)
}

// ReverseKL is the mean of ln q − β ln π over samples of the model (eq. 5): up to
// a constant the divergence KL(q ‖ π).
type ReverseKL struct {
	// PathGradient leaves out of the gradient a part that is zero on average:
	// it is estimated along the path z → x alone. Its noise vanishes where the
	// model is exact. It costs one more inverse pass.
	PathGradient bool
	// InversionKL is the factor α ≥ 0 of a penalty α·KL(q(x) ‖ q(−x)), none by
	// default. It keeps a model without symmetrisation from choosing one of the two
	// magnetisations of a ferromagnet (paper, App. E), at the cost of an inverse
	// pass. It is not for symmetrised models, nor for PathGradient, which has no
	// estimate of it.
	InversionKL float64
}

// Loss returns ln q − β ln π and the penalty. It is the same for PathGradient,
// which is another estimator of its gradient.
func (o ReverseKL) Loss(b *Batch) (*gorgonia.Node, error) {
	loss, err := graph.Combine(0, []float64{1, -1}, b.LogQ, b.LogPi)
	if err != nil || o.InversionKL == 0 {
		return loss, err
	}
	inversion, err := Inversion(b.m.Dim()).complete(b.m.Dim())
	if err != nil {
		return nil, err
	}
	y, err := inversion.node(b.X)
	if err != nil {
		return nil, err
	}
	inverted, err := b.LogProb(y)
	if err != nil {
		return nil, err
	}
	return graph.Combine(0, []float64{1, o.InversionKL, -o.InversionKL}, loss, b.LogQ, inverted)
}

// check fails for fields that are out of range or do not go with the model.
func (o ReverseKL) check(m *Model) error {
	switch {
	case !(o.InversionKL >= 0) || math.IsInf(o.InversionKL, 1):
		return fmt.Errorf("%w: penalty of factor %g", ErrSettings, o.InversionKL)
	case o.InversionKL > 0 && o.PathGradient:
		return fmt.Errorf("%w: InversionKL %g with PathGradient, which has no estimate of it", ErrSettings,
			o.InversionKL)
	case o.InversionKL > 0 && m.group != nil:
		return fmt.Errorf("%w: a penalty of factor %g for asymmetry, and a model that is symmetrised", ErrSettings,
			o.InversionKL)
	}
	return nil
}

// checkObjective returns the objective with its default, checked.
func checkObjective(o Objective, m *Model) (Objective, error) {
	switch v := reflect.ValueOf(o); {
	case o == nil:
		return ReverseKL{}, nil
	case (v.Kind() == reflect.Pointer || v.Kind() == reflect.Func) && v.IsNil():
		return nil, fmt.Errorf("%w: a nil %T", ErrSettings, o)
	}
	if p, ok := o.(*ReverseKL); ok {
		o = *p
	}
	if r, ok := o.(ReverseKL); ok {
		return r, r.check(m)
	}
	return o, nil
}
