package flow

import (
	"fmt"
	"math"
	"math/rand/v2"

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
			if b, ok := b.(*bijector.RealNVP); ok && b.Params()[0] == p {
				where += fmt.Sprintf(", coupling %d", couplingOf(b, component))
			}
			if h, ok := b.(*Hierarchy); ok {
				for k, l := range h.layers {
					for _, q := range l.Block().Params() {
						if q == p {
							where += fmt.Sprintf(", layer %d", k)
						}
					}
				}
			}
		}
		return where
	}
	return ""
}

// couplingOf is the coupling to which a component of a block's parameter belongs.
func couplingOf(b *bijector.RealNVP, component int) int {
	sizes := couplingSizes(b)
	for k, n := range sizes {
		if component < n {
			return k
		}
		component -= n
	}
	return len(sizes)
}

// couplingSizes is the number of parameters of each coupling.
func couplingSizes(b *bijector.RealNVP) []int {
	var sizes []int
	for _, c := range b.Couplings() {
		n := c.Scale.Len()
		for _, net := range [][]bijector.Dense{c.S, c.T} {
			for _, d := range net {
				r, k := d.W.Dims()
				n += r * (k + 1)
			}
		}
		sizes = append(sizes, n)
	}
	return sizes
}

// origin maps latent rows z forward piece by piece and names the first one
// whose image is not finite; "" if there is none.
func (m *Model) origin(z []float64) string {
	rows := len(z) / m.Dim()
	at := ""
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
		case *Hierarchy:
			for k := len(b.layers) - 1; k >= 0; k-- {
				l, err := b.layers[k].On(b.Dim())
				if err != nil {
					return false
				}
				before := z
				if walk(l, fmt.Sprintf("%slayer %d, ", name, k)) {
					if block, ok := b.layers[k].Block().(*bijector.RealNVP); ok {
						at += fmt.Sprintf("coupling %d", m.firstCoupling(block, b.layers[k], before, rows))
					}
					return true
				}
			}
			return false
		}
		image, ok := m.image(b, z, rows)
		if z = image; !ok {
			at = "not finite from " + name
		}
		return !ok
	}
	walk(m.b, "")
	return at
}

// firstCoupling is the first coupling of a layer's block that makes of z what
// is not finite.
func (m *Model) firstCoupling(b *bijector.RealNVP, l *bijector.Layer, z []float64, rows int) int {
	var keep [][]int
	var hidden []int
	for _, d := range b.Couplings()[0].S {
		hidden = append(hidden, d.B.Len())
	}
	params := 0
	for k, c := range b.Couplings() {
		keep = append(keep, c.Keep)
		params += couplingSizes(b)[k]
		part, err := bijector.NewRealNVP(b.Dim(), &bijector.RealNVPSettings{Hidden: hidden[:len(hidden)-1], Keep: keep, Src: rand.NewPCG(0, 0)})
		if err != nil {
			return k
		}
		copy(part.Params()[0].Value().Float64s(), b.Params()[0].Value().Float64s()[:params])
		layer, err := bijector.Disentangler(part, l.Tiles())
		if err != nil {
			return k
		}
		on, err := layer.On(m.Dim())
		if err != nil {
			return k
		}
		if _, ok := m.image(on, z, rows); !ok {
			return k
		}
	}
	return len(keep) - 1
}

// image is the image of z and whether it and the log-determinants are finite.
func (m *Model) image(b bijector.Bijector, z []float64, rows int) ([]float64, bool) {
	p := graph.NewProgram(m.dtype, []int{m.Dim()}, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
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
