package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// pace is how a flow is trained.
type pace struct{ lr, anneal float64 }

// lattices are the extents of the lattices of a run, the last one that of -L. With
// -budget and without -grow, the flow of a large lattice grows from those of smaller
// ones, of at least 8×8 sites. All of them must end in the same block of few sites:
// flow.Recipe.Grow has no other way. In a checkerboard one block is on all sites that remain.
func (o *options) lattices() []int {
	all := []int{o.L}
	if o.budget == 0 || o.grow != "" || o.size < 2 || o.L < 1 {
		return all
	}
	odd := o.L
	for odd%o.size == 0 {
		odd /= o.size
	}
	for f := 2; f <= odd/f && f < 1<<16; f++ {
		if odd%f == 0 && !(o.checkerboard && o.L%2 == 0) { // two blocks of unlike tiles
			return all
		}
	}
	for l := o.L; l%o.size == 0 && l/o.size >= 8 && l/o.size%o.size == 0; {
		l /= o.size
		all = slices.Insert(all, 0, l)
	}
	return all
}

// batchOf is the number of samples of a training step on l×l sites with -budget.
func batchOf(l int) int {
	if l > 16 {
		return 256
	}
	return 512
}

// moreTime is the time of a lattice in units of that of the lattice before it.
const moreTime = 1.5

// chain divides the budget among the lattices of the run. It sets o.smaller, the runs of
// the smaller lattices. The first of them begins with random parameters.
func (o *options) chain() {
	all := o.lattices()
	sum, weights := 0.0, make([]float64, len(all))
	for k := range all {
		weights[k] = math.Pow(moreTime, float64(k))
		sum += weights[k]
	}
	share := func(k int) time.Duration { return time.Duration(float64(o.budget) * weights[k] / sum) }
	last := len(all) - 1
	o.share = share(last)
	for k, l := range all[:last] {
		s := *o
		s.L, s.share = l, share(k)
		if !o.ownBatch {
			s.batch = batchOf(l)
		}
		if k == 0 {
			s.lr, s.anneal = o.fresh.lr, o.fresh.anneal
		}
		o.smaller = append(o.smaller, &s)
	}
}

// trainSmaller trains the flows of the smaller lattices, each grown from the one before
// it. It returns the last of them, nil if there are none, and the time that all took. If
// the file of -checkpoint is of a larger lattice, nothing is trained: the flow then has the
// right blocks for the file.
func trainSmaller(i *interrupts, o *options, src *rand.PCG) (small *flow.Model, seconds float64, err error) {
	for stage, s := range o.smaller {
		ising, err := target.NewIsing([]int{s.L, s.L}, s.T)
		if err != nil {
			return nil, 0, err
		}
		m, err := newModel(s, small, ising, src)
		if err != nil {
			return nil, 0, err
		}
		k := &keeper{o: s, src: src, model: m}
		k.Stage, k.Earlier = stage, seconds
		if err := train(i, k, m, ising); err != nil {
			return nil, 0, err
		}
		small = m
		if k.passed {
			continue
		}
		if err := k.save(); err != nil {
			return nil, 0, err
		}
		seconds = k.Earlier + k.history.Seconds
	}
	return small, seconds, nil
}
