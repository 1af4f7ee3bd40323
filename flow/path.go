package flow

import (
	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/target"
)

// pathGradient is the estimator of the gradient that leaves out what is zero on
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
type pathGradient struct {
	dim         int
	score, pull *graph.Program
	x, force    []float64
}

func newPathGradient(m *Model, t target.Density, batch int, weights []float64, s *images) *pathGradient {
	return &pathGradient{
		dim: m.Dim(),
		x:   make([]float64, batch*m.Dim()), force: make([]float64, batch*m.Dim()),
		// ln q and ln π of x and the gradient of their weighted sum.
		score: graph.NewProgram(m.dtype, []int{m.Dim()}, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
			logq, err := m.logProb(in[0], s)
			if err != nil {
				return nil, err
			}
			logpi, err := graph.LogProb(t, in[0])
			if err != nil {
				return nil, err
			}
			diff, err := graph.Combine(0, weights, logq, logpi)
			if err != nil {
				return nil, err
			}
			loss, err := graph.Total(1/float64(in[0].Shape()[0]), diff)
			if err != nil {
				return nil, err
			}
			grad, err := graph.Grad(loss, in[0])
			return append([]*gorgonia.Node{logq, logpi}, grad...), err
		}),
		// The gradient of Σ x·force with respect to the parameters.
		pull: graph.NewProgram(m.dtype, []int{m.Dim(), m.Dim()}, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
			x, _, err := m.chain.Forward(in[0])
			if err != nil {
				return nil, err
			}
			work, err := gorgonia.HadamardProd(x, in[1])
			if err != nil {
				return nil, err
			}
			sum, err := graph.Total(1, work)
			if err != nil {
				return nil, err
			}
			return m.paramGrads(sum, in[0])
		}),
	}
}

// run sets ln q, ln π and the gradients, in out, for latent variables z.
func (p *pathGradient) run(m *Model, z []float64, rows int, out [][]float64) error {
	if err := m.decode.Run(rows, [][]float64{z}, [][]float64{p.x, nil}); err != nil {
		return err
	}
	if err := p.score.Run(rows, [][]float64{p.x}, [][]float64{out[0], out[1], p.force}); err != nil {
		return err
	}
	return p.pull.Run(rows, [][]float64{z, p.force}, out[2:])
}
