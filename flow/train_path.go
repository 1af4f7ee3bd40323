package flow

import (
	"slices"

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
//
// The gradient ∂ ln q/∂x of the bijector is taken along from z to x if all its parts can do this (Vaitl,
// Winkler, Richter and Kessel, arXiv:2403.15881; graph.Scored). Otherwise it takes an inverse pass.
func pathProgram(m *Model, t target.Density, s *images) *graph.Program {
	inferring, knowing := lossProgram(m, t, s, false), lossProgram(m, t, s, true)
	return graph.NewProgram(m.dtype, stepInputs("z", m, s), stepOutputs(m),
		func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
			x, logq, err := m.scored(in[0])
			if err != nil {
				return nil, err
			}
			loss, others := inferring, in[1:]
			if score := graph.ScoreOf(x); score != nil {
				loss, others = knowing, append([]*gorgonia.Node{logq, score}, others...)
			}
			of, err := graph.Call("loss", loss, x, others...)
			if err != nil {
				return nil, err
			}
			sum, err := graph.Total(1, of[0])
			if err != nil {
				return nil, err
			}
			grads, err := m.paramGrads(sum, in[0])
			return append([]*gorgonia.Node{of[1], of[2]}, grads...), err
		})
}

// scored returns x = g(z) and ln q(x) of the bijector alone. x is scored if the prior is normal and
// the bijector can do this. Otherwise the nodes of g are made twice, and only the second ones run.
func (m *Model) scored(z *gorgonia.Node) (x, logq *gorgonia.Node, err error) {
	logp, err := graph.LogProb(m.prior, z)
	if err != nil {
		return nil, nil, err
	}
	if _, ok := m.prior.(*target.Normal); !ok {
		return m.generated(z, logp)
	}
	score, err := graph.Combine(0, []float64{-1}, z)
	if err != nil {
		return nil, nil, err
	}
	with, err := graph.Scored(z, score)
	if err != nil {
		return nil, nil, err
	}
	if x, logq, err = m.generated(with, logp); err != nil || graph.ScoreOf(x) != nil {
		return x, logq, err
	}
	return m.generated(z, logp)
}

// lossProgram maps x to the terms of the loss, (ln q − β ln π)/rows for every row, to
// ln q and ln π, and to the gradient of the loss with respect to x. If known is true, it also takes
// ln q(x) of the bijector and its score.
func lossProgram(m *Model, t target.Density, s *images, known bool) *graph.Program {
	out := []string{"loss", "ln q", "ln π", "gradient of the loss"}
	inputs := stepInputs("x", m, s)
	if known {
		inputs = slices.Insert(inputs, 1, graph.Input{Name: "ln q", Cols: 1}, graph.Input{Name: "score", Cols: m.Dim()})
	}
	return graph.NewProgram(m.dtype, inputs, out, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		x, rest := in[0], in[1:]
		var logq *gorgonia.Node
		var err error
		if known {
			logq, err = graph.Known(x, in[1], in[2])
			rest = in[3:]
		} else {
			_, logq, err = m.inferred(x)
		}
		if err != nil {
			return nil, err
		}
		if logq, err = m.average(logq, x, s.among(in)); err != nil {
			return nil, err
		}
		logpi, err := graph.LogProb(t, x)
		if err != nil {
			return nil, err
		}
		scaled, err := graph.Scale(rest[0], logpi)
		if err != nil {
			return nil, err
		}
		diff, err := ReverseKL{}.Loss(&Batch{LogQ: logq, LogPi: scaled})
		if err != nil {
			return nil, err
		}
		loss, err := graph.Combine(0, []float64{1 / float64(x.Shape()[0])}, diff)
		if err != nil {
			return nil, err
		}
		total, err := graph.Total(1, loss)
		if err != nil {
			return nil, err
		}
		grad, err := graph.Grad(total, x)
		return append([]*gorgonia.Node{loss, logq, logpi}, grad...), err
	})
}
