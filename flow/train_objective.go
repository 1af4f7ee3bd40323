package flow

import (
	"fmt"
	"math"
	"reflect"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
)

// Objective is the loss that training minimises: a ReverseKL, or a loss of your own as a
// LossFunc. Reports and results contain the mean of ln(q/π), for every objective. The value
// of a loss of your own is not reported; a fault is found in its gradient.
type Objective interface {
	// Loss builds the loss of a batch from its nodes. It returns a node of shape (rows),
	// whose mean is minimised, or a scalar node. It is called once for every graph that is
	// built, and must build the same loss each time.
	Loss(b *Batch) (*gorgonia.Node, error)
}

// LossFunc is a function that is used as an Objective. For example, the reverse divergence
// is
//
//	flow.LossFunc(func(b *flow.Batch) (*gorgonia.Node, error) {
//		return gorgonia.Sub(b.LogQ, b.LogPi)
//	})
type LossFunc func(b *Batch) (*gorgonia.Node, error)

// Loss calls f.
func (f LossFunc) Loss(b *Batch) (*gorgonia.Node, error) { return f(b) }

// Batch holds the nodes of a batch of samples x ∼ q. An Objective builds its loss from
// them. All nodes but Z depend on the parameters. Some operations of Gorgonia are wrong;
// docs/nodes.md lists those that are right.
type Batch struct {
	Z *gorgonia.Node // latent variables, (rows, Dim), drawn from the prior
	X *gorgonia.Node // configurations x = g(z), (rows, Dim)
	// LogQ is ln q(x), (rows). For a symmetrised model it is averaged over
	// Settings.Images.
	LogQ *gorgonia.Node
	// LogPi is β ln π(x), (rows), where β is the inverse temperature of the step
	// (Settings.Anneal).
	LogPi *gorgonia.Node

	m     *Model
	orbit *orbit
}

// LogProb returns ln q(y), (rows), of other configurations y, (rows, Dim), with as many
// rows as the batch. It takes one inverse pass for y and one for each of its images.
func (b *Batch) LogProb(y *gorgonia.Node) (*gorgonia.Node, error) { return b.m.logProb(y, b.orbit) }

// Constant returns a node with the values of x through which no gradient goes. The
// gradient of LogProb(Constant(X)) is that of ln q at fixed x, the score.
func (b *Batch) Constant(x *gorgonia.Node) (*gorgonia.Node, error) {
	return graph.Apply(graph.Spec{
		Name: "constant", Shape: x.Shape(),
		Run: graph.Generic(
			func(out []float64, in [][]float64) error { copy(out, in[0]); return nil },
			func(out []float32, in [][]float32) error { copy(out, in[0]); return nil }),
	}, x)
}

// ReverseKL is the mean of ln q − β ln π over samples of the model (eq. 5). Up to a
// constant it is the divergence KL(q ‖ π^β/Z_β), where β is the inverse temperature of
// Settings.Anneal.
type ReverseKL struct {
	// PathGradient estimates the gradient along the path z → x only and leaves out
	// ∂ ln q/∂θ at fixed x, whose mean is zero. The noise of the gradient is then zero for an
	// exact model. Most bijectors of this module take ∂ ln q/∂x along from z to x. A step takes one
	// more inverse pass if the prior is not target.Normal, or if the model has an Angles, a
	// Coupling, a Chain or an inverse as block of a layer, or a bijector of your own that does not
	// hand its argument to one of this module.
	PathGradient bool
	// InversionKL is the factor α ≥ 0 of a penalty α·KL(q(x) ‖ q(−x)), none by default. It
	// prevents a model without symmetrisation from learning only one of the two
	// magnetisations of a ferromagnet (paper, App. E). It takes one inverse pass. It cannot
	// be combined with a symmetrised model or with PathGradient.
	InversionKL float64
}

// Loss returns ln q − β ln π plus the penalty, (rows). PathGradient does not change the
// loss; it only changes the estimate of the gradient.
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

// check fails for fields that are out of range or do not fit the model.
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

// checkObjective checks an objective. It returns the default if it is nil.
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
