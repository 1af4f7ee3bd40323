package main

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// theory is a density with what is known of it.
type theory struct {
	target.Density
	field *target.Field
	name  string
	logZ  float64 // exact
	exact bool    // logZ is known

	quartic *flow.QuarticAction // for flow.Recipe.Exact
}

// theory makes the theory of the flags.
func (o *options) theory() (*theory, error) {
	if o.kind != "phi4" {
		return nil, fmt.Errorf("-theory %s: want phi4", o.kind)
	}
	phi4, err := target.NewPhi4(o.shape, &target.Phi4Settings{Mass2: o.mass2, Lambda: o.lambda})
	if err != nil {
		return nil, err
	}
	t := &theory{
		Density: phi4, field: phi4.Field,
		name: fmt.Sprintf("φ⁴ theory on %s sites, m² = %g, λ = %g", o.shapeText, o.mass2, o.lambda),
	}
	if !slices.ContainsFunc(o.shape, func(n int) bool { return n%2 != 0 }) {
		t.quartic = &flow.QuarticAction{
			Quadratic: 2*float64(len(o.shape)) + o.mass2, Quartic: o.lambda, Coupling: 2,
		}
	}
	t.logZ, t.exact = phi4.ExactLogZ()
	return t, nil
}

// recipes are those of -recipe.
var recipes = map[string]func() *flow.Recipe{"fast": flow.FastRecipe, "best": flow.BestRecipe}

// flowRecipe is the recipe of -recipe. If all extents are even, the odd sites of φ⁴ theory have
// their exact distribution given the others.
func (t *theory) flowRecipe(o *options) *flow.Recipe {
	r := recipes[o.recipe]()
	r.Exact = t.quartic
	return r
}

// mostImages is the largest order of the symmetry group that a flow is averaged over.
const mostImages = 1 << 14

// model is a flow with random parameters. Its density is symmetrised over φ → −φ and, if the
// group is not too large, over the symmetries of the lattice.
func (t *theory) model(o *options) (*flow.Model, error) {
	m, err := t.flowRecipe(o).Model(o.shape, nil, rand.NewPCG(o.seed, 1))
	if err != nil {
		return nil, err
	}
	generators := []flow.Symmetry{flow.Inversion(m.Dim())}
	order := 2 * m.Dim()
	for d := range o.shape {
		order *= 2 * (d + 1)
	}
	if order <= mostImages && o.images > 1 {
		translations, err := flow.Translations(o.shape)
		if err != nil {
			return nil, err
		}
		reflections, err := flow.Reflections(o.shape)
		if err != nil {
			return nil, err
		}
		generators = slices.Concat(generators, translations, reflections)
	}
	return flow.Symmetrize(m, generators...)
}

// inversion is the same flow, symmetrised over φ → −φ alone: its density takes two passes.
func inversion(m *flow.Model) (*flow.Model, error) {
	plain, err := flow.New(m.Prior(), m.Bijector())
	if err != nil {
		return nil, err
	}
	return flow.Symmetrize(plain, flow.Inversion(m.Dim()))
}

// susceptibility is the observable χ.
func (t *theory) susceptibility() flow.Observable {
	return flow.Observable{Name: "χ", Func: t.field.Susceptibility}
}
