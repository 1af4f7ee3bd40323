// Command collective shows what the latent variables of a flow mean. The flow was
// trained on the two-dimensional Ising model. The figures are Fig. 4 of Li and Wang,
// Phys. Rev. Lett. 121, 260601 (2018).
//
//	go run ./examples/collective
//	go run ./examples/collective -L 16 -model ising.safetensors -chains 1000 -burn 450 -between 100 -samples 2000
//
// The program draws the responses E[∂z_i/∂x] of the collective variables at the top
// of the hierarchy and of one variable at every level. It also draws the mutual
// information of all pairs of latent variables and of all pairs of physical variables.
// All are means over the target. Hybrid Monte Carlo in the latent space samples the
// target without bias. The chains start at samples of the model. The program prints
// the length of the burn-in and the spacing of the samples in autocorrelation times of
// m².
//
// The program reads the flow from the file of -model, which examples/ising2d -model
// writes. If there is no such file, the program trains a flow and saves it there.
package main

import (
	"context"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"

	"github.com/neuralrg/neuralrg/examples/internal/console"
	"github.com/neuralrg/neuralrg/target"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := parse(os.Args[1:])
	if err == nil {
		err = run(ctx, o)
	}
	console.Exit("collective", err)
}

func run(ctx context.Context, o *options) error {
	if err := o.ready(); err != nil {
		return err
	}
	ising, err := target.NewIsing([]int{o.L, o.L}, o.T)
	if err != nil {
		return err
	}
	m, h, err := prepare(ctx, ising, o)
	if err != nil {
		return err
	}
	// Training uses another source. So the samples are the same whether the model was
	// trained, resumed or read.
	x, z, err := sample(ctx, m, ising, o, rand.NewPCG(o.seed, 4))
	if err != nil {
		return err
	}
	if err := respond(ctx, m, h, x, o); err != nil {
		return err
	}
	src := rand.NewPCG(o.seed, 5)
	latent, err := inform(ctx, "latent", z, src)
	if err != nil {
		return err
	}
	// Posterior may have inverted a configuration. A random image of it has the
	// distribution of the target again.
	if err := m.RandomImages(x, src); err != nil {
		return err
	}
	physical, err := inform(ctx, "physical", x, src)
	if err != nil {
		return err
	}
	console.Printf("ratio %.0f, with the baselines taken off %.0f\n", physical.mean/latent.mean,
		(physical.mean-physical.baseline)/(latent.mean-latent.baseline))
	latent.printLevels(h)
	return informationFigure(latent.m, physical.m, o)
}
