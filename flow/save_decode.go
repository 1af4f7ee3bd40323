package flow

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/safetensors"
)

// Limits of Load. A small file can describe a large model. Load allocates at most four
// times the size of the file and 16 MB, for every integer in its arrays, such as a site of a
// tile, another 300 bytes, up to 1 GB, and for a symmetry group what Symmetrize may allocate.
// Values that are in the file keep the first bound by themselves. Everything else has a price
// in bytes, which TestHostileFiles measures, and is paid from one budget. The kinds of
// bijectors set their own prices (bijector.Stored.Spend). Save also writes larger models;
// Restore reads them.
const (
	maxSpent  = 15 << 20
	perInt    = 300 // earned by an integer in an array
	maxEarned = 1 << 30

	perByte       = 28   // byte of the description in JSON
	perList       = 100  // "[" in it
	perNode       = 2000 // "{" in it
	perElement    = 150  // part of a bijector; parts of parts count at every place where they occur
	perCode       = 25   // value of a row while a group is generated; elements cost elementBytes in addition
	maxDim        = 1 << 16
	maxGenerators = 1 << 6
)

// errLarge reports a description that Load does not build because it is too large.
var errLarge = errors.New("larger than Load builds: build the model in a program and use Model.Restore")

// budget counts the bytes allocated for things other than the values in a file.
type budget struct{ spent, earned int }

// earn adds what the integers of an array pay for.
func (b *budget) earn(ints int) { b.earned = min(b.earned+perInt*ints, maxEarned) }

// spend takes n times a price from the budget.
func (b *budget) spend(n, price int) error {
	if n < 0 || price < 1 || n > (maxSpent+b.earned-b.spent)/price {
		return errLarge
	}
	b.spent += n * price
	return nil
}

// decoder builds what an encoder described.
type decoder struct {
	budget
	f     *safetensors.File
	nodes []node
	built []bijector.Bijector
}

// parse reads a description and checks that Load can build it.
func (d *decoder) parse(text string) (*architecture, error) {
	err := d.spend(len(text), perByte)
	if err == nil {
		if err = d.spend(strings.Count(text, "{"), perNode); err == nil {
			err = d.spend(strings.Count(text, "["), perList)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("architecture: described in %d bytes: %w", len(text), err)
	}
	a := &architecture{}
	if err := json.Unmarshal([]byte(text), a); err != nil {
		return nil, fmt.Errorf("architecture: %v", err)
	}
	if len(a.Nodes) == 0 {
		return nil, fmt.Errorf("no bijector")
	}
	if _, err := priorOf(a); err != nil {
		return nil, err
	}
	expanded := make([]int, len(a.Nodes)) // number of parts, parts of parts included, at every place they occur
	for k := range a.Nodes {
		if expanded[k], err = d.expand(a.Nodes, k, expanded); err != nil {
			return nil, fmt.Errorf("bijector %d, %.40q: %w", k, a.Nodes[k].Type, err)
		}
	}
	d.nodes = a.Nodes
	return a, nil
}

// expand checks node k and pays for its parts. It returns their number, with parts of
// parts, plus one.
func (d *decoder) expand(nodes []node, k int, expanded []int) (int, error) {
	n, sum := &nodes[k], 1
	for _, i := range n.Of {
		if i < 0 || i >= k {
			return 0, fmt.Errorf("made of bijector %d", i)
		}
		// Each was paid for, so that the sum cannot overflow.
		if err := d.spend(expanded[i], perElement); err != nil {
			return 0, err
		}
		sum += expanded[i]
	}
	if n.Dim < 1 || n.Dim > maxDim {
		return 0, fmt.Errorf("dimension %d: %w", n.Dim, errLarge)
	}
	return sum, nil
}

// decode builds the model. Its parameters are not set yet.
func decode(f *safetensors.File, kinds bijector.Kinds) (*Model, error) {
	d := &decoder{f: f}
	a, err := d.parse(f.Meta[archKey])
	if err != nil {
		return nil, err
	}
	for k := range a.Nodes {
		b, err := kinds.Build(a.Nodes[k].Type, &stored{d, k})
		if errors.Is(err, bijector.ErrKind) {
			err = fmt.Errorf("%w: %w", err, errCustom)
		}
		if err != nil {
			return nil, fmt.Errorf("bijector %d, %.40q: %w", k, a.Nodes[k].Type, err)
		}
		d.built = append(d.built, b)
	}
	b := d.built[len(d.built)-1]
	if a.Dim != b.Dim() {
		return nil, fmt.Errorf("dimension %d of a bijector of %d", a.Dim, b.Dim())
	}
	p, err := priorOf(a)
	if err != nil {
		return nil, err
	}
	m, err := New(p, b)
	if err != nil {
		return nil, err
	}
	if a.Symmetries != 0 {
		if m, err = d.symmetrize(m, a.Symmetries); err != nil {
			return nil, err
		}
	}
	switch dt := f.Meta[dtypeKey]; dt {
	case tensor.Float64.String():
		return m, nil
	case tensor.Float32.String():
		return m.Float32(), nil
	default:
		return nil, fmt.Errorf("arithmetic in %.40q", dt)
	}
}

// stored implements bijector.Stored for bijector k of a file.
type stored struct {
	d *decoder
	k int
}

func (s *stored) name(array string) string { return fmt.Sprintf("%d.%s", s.k, array) }
func (s *stored) node() *node              { return &s.d.nodes[s.k] }

func (s *stored) Dim() int              { return s.node().Dim }
func (s *stored) Config(into any) error { return json.Unmarshal(s.node().config, into) }

func (s *stored) Parts() []bijector.Bijector {
	parts := make([]bijector.Bijector, len(s.node().Of))
	for i, k := range s.node().Of {
		parts[i] = s.d.built[k]
	}
	return parts
}

func (s *stored) Ints(name string, shape ...int) ([]int, error) {
	v, err := s.d.f.Ints(s.name(name), shape...)
	s.d.earn(len(v))
	return v, err
}

func (s *stored) Floats(name string, shape ...int) ([]float64, error) {
	return s.d.f.Float64s(s.name(name), shape...)
}

func (s *stored) ExpectParam(name string, shape ...int) error {
	return s.d.f.Expect(s.name(name), "F64", shape...)
}

func (s *stored) Spend(n, bytes int) error { return s.d.spend(n, bytes) }

func (d *decoder) symmetrize(m *Model, generators int) (*Model, error) {
	if generators < 0 || generators > maxGenerators {
		return nil, fmt.Errorf("%d generators: %w", generators, errLarge)
	}
	var gens []Symmetry
	for k := range generators {
		perm, err := d.f.Ints(fmt.Sprintf("symmetry.%d.perm", k), m.Dim())
		if err != nil {
			return nil, err
		}
		sign, err := d.f.Float64s(fmt.Sprintf("symmetry.%d.sign", k), m.Dim())
		if err != nil {
			return nil, err
		}
		gens = append(gens, Symmetry{perm, sign})
	}
	if err := d.spend(m.Dim(), perCode); err != nil {
		return nil, err
	}
	group, err := generate(m.Dim(), gens, maxTable/elementBytes(m.Dim()))
	if errors.Is(err, errOrder) {
		return nil, fmt.Errorf("%w: %w", err, errLarge)
	}
	if err != nil {
		return nil, err
	}
	if len(group) == 1 {
		return nil, fmt.Errorf("%w: a group of one element", ErrSymmetry)
	}
	return m.symmetrized(group, gens), nil
}
