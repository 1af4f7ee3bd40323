package target

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
)

// function is the density that Func returns.
type function struct {
	dim  int
	logp func(grad, x []float64) float64
}

// Func returns the density of a plain Go function on configurations of dim values.
//
// logp returns ln π(x) in nats, up to a constant, for one configuration x of length
// dim. Unless grad is nil, logp stores the gradient ∂ ln π/∂x_i in grad[i]. Its
// arithmetic is float64, whatever the precision of the graph.
//
// logp must set every component of grad; it must not add to it. grad is filled with NaN
// before the call. If logp returns a finite value and leaves a component unset, the
// evaluation fails with ErrGradient and names row and component. Where logp returns
// −Inf, which means weight zero, the gradient may be anything. Density describes NaN
// and +Inf.
//
// Every running graph calls logp row after row. If several graphs run at the same time,
// logp is called concurrently and must allow for it. A panic in logp is returned as an
// error. An evaluation fails with ErrSettings if logp is nil and with ErrShape if dim
// is below 1.
func Func(dim int, logp func(grad, x []float64) float64) Density {
	return &function{dim, logp}
}

func (f *function) Dim() int { return f.dim }

func (f *function) LogProb(x *gorgonia.Node) (*gorgonia.Node, error) {
	if f.logp == nil {
		return nil, fmt.Errorf("target: Func: %w: nil function", ErrSettings)
	}
	return graph.PerRow("target: Func", x, f.dim, func() graph.RowsFunc {
		return func(val, grad, x []float64) error {
			for r := range val {
				var g []float64
				if grad != nil {
					g = grad[r*f.dim : (r+1)*f.dim : (r+1)*f.dim]
					for i := range g {
						g[i] = math.Float64frombits(unset)
					}
				}
				if err := f.row(&val[r], g, x[r*f.dim:(r+1)*f.dim:(r+1)*f.dim]); err != nil {
					return fmt.Errorf("row %d: %w", r, err)
				}
			}
			return nil
		}
	})
}

// row evaluates one configuration and checks that all of grad is set.
func (f *function) row(val *float64, grad, x []float64) error {
	err := graph.Guard(func() error {
		*val = f.logp(grad, x)
		return nil
	})
	if err != nil || !finite(*val) {
		return err
	}
	for i, g := range grad {
		if math.Float64bits(math.Abs(g)) == unset {
			const text = "%w: component %d is not set: logp must set every component, not add to it"
			return fmt.Errorf(text, ErrGradient, i)
		}
	}
	return nil
}

// unset holds the bits of a NaN that arithmetic does not produce. A sum with this NaN
// has the same bits on most processors, so that adding to grad is noticed, too.
const unset = 0x7ff8_0000_7365_7421
