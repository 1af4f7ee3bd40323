package flow

import (
	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/target"
)

// pathProgram is stepProgram for ReverseKL with the estimator of the gradient that leaves out what is zero on
// average (Roeder, Wu and Duvenaud, arXiv:1703.09194; Vaitl, Nicoli, Nakajima and
// Kessel, arXiv:2207.08219),
//
//	∇ E[ln q(x) − ln π(x)] = E[∂x/∂θ · ∂/∂x (ln q(x) − ln π(x))], x = g(z),
//
// for E[∂ ln q(x)/∂θ], at fixed x, is the derivative of 1. It holds for a
// symmetrised q as well: x is drawn from q of the bijector, the symmetrised
// density is the mean of that over the group, and a function that is the same
// at all images has the same mean under both. The same goes for the mean over
// a set T of elements and x = η⁻¹g(z) with an η of it, for every T, and with it for
// Settings.Images. Where q = π/Z every single sample gives zero.
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

// scoreProgram maps x to the share of every row in the loss, ln q − β ln π over
// the number of rows, to ln q and ln π, and to the gradient of the loss.
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
