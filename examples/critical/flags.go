package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/neuralrg/neuralrg/examples/internal/console"
	"github.com/neuralrg/neuralrg/target"
)

type options struct {
	l                     int
	t                     float64
	from, out, name       string
	steps, batch, images  int
	parts                 int
	rate                  float64
	samples               int
	scales                bool
	anneal, rungs, chains int
	measure               time.Duration
	sweeps                int // of -measure and of its warm-up, in tests; 0 for as many as it takes
	seed                  uint64
}

var help = console.Help{
	Synopsis: "critical [flags] trains flows of the Ising model at T_c on ever larger lattices.",
	Groups: []console.Group{{Title: "Flags", Flags: []string{
		"L", "T", "from", "steps", "batch", "parts", "images", "rate", "samples", "scales", "anneal", "rungs",
		"measure", "chains", "seed", "out", "name",
	}}},
}

func parse(args []string) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("critical", flag.ContinueOnError)
	f.IntVar(&o.l, "L", 16, "the lattice has `N`×N sites, N a power of two and 4 or more")
	f.Float64Var(&o.t, "T", target.CriticalTemperature(), "temperature `T` in units of J")
	f.StringVar(&o.from, "from", "", "begin as the flow of `FILE`, of the lattice itself or of half the extent")
	f.IntVar(&o.steps, "steps", 800, "make `N` training steps; 0 for none")
	f.IntVar(&o.batch, "batch", 256, "`N` samples in a training step")
	f.IntVar(&o.parts, "parts", 0, "compute these in `N` equal parts one after another, which saves memory; "+
		"0 for parts of 64 from 64×64 sites on")
	f.IntVar(&o.images, "images", 4, "average ln q over `N` random images of a sample")
	f.Float64Var(&o.rate, "rate", 0, "largest learning `rate`; 0 for 10⁻², or 5·10⁻³ with -from")
	f.IntVar(&o.samples, "samples", 4000, "judge the flow by `N` samples")
	f.BoolVar(&o.scales, "scales", false, "divide the gap among the scales of the flow")
	f.IntVar(&o.anneal, "anneal", 0, "take `N` samples of the flow to the target; 0 for none")
	f.IntVar(&o.rungs, "rungs", 100, "`N` steps from the flow to the target")
	f.DurationVar(&o.measure, "measure", 0, "measure m² and the energy by latent chains, to 1 % or for this `time`; "+
		"0 for none")
	f.IntVar(&o.chains, "chains", 64, "`N` latent chains")
	f.Uint64Var(&o.seed, "seed", 1, "`seed` of all random numbers")
	f.StringVar(&o.out, "out", "out/critical", "write the results to the directory `DIR`")
	f.StringVar(&o.name, "name", "", "`name` of the results; the extent of the lattice by default")
	if err := help.Parse(f, args, os.Stdout, console.Width(os.Stdout)); err != nil {
		return nil, err
	}
	if o.name == "" {
		o.name = fmt.Sprint(o.l)
	}
	if err := console.Positive(f, "L", "T", "batch", "images", "samples", "rungs", "chains"); err != nil {
		return nil, err
	}
	if o.parts == 0 && o.l >= 64 && o.batch%64 == 0 {
		o.parts = o.batch / 64
	}
	switch {
	case o.l < 4 || o.l > 512 || o.l&(o.l-1) != 0:
		return nil, fmt.Errorf("-L %d: want a power of two from 4 to 512", o.l)
	case o.steps < 0 || o.anneal < 0 || o.measure < 0:
		return nil, fmt.Errorf("-steps %d -anneal %d -measure %v: want positive numbers, or 0", o.steps, o.anneal,
			o.measure)
	case o.parts < 0 || o.parts > 0 && o.batch%o.parts != 0:
		return nil, fmt.Errorf("-parts %d: want a divisor of the batch, %d, or 0", o.parts, o.batch)
	case !(o.rate >= 0):
		return nil, fmt.Errorf("-rate %g: want a positive number, or 0", o.rate)
	case o.steps == 0 && o.from == "":
		return nil, fmt.Errorf("-steps 0 without -from: there is no flow to judge")
	}
	return o, nil
}

// shape is that of a lattice of extent l.
func (o *options) shape(l int) []int { return []int{l, l} }
