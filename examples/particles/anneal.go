package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/target"
)

// anneal makes weighted samples of the fluid.
func (r *report) anneal(ctx context.Context) error {
	m, err := r.start(ctx)
	if err != nil {
		return err
	}
	e, err := flow.Evaluate(ctx, m, r.fluid, &flow.EvaluateSettings{
		Samples: r.o.samples, Src: rand.NewPCG(r.o.seed, 3),
	})
	if err != nil {
		return err
	}
	r.startESS = e.ESS
	start := time.Now()
	rungs, err := r.rungs(ctx, m)
	if err != nil {
		return err
	}
	fmt.Printf("annealing %d samples over %d rungs\n", r.o.samples, rungs)
	s := r.settings(r.o.samples, rungs, 4)
	shown := 0
	s.Progress = func(done, all int) error {
		if fifth := 5 * done / all; fifth > shown {
			shown = fifth
			fmt.Printf("%d %%\n", 20*fifth)
		}
		return nil
	}
	a, err := flow.AIS(ctx, m, r.fluid, s)
	if err != nil {
		return err
	}
	r.Seconds, r.Rungs, r.annealed = time.Since(start).Seconds(), rungs, a
	r.ESS, r.Acceptance, r.LogZ, r.LogZErr = a.ESS, a.AcceptRate, a.LogZ, a.LogZErr
	return r.weigh()
}

// start is the model at which annealing starts: uniform positions or a trained flow.
func (r *report) start(ctx context.Context) (*flow.Model, error) {
	dim := r.fluid.Dim()
	angles, err := bijector.NewAngles(dim)
	if err != nil {
		return nil, err
	}
	if r.o.train == 0 {
		return flow.New(target.NewNormal(dim), angles)
	}
	return r.train(ctx, angles)
}

// settings anneals by displacements of one particle and by new positions of one particle,
// in turn.
func (r *report) settings(samples, rungs int, stream uint64) *flow.AISSettings {
	var particles [][]int
	for i := 0; i < r.fluid.Dim(); i += r.o.axes {
		var sites []int
		for a := range r.o.axes {
			sites = append(sites, i+a)
		}
		particles = append(particles, sites)
	}
	const step = 0.6 // σ, along each axis
	return &flow.AISSettings{
		Samples: samples, Rungs: rungs, Src: rand.NewPCG(r.o.seed, stream),
		Moves: []hmc.Proposal{
			displacement{r.o.axes, min(math.Pi, 2*math.Pi*step/r.o.edge())},
			hmc.Windows{Sites: particles},
		},
	}
}

// rungs is the number of rungs of -rungs, or that take the time of -budget.
func (r *report) rungs(ctx context.Context, m *flow.Model) (int, error) {
	if r.o.rungs > 0 {
		return r.o.rungs, nil
	}
	const few = 50
	samples := min(r.o.samples, 500)
	s := r.settings(samples, 0, 5)
	for k := range few + 1 {
		s.Betas = append(s.Betas, float64(k)/few)
	}
	start := time.Now()
	if _, err := flow.AIS(ctx, m, r.fluid, s); err != nil {
		return 0, err
	}
	rate := float64(samples*few) / time.Since(start).Seconds()
	return int(min(max(10, rate*r.o.budget.Seconds()/float64(r.o.samples)), 1e6)), nil
}

// weigh measures g(r) and the pressure of the weighted samples.
func (r *report) weigh() error {
	a := r.annealed
	weights := make([]float64, len(a.LogWeights))
	rows := make([][]float64, len(weights))
	for i, v := range a.LogWeights {
		weights[i] = math.Exp(v - a.LogZ)
		rows[i] = r.measure(a.X.RawRowView(i))
	}
	r.radial, r.Pressure, r.PressureErr = r.averages(rows, weights)
	return nil
}
