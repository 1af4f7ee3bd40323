// Command particles anneals a fluid of particles in a periodic box from random positions to
// its temperature, and gives its free energy and its structure.
//
//	go run ./examples/particles
//	go run ./examples/particles -n 16 -budget 60s -json fluid.json
//	go run ./examples/particles -n 8 -axes 3 -density 0.6
//	go run ./examples/particles -train 60s
//
// The particles repel each other by the potential of Weeks, Chandler and Andersen; density,
// temperature and pressure are in units of its σ and ε. Particle 0 is pinned, which takes
// translations out exactly. The other positions are angles, see target.Particles.
//
// Annealed importance sampling, flow.AIS, starts from independent uniform positions, or from a
// flow of circular splines that was trained for the time of -train, and ends in weighted
// samples of the fluid. Their mean weight is the configuration integral. The program prints
// its logarithm beside that of thermodynamic integration, and the pressure beside that of
// plain hybrid Monte Carlo. A figure of the radial distribution function goes to the directory
// -out. Ctrl-C ends the program.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"github.com/neuralrg/neuralrg/examples/internal/checkpoint"
	"github.com/neuralrg/neuralrg/examples/internal/console"
)

func main() {
	o, err := parse(os.Args[1:])
	if err == nil {
		err = run(o)
	}
	console.Exit("particles", err)
}

func run(o *options) error {
	f, err := o.fluid(o.temperature)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o777); err != nil {
		return err
	}
	if err := checkpoint.Probe(o.files()...); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if o.dimer {
		return runDimer(ctx, o)
	}
	r := &report{o: o, fluid: f}
	for _, phase := range []func(context.Context) error{r.anneal, r.integrate, r.plain} {
		if err := phase(ctx); err != nil {
			return err
		}
	}
	fmt.Print(r)
	return errors.Join(r.save(), drawRadial(r))
}
