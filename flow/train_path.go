package flow

import (
	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/target"
)

// pathProgram is stepProgram for ReverseKL with PathGradient. This estimator of the
// gradient leaves out a part whose mean is zero (Roeder, Wu and Duvenaud,
// arXiv:1703.09194; Vaitl, Nicoli, Nakajima and Kessel, arXiv:2207.08219):
//
//	∇ E[ln q(x) − ln π(x)] = E[∂x/∂θ · ∂/∂x (ln q(x) − ln π(x))], x = g(z).
//
// The part left out is E[∂ ln q(x)/∂θ] at fixed x, the derivative of ∫q = 1. If q = π/Z,
// every sample gives zero.
//
// The estimator also holds for a symmetrised q. x is drawn from the density of the
// bijector, and the symmetrised density is the mean of that density over the group. A
// function that is equal at all images has the same mean under both. The same argument
// holds for the mean over any set T of elements, with x = η⁻¹g(z) and η drawn from T, and
// so for Settings.Images.
func pathProgram(m *Model, t target.Density, s *images) *graph.Program {
	score := scoreProgram(m, t, s)
	return graph.NewProgram(m.dtype, stepInputs("z", m, s), stepOutputs(m),
		func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
			x, _, err := graph.Forward(m.b, in[0])
			if err != nil {
				return nil, err
			}
			of, err := graph.Call("score", score, x, in[1:]...)
			if err != nil {
				return nil, err
			}
			loss, logq, logpi := of[0], of[1], of[2]
			sum, err := graph.Total(1, loss)
			if err != nil {
				return nil, err
			}
			grads, err := m.paramGrads(sum, in[0])
			return append([]*gorgonia.Node{logq, logpi}, grads...), err
		})
}

// scoreProgram maps x to the terms of the loss, (ln q − β ln π)/rows for every row, to
// ln q and ln π, and to the gradient of the loss with respect to x.
func scoreProgram(m *Model, t target.Density, s *images) *graph.Program {
	out := []string{"loss", "ln q", "ln π", "gradient of the loss"}
	return graph.NewProgram(m.dtype, stepInputs("x", m, s), out, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		logq, err := m.logProb(in[0], s.among(in))
		if err != nil {
			return nil, err
		}
		logpi, err := graph.LogProb(t, in[0])
		if err != nil {
			return nil, err
		}
		scaled, err := graph.Scale(in[1], logpi)
		if err != nil {
			return nil, err
		}
		diff, err := ReverseKL{}.Loss(&Batch{LogQ: logq, LogPi: scaled})
		if err != nil {
			return nil, err
		}
		loss, err := graph.Combine(0, []float64{1 / float64(in[0].Shape()[0])}, diff)
		if err != nil {
			return nil, err
		}
		total, err := graph.Total(1, loss)
		if err != nil {
			return nil, err
		}
		grad, err := graph.Grad(total, in[0])
		return append([]*gorgonia.Node{loss, logq, logpi}, grad...), err
	})
}
