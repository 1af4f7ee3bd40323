package hmc

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/neuralrg/neuralrg/internal/num"
)

// Kernel is a way to move the chains that leaves the density invariant. Kernels are
// plain data: a sampler copies them and keeps what it needs to move chains itself.
//
// HMC, RandomWalk, Independence, Windows, CrankNicolson, Gibbs and Mix are the
// kernels.
type Kernel interface {
	// withDefaults returns the kernel with every zero field filled in. It fails if
	// the kernel is not defined for positions of dim coordinates.
	withDefaults(dim int) (Kernel, error)

	// mover returns what moves the chains. The kernel has its defaults.
	mover() mover
}

// mover is a kernel at work in one sampler.
type mover interface {
	kernel() Kernel // a copy
	set(k Kernel)   // to other parameters of the same kernel

	// move sets s.trial to the proposed positions with their log-densities, s.rise
	// to minus the logarithm of the Metropolis ratio, s.energy, and trial.alive to
	// false for chains whose proposal is divergent. It fails if the density fails
	// or ctx is done.
	move(ctx context.Context, s *Sampler) error

	// limit is the |rise| above which a proposal is divergent.
	limit() float64

	// force is the density whose gradient the kernel needs: nil for none. Of a kernel
	// that follows the gradient of the sampled density d it is d.
	force(d LogDensity) LogDensity
}

// Weighted is a kernel of a Mix.
type Weighted struct {
	// Kernel is any kernel but a Mix.
	Kernel Kernel

	// Weight is proportional to the probability of the kernel. The default is 1.
	Weight float64
}

// Mix draws one of its kernels for every sweep, the same for all chains, with a
// probability proportional to its weight. The sampler draws one uniform for this
// choice before everything else. A kernel may be there twice with other parameters.
//
// A mix leaves the density invariant because each of its kernels does and the choice
// does not depend on the positions.
type Mix []Weighted

func (m Mix) withDefaults(dim int) (Kernel, error) {
	if len(m) == 0 {
		return nil, fmt.Errorf("%w: a Mix without kernels", ErrSettings)
	}
	c := make(Mix, len(m))
	for i, w := range m {
		if w.Weight == 0 {
			w.Weight = 1
		}
		if !(w.Weight > 0) || !num.Finite(w.Weight) {
			return nil, fmt.Errorf("%w: Mix, kernel %d: Weight %v is not positive and finite", ErrSettings, i, w.Weight)
		}
		if isNil(w.Kernel) {
			return nil, fmt.Errorf("%w: Mix, kernel %d: nil Kernel", ErrSettings, i)
		}
		k, err := w.Kernel.withDefaults(dim)
		if err != nil {
			return nil, fmt.Errorf("Mix, kernel %d: %w", i, err)
		}
		if _, ok := k.(Mix); ok {
			return nil, fmt.Errorf("%w: Mix, kernel %d: a Mix in a Mix", ErrSettings, i)
		}
		c[i] = Weighted{k, w.Weight}
	}
	return c, nil
}

// mover is not used: the sampler holds the movers of the kernels of a mix.
func (m Mix) mover() mover { return nil }

// movers returns what moves the chains by kernel, one for every kernel of a mix, with
// the weights of a mix.
func movers(k Kernel) ([]mover, []float64) {
	mix, ok := k.(Mix)
	if !ok {
		return []mover{k.mover()}, nil
	}
	list, weights := make([]mover, len(mix)), make([]float64, len(mix))
	for i, w := range mix {
		list[i], weights[i] = w.Kernel.mover(), w.Weight
	}
	return list, weights
}

// choose returns a number from 0 to len(weights)−1 with a probability in proportion to
// its weight. Without weights it is 0, and nothing is drawn.
func choose(weights []float64, rnd *rand.Rand) int {
	if weights == nil {
		return 0
	}
	var sum float64
	for _, w := range weights {
		sum += w
	}
	u := sum * rnd.Float64()
	for i, w := range weights {
		if u -= w; u < 0 {
			return i
		}
	}
	return len(weights) - 1
}

// kernelName is the name of the type of a kernel.
func kernelName(k Kernel) string { return strings.TrimPrefix(fmt.Sprintf("%T", k), "hmc.") }
