package flow

import (
	"fmt"
	"math"
	"reflect"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/graph"
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
	Given  []int   `json:"given,omitempty"`  // and which layers are conditional
}

const custom = "custom " // and the Go type of what a program made itself

// encoder describes bijectors, each once.
type encoder struct {
	brief  bool // without arrays
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
func encode(m *Model) (*architecture, *encoder) { return describe(m, false) }

// describe is encode, or leaves the arrays out.
func describe(m *Model, brief bool) (*architecture, *encoder) {
	e := &encoder{brief: brief, place: map[bijector.Bijector]int{}, named: map[*bijector.Param]bool{}}
	a := &architecture{Dim: m.Dim(), Symmetries: len(m.gens)}
	switch m.prior.(type) {
	case *target.Normal:
		a.Prior = "normal"
	default:
		a.Prior = custom + fmt.Sprintf("%T", m.prior)
	}
	for k, g := range m.gens {
		if brief {
			break
		}
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
	inner, isInverse := inverseOf(b)
	switch b := b.(type) {
	case *bijector.RealNVP:
		s := b.Settings()
		n.Type, n.Hidden, n.Keep = "realnvp", s.Hidden, s.Keep
	case *bijector.Spline:
		s := b.Settings()
		n.Type, n.Hidden, n.Keep, n.Bins, n.Bound, n.Pure = "spline", s.Hidden, s.Keep, s.Bins, s.Bound, s.Pure
	case *bijector.Orthogonal:
		n.Type, n.Flip = "orthogonal", reflects(b)
	case *bijector.Linear:
		n.Type = "linear"
		arrays = func(k int) {
			e.floats(fmt.Sprintf("%d.pivots", k), b.SignedPermutation().RawMatrix().Data, n.Dim, n.Dim)
		}
	case *bijector.ActNorm:
		n.Type = "actnorm"
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
	case *bijector.Hierarchy:
		n.Type = "hierarchy"
		for i, l := range b.Layers() {
			n.Of = append(n.Of, e.add(l.Block()))
			n.Layers = append(n.Layers, l.Keep())
			if l.Context() != nil {
				n.Given = append(n.Given, i)
			}
		}
		arrays = func(k int) {
			for i, l := range b.Layers() {
				t := l.Tiles()
				e.ints(fmt.Sprintf("%d.tiles.%d", k, i), slices.Concat(t...), len(t), len(t[0]))
			}
		}
	default:
		n.Type = custom + fmt.Sprintf("%T", b)
		if isInverse {
			n.Type, n.Of = "inverse", []int{e.add(inner)}
		}
	}
	k := len(e.nodes)
	e.nodes, e.found = append(e.nodes, n), append(e.found, b)
	if shared {
		e.place[b] = k
	}
	if arrays != nil && !e.brief {
		arrays(k)
	}
	e.parameters(k, b.Params())
	return k
}

// parameters names those of node k that no element of it has named. Where
// several have one name, the second gets the suffix ".2" and so on; numbers that
// are names of others are left out.
func (e *encoder) parameters(k int, params []*bijector.Param) {
	taken, last := map[string]bool{}, map[string]int{}
	for _, p := range params {
		if e.named[p] {
			continue
		}
		e.named[p] = true
		base := fmt.Sprintf("%d.%s", k, p.Name())
		name := base
		for taken[name] {
			last[base] = max(last[base], 1) + 1
			name = fmt.Sprintf("%s.%d", base, last[base])
		}
		taken[name] = true
		e.params = append(e.params, namedParam{name, p})
	}
}

// inverseOf returns the bijector whose inverse b is, if bijector.Invert made b.
// A type of a program that has the same method is something else.
func inverseOf(b bijector.Bijector) (inner bijector.Bijector, ok bool) {
	i, ok := b.(interface{ Inverted() bijector.Bijector })
	if !ok {
		return nil, false
	}
	if inner = i.Inverted(); inner == nil {
		return nil, false
	}
	return inner, reflect.TypeOf(bijector.Invert(inner)) == reflect.TypeOf(b)
}

// reflects tells whether an orthogonal map, the rotations G of its parameter and
// perhaps a reflection of the last position before, has that: whether the image
// of the last unit vector is that under G or its opposite. The determinant
// would tell as well, at the price of the matrix.
func reflects(b *bijector.Orthogonal) bool {
	n := b.Dim()
	unit, image := make([]float64, n), make([]float64, n)
	unit[n-1] = 1
	p := graph.NewProgram(tensor.Float64, []graph.Input{{Name: "x", Cols: n}}, nil, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		x, _, err := b.Forward(in[0])
		return []*gorgonia.Node{x}, err
	})
	if err := p.Run(1, [][]float64{unit}, [][]float64{image}); err != nil {
		return false // it has a parameter that is not finite
	}
	angles := b.Params()[0].Value().Float64s()
	at := len(angles)
	for i := n - 1; i >= 0; i-- {
		for j := n - 1; j > i; j-- {
			at--
			s, c := math.Sincos(angles[at])
			unit[i], unit[j] = c*unit[i]-s*unit[j], s*unit[i]+c*unit[j]
		}
	}
	return floats.Dot(unit, image) < 0
}
