package flow

import (
	"context"
	"fmt"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/hmc"
)

// physicalShare is the part of the sweeps that move the configurations themselves.
const physicalShare = 0.2

// tunedPhysical tunes hybrid Monte Carlo of configurations where the chains are, and moves
// them on the way. It returns the kernel that does the same in latent space, and the latent
// variables of the chains.
func (r *measurer) tunedPhysical(ctx context.Context, sweeps int) (k hmc.Kernel, z *mat.Dense, err error) {
	z = mat.DenseCopyOf(r.sampler.X())
	if err := r.configurations(z, r.rnd); err != nil {
		return nil, nil, err
	}
	s, err := r.physical(hmc.HMC{}, r.rnd)
	if err != nil {
		return nil, nil, err
	}
	if err := s.WarmUp(ctx, sweeps, nil); err != nil {
		return nil, nil, fmt.Errorf("in the space of configurations: %w", err)
	}
	tuned := s.Kernel().(hmc.HMC)
	tuned.Steps = min(tuned.Steps, r.s.PhysicalSteps)
	k = hmc.Gibbs{Update: func(z *mat.Dense, rnd *rand.Rand) error {
		if err := r.configurations(z, rnd); err != nil {
			return err
		}
		s, err := r.physical(tuned, rnd)
		if err != nil {
			return err
		}
		if err := s.Sweep(); err != nil {
			return fmt.Errorf("in the space of configurations: %w", err)
		}
		r.accepted += s.AcceptRate()
		r.trajectories++
		return r.m.Posterior(z, nil, s.X(), rnd)
	}}
	return k, z, r.m.Posterior(z, nil, s.X(), r.rnd)
}

// configurations sets r.image to those of the target for latent variables z.
func (r *measurer) configurations(z *mat.Dense, rnd *rand.Rand) error {
	if err := r.m.Decode(r.image, nil, z); err != nil {
		return err
	}
	r.m.randomImages(r.image, r.copied, rnd)
	return nil
}

// physical samples the target from r.image on.
func (r *measurer) physical(k hmc.HMC, rnd *rand.Rand) (*hmc.Sampler, error) {
	src := rand.NewPCG(rnd.Uint64(), rnd.Uint64())
	return hmc.New(r.target, r.image, &hmc.Settings{Kernel: k, Src: src})
}
