package bijector

import (
	"fmt"

	"github.com/neuralrg/neuralrg/internal/graph"
)

// maxValues is the largest number of values of a parameter or a row, two gigabytes of
// float64. A larger number is most likely a mistake. Sizes that may be larger are computed
// in floating point, which does not overflow.
const maxValues = 1 << 28

// maxCouplings is the largest number of couplings of a block.
const maxCouplings = 1 << 16

// afford fails with the given sentinel if the number of values is too large.
func afford(sentinel error, values float64, what string, args ...any) error {
	if values <= maxValues {
		return nil
	}
	return fmt.Errorf("bijector: %w: %s takes %.3g values (%.3g GB), at most %.3g are possible",
		sentinel, fmt.Sprintf(what, args...), values, 8e-9*values, float64(maxValues))
}

// netValues returns the number of parameters of a perceptron.
func netValues(in float64, hidden []int, out float64) (n float64) {
	for _, h := range hidden {
		n += float64(h) * (in + 1)
		in = float64(h)
	}
	return n + out*(in+1)
}

// dimOf returns the dimension of a bijector from outside. It fails if the bijector is nil
// or a nil pointer; the error calls the bijector what.
func dimOf(what string, b Bijector) (dim int, err error) {
	if b == nil {
		return 0, fmt.Errorf("bijector: %w: nil %s", ErrShape, what)
	}
	if err := graph.Guard(func() error { dim = b.Dim(); return nil }); err != nil {
		return 0, fmt.Errorf("bijector: %w: %s %T has no dimension: %w", ErrShape, what, b, err)
	}
	return dim, nil
}
