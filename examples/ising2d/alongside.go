package main

import (
	"context"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/flow"
)

// chainData is a flow.DataSource: configurations of randomly chosen chains, as they
// are now, each mapped by a random symmetry of the model.
type chainData struct {
	w   *walkers
	m   *flow.Model
	src rand.Source
}

func (s *chainData) Sample(x *mat.Dense) error {
	rnd := rand.New(s.src)
	rows, _ := x.Dims()
	for i := range rows {
		x.SetRow(i, s.w.x.RawRowView(rnd.IntN(s.w.o.chains)))
	}
	return s.m.RandomImages(x, s.src)
}

// alongside makes a few sweeps of all chains between two training steps. If ctx ends
// before, all is as if no sweep had been made.
func alongside(ctx context.Context, ws []*walkers, src *rand.PCG, sweeps int) error {
	before := *src
	undo := make([]func(), len(ws))
	for i, w := range ws {
		x, made, seconds := mat.DenseCopyOf(w.x), len(w.m2), w.seconds
		undo[i] = func() {
			w.x, w.seconds = x, seconds
			w.m2, w.err, w.chains = w.m2[:made], w.err[:made], w.chains[:made]
		}
	}
	for _, w := range ws {
		s, err := w.start()
		if err == nil {
			err = w.sweep(ctx, s, sweeps, func() error { return nil })
		}
		if err != nil {
			*src = before
			for _, f := range undo {
				f()
			}
			return err
		}
	}
	return nil
}
