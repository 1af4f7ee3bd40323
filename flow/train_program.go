package flow

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/target"
)

// stepProgram is the program of a training step. It maps z, β and images to ln q,
// ln π and the gradients of the loss with respect to the parameters.
func stepProgram(m *Model, t target.Density, o Objective, s *images) *graph.Program {
	if r, ok := o.(ReverseKL); ok && r.PathGradient {
		return pathProgram(m, t, s)
	}
	return graph.NewProgram(m.dtype, stepInputs("z", m, s), stepOutputs(m),
		func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
			b := &Batch{Z: in[0], m: m, orbit: s.among(in)}
			var logpi *gorgonia.Node
			var err error
			if b.X, b.LogQ, logpi, err = m.distill(b.Z, t, b.orbit); err != nil {
				return nil, err
			}
			if b.LogPi, err = graph.Scale(in[1], logpi); err != nil {
				return nil, err
			}
			logq := b.LogQ
			loss, err := scalarLoss(o, b)
			if err != nil {
				return nil, err
			}
			grads, err := m.paramGrads(loss, in[0])
			if err != nil {
				return nil, fmt.Errorf("gradient of objective %T, which must depend on the parameters: %w", o, err)
			}
			return append([]*gorgonia.Node{logq, logpi}, grads...), nil
		})
}

// scalarLoss returns the scalar that is minimised.
func scalarLoss(o Objective, b *Batch) (loss *gorgonia.Node, err error) {
	z := b.Z
	var failed error
	if err := graph.Guard(func() error { loss, failed = o.Loss(b); return nil }); err != nil {
		return nil, fmt.Errorf("objective %T: %w", o, err)
	}
	if failed != nil {
		return nil, fmt.Errorf("objective %T: %w", o, failed)
	}
	if loss != nil && loss.IsScalar() && loss.Dtype() == z.Dtype() {
		return loss, nil
	}
	if err := graph.Vector(fmt.Sprintf("objective %T", o), loss, z); err != nil {
		return nil, err
	}
	return graph.Total(1/float64(z.Shape()[0]), loss)
}

// stepInputs returns the inputs of the program of a training step.
func stepInputs(rows string, m *Model, s *images) []graph.Input {
	return append([]graph.Input{{Name: rows, Cols: m.Dim()}, {Name: "β", Cols: 1, Once: true}}, s.inputs()...)
}

// stepOutputs returns the outputs of the program of a training step.
func stepOutputs(m *Model) []string { return append([]string{"ln q", "ln π"}, gradientNames(m)...) }

// gradientNames returns the names of the gradients, one for every parameter.
func gradientNames(m *Model) (names []string) {
	for _, p := range m.Params() {
		names = append(names, "gradient of "+p.Name())
	}
	return names
}

// paramGrads returns the gradients of a cost with respect to the parameters. A parameter
// on which the cost does not depend has gradient zero.
func (m *Model) paramGrads(cost, x *gorgonia.Node) ([]*gorgonia.Node, error) {
	grads, err := graph.ParamGrad(cost, x, m.Params())
	if err != nil {
		return nil, err
	}
	for i, g := range grads {
		if g == nil {
			p := m.Params()[i].Node(x)
			if grads[i], err = graph.Combine(0, []float64{0}, p); err != nil {
				return nil, err
			}
		}
	}
	return grads, nil
}
