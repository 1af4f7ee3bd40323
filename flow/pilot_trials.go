package flow

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/neuralrg/neuralrg/internal/num"
	"github.com/neuralrg/neuralrg/target"
)

// trialSamples is the number of samples that judge a trial.
const trialSamples = 500

// contender is a recipe in training.
type contender struct {
	*PilotTrial
	trainer *Trainer
	model   *Model
}

// candidates are the recipes that may suit the target, in the order of preference.
func (r *piloting) candidates() []PilotTrial {
	base := r.base()
	base.Exact, base.Whiten, base.Scale = nil, false, r.Field.RMS
	var all []PilotTrial
	add := func(name string, spectrum []float64, change func(c *Recipe)) {
		c := *base
		change(&c)
		all = append(all, PilotTrial{Name: name, Recipe: &c, Spectrum: spectrum})
	}
	even := !slices.ContainsFunc(r.Shape, func(n int) bool { return n%2 != 0 })
	if phi4, ok := r.t.(*target.Phi4); ok && even {
		if a, err := NewQuarticAction(phi4); err == nil {
			add("exact odd sites", nil, func(c *Recipe) { c.Exact = a })
		}
	}
	if r.flat && r.s.Recipe == nil {
		add("blocks on all values", nil, func(c *Recipe) { *c = *flatRecipe(r.Shape[0], r.Field.RMS) })
	}
	add("not whitened", nil, func(*Recipe) {})
	whiten := func(c *Recipe) { c.Whiten = true }
	if d, ok := r.t.(interface{ Spectrum() []float64 }); ok {
		if s := d.Spectrum(); len(s) == r.t.Dim() {
			add("whitened by the declared spectrum", slices.Clone(s), whiten)
		}
	}
	if r.Field.Spectrum != nil {
		add("whitened by the measured spectrum", r.Field.Spectrum, whiten)
	} else if r.held.translations() && r.t.Dim() > 1 {
		r.note("there is no measured spectrum: see the warnings of the chains")
	}
	return all
}

// base is the recipe that the trials vary.
func (r *piloting) base() *Recipe {
	if r.s.Recipe != nil {
		c := *r.s.Recipe
		return &c
	}
	if best := BestRecipe(); best.onBoard(r.Shape) {
		return best
	}
	return FastRecipe()
}

// flatRecipe has two pairs of blocks on all values.
func flatRecipe(dim int, scale float64) *Recipe {
	c := FastRecipe()
	c.ConditionalDecimators, c.Whiten, c.Scale = false, false, scale
	c.Network.Size, c.Network.Repeat = max(2, dim), 2
	c.Hidden = []int{24, 24}
	return c
}

// trials trains by all recipes and chooses one. Without steps it takes the first one.
func (r *piloting) trials(ctx context.Context) error {
	r.Trials = r.candidates()
	if r.s.Steps < 0 {
		r.Recipe, r.Spectrum = r.Trials[0].Recipe, r.Trials[0].Spectrum
		return nil
	}
	seed := [4]uint64{r.rnd.Uint64(), r.rnd.Uint64(), r.rnd.Uint64(), r.rnd.Uint64()}
	left := make([]*contender, len(r.Trials))
	for k := range left {
		left[k] = &contender{PilotTrial: &r.Trials[k]}
	}
	for _, until := range []int{r.s.Steps / 2, r.s.Steps} {
		if len(left) == 1 && left[0].trainer != nil {
			break
		}
		var survivors []*contender
		for _, t := range left {
			err := r.try(ctx, t, until, seed)
			if canceled(err) {
				return fmt.Errorf("trial %q, step %d: %w", t.Name, t.Steps, err)
			}
			if t.Err = err; err == nil {
				survivors = append(survivors, t)
			}
		}
		left = better(survivors)
	}
	if len(left) == 0 {
		var failed []error
		for _, t := range r.Trials {
			failed = append(failed, fmt.Errorf("trial %q: %w", t.Name, t.Err))
		}
		return errors.Join(failed...)
	}
	chosen := first(left)
	r.Recipe, r.Spectrum = chosen.Recipe, chosen.Spectrum
	return nil
}

// try trains until a step and judges the model. All trials have the same random numbers.
func (r *piloting) try(ctx context.Context, t *contender, until int, seed [4]uint64) (err error) {
	if t.trainer == nil {
		p := &Pilot{Recipe: t.Recipe, Shape: r.Shape, Spectrum: t.Spectrum, Symmetries: r.Symmetries, Images: r.Images}
		if t.model, err = p.Model(rand.NewPCG(seed[0], 1)); err != nil {
			return err
		}
		s := p.Settings(t.model, r.s.Steps, rand.NewPCG(seed[1], 2))
		s.Batch, s.Anneal = r.s.Batch, nil
		if t.trainer, err = NewTrainer(t.model.Float32(), r.t, s); err != nil {
			return err
		}
	}
	if err := t.trainer.Run(ctx, until-t.Steps); err != nil {
		return err
	}
	t.Steps = until
	e, err := Evaluate(ctx, t.model, r.t, &EvaluateSettings{
		Samples: trialSamples, Images: min(r.Images, max(1, len(t.model.group))), Src: rand.NewPCG(seed[2], seed[3]),
	})
	if err != nil {
		return err
	}
	if t.Loss, t.StdErr = e.Loss, e.StdErr; !num.Finite(e.Loss) || !num.Finite(e.StdErr) {
		return fmt.Errorf("%w: loss %g ± %g", ErrNotFinite, e.Loss, e.StdErr)
	}
	return nil
}

// apart is by how many standard errors the loss of t is above that of best.
func (t *contender) apart(best *contender) float64 {
	if t == best || t.Loss <= best.Loss {
		return 0
	}
	return (t.Loss - best.Loss) / math.Hypot(t.StdErr, best.StdErr)
}

// better returns the better half, and all within two standard errors of the best one.
func better(all []*contender) []*contender {
	if len(all) == 0 {
		return nil
	}
	sorted := slices.SortedStableFunc(slices.Values(all), func(a, b *contender) int {
		switch {
		case a.Loss < b.Loss:
			return -1
		case a.Loss > b.Loss:
			return 1
		}
		return 0
	})
	half := sorted[:(len(all)+1)/2]
	return slices.DeleteFunc(slices.Clone(all), func(t *contender) bool {
		return !slices.Contains(half, t) && t.apart(sorted[0]) > 2
	})
}

// first returns the first trial within two standard errors of the best one.
func first(all []*contender) *contender {
	best := slices.MinFunc(all, func(a, b *contender) int {
		if a.Loss < b.Loss {
			return -1
		}
		return 1
	})
	return all[slices.IndexFunc(all, func(t *contender) bool { return t.apart(best) <= 2 })]
}
