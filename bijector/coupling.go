package bijector

import (
	"fmt"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/internal/kernel"
)

// Conditioner builds the functions s and t of an affine coupling from nodes.
type Conditioner interface {
	// Condition returns s and t, (rows, moved) each, given the kept values,
	// (rows, kept).
	Condition(kept *gorgonia.Node) (s, t *gorgonia.Node, err error)
	// Params returns the parameters, each once, always in the same order.
	Params() []*Param
}

// Coupling is one affine coupling (paper, eq. B.1) whose s and t come from a Conditioner,
// for instance one of your own:
//
//	x_keep = z_keep,  x_move = z_move ⊙ exp(s(z_keep)) + t(z_keep).
//
// If s and t are perceptrons, a RealNVP does the same and is faster. A Coupling is no
// Describer: files name it but Load does not build it. It is safe for concurrent use if
// its conditioner is.
type Coupling struct {
	dim        int
	keep, move []int
	c          Conditioner
}

// NewCoupling returns the coupling on rows of dim values that keeps the given positions.
// It fails with ErrPartition if keep contains all positions or none, a position twice or
// one outside the row, with ErrShape for more than 2²⁸ values, and with ErrSettings for a
// nil conditioner.
func NewCoupling(dim int, keep []int, c Conditioner) (*Coupling, error) {
	if c == nil {
		return nil, fmt.Errorf("bijector: %w: nil conditioner", ErrSettings)
	}
	if err := afford(ErrShape, float64(dim), "a row of %d values", dim); err != nil {
		return nil, err
	}
	move, err := complement(dim, keep)
	if err != nil {
		return nil, fmt.Errorf("bijector: coupling: %w", err)
	}
	return &Coupling{dim, append([]int(nil), keep...), move, c}, nil
}

// Dim returns the number of values per row.
func (c *Coupling) Dim() int { return c.dim }

// Params returns the parameters of the conditioner.
func (c *Coupling) Params() []*Param { return c.c.Params() }

// Forward maps z to x; the log-determinant is Σ s.
func (c *Coupling) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	s, t, moved, err := c.split(z)
	if err != nil {
		return nil, nil, err
	}
	err = graph.Guard(func() error {
		e := gorgonia.Must(gorgonia.Exp(s))
		y := gorgonia.Must(gorgonia.Add(gorgonia.Must(gorgonia.HadamardProd(moved, e)), t))
		x, logDet, err = c.join(z, y, s)
		return err
	})
	return x, logDet, err
}

// Inverse maps x to z; the log-determinant is −Σ s.
func (c *Coupling) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) {
	s, t, moved, err := c.split(x)
	if err != nil {
		return nil, nil, err
	}
	err = graph.Guard(func() error {
		minus, err := graph.Combine(0, []float64{-1}, s)
		if err != nil {
			return err
		}
		e := gorgonia.Must(gorgonia.Exp(minus))
		y := gorgonia.Must(gorgonia.HadamardProd(gorgonia.Must(gorgonia.Sub(moved, t)), e))
		z, logDet, err = c.join(x, y, minus)
		return err
	})
	return z, logDet, err
}

func (c *Coupling) passed() []bool { return without(c.dim, c.move) }

// split picks the moved columns and conditions on the kept ones.
func (c *Coupling) split(x *gorgonia.Node) (s, t, moved *gorgonia.Node, err error) {
	rows, err := graph.Rows(x, c.dim)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("bijector: coupling: %w", err)
	}
	kept, err := graph.Gather(x, [][]int{c.keep})
	if err != nil {
		return nil, nil, nil, err
	}
	if moved, err = graph.Gather(x, [][]int{c.move}); err != nil {
		return nil, nil, nil, err
	}
	if err := graph.Guard(func() error {
		s, t, err = c.c.Condition(kept)
		return nil
	}); err != nil {
		return nil, nil, nil, fmt.Errorf("bijector: %T: %w", c.c, err)
	}
	if err != nil {
		return nil, nil, nil, err
	}
	for _, n := range []*gorgonia.Node{s, t} {
		if r, err := graph.Rows(n, len(c.move)); err != nil || r != rows || n.Dtype() != x.Dtype() {
			return nil, nil, nil, fmt.Errorf("bijector: %T: %w: s and t must be (%d, %d) of %v",
				c.c, ErrShape, rows, len(c.move), x.Dtype())
		}
	}
	return s, t, moved, nil
}

// join puts the updated columns back and sums the log-determinant.
func (c *Coupling) join(x, moved, logScale *gorgonia.Node) (y, logDet *gorgonia.Node, err error) {
	if y, err = graph.Scatter(x, moved, [][]int{c.move}); err != nil {
		return nil, nil, err
	}
	rows := x.Shape()[0]
	flat, err := graph.Flatten(logScale)
	if err != nil {
		return nil, nil, err
	}
	logDet, err = graph.SumTiles(flat, flat.Shape()[0]/rows)
	return y, logDet, err
}

// MLP is the conditioner of the paper (App. B): s = scale ⊙ tanh(S) and t = T, where S and
// T are multilayer perceptrons with ELU units. It is built from nodes. It is safe for
// concurrent use as long as its parameters are not changed.
type MLP struct {
	s, t  []mlpLayer
	scale *Param
}

type mlpLayer struct{ w, b *Param } // w is (in, out)

// NewMLP returns a conditioner from kept values to s and t of moved values. hidden lists
// the numbers of units of the hidden layers. Weights are drawn as those of a RealNVP. It
// fails with ErrSettings for a nil source, sizes below 1 or more than 2²⁸ weights.
func NewMLP(kept int, hidden []int, moved int, src rand.Source) (*MLP, error) {
	if src == nil {
		return nil, fmt.Errorf("bijector: %w: MLP needs a source of randomness", ErrSettings)
	}
	for _, n := range append([]int{kept, moved}, hidden...) {
		if n <= 0 {
			return nil, fmt.Errorf("bijector: %w: MLP %d → %v → %d", ErrSettings, kept, hidden, moved)
		}
	}
	size := 2*netValues(float64(kept), hidden, float64(moved)) + float64(moved)
	if err := afford(ErrSettings, size, "MLP %d → %v → %d", kept, hidden, moved); err != nil {
		return nil, err
	}
	net := kernel.NewNet(kept, hidden, moved)
	rnd := rand.New(src)
	m := &MLP{}
	var err error
	if m.s, err = newMLPLayers("s", net, rnd); err != nil {
		return nil, err
	}
	if m.t, err = newMLPLayers("t", net, rnd); err != nil {
		return nil, err
	}
	scale := make([]float64, moved)
	for i := range scale {
		scale[i] = 1
	}
	m.scale, err = NewParam("scale", scale, moved)
	return m, err
}

func newMLPLayers(name string, net kernel.Net, rnd *rand.Rand) ([]mlpLayer, error) {
	drawn := denseViews(net, make([]float64, net.Params()))
	drawLayers(drawn, rnd)
	var layers []mlpLayer
	for k, d := range drawn {
		out, in := d.W.Dims()
		var wt mat.Dense
		wt.CloneFrom(d.W.T())
		w, err := NewParam(fmt.Sprintf("%s.%d.weight", name, k), wt.RawMatrix().Data, in, out)
		if err != nil {
			return nil, err
		}
		b, err := NewParam(fmt.Sprintf("%s.%d.bias", name, k), mat.Col(nil, 0, d.B), out)
		if err != nil {
			return nil, err
		}
		layers = append(layers, mlpLayer{w, b})
	}
	return layers, nil
}

// Params returns, for every layer of S and then of T, the weights, (in, out), and the
// biases, (out). The last parameter is the scale, (moved).
func (m *MLP) Params() []*Param {
	var ps []*Param
	for _, l := range append(append([]mlpLayer(nil), m.s...), m.t...) {
		ps = append(ps, l.w, l.b)
	}
	return append(ps, m.scale)
}

// Condition returns s and t, (rows, moved), given the kept values.
func (m *MLP) Condition(kept *gorgonia.Node) (s, t *gorgonia.Node, err error) {
	err = graph.Guard(func() error {
		if s, err = perceptron(m.s, kept); err != nil {
			return err
		}
		if t, err = perceptron(m.t, kept); err != nil {
			return err
		}
		th := gorgonia.Must(gorgonia.Tanh(s))
		s, err = gorgonia.BroadcastHadamardProd(th, m.scale.Node(kept), nil, []byte{0})
		return err
	})
	return s, t, err
}

func perceptron(layers []mlpLayer, x *gorgonia.Node) (*gorgonia.Node, error) {
	for k, l := range layers {
		y, err := gorgonia.Mul(x, l.w.Node(x))
		if err != nil {
			return nil, err
		}
		if x, err = gorgonia.BroadcastAdd(y, l.b.Node(x), nil, []byte{0}); err != nil {
			return nil, err
		}
		if k < len(layers)-1 {
			if x, err = graph.ELU(x); err != nil {
				return nil, err
			}
		}
	}
	return x, nil
}
