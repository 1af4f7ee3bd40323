package flow

import (
	"fmt"
	"strings"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/internal/num"
)

// owner names the parameter and the steps to which a component of the gradient belongs.
// Components are counted over all parameters, one after another.
func (m *Model) owner(component int) string {
	for _, p := range m.Params() {
		v := p.Value().Float64s()
		if component >= len(v) {
			component -= len(v)
			continue
		}
		where := fmt.Sprintf(" of parameter %q", p.Name())
		for _, b := range partsOf(m.b) {
			for _, step := range stepsOf(b) {
				if owns(step.Map, &v[component]) {
					where += ", " + step.Name
				}
			}
		}
		return where
	}
	return ""
}

// owns reports whether a value is an element of a parameter of b.
func owns(b bijector.Bijector, value *float64) bool {
	for _, p := range b.Params() {
		v := p.Value().Float64s()
		for i := range v {
			if &v[i] == value {
				return true
			}
		}
	}
	return false
}

// stepsOf returns the steps of a bijector, or nil if it has none.
func stepsOf(b bijector.Bijector) []bijector.Step {
	if s, ok := b.(bijector.Stepper); ok {
		return s.Steps()
	}
	return nil
}

// origin maps latent rows z forward, step by step, and names the first step whose image
// is not finite. It returns "" if there is none.
func (m *Model) origin(z []float64) string {
	if _, ok := m.image(m.b, z); ok {
		return ""
	}
	return "not finite from " + m.within(m.b, z, nil)
}

// within finds where in b the image of z becomes not finite. It names the steps on the
// way to that place and the bijector there. The image of z under b is not finite.
func (m *Model) within(b bijector.Bijector, z []float64, path []string) string {
	for _, step := range stepsOf(b) {
		image, ok := m.image(step.Map, z)
		if ok {
			z = image
			continue
		}
		path = append(path, step.Name)
		// A block of one coupling is a step of itself.
		if name := graph.NameOf(step.Map); name == graph.NameOf(b) && len(stepsOf(step.Map)) < 2 {
			return strings.Join(path, ", ") + " of " + name
		}
		return m.within(step.Map, z, path)
	}
	return strings.Join(append(path, graph.NameOf(b)), ", ")
}

// image returns the image of z, and whether it and the log-determinants are finite.
func (m *Model) image(b bijector.Bijector, z []float64) ([]float64, bool) {
	inputs := []graph.Input{{Name: "z", Cols: m.Dim()}}
	p := graph.NewProgram(m.dtype, inputs, []string{"x", "ln |det|"},
		func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
			x, d, err := b.Forward(in[0])
			return []*gorgonia.Node{x, d}, err
		})
	rows := len(z) / m.Dim()
	x, d := make([]float64, len(z)), make([]float64, rows)
	if err := p.Run(rows, [][]float64{z}, [][]float64{x, d}); err != nil {
		return x, true // it says more than this could
	}
	for _, values := range [][]float64{x, d} {
		for _, v := range values {
			if !num.Finite(v) {
				return x, false
			}
		}
	}
	return x, true
}
