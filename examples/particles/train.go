package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// train returns a flow that was trained for the time of -train. In every coupling a random
// half of the particles moves, given the others.
func (r *report) train(ctx context.Context, angles *bijector.Angles) (*flow.Model, error) {
	dim, rnd := r.fluid.Dim(), rand.New(rand.NewPCG(r.o.seed, 1))
	var keep [][]int
	for range 8 {
		var kept []int
		for _, i := range rnd.Perm(r.o.n - 1)[:max(1, (r.o.n-1)/2)] {
			for a := range r.o.axes {
				kept = append(kept, i*r.o.axes+a)
			}
		}
		keep = append(keep, kept)
	}
	splines, err := bijector.NewCircularSpline(dim, &bijector.CircularSettings{
		Hidden: []int{64, 64}, Bins: 16, Keep: keep, Src: rnd,
	})
	if err != nil {
		return nil, fmt.Errorf("-n %d with -train: %w", r.o.n, err)
	}
	chain, err := bijector.NewChain(angles, splines)
	if err != nil {
		return nil, err
	}
	m, err := flow.New(target.NewNormal(dim), chain)
	if err != nil {
		return nil, err
	}
	return m, r.fit(ctx, m)
}

// fit trains for the time of -train, in the first half of it at higher temperatures.
func (r *report) fit(ctx context.Context, m *flow.Model) error {
	ctx, cancel := context.WithTimeout(ctx, r.o.train)
	defer cancel()
	start, last := time.Now(), time.Now()
	part := 0.0 // of the time: the clock of both schedules
	_, err := flow.Train(ctx, m.Float32(), r.fluid, &flow.Settings{
		Steps: 1 << 30, Batch: 256, Src: rand.NewPCG(r.o.seed, 2),
		Anneal: func(int) float64 { return math.Pow(1e-3, max(0, 1-2*part)) },
		Optimizer: flow.OptimizerSettings{LearnRate: 0.003, ClipNorm: 100,
			Schedule: func(int) float64 { return 0.02 + 0.98*math.Pow(math.Cos(0.5*math.Pi*min(1, part)), 2) }},
		Recorder: flow.RecorderFunc(func(report *flow.Report) error {
			part = float64(time.Since(start)) / float64(r.o.train)
			if time.Since(last) > r.o.train/10 {
				last = time.Now()
				fmt.Printf("step %d: loss %.4g nats\n", report.Step, report.Running.Loss)
			}
			return nil
		}),
	})
	r.TrainSeconds = time.Since(start).Seconds()
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}
