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
	step  *graph.Program // z to ln q and the gradients
	logpi []float64
	out   [][]float64
}

// newPathGradient is for batches of so many rows; out are ln q, ln π and the
// gradients, which run sets.
func newPathGradient(m *Model, t target.Density, batch int, weights []float64, s *images, out [][]float64) *pathGradient {
	p := &pathGradient{logpi: out[1], out: append([][]float64{out[0]}, out[2:]...)}
	// ln q and ln π of x and the gradient of the mean of their weighted sum.
	score := graph.NewProgram(m.dtype, []int{m.Dim()}, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
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
	})
	// For the path z → x this is a function of x like any other.
	ofX := func() graph.RowsFunc {
		in, out := make([][]float64, 1), make([][]float64, 3)
		return func(logq, grad, x []float64) error {
			in[0], out[0], out[1], out[2] = x, logq, p.logpi, grad
			return score.Run(batch, in, out)
		}
	}
	p.step = graph.NewProgram(m.dtype, []int{m.Dim()}, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		x, _, err := m.chain.Forward(in[0])
		if err != nil {
			return nil, err
		}
		logq, err := graph.PerRow("score", x, m.Dim(), ofX)
		if err != nil {
			return nil, err
		}
		sum, err := graph.Total(1, logq)
		if err != nil {
			return nil, err
		}
		grads, err := m.paramGrads(sum, in[0])
		return append([]*gorgonia.Node{logq}, grads...), err
	})
	return p
}

// run takes a batch of latent variables.
func (p *pathGradient) run(rows int, in [][]float64) error { return p.step.Run(rows, in, p.out) }
