// Command fieldtheory trains a flow on a lattice field theory and measures the theory with
// it, beside hybrid Monte Carlo without a flow in the same time.
//
//	go run ./examples/fieldtheory
//	go run ./examples/fieldtheory -shape 8x8 -mass2 -4 -lambda 4.335 -budget 2m
//	go run ./examples/fieldtheory -shape 6x6x6 -mass2 -1 -lambda 1.5 -json phi4.json
//	go run ./examples/fieldtheory -shape 4x4 -components 2 -mass2 -2 -lambda 1.5
//	go run ./examples/fieldtheory -theory xy -shape 8x8 -beta 1 -budget 5m
//	go run ./examples/fieldtheory -theory ising -shape 4x4x4 -beta 0.22
//	go run ./examples/fieldtheory -theory glass -shape 8x8 -beta 0.7 -couplings 1 -budget 5m -samples 4000
//	go run ./examples/fieldtheory -theory villain -shape 8x8 -beta 0.7 -budget 5m -samples 4000
//
// The theory is φ⁴ with the action of target.Phi4,
//
//	S(φ) = Σ_bonds (φ_x − φ_y)² + Σ_x (m² φ_x² + λ φ_x⁴),
//
// with -components n its form with O(n) symmetry, or the XY model of angles,
// S(θ) = −β Σ_bonds cos(θ_x − θ_y), in one or two dimensions.
// With helicity the program then means the helicity modulus, target.XY.HelicityModulus.
//
// Of spins it is the continuous dual of target.Ising:
//
//   - ising: the Ising model on a lattice of any dimension;
//   - glass: couplings ±β with random signs, of the seed -couplings;
//   - villain: the fully frustrated square lattice.
//
// The last two have no symmetry of the lattice, and the flow has a block for every site. It is
// a start for annealing, in -rungs rungs. The ground states, the overlap with one of them and
// the correlations of all bonds are compared with exact sums: a flow that had lost some of the
// states would have other ones. χ is N times the mean square of the overlap.
//
// For φ⁴ a pilot run without trials (flow.NewPilot) finds the size of the field, and the odd
// sites of even extents are exact. Training lasts for the time of -budget, the pilot run
// included. With -recipe best, on one or two axes whose extents are multiples of 8 and at
// least 16, the flow first learns a lattice of half the extents, and so on, and grows. The
// program prints how well the flow fits, ln Z with its error, the susceptibility χ and the
// second-moment correlation length ξ, all from weighted samples of the flow, by a chain in its
// latent space, and by hybrid Monte Carlo in the space of the field, tuned by its own warm-up.
// Where the field has no slow modes, plain hybrid Monte Carlo needs no training and is faster;
// the flow also gives ln Z.
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
	r := newReport(t)
	m, err := r.grow(o)
	if err != nil {
		return nil, err
	}
	phases := []func(ctx context.Context) error{
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
