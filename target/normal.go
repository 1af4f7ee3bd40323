package target

import (
	"math"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
)

// Normal is the density of Dim independent standard normal values,
//
//	ln π(x) = −½ Σ x_i² − (Dim/2) ln 2π.
//
// It is normalised: ln Z = 0. It is the prior of Li and Wang, Phys. Rev. Lett. 121,
// 260601 (2018). It is safe for concurrent use.
type Normal struct{ dim int }

// NewNormal returns the standard normal density of dim values. If dim is below 1,
// every use of the density fails with ErrShape.
func NewNormal(dim int) *Normal { return &Normal{dim} }

// Dim returns the number of values of one configuration.
func (n *Normal) Dim() int { return n.dim }

// LogProb returns the node ln π(x) in nats, of shape (rows), for x of shape (rows, Dim).
// It fails with ErrShape for other shapes.
func (n *Normal) LogProb(x *gorgonia.Node) (*gorgonia.Node, error) {
	norm := 0.5 * float64(n.dim) * math.Log(2*math.Pi)
	return graph.PerRow("normal density", x, n.dim, func() graph.RowsFunc {
		return graph.InParallel(n.dim, func(val, grad, x []float64) {
			for r := range val {
				row := x[r*n.dim : (r+1)*n.dim]
				s := 0.0
				for _, v := range row {
					s += v * v
				}
				val[r] = -0.5*s - norm
				if grad != nil {
					for i, v := range row {
						grad[r*n.dim+i] = -v
					}
				}
			}
		})
	})
}

// Rand fills dst, of any length, with independent standard normal values. It panics if
// rnd is nil.
func (n *Normal) Rand(dst []float64, rnd *rand.Rand) {
	for i := range dst {
		dst[i] = rnd.NormFloat64()
	}
}
