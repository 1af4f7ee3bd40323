package main

import (
	"context"
	"fmt"
	"time"

	"github.com/neuralrg/neuralrg/flow"
)

// stage is the training on one lattice. The flow of the first stage has random parameters,
// those of the others begin as the flow before.
type stage struct {
	o *options
	t *theory
}

// stages returns lattices of rising extents, the last one that of the flags. Each has twice
// the extents of the one before and the same couplings. The first one has extents of 8 or
// more, if there is more than one. A smaller lattice has 2/5 of the time of the next one.
func (o *options) stages(t *theory) ([]stage, error) {
	all := []stage{{o, t}}
	for last := t; last.grows; {
		small, ok := all[0].o.half()
		if !ok {
			break
		}
		next, err := small.theory()
		if err != nil {
			return nil, err
		}
		all, last = append([]stage{{small, next}}, all...), next
	}
	sum, share := 0.0, 1.0
	for range all {
		sum, share = sum+share, share*0.4
	}
	budget := float64(o.budget) / sum
	for k := len(all) - 1; k >= 0; k-- {
		all[k].o.budget = time.Duration(budget)
		budget *= 0.4
	}
	return all, nil
}

// half returns the options of a lattice with half the extents, if these are multiples of 4
// and 8 or more: a smaller flow has no scales to begin as.
func (o *options) half() (*options, bool) {
	small := *o
	small.shape, small.shapeText = nil, ""
	for a, n := range o.shape {
		if n%8 != 0 || n < 16 {
			return nil, false
		}
		small.shape = append(small.shape, n/2)
		if a > 0 {
			small.shapeText += "x"
		}
		small.shapeText += fmt.Sprint(n / 2)
	}
	return &small, true
}

// grow trains the stages and returns the last flow. Ctrl-C ends a stage, and the next one
// begins with what there is.
func (r *report) grow(o *options) (*flow.Model, error) {
	stages, err := o.stages(r.t)
	if err != nil {
		return nil, err
	}
	var m *flow.Model
	for k, s := range stages {
		if m == nil {
			start := time.Now()
			m, err = s.t.model()
			pilot := min(time.Since(start), s.o.budget/2)
			s.o.budget -= pilot
			r.Seconds += pilot.Seconds()
		} else {
			s.t.recipe, s.t.grown = stages[k-1].t.recipe, true // what the pilot run chose
			m, err = s.t.recipe.Grow(m, s.o.shape, s.t.spectrum)
		}
		if err == nil {
			m, err = s.t.symmetrised(s.o, m)
		}
		if err == nil {
			err = interruptible(func(ctx context.Context) error { return r.train(ctx, s.o, s.t, m) })
		}
		if err != nil {
			return nil, err
		}
	}
	return m, nil
}
