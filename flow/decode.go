package flow

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/safetensors"
	"github.com/neuralrg/neuralrg/target"
)

// What Load builds. A file is small where what it describes is not: whatever it
// says, no more than four times its size and 16 MB are allocated. For values
// that are in the file that is so by itself; everything else has a price, in
// bytes as TestHostileFiles measures them, and a common budget. Save writes
// larger models, too, which Restore reads.
const (
	budget = 15 << 20

	perByte       = 28 // of the description in JSON
	perList       = 100
	perNode       = 2000
	perElement    = 150 // of a bijector, those that these are made of counted again
	perCoupling   = 2700
	perDense      = 700 // layer of a coupling's networks
	perSite       = 265 // in the tiles of a layer
	perSlot       = 20  // site of a hierarchy
	perWave       = 55  // of a spectrum
	perReflected  = 42  // element of the matrix of an orthogonal map of determinant −1
	perCode       = 25  // value of a row, where a group is generated; its elements have elementBytes
	maxDim        = 1 << 16
	maxLinear     = 1 << 11 // beyond, the decomposition takes minutes
	maxGenerators = 1 << 6
)

// errLarge is why a description is not built.
var errLarge = errors.New("larger than Load builds: build the model in a program and use Model.Restore")

// spend takes n times a price from the budget.
func (d *decoder) spend(n, price int) error {
	if n > (budget-d.spent)/price {
		return errLarge
	}
	d.spent += n * price
	return nil
}

// parse reads a description, if it is one that Load builds.
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
	expanded := make([]int, len(a.Nodes))
	for k := range a.Nodes {
		n := &a.Nodes[k]
		fail := func(err error) (*architecture, error) {
			return nil, fmt.Errorf("bijector %d, %.40q: %w", k, n.Type, err)
		}
		expanded[k] = 1
		for _, i := range n.Of {
			if i < 0 || i >= k {
				return fail(fmt.Errorf("made of bijector %d", i))
			}
			// Each was paid for, so that the sum cannot overflow.
			if err := d.spend(expanded[i], perElement); err != nil {
				return fail(err)
			}
			expanded[k] += expanded[i]
		}
		if n.Dim < 1 || n.Dim > maxDim {
			return fail(fmt.Errorf("dimension %d: %w", n.Dim, errLarge))
		}
		switch {
		case n.Type == "hierarchy":
			err = d.spend(n.Dim, perSlot)
		case n.Type == "spectral":
			err = d.spend(n.Dim, perWave)
		case n.Type == "orthogonal" && n.Flip:
			err = d.spend(n.Dim*n.Dim, perReflected)
		}
		if err != nil {
			return fail(err)
		}
		if err := d.spend(len(n.Keep), perCoupling); err != nil {
			return fail(err)
		}
		if err := d.spend(len(n.Keep)*(len(n.Hidden)+1), perDense); err != nil {
			return fail(err)
		}
	}
	d.nodes = a.Nodes
	return a, nil
}

// decoder builds what an encoder described.
type decoder struct {
	f     *safetensors.File
	size  int // 8-byte values in the file, which bounds what is built
	spent int // of the budget
	nodes []node
	built []bijector.Bijector
}

// decode builds the model, with parameters that are still to be set.
func decode(f *safetensors.File) (*Model, error) {
	d := &decoder{f: f, size: f.Size() / 8}
	a, err := d.parse(f.Meta[archKey])
	if err != nil {
		return nil, err
	}
	if len(a.Nodes) == 0 {
		return nil, fmt.Errorf("no bijector")
	}
	if a.Prior != "normal" {
		return nil, fmt.Errorf("prior %.40q: %w", a.Prior, errCustom)
	}
	for k := range a.Nodes {
		b, err := d.build(k)
		if err != nil {
			return nil, fmt.Errorf("bijector %d, %.40q: %w", k, a.Nodes[k].Type, err)
		}
		if b.Dim() != a.Nodes[k].Dim {
			return nil, fmt.Errorf("bijector %d, %.40q: dimension %d, described as %d", k, a.Nodes[k].Type, b.Dim(), a.Nodes[k].Dim)
		}
		d.built = append(d.built, b)
	}
	if a.Dim != d.built[len(d.built)-1].Dim() {
		return nil, fmt.Errorf("dimension %d of a bijector of %d", a.Dim, d.built[len(d.built)-1].Dim())
	}
	m, err := New(target.NewNormal(a.Dim), d.built[len(d.built)-1])
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
	group, err := generate(m.Dim(), gens, (budget-d.spent)/elementBytes(m.Dim()))
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

func (d *decoder) build(k int) (bijector.Bijector, error) {
	n := &d.nodes[k]
	if len(n.Layers)+len(n.Given) > 0 && n.Type != "hierarchy" {
		return nil, fmt.Errorf("layers")
	}
	name := func(array string) string { return fmt.Sprintf("%d.%s", k, array) }
	switch n.Type {
	case "realnvp":
		// As large as its parameters are, no larger.
		if err := d.f.Expect(name("realnvp"), "F64", d.couplingParams(n, 1, 0)); err != nil {
			return nil, err
		}
		return bijector.NewRealNVP(n.Dim, &bijector.RealNVPSettings{Hidden: hiddenOf(n), Keep: n.Keep, Src: rand.NewPCG(0, 0)})
	case "spline":
		if n.Bins < 2 || n.Bins > d.size {
			return nil, fmt.Errorf("%d bins", n.Bins)
		}
		affine := 1
		if n.Pure {
			affine = 0
		}
		if err := d.f.Expect(name("spline"), "F64", d.couplingParams(n, affine, 3*n.Bins-1)); err != nil {
			return nil, err
		}
		return bijector.NewSpline(n.Dim, &bijector.SplineSettings{Hidden: hiddenOf(n), Keep: n.Keep, Bins: n.Bins, Bound: n.Bound, Pure: n.Pure, Src: rand.NewPCG(0, 0)})
	case "orthogonal":
		if err := d.f.Expect(name("orthogonal"), "F64", n.Dim*(n.Dim-1)/2); err != nil {
			return nil, err
		}
		if !n.Flip {
			return bijector.NewOrthogonal(n.Dim, rand.NewPCG(0, 0))
		}
		one := mat.NewDiagDense(n.Dim, nil)
		for i := range n.Dim {
			one.SetDiag(i, 1)
		}
		one.SetDiag(n.Dim-1, -1)
		return bijector.OrthogonalFrom(one)
	case "linear":
		if n.Dim > maxLinear {
			return nil, fmt.Errorf("a matrix: %w", errLarge)
		}
		if err := d.f.Expect(name("linear"), "F64", n.Dim, n.Dim); err != nil {
			return nil, err
		}
		p, err := d.signedPermutation(name("pivots"), n.Dim)
		if err != nil {
			return nil, err
		}
		return bijector.LinearFrom(p)
	case "actnorm":
		if err := d.f.Expect(name("actnorm"), "F64", 2, n.Dim); err != nil {
			return nil, err
		}
		return bijector.NewActNorm(n.Dim)
	case "permutation":
		p, err := d.f.Ints(name("perm"), n.Dim)
		if err != nil {
			return nil, err
		}
		return bijector.NewPermutation(p)
	case "spectral":
		v, err := d.f.Float64s(name("spectrum"), n.Dim)
		if err != nil {
			return nil, err
		}
		return bijector.NewSpectral(n.Shape, v)
	case "chain":
		of := make([]bijector.Bijector, len(n.Of))
		for i, j := range n.Of {
			of[i] = d.built[j]
		}
		return bijector.NewChain(of...)
	case "inverse":
		if len(n.Of) != 1 {
			return nil, fmt.Errorf("of %d bijectors", len(n.Of))
		}
		return bijector.Invert(d.built[n.Of[0]]), nil
	case "hierarchy":
		return d.hierarchy(k, n)
	}
	return nil, errCustom
}

// signed is a signed permutation as a matrix, which LinearFrom takes as it is.
type signed struct {
	column []int
	sign   []float64
}

func (p *signed) Dims() (r, c int) { return len(p.sign), len(p.sign) }

func (p *signed) At(i, j int) float64 {
	if p.column[i] == j {
		return p.sign[i]
	}
	return 0
}

func (p *signed) T() mat.Matrix { return mat.Transpose{Matrix: p} }

func (d *decoder) signedPermutation(name string, n int) (*signed, error) {
	if err := d.f.Expect(name, "F64", n, n); err != nil {
		return nil, err
	}
	v, err := d.f.Floats(name, n, n)
	if err != nil {
		return nil, err
	}
	p := &signed{make([]int, n), make([]float64, n)}
	taken := make([]bool, n)
	for i := range n {
		for j := range n {
			switch x := v.At(i*n + j); {
			case x == 0:
			case math.Abs(x) != 1 || p.sign[i] != 0 || taken[j]:
				return nil, fmt.Errorf("pivots are no signed permutation: element (%d, %d) is %g", i, j, x)
			default:
				p.column[i], p.sign[i], taken[j] = j, x, true
			}
		}
		if p.sign[i] == 0 {
			return nil, fmt.Errorf("pivots are no signed permutation: row %d is zero", i)
		}
	}
	return p, nil
}

func (d *decoder) hierarchy(k int, n *node) (bijector.Bijector, error) {
	if len(n.Layers) != len(n.Of) {
		return nil, fmt.Errorf("%d blocks for %d layers", len(n.Of), len(n.Layers))
	}
	given := make([]bool, len(n.Layers))
	for _, i := range n.Given {
		if i < 0 || i >= len(given) {
			return nil, fmt.Errorf("layer %d of %d is conditional", i, len(given))
		}
		given[i] = true
	}
	var layers []*bijector.Layer
	for i, keep := range n.Layers {
		block := d.built[n.Of[i]]
		name := fmt.Sprintf("%d.tiles.%d", k, i)
		a, err := d.f.Array(name)
		if err != nil {
			return nil, err
		}
		if len(a.Shape) != 2 || a.Shape[1] != block.Dim() {
			return nil, fmt.Errorf("array %q has shape %v, want tiles of %d sites", name, a.Shape, block.Dim())
		}
		if err := d.spend(a.Shape[0]*a.Shape[1], perSite); err != nil {
			return nil, fmt.Errorf("layer %d: %d tiles: %w", i, a.Shape[0], err)
		}
		sites, err := d.f.Ints(name, -1, block.Dim())
		if err != nil {
			return nil, err
		}
		tiles := make([][]int, a.Shape[0])
		for t := range tiles {
			tiles[t] = sites[t*block.Dim() : (t+1)*block.Dim()]
		}
		l, err := layerOf(block, tiles, keep, given[i])
		if err != nil {
			return nil, fmt.Errorf("layer %d: %w", i, err)
		}
		layers = append(layers, l)
	}
	return bijector.NewHierarchy(n.Dim, layers...)
}

// layerOf returns a layer of decimators, conditional ones or not, or of
// disentanglers if keep is nil.
func layerOf(block bijector.Bijector, tiles [][]int, keep []int, conditional bool) (*bijector.Layer, error) {
	switch {
	case conditional:
		return bijector.ConditionalDecimator(block, tiles, keep...)
	case keep != nil:
		return bijector.Decimator(block, tiles, keep...)
	}
	return bijector.Disentangler(block, tiles)
}

func hiddenOf(n *node) []int {
	if n.Hidden == nil {
		return []int{}
	}
	return n.Hidden
}

// couplingParams is the number of parameters of a chain of couplings, each of
// so many affine updates (two networks and the scales) and a network of so many
// numbers for every moved position; or −2, which no array has, if it is beyond
// the values in the file.
func (d *decoder) couplingParams(n *node, affine, numbers int) int {
	total := 0
	add := func(in, out int) {
		sizes := append(append([]int{in}, n.Hidden...), out)
		for i := 1; i < len(sizes); i++ {
			in, out := sizes[i-1], sizes[i]
			if in < 1 || out < 1 || in > d.size || out > d.size || total > d.size {
				total = d.size + 1
				return
			}
			total += out * (in + 1)
		}
	}
	for _, keep := range n.Keep {
		move := n.Dim - len(keep)
		if move < 1 || move > d.size {
			return -2
		}
		if affine > 0 {
			add(len(keep), move)
			add(len(keep), move)
			total += move
		}
		if numbers > 0 {
			add(len(keep), numbers*move)
		}
		if total > d.size {
			return -2
		}
	}
	return total
}
