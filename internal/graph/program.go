package graph

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/internal/errs"
)

// Input declares an input of a program: a matrix with a row per row of the
// batch, or with one row for all of them.
type Input struct {
	Name  string // unique in the program
	Cols  int
	Once  bool // one row, whatever the number of rows of the batch
	Below int  // if positive, the values are indices 0 … Below−1 and the node is of int
}

// rows is the number of rows of the input for a batch.
func (in *Input) rows(batch int) int {
	if in.Once {
		return 1
	}
	return batch
}

// Builder builds the graph of a program for one number of rows: given the nodes
// of its inputs, in the order in which they are declared, it returns the nodes of
// its outputs.
type Builder func(in []*gorgonia.Node) (out []*gorgonia.Node, err error)

// Program is a function of batches of rows, compiled once per number of rows.
// It is safe for concurrent use; calls with the same number of rows take
// turns. A call inside another one never waits: see nested.go.
type Program struct {
	dtype tensor.Dtype
	in    []Input
	out   []string
	build Builder

	mu       sync.Mutex
	compiled []*machine // most recently used last
	spare    []*machine // as many at most, for calls inside others
}

// maxCompiled is the number of row counts a program remembers.
const maxCompiled = 8

// prime builds first graphs: building several at once races inside Gorgonia
// until one has been built, over tables and over the hashes of the constants that
// all graphs share, which derivatives bring in: 0, 1, 2, 3 and ln 2 in both
// precisions. A lock around all building would deadlock where a density evaluates
// another one while its graph is built.
var prime = sync.OnceValue(func() error {
	return Guard(func() error {
		for _, dt := range []tensor.Dtype{tensor.Float64, tensor.Float32} {
			g := gorgonia.NewGraph()
			x := gorgonia.NewMatrix(g, dt, gorgonia.WithShape(2, 2), gorgonia.WithName("x"))
			y := gorgonia.Must(gorgonia.Mul(x, gorgonia.Must(gorgonia.Exp(x))))
			for _, f := range []func(*gorgonia.Node) (*gorgonia.Node, error){gorgonia.Square, gorgonia.Cube,
				gorgonia.Log2, gorgonia.Tanh, gorgonia.Rectify} {
				y = gorgonia.Must(gorgonia.Add(y, gorgonia.Must(f(x))))
			}
			z := gorgonia.Must(gorgonia.Add(gorgonia.Must(gorgonia.Sum(y, 1)), gorgonia.Must(gorgonia.Sum(x, 1))))
			d, err := gorgonia.Grad(gorgonia.Must(gorgonia.Sum(z)), x)
			if err != nil {
				return err
			}
			if _, err := gorgonia.Sort(g.ExactSubgraphRoots(d...)); err != nil {
				return err
			}
		}
		return nil
	})
})

// NewProgram returns a program in the given precision with the given inputs and
// the names of its outputs; nil calls them by their numbers. Nothing is built
// before the first run.
func NewProgram(dt tensor.Dtype, in []Input, out []string, build Builder) *Program {
	return &Program{dtype: dt, in: in, out: out, build: build}
}

// Run evaluates the program on in, one row-major slice per input, and copies the
// outputs to out, one slice per output; nil ones are skipped.
func (p *Program) Run(rows int, in, out [][]float64) error {
	if rows <= 0 {
		return fmt.Errorf("%w: %d rows", errs.ErrShape, rows)
	}
	if len(in) != len(p.in) {
		return fmt.Errorf("%w: %d inputs, want %d", errs.ErrShape, len(in), len(p.in))
	}
	for i, x := range in {
		if d := &p.in[i]; len(x) != d.rows(rows)*d.Cols {
			return fmt.Errorf("input %q: %w: %d values, want %d rows of %d",
				d.Name, errs.ErrShape, len(x), d.rows(rows), d.Cols)
		}
	}
	m, err := p.acquire(rows)
	if err != nil {
		return err
	}
	defer m.mu.Unlock()
	return m.run(in, out)
}

// machine returns the machine for a number of rows. It needs p.mu.
func (p *Program) machine(rows int) (*machine, error) {
	for i, m := range p.compiled {
		if m.rows == rows {
			p.compiled = append(slices.Delete(p.compiled, i, i+1), m)
			return m, nil
		}
	}
	m, err := p.compileAnew(rows)
	if err == nil {
		p.compiled = keep(p.compiled, m)
	}
	return m, err
}

// keep adds a machine and forgets the one that was used longest ago if there are
// too many.
func keep(ms []*machine, m *machine) []*machine {
	if len(ms) == maxCompiled {
		ms = slices.Delete(ms, 0, 1)
	}
	return append(ms, m)
}

func (p *Program) compileAnew(rows int) (*machine, error) {
	m, err := p.compile(rows, 0)
	for attempt := 1; errors.Is(err, errHash) && attempt < 4; attempt++ {
		m, err = p.compile(rows, attempt)
	}
	return m, err
}

// compile builds the program for a number of rows. A retry changes the names of
// the inputs, hence all hashes.
func (p *Program) compile(rows, attempt int) (m *machine, err error) {
	defer recovered(&err)
	if err := prime(); err != nil {
		return nil, err
	}
	g := gorgonia.NewGraph()
	var in []*gorgonia.Node
	var data []*argument
	for _, d := range p.in {
		n, a := d.node(g, p.dtype, rows, attempt)
		in, data = append(in, n), append(data, a)
	}
	out, err := p.build(in)
	if err != nil {
		return nil, err
	}
	if p.out != nil && len(out) != len(p.out) {
		return nil, fmt.Errorf("%w: %d outputs, want %q", errs.ErrShape, len(out), p.out)
	}
	var roots gorgonia.Nodes
	var results []*result
	for i, n := range out {
		r := &result{name: strconv.Itoa(i), size: max(1, n.Shape().TotalSize())}
		if p.out != nil {
			r.name = p.out[i]
		}
		root, err := r.catch(n)
		if err != nil {
			return nil, err
		}
		roots, results = append(roots, root), append(results, r)
	}
	if err := distinct(g); err != nil {
		return nil, err
	}
	if m, err = newMachine(rows, g, roots); err != nil {
		return nil, err
	}
	m.in, m.out = data, results
	return m, nil
}

// node is the input in a graph, and where its data go.
func (in Input) node(g *gorgonia.ExprGraph, dt tensor.Dtype, batch, attempt int) (*gorgonia.Node, *argument) {
	rows := in.rows(batch)
	a := &argument{Input: in}
	var backing any
	switch n := rows * in.Cols; {
	case in.Below > 0:
		dt, a.indices = tensor.Int, make([]int, n)
		backing = a.indices
	case dt == tensor.Float32:
		a.values.f32 = make([]float32, n)
		backing = a.values.f32
	default:
		a.values.f64 = make([]float64, n)
		backing = a.values.f64
	}
	v := tensor.New(tensor.WithShape(rows, in.Cols), tensor.WithBacking(backing))
	return gorgonia.NewMatrix(g, dt, gorgonia.WithShape(rows, in.Cols),
		gorgonia.WithName(fmt.Sprintf("%s/%d", in.Name, attempt)), gorgonia.WithValue(v)), a
}

// errHash reports two nodes of one hash, which is bound to happen now and then
// with 32 bits.
var errHash = errors.New("same hash")

// distinct checks that no two nodes share a hash: Gorgonia tells nodes apart
// by it.
func distinct(g *gorgonia.ExprGraph) error {
	seen := make(map[uint32]*gorgonia.Node, len(g.AllNodes()))
	for _, n := range g.AllNodes() {
		h := n.Hashcode()
		if other, ok := seen[h]; ok && other != n {
			return fmt.Errorf("%w: nodes %v and %v", errHash, n, other)
		}
		seen[h] = n
	}
	return nil
}

// Grad returns the gradients of a scalar cost with respect to input nodes. It
// must be called once per graph at most.
func Grad(cost *gorgonia.Node, wrt ...*gorgonia.Node) ([]*gorgonia.Node, error) {
	return gorgonia.Grad(cost, wrt...)
}

// Noder is a parameter: something with one node per graph, in the precision
// of x.
type Noder interface {
	Node(x *gorgonia.Node) *gorgonia.Node
}

// ParamGrad is Grad with respect to parameters, in x's graph; those that the
// cost does not depend on give nil.
func ParamGrad[P Noder](cost, x *gorgonia.Node, params []P) ([]*gorgonia.Node, error) {
	grads := make([]*gorgonia.Node, len(params))
	var wrt gorgonia.Nodes
	var index []int
	part := x.Graph().ExactSubgraphRoots(cost)
	for i, p := range params {
		if n := p.Node(x); part.Has(n.ID()) {
			wrt, index = append(wrt, uncast(n)), append(index, i)
		}
	}
	if len(wrt) == 0 {
		return grads, nil
	}
	d, err := gorgonia.Grad(cost, wrt...)
	if err != nil {
		return nil, err
	}
	for k, i := range index {
		grads[i] = d[k]
	}
	return grads, nil
}
