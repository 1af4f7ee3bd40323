package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// theory is a density with what is known of it.
type theory struct {
	target.Density
	name   string
	field  *target.Field                  // measures values
	values func(x []float64) []float64    // of the field at a configuration x
	model  func() (*flow.Model, error)    // with random parameters
	recipe *flow.Recipe                   // training
	exact  func() (logZ float64, ok bool) // ln Z, where it is known

	self   func(x []float64) float64 // what values lack of C(0), nil for nothing
	more   []flow.Observable         // beside χ
	rungs  int                       // of annealing, 0 for weighted samples alone
	uneven bool                      // without the symmetries of the lattice
	single bool                      // trains without averages over images, for faster steps
	grows  bool                      // the flow can begin as that of a smaller lattice
	grown  bool                      // it has begun so

	spectrum []float64 // of the recipe, nil without whitening
	compare  func(ctx context.Context, a *flow.AISResult) ([]comparison, error)
}

// theory makes the theory of the flags.
func (o *options) theory() (*theory, error) {
	switch o.kind {
	case "phi4":
		return o.phi4()
	case "xy":
		return o.xy()
	case "ising":
		return o.ising()
	case "glass":
		return o.graph("±J spin glass", o.glassBonds())
	case "villain":
		bonds, err := o.villainBonds()
		if err != nil {
			return nil, err
		}
		return o.graph("fully frustrated Ising model", bonds)
	}
	return nil, fmt.Errorf("-theory %s: want phi4, xy, ising, glass or villain", o.kind)
}

// phi4 is φ⁴ theory. For one component a pilot run chooses the recipe: if all extents are even,
// the odd sites of the flow have their exact distribution given the others.
func (o *options) phi4() (*theory, error) {
	phi4, err := target.NewPhi4(o.shape, &target.Phi4Settings{
		Mass2: o.mass2, Lambda: o.lambda, Components: o.components,
	})
	if err != nil {
		return nil, err
	}
	r := recipes[o.recipe]()
	r.Whiten, r.Network.Components = false, o.components
	return &theory{
		Density: phi4, recipe: r, exact: phi4.ExactLogZ, grows: r.Checkerboard && len(o.shape) <= 2,
		name:  o.phi4Name(),
		field: phi4.Field, values: func(x []float64) []float64 { return x },
		model: func() (*flow.Model, error) { return o.piloted(phi4, r) },
	}, nil
}

func (o *options) phi4Name() string {
	field := "φ⁴ theory"
	if o.components > 1 {
		field = fmt.Sprintf("φ⁴ theory of O(%d)", o.components)
	}
	return fmt.Sprintf("%s on %s sites, m² = %g, λ = %g", field, o.shapeText, o.mass2, o.lambda)
}

// xy is the XY model. Its field has two components, the cosine and the sine of the angle. The
// flow has conditional circular splines on nested checkerboards, and its density is the same
// after a rotation of all angles.
func (o *options) xy() (*theory, error) {
	xy, err := target.NewXY(o.shape, o.beta)
	if err != nil {
		return nil, err
	}
	field, err := target.NewField(o.shape, 2)
	if err != nil {
		return nil, err
	}
	values := func(theta []float64) []float64 {
		v := make([]float64, 2*len(theta))
		for i, angle := range theta {
			v[2*i+1], v[2*i] = math.Sincos(angle)
		}
		return v
	}
	r := recipes[o.recipe]()
	r.Method, r.LearnRate = flow.Adam, 2e-3
	return &theory{
		Density: xy, field: field, values: values, recipe: r, exact: xy.ExactLogZ,
		single: true,
		more:   []flow.Observable{{Name: "helicity", Func: xy.HelicityModulus}},
		name:   fmt.Sprintf("XY model on %s sites, β = %g", o.shapeText, o.beta),
		model:  func() (*flow.Model, error) { return circular(o) },
	}, nil
}

// circular is a flow of angles from a normal prior. Given its neighbours, an angle of the XY
// model has the logarithm of its density linear in their cosines and sines: the networks of
// the last two layers are linear, those on the whole lattice. More than two are worse.
func circular(o *options) (*flow.Model, error) {
	src := rand.NewPCG(o.seed, 1)
	layers := 0 // made, fine to coarse
	board, err := bijector.NewCheckerboard(o.shape, nil, &bijector.NetworkSettings{
		ContextBlock: func(context, moved int) (bijector.Bijector, error) {
			hidden, bins := []int{24, 24}, 12
			if layers++; layers <= 2 {
				hidden, bins = []int{}, 24
			}
			keep := make([]int, context)
			for i := range keep {
				keep[i] = i
			}
			return bijector.NewCircularSpline(context+moved, &bijector.CircularSettings{
				Relative: true, Keep: [][]int{keep}, Hidden: hidden, Bins: bins, Src: src,
			})
		},
	})
	if err != nil {
		return nil, err
	}
	angles, err := bijector.NewAngles(board.Dim())
	if err != nil {
		return nil, err
	}
	chain, err := bijector.NewChain(angles, board)
	if err != nil {
		return nil, err
	}
	return flow.New(target.NewNormal(board.Dim()), chain)
}

// recipes are those of -recipe.
var recipes = map[string]func() *flow.Recipe{"fast": flow.FastRecipe, "best": flow.BestRecipe}

// mostImages is the largest order of the symmetry group that a flow is averaged over.
const mostImages = 1 << 14

// symmetrised is a flow whose density is symmetrised over signed permutations of components,
// for one component x → −x, and over the symmetries of the lattice, without translations if
// there are too many of them.
func (t *theory) symmetrised(o *options, m *flow.Model) (*flow.Model, error) {
	generators, err := flow.InternalSymmetries(m.Dim()/o.components, o.components)
	if err != nil {
		return nil, err
	}
	if o.images == 1 || t.uneven {
		return flow.Symmetrize(m, generators...)
	}
	reflections, err := flow.Reflections(o.shape)
	if err != nil {
		return nil, err
	}
	translations, err := flow.Translations(o.shape)
	if err != nil {
		return nil, err
	}
	order := m.Dim() / o.components
	for a := range o.components {
		order *= 2 * (a + 1)
	}
	for d := range o.shape {
		order *= 2 * (d + 1)
	}
	ofSites := reflections
	if order <= mostImages {
		ofSites = append(ofSites, translations...)
	}
	ofValues, err := flow.WithComponents(ofSites, o.components)
	if err != nil {
		return nil, err
	}
	return flow.Symmetrize(m, append(generators, ofValues...)...)
}

// inversion is the same flow, symmetrised over x → −x alone: its density takes two passes.
func inversion(m *flow.Model) (*flow.Model, error) {
	plain, err := flow.New(m.Prior(), m.Bijector())
	if err != nil {
		return nil, err
	}
	return flow.Symmetrize(plain, flow.Inversion(m.Dim()))
}

// susceptibility is the observable χ.
func (t *theory) susceptibility() flow.Observable {
	return flow.Observable{Name: "χ", Func: func(x []float64) float64 {
		chi := t.field.Susceptibility(t.values(x))
		if t.self != nil {
			chi += t.self(x)
		}
		return chi
	}}
}

// observables are those of the chains: χ and those of the theory.
func (t *theory) observables() []flow.Observable {
	return append([]flow.Observable{t.susceptibility()}, t.more...)
}
