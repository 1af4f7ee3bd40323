package bijector

import (
	"fmt"

	"gonum.org/v1/gonum/mat"
)

// couplingsConfig are the settings of a block of couplings in a file.
type couplingsConfig struct {
	Hidden []int   `json:"hidden,omitempty"` // none: linear networks
	Keep   [][]int `json:"keep,omitempty"`   // positions kept, coupling by coupling
}

// Prices in bytes of a block of couplings, without its parameters.
const (
	perCoupling = 2700
	perDense    = 700 // layer of the networks of a coupling
)

// valuesFunc is the number of parameters of a coupling.
type valuesFunc func(kept float64, hidden []int, moved float64) float64

// check checks that the parameters of the couplings are stored, and pays for the rest. It
// does so before anything of their size is allocated.
func (c *couplingsConfig) check(s Stored, param string, values valuesFunc) error {
	if err := s.Spend(len(c.Keep), perCoupling); err != nil {
		return err
	}
	if err := s.Spend(len(c.Keep)*(len(c.Hidden)+1), perDense); err != nil {
		return err
	}
	sum := 0.0
	for k, keep := range c.Keep {
		moved := s.Dim() - len(keep)
		if moved < 1 {
			return fmt.Errorf("bijector: coupling %d: %w: keeps %d of %d positions",
				k, ErrPartition, len(keep), s.Dim())
		}
		sum += values(float64(len(keep)), c.Hidden, float64(moved))
	}
	if !(sum >= 1 && sum <= maxValues) {
		return fmt.Errorf("bijector: %w: couplings with %g parameters", ErrSettings, sum)
	}
	return s.ExpectParam(param, int(sum))
}

// hidden returns the hidden layers. It is never nil, because nil means the default.
func (c *couplingsConfig) hidden() []int { return append([]int{}, c.Hidden...) }

// couplingSteps returns the couplings of a block one by one. block makes a block of
// coupling k alone; its parameters become those of the whole from at[k] to at[k+1].
func couplingSteps(weights *Param, at []int, block func(k int) (Bijector, error)) []Step {
	var steps []Step
	for k := range len(at) - 1 {
		b, err := block(k)
		if err != nil {
			return nil // it was made in the same way before
		}
		p := b.Params()[0]
		p.data = weights.data[at[k]:at[k+1]:at[k+1]]
		steps = append(steps, Step{fmt.Sprintf("coupling %d", k), b})
	}
	return steps
}

// scalesOf returns views of the scales of affine couplings.
func scalesOf[C any](couplings []C, affine func(c *C) *AffineCoupling) []*mat.VecDense {
	var scales []*mat.VecDense
	for i := range couplings {
		if a := affine(&couplings[i]); a != nil {
			scales = append(scales, a.Scale)
		}
	}
	return scales
}
