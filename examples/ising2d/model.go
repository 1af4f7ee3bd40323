package main

import (
	"io"
	"math/rand/v2"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/examples/internal/checkpoint"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// newModel builds the flow: the network of the recipe, or of a smaller flow that
// has grown, and its symmetries. The smaller flow is nil for that of -grow.
func newModel(o *options, small *flow.Model, ising *target.Ising, src rand.Source) (*flow.Model, error) {
	m, err := newNetwork(o, small, ising, src)
	if err != nil {
		return nil, err
	}
	symmetries, err := o.symmetries()
	if err != nil {
		return nil, err
	}
	if m, err = flow.Symmetrize(m, symmetries...); err != nil {
		return nil, err
	}
	if o.single {
		m = m.Float32()
	}
	return m, nil
}

func newNetwork(o *options, small *flow.Model, ising *target.Ising, src rand.Source) (*flow.Model, error) {
	recipe := &flow.Recipe{
		Couplings: o.couplings, Hidden: o.hidden, Spline: o.spline, Rational: o.rational,
		Network:               bijector.NetworkSettings{Size: o.size, Repeat: o.repeat},
		ConditionalDecimators: o.conditional, Checkerboard: o.checkerboard, Whiten: o.white,
	}
	shape := []int{o.L, o.L}
	switch {
	case small != nil:
		return recipe.Grow(small, shape, ising.Spectrum())
	case o.grow == "":
		return recipe.Model(shape, ising.Spectrum(), src)
	}
	err := checkpoint.Read(o.grow, func(r io.Reader) (err error) { small, err = flow.Load(r); return err })
	if err != nil {
		return nil, err
	}
	return recipe.Grow(small, shape, ising.Spectrum())
}

// symmetries are those that the flow is to have.
func (o *options) symmetries() ([]flow.Symmetry, error) {
	shape := []int{o.L, o.L}
	var all []flow.Symmetry
	if o.symmetric {
		all = append(all, flow.Inversion(o.L*o.L))
	}
	if o.reflect {
		r, err := flow.Reflections(shape)
		if err != nil {
			return nil, err
		}
		all = append(all, r...)
	}
	if o.translate {
		t, err := flow.Translations(shape)
		if err != nil {
			return nil, err
		}
		all = append(all, t...)
	}
	return all, nil
}

func countParams(m *flow.Model) int {
	n := 0
	for _, p := range m.Params() {
		n += p.Value().DataSize()
	}
	return n
}

// exactM2 is the exact structure factor, if it is known. At L = 16 the library's
// transfer matrix takes half a minute; its value is given here.
func exactM2(ising *target.Ising, o *options) (float64, bool) {
	if o.L == 16 && o.T == target.CriticalTemperature() {
		return 0.545417204397, true
	}
	return ising.ExactStructureFactor()
}
