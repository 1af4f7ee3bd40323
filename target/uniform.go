package target

import (
	"math"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
)

// UniformAngles is the density of Dim independent angles that are uniform on the circle,
//
//	ln π(x) = −Dim ln 2π,
//
// the prior of a flow of angles. Values are taken modulo 2π: ln π has this value for every
// x, and its gradient is zero. The density is normalised, ln Z = 0, on (−π, π]^Dim. It is
// safe for concurrent use.
type UniformAngles struct{ dim int }

// NewUniformAngles returns the uniform density of dim angles. If dim is below 1, every use
// of the density fails with ErrShape.
func NewUniformAngles(dim int) *UniformAngles { return &UniformAngles{dim} }

// Dim returns the number of angles of one configuration.
func (u *UniformAngles) Dim() int { return u.dim }

// LogProb returns the node ln π(x) in nats, of shape (rows), for x of shape (rows, Dim).
// It fails with ErrShape for other shapes. Where an angle is NaN or infinite, ln π is NaN.
func (u *UniformAngles) LogProb(x *gorgonia.Node) (*gorgonia.Node, error) {
	logp := -float64(u.dim) * math.Log(2*math.Pi)
	return graph.PerRow("density of angles", x, u.dim, func() graph.RowsFunc {
		return graph.InParallel(u.dim, func(val, grad, x []float64) {
			clear(grad)
			for r := range val {
				val[r] = logp
				for _, v := range x[r*u.dim : (r+1)*u.dim] {
					val[r] += v - v // NaN unless v is finite
				}
			}
		})
	})
}

// Rand fills dst, of any length, with independent angles that are uniform on (−π, π]. It
// panics if rnd is nil.
func (u *UniformAngles) Rand(dst []float64, rnd *rand.Rand) {
	for i := range dst {
		dst[i] = math.Pi - 2*math.Pi*rnd.Float64()
	}
}
