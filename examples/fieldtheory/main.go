// Command fieldtheory trains a flow on a lattice field theory and measures the theory with
// it, beside hybrid Monte Carlo without a flow in the same time.
//
//	go run ./examples/fieldtheory
//	go run ./examples/fieldtheory -shape 8x8 -mass2 -4 -lambda 4.335 -budget 2m
//	go run ./examples/fieldtheory -theory phi4 -shape 6x6x6 -mass2 -1 -lambda 1.5 -json phi4.json
//
// The theory is φ⁴ with the action of target.Phi4,
//
//	S(φ) = Σ_bonds (φ_x − φ_y)² + Σ_x (m² φ_x² + λ φ_x⁴).
//
// Training lasts for the time of -budget. The program prints how well the flow fits, ln Z
// with its error, the susceptibility χ and the second-moment correlation length ξ, all from
// weighted samples of the flow, by a chain in its latent space, and by hybrid Monte Carlo
// in the space of the field, tuned by its own warm-up. Where the field has no slow modes,
// plain hybrid Monte Carlo needs no training and is faster; the flow also gives ln Z.
//
// A figure of the two-point function goes to the directory -out. Ctrl-C ends the phase that
// is under way, and the program goes on with what it has.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/neuralrg/neuralrg/examples/internal/checkpoint"
	"github.com/neuralrg/neuralrg/examples/internal/console"
)

func main() {
	o, err := parse(os.Args[1:])
	if err == nil {
		err = run(o)
	}
	console.Exit("fieldtheory", err)
}

func run(o *options) error {
	t, err := o.theory()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o777); err != nil {
		return err
	}
	if err := checkpoint.Probe(o.files()...); err != nil {
		return err
	}
	r, err := study(o, t)
	if err != nil {
		return err
	}
	fmt.Print(r)
	return errors.Join(r.save(o), drawTwoPoint(o, r))
}

// study trains a flow and measures the theory in every way.
func study(o *options, t *theory) (*report, error) {
	r := &report{t: t}
	m, err := t.model(o)
	if err != nil {
		return nil, err
	}
	phases := []func(ctx context.Context) error{
		func(ctx context.Context) error { return r.train(ctx, o, m) },
		func(ctx context.Context) error { return r.judge(ctx, o, m) },
		func(ctx context.Context) error { return r.weigh(ctx, o, m) },
		func(ctx context.Context) error { return r.latent(ctx, o, m) },
		func(ctx context.Context) error { return r.plain(ctx, o) },
	}
	for _, phase := range phases {
		if err := interruptible(phase); err != nil {
			return nil, err
		}
	}
	return r, nil
}
