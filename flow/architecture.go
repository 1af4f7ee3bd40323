package flow

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/safetensors"
	"github.com/neuralrg/neuralrg/target"
)

// architecture describes a model without its parameters. It goes into the
// metadata of a file as JSON; arrays that belong to it are arrays of the file.
type architecture struct {
	Dim        int    `json:"dim"`
	Prior      string `json:"prior"`
	Symmetries int    `json:"symmetries"` // generators; arrays "symmetry.k.perm" and "symmetry.k.sign"
	Nodes      []node `json:"nodes"`      // the bijector last, after those it is made of
}

// node is one bijector. Its parameters are the arrays "k.name" of the file,
// where k is its place in the list.
type node struct {
	Type   string  `json:"type"`
	Dim    int     `json:"dim"`
	Hidden []int   `json:"hidden,omitempty"`
	Keep   [][]int `json:"keep,omitempty"`  // positions kept, coupling by coupling
	Shape  []int   `json:"shape,omitempty"` // of a lattice
	Bins   int     `json:"bins,omitempty"`  // of splines
	Bound  float64 `json:"bound,omitempty"`
	Pure   bool    `json:"pure,omitempty"`
	Flip   bool    `json:"flip,omitempty"`   // of an orthogonal map of determinant −1
	Of     []int   `json:"of,omitempty"`     // elements, or the blocks of layers
	Layers [][]int `json:"layers,omitempty"` // of a hierarchy: positions that live on; tiles are arrays "k.tiles.layer"
}

const custom = "custom " // and the Go type of what a program made itself

// encoder describes bijectors, each once.
type encoder struct {
	nodes  []node
	found  []bijector.Bijector // node by node
	place  map[bijector.Bijector]int
	arrays []safetensors.Array
	params []namedParam
	named  map[*bijector.Param]bool
}

type namedParam struct {
	name string
	*bijector.Param
}

// encode describes m. The arrays are those of the architecture alone.
func encode(m *Model) (*architecture, *encoder) {
	e := &encoder{place: map[bijector.Bijector]int{}, named: map[*bijector.Param]bool{}}
	a := &architecture{Dim: m.Dim(), Symmetries: len(m.gens)}
	switch m.prior.(type) {
	case *target.Normal:
		a.Prior = "normal"
	default:
		a.Prior = custom + fmt.Sprintf("%T", m.prior)
	}
	for k, g := range m.gens {
		full, _ := g.complete(m.Dim()) // checked by Symmetrize
		e.ints(fmt.Sprintf("symmetry.%d.perm", k), full.Perm, len(full.Perm))
		e.floats(fmt.Sprintf("symmetry.%d.sign", k), full.Sign, len(full.Sign))
	}
	e.add(m.b)
	a.Nodes = e.nodes
	return a, e
}

func (e *encoder) floats(name string, v []float64, shape ...int) {
	e.arrays = append(e.arrays, safetensors.Array{Name: name, Shape: shape, Values: v})
}

func (e *encoder) ints(name string, v []int, shape ...int) {
	wide := make([]int64, len(v))
	for i, n := range v {
		wide[i] = int64(n)
	}
	e.arrays = append(e.arrays, safetensors.Array{Name: name, Shape: shape, Values: wide})
}

// add describes b, what it is made of first, and returns its place.
func (e *encoder) add(b bijector.Bijector) int {
	shared := reflect.ValueOf(b).Comparable()
	if shared {
		if k, ok := e.place[b]; ok {
			return k
		}
	}
	n := node{Dim: b.Dim()}
	var arrays func(k int) // to be named after the node's place
	switch b := b.(type) {
	case *bijector.RealNVP:
		n.Type = "realnvp"
		n.Hidden = []int{}
		for i, c := range b.Couplings() {
			n.Keep = append(n.Keep, c.Keep)
			if i > 0 {
				continue
			}
			for _, d := range c.S[:len(c.S)-1] {
				n.Hidden = append(n.Hidden, d.B.Len())
			}
		}
	case *bijector.Spline:
		s := b.Settings()
		n.Type, n.Hidden, n.Keep, n.Bins, n.Bound, n.Pure = "spline", s.Hidden, s.Keep, s.Bins, s.Bound, s.Pure
	case *bijector.Orthogonal:
		n.Type, n.Flip = "orthogonal", mat.Det(b.Matrix()) < 0
	case *bijector.Linear:
		n.Type = "linear"
		arrays = func(k int) {
			e.floats(fmt.Sprintf("%d.pivots", k), b.SignedPermutation().RawMatrix().Data, n.Dim, n.Dim)
		}
	case *bijector.Permutation:
		n.Type = "permutation"
		arrays = func(k int) { e.ints(fmt.Sprintf("%d.perm", k), b.Perm(), n.Dim) }
	case *bijector.Spectral:
		n.Type, n.Shape = "spectral", b.Shape()
		arrays = func(k int) { e.floats(fmt.Sprintf("%d.spectrum", k), b.Spectrum(), n.Dim) }
	case *bijector.Chain:
		n.Type = "chain"
		for _, c := range b.Bijectors() {
			n.Of = append(n.Of, e.add(c))
		}
	case interface{ Inverted() bijector.Bijector }:
		n.Type, n.Of = "inverse", []int{e.add(b.Inverted())}
	case *Hierarchy:
		n.Type = "hierarchy"
		for _, l := range b.layers {
			n.Of = append(n.Of, e.add(l.Block()))
			n.Layers = append(n.Layers, l.Keep())
		}
		arrays = func(k int) {
			for i, l := range b.layers {
				t := l.Tiles()
				e.ints(fmt.Sprintf("%d.tiles.%d", k, i), slices.Concat(t...), len(t), len(t[0]))
			}
		}
	default:
		n.Type = custom + fmt.Sprintf("%T", b)
	}
	k := len(e.nodes)
	e.nodes, e.found = append(e.nodes, n), append(e.found, b)
	if shared {
		e.place[b] = k
	}
	if arrays != nil {
		arrays(k)
	}
	taken := map[string]int{}
	for _, p := range b.Params() {
		if e.named[p] { // by an element of b
			continue
		}
		e.named[p] = true
		name := fmt.Sprintf("%d.%s", k, p.Name())
		if taken[name]++; taken[name] > 1 {
			name = fmt.Sprintf("%s.%d", name, taken[name])
		}
		e.params = append(e.params, namedParam{name, p})
	}
	return k
}

// decoder builds what an encoder described.
type decoder struct {
	f     *safetensors.File
	size  int // values in the file, which bounds what is built
	nodes []node
	built []bijector.Bijector
}

// decode builds the model, with parameters that are still to be set.
func decode(a *architecture, f *safetensors.File) (*Model, error) {
	d := &decoder{f: f, nodes: a.Nodes}
	for i := range f.Arrays {
		n := 1
		for _, s := range f.Arrays[i].Shape {
			n *= s
		}
		d.size += n
	}
	if len(a.Nodes) == 0 {
		return nil, fmt.Errorf("no bijector")
	}
	if a.Prior != "normal" {
		return nil, fmt.Errorf("prior %q: %w", a.Prior, errCustom)
	}
	for k := range a.Nodes {
		b, err := d.build(k)
		if err != nil {
			return nil, fmt.Errorf("bijector %d, %q: %w", k, a.Nodes[k].Type, err)
		}
		if b.Dim() != a.Nodes[k].Dim {
			return nil, fmt.Errorf("bijector %d, %q: dimension %d, described as %d", k, a.Nodes[k].Type, b.Dim(), a.Nodes[k].Dim)
		}
		d.built = append(d.built, b)
	}
	if a.Dim < 1 || a.Dim != d.built[len(d.built)-1].Dim() {
		return nil, fmt.Errorf("dimension %d of a bijector of %d", a.Dim, d.built[len(d.built)-1].Dim())
	}
	m, err := New(target.NewNormal(a.Dim), d.built[len(d.built)-1])
	if err != nil {
		return nil, err
	}
	var gens []Symmetry
	for k := range a.Symmetries {
		perm, err := f.Ints(fmt.Sprintf("symmetry.%d.perm", k), a.Dim)
		if err != nil {
			return nil, err
		}
		sign, err := f.Float64s(fmt.Sprintf("symmetry.%d.sign", k), a.Dim)
		if err != nil {
			return nil, err
		}
		gens = append(gens, Symmetry{perm, sign})
	}
	if gens != nil {
		if m, err = Symmetrize(m, gens...); err != nil {
			return nil, err
		}
	}
	switch dt := f.Meta[dtypeKey]; dt {
	case tensor.Float64.String():
		return m, nil
	case tensor.Float32.String():
		return m.Convert(tensor.Float32)
	default:
		return nil, fmt.Errorf("arithmetic in %q", dt)
	}
}

func (d *decoder) build(k int) (bijector.Bijector, error) {
	n := &d.nodes[k]
	for _, i := range n.Of {
		if i < 0 || i >= k {
			return nil, fmt.Errorf("made of bijector %d", i)
		}
	}
	if len(n.Layers) > 0 && n.Type != "hierarchy" {
		return nil, fmt.Errorf("layers")
	}
	switch n.Type {
	case "realnvp":
		// As large as its parameters are, no larger.
		if err := d.f.Expect(fmt.Sprintf("%d.realnvp", k), d.couplingParams(n, 1, 0)); err != nil {
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
		if err := d.f.Expect(fmt.Sprintf("%d.spline", k), d.couplingParams(n, affine, 3*n.Bins-1)); err != nil {
			return nil, err
		}
		return bijector.NewSpline(n.Dim, &bijector.SplineSettings{Hidden: hiddenOf(n), Keep: n.Keep, Bins: n.Bins, Bound: n.Bound, Pure: n.Pure, Src: rand.NewPCG(0, 0)})
	case "orthogonal":
		if n.Dim < 2 || n.Dim > d.size+1 {
			return nil, fmt.Errorf("dimension %d", n.Dim)
		}
		if err := d.f.Expect(fmt.Sprintf("%d.orthogonal", k), n.Dim*(n.Dim-1)/2); err != nil {
			return nil, err
		}
		one := mat.NewDiagDense(n.Dim, nil)
		for i := range n.Dim {
			one.SetDiag(i, 1)
		}
		if n.Flip {
			one.SetDiag(n.Dim-1, -1)
		}
		return bijector.OrthogonalFrom(one)
	case "linear":
		if n.Dim < 1 || n.Dim > d.size {
			return nil, fmt.Errorf("dimension %d", n.Dim)
		}
		p, err := d.f.Float64s(fmt.Sprintf("%d.pivots", k), n.Dim, n.Dim)
		if err != nil {
			return nil, err
		}
		b, err := bijector.LinearFrom(mat.NewDense(n.Dim, n.Dim, p))
		if err == nil && !mat.Equal(b.SignedPermutation(), mat.NewDense(n.Dim, n.Dim, p)) {
			err = fmt.Errorf("pivots are no signed permutation")
		}
		return b, err
	case "permutation":
		p, err := d.f.Ints(fmt.Sprintf("%d.perm", k), -1)
		if err != nil {
			return nil, err
		}
		return bijector.NewPermutation(p)
	case "spectral":
		v, err := d.f.Float64s(fmt.Sprintf("%d.spectrum", k), -1)
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

func (d *decoder) hierarchy(k int, n *node) (bijector.Bijector, error) {
	if len(n.Layers) != len(n.Of) {
		return nil, fmt.Errorf("%d blocks for %d layers", len(n.Of), len(n.Layers))
	}
	if n.Dim < 0 || n.Dim > maxUntouched+d.size {
		return nil, fmt.Errorf("%d sites, more than a file of its size can speak of", n.Dim)
	}
	var layers []*bijector.Layer
	for i, keep := range n.Layers {
		block := d.built[n.Of[i]]
		sites, err := d.f.Ints(fmt.Sprintf("%d.tiles.%d", k, i), -1, block.Dim())
		if err != nil {
			return nil, err
		}
		tiles := slices.Collect(slices.Chunk(sites, block.Dim()))
		var l *bijector.Layer
		if keep == nil {
			l, err = bijector.Disentangler(block, tiles)
		} else {
			l, err = bijector.Decimator(block, tiles, keep...)
		}
		if err != nil {
			return nil, fmt.Errorf("layer %d: %w", i, err)
		}
		layers = append(layers, l)
	}
	return NewHierarchy(n.Dim, layers...)
}

// maxUntouched bounds the sites of a hierarchy beyond the numbers in a file,
// which those that no tile touches would be.
const maxUntouched = 1 << 16

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
