package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/neuralrg/neuralrg/examples/internal/console"
	"github.com/neuralrg/neuralrg/flow"
)

// report is what the program writes; energies are in nats.
type report struct {
	L               int     `json:"L"`
	T               float64 `json:"T"`
	From            string  `json:"from"`
	Params          int     `json:"params"`
	Steps           int     `json:"steps"` // of this run
	Batch           int     `json:"batch"`
	Seed            uint64  `json:"seed"`
	TrainingSeconds float64 `json:"training_seconds"` // of this run
	Exact           float64 `json:"exact"`            // −ln Z

	// Numbers are null where they are not known.
	Flow     *flow.Estimate `json:"flow"`
	Scales   []scale        `json:"scales,omitempty"`
	Annealed *annealed      `json:"annealed,omitempty"`
	Measured []mean         `json:"measured,omitempty"`
}

type scale struct {
	Latents int      `json:"latents"`
	Gap     float64  `json:"gap"`
	GapErr  *float64 `json:"gap_err"`
}

type annealed struct {
	Rungs    int           `json:"rungs"`
	Seconds  float64       `json:"seconds"`
	Estimate flow.Estimate `json:"estimate"`
}

type mean struct {
	Name  string   `json:"name"`
	Mean  float64  `json:"mean"`
	Error *float64 `json:"error"`
	RHat  *float64 `json:"r_hat"`
}

// known is a number for a JSON file, nil if it is not finite.
func known(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// train makes the steps of -steps, and keeps the flow from time to time.
func (c *critical) train(ctx context.Context) error {
	o, r := c.o, &c.report
	*r = report{L: o.l, T: o.t, From: o.from, Batch: o.batch, Seed: o.seed, Exact: -c.ising.LogZ()}
	for _, p := range c.m.Params() {
		r.Params += p.Value().Shape().TotalSize()
	}
	if o.steps == 0 {
		return c.save()
	}
	m, err := c.symmetrised()
	if err != nil {
		return err
	}
	recipe := flow.BestRecipe()
	if o.from != "" {
		recipe.Anneal, recipe.LearnRate = 1, 5e-3
	}
	if o.rate > 0 {
		recipe.LearnRate = o.rate
	}
	s := recipe.Settings(o.steps, rand.NewPCG(o.seed, 2))
	s.Batch, s.Parts, s.Images = o.batch, o.parts, min(o.images, len(m.Symmetries()))
	start, printed, saved := time.Now(), time.Now(), time.Now()
	s.Recorder = flow.RecorderFunc(func(p *flow.Report) error {
		r.Steps = p.Step
		if time.Since(printed) > 20*time.Second || p.Step == 1 {
			printed = time.Now()
			console.Printf("step %d: gap %.4f ± %.4f nats\n", p.Step, p.Running.Loss-r.Exact, p.Running.StdErr)
		}
		if time.Since(saved) > 2*time.Minute {
			saved = time.Now()
			return c.save()
		}
		return nil
	})
	_, err = flow.Train(ctx, m.Float32(), c.ising, s) // the parameters are those of c.m
	r.TrainingSeconds = time.Since(start).Seconds()
	if saving := c.save(); saving != nil {
		return saving
	}
	return err
}

// judge estimates the gap and −ln Z from samples of the flow.
func (c *critical) judge(ctx context.Context) error {
	m, err := c.symmetrised()
	if err != nil {
		return err
	}
	e, err := flow.Evaluate(ctx, m.Float32(), c.ising, &flow.EvaluateSettings{
		Samples: c.o.samples, Batch: min(100, c.o.samples), Images: min(c.o.images, len(m.Symmetries())),
		Src: rand.NewPCG(c.o.seed, 3),
	})
	if err != nil {
		return err
	}
	r := &c.report
	r.Flow = e
	console.Printf("L = %d, T = %.5f, %d parameters, %d steps in %.0f s\n", r.L, r.T, r.Params, r.Steps,
		r.TrainingSeconds)
	console.Printf("gap %.4f ± %.4f nats\n%v\nexact -ln Z %.4f\n", e.Loss-r.Exact, e.StdErr, e, r.Exact)
	return nil
}

// divide divides the gap among the scales.
func (c *critical) divide(ctx context.Context) error {
	if !c.o.scales {
		return nil
	}
	m, err := c.even()
	if err != nil {
		return err
	}
	gaps, err := flow.ScaleGaps(ctx, m.Float32(), c.ising, &flow.ScaleSettings{Src: rand.NewPCG(c.o.seed, 4)})
	if err != nil {
		return err
	}
	for _, g := range gaps {
		console.Printf("level %d: %5d latent variables, gap %.4f ± %.4f nats\n", g.Level, g.Latents, g.Gap, g.StdErr)
		c.report.Scales = append(c.report.Scales, scale{g.Latents, g.Gap, known(g.StdErr)})
	}
	return nil
}

// anneal takes samples of the flow to the target.
func (c *critical) anneal(ctx context.Context) error {
	if c.o.anneal == 0 {
		return nil
	}
	m, err := c.even()
	if err != nil {
		return err
	}
	start := time.Now()
	a, err := flow.AIS(ctx, m.Float32(), c.ising, &flow.AISSettings{
		Samples: c.o.anneal, Batch: min(100, c.o.anneal), Rungs: c.o.rungs, Src: rand.NewPCG(c.o.seed, 5),
	})
	if err != nil {
		return err
	}
	c.report.Annealed = &annealed{len(a.Betas), time.Since(start).Seconds(), a.Estimate}
	console.Printf("annealed in %d rungs and %.0f s: gap %.4f ± %.4f nats\n%v\n", len(a.Betas),
		c.report.Annealed.Seconds, a.Loss-c.report.Exact, a.StdErr, a.Estimate)
	return nil
}

// measure measures m² and the energy by latent chains.
func (c *critical) measure(ctx context.Context) error {
	if c.o.measure == 0 {
		return nil
	}
	m, err := c.even()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.o.measure)
	defer cancel()
	start := time.Now()
	ms, err := flow.Measure(ctx, m.Float32(), c.ising, []flow.Observable{
		{Name: "m2", Func: c.ising.StructureFactor},
		{Name: "energy", Func: func(x []float64) float64 {
			e, _ := c.ising.SpinEnergy(x) // for each site
			return e
		}},
	}, &flow.MeasureSettings{
		Chains: c.o.chains, RelErr: 0.01, MaxSweeps: c.o.sweeps, WarmUp: c.o.sweeps, Src: rand.NewPCG(c.o.seed, 7),
	})
	if ms == nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("-measure %v is too short: %w", c.o.measure, err)
		}
		return err
	}
	console.Printf("%v\n%.0f s\n", ms, time.Since(start).Seconds())
	for _, q := range ms.Rows {
		c.report.Measured = append(c.report.Measured, mean{q.Name, q.Mean, known(q.MCSE), known(q.RHat)})
	}
	return nil
}
