package flow

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/graph"
)

// owner says to which layer and coupling a component of the gradient, all
// parameters end to end, belongs.
func (m *Model) owner(component int) string {
	_, e := encode(m)
	for _, p := range m.Params() {
		size := p.Value().DataSize()
		if component >= size {
			component -= size
			continue
		}
		where := fmt.Sprintf(" of parameter %q", p.Name())
		for _, b := range e.found {
			if sizes := couplingSizes(b); sizes != nil && b.Params()[0] == p {
				where += fmt.Sprintf(", coupling %d", couplingOf(sizes, component))
			}
			switch b := b.(type) {
			case *bijector.Hierarchy:
				for k, l := range b.Layers() {
					if slices.Contains(l.Block().Params(), p) {
						where += fmt.Sprintf(", layer %d", k)
					}
				}
			case *bijector.Chain:
				for k, e := range b.Bijectors() {
					if slices.Contains(e.Params(), p) {
						where += fmt.Sprintf(", element %d", k)
					}
				}
			}
		}
		return where
	}
	return ""
}

// couplingOf is the coupling to which a component of a block's parameter belongs.
func couplingOf(sizes []int, component int) int {
	for k, n := range sizes {
		if component < n {
			return k
		}
		component -= n
	}
	return len(sizes)
}

// couplingSizes is the number of parameters of each coupling, nil for
// bijectors without.
func couplingSizes(b bijector.Bijector) []int {
	var sizes []int
	layers := func(net []bijector.Dense) (n int) {
		for _, d := range net {
			r, c := d.W.Dims()
			n += r * (c + 1)
		}
		return n
	}
	affine := func(c *bijector.AffineCoupling) int { return layers(c.S) + layers(c.T) + c.Scale.Len() }
	switch b := b.(type) {
	case *bijector.RealNVP:
		for _, c := range b.Couplings() {
			sizes = append(sizes, affine(&c))
		}
	case *bijector.Spline:
		for _, c := range b.Couplings() {
			n := layers(c.R)
			if c.Affine != nil {
				n += affine(c.Affine)
			}
			sizes = append(sizes, n)
		}
	}
	return sizes
}

// firstCouplings is the block of the first n couplings of a block, with their
// parameters; nil for bijectors without.
func firstCouplings(b bijector.Bijector, n int) (bijector.Bijector, error) {
	var part bijector.Bijector
	var err error
	src := rand.NewPCG(0, 0)
	switch b := b.(type) {
	case *bijector.RealNVP:
		s := &bijector.RealNVPSettings{Hidden: []int{}, Src: src}
		for k, c := range b.Couplings()[:n] {
			s.Keep = append(s.Keep, c.Keep)
			for _, d := range c.S[:len(c.S)-1] {
				if k == 0 {
					s.Hidden = append(s.Hidden, d.B.Len())
				}
			}
		}
		part, err = bijector.NewRealNVP(b.Dim(), s)
	case *bijector.Spline:
		s := b.Settings()
		s.Couplings, s.Keep, s.Src = n, s.Keep[:n], src
		part, err = bijector.NewSpline(b.Dim(), &s)
	}
	if part == nil || err != nil {
		return nil, err
	}
	v := part.Params()[0].Value().Float64s()
	copy(v, b.Params()[0].Value().Float64s()[:len(v)])
	return part, nil
}

// origin maps latent rows z forward piece by piece and names the first one
// whose image is not finite; "" if there is none. A piece is named by its
// place, its Go type and, if it has any, the coupling.
func (m *Model) origin(z []float64) string {
	rows := len(z) / m.Dim()
	at := ""
	// leaf maps z by a bijector that is named as a whole: block on itself, or on
	// the tiles of a layer.
	leaf := func(on, block bijector.Bijector, name string, couplings func(part bijector.Bijector) (bijector.Bijector, error)) bool {
		image, ok := m.image(on, z, rows)
		if ok {
			z = image
			return false
		}
		at = "not finite from " + name + typeName(block)
		if n := len(couplingSizes(block)); n > 0 {
			at = fmt.Sprintf("not finite from %scoupling %d of %s", name, m.firstFault(block, n, couplings, z), typeName(block))
		}
		return true
	}
	var walk func(b bijector.Bijector, name string) bool
	walk = func(b bijector.Bijector, name string) bool {
		switch b := b.(type) {
		case *bijector.Chain:
			for k, e := range b.Bijectors() {
				if walk(e, fmt.Sprintf("%selement %d, ", name, k)) {
					return true
				}
			}
			return false
		case *bijector.Hierarchy:
			for k := len(b.Layers()) - 1; k >= 0; k-- {
				layer := b.Layers()[k]
				on, err := layer.On(b.Dim())
				if err != nil {
					return false
				}
				if leaf(on, layer.Block(), fmt.Sprintf("%slayer %d, ", name, k), func(part bijector.Bijector) (bijector.Bijector, error) {
					same, err := layer.WithBlock(part)
					if err != nil {
						return nil, err
					}
					return same.On(b.Dim())
				}) {
					return true
				}
			}
			return false
		}
		return leaf(b, b, name, func(part bijector.Bijector) (bijector.Bijector, error) { return part, nil })
	}
	walk(m.b, "")
	return at
}

// typeName is the Go type of a bijector, or of what it is the inverse of.
func typeName(b bijector.Bijector) string {
	if b, ok := b.(interface{ Inverted() bijector.Bijector }); ok {
		return "the inverse of " + typeName(b.Inverted())
	}
	return fmt.Sprintf("%T", b)
}

// firstFault is the first of the n couplings of a block that makes of z what is
// not finite. on makes a bijector of the model's dimension of a part of the
// block.
func (m *Model) firstFault(block bijector.Bijector, n int, on func(part bijector.Bijector) (bijector.Bijector, error), z []float64) int {
	for k := range n - 1 {
		part, err := firstCouplings(block, k+1)
		if err != nil || part == nil {
			return k
		}
		b, err := on(part)
		if err != nil {
			return k
		}
		if _, ok := m.image(b, z, len(z)/m.Dim()); !ok {
			return k
		}
	}
	return n - 1
}

// image is the image of z and whether it and the log-determinants are finite.
func (m *Model) image(b bijector.Bijector, z []float64, rows int) ([]float64, bool) {
	p := graph.NewProgram(m.dtype, []graph.Input{{Name: "z", Cols: m.Dim()}}, []string{"x", "ln |det|"}, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		x, d, err := b.Forward(in[0])
		return []*gorgonia.Node{x, d}, err
	})
	x, d := make([]float64, len(z)), make([]float64, rows)
	if err := p.Run(rows, [][]float64{z}, [][]float64{x, d}); err != nil {
		return x, true // it says more than this could
	}
	for _, values := range [][]float64{x, d} {
		for _, v := range values {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return x, false
			}
		}
	}
	return x, true
}
