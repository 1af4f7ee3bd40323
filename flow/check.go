package flow

import (
	"fmt"
	"math/rand/v2"
	"reflect"

	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/target"
)

// match fails unless m can be trained on t: both exist, their dimensions are equal, and t
// has the symmetry of m.
func match(m *Model, t target.Density) error {
	if m == nil || t == nil {
		return fmt.Errorf("flow: %w: needs a model and a target", ErrSettings)
	}
	dims, err := dimensions(m, t)
	if err != nil {
		return fmt.Errorf("flow: %w: model or target: %w", ErrSettings, err)
	}
	if dims[0] != dims[1] {
		return fmt.Errorf("flow: %w: model of dimension %d, target of dimension %d", ErrShape, dims[0], dims[1])
	}
	return checkSymmetry(m, t)
}

// missing reports whether a source of randomness is nil or a nil pointer.
func missing(src rand.Source) bool {
	v := reflect.ValueOf(src)
	return src == nil || v.Kind() == reflect.Pointer && v.IsNil()
}

// dimensions returns the numbers of values per row. An argument may be a nil pointer or
// contain one: a panic in Dim becomes an error.
func dimensions(of ...interface{ Dim() int }) (dims []int, err error) {
	err = graph.Guard(func() error {
		for _, o := range of {
			dims = append(dims, o.Dim())
		}
		return nil
	})
	return dims, err
}

// checkSource fails for a nil source, and for a *rand.Rand, which hides the state of its
// source and so cannot be saved.
func checkSource(src rand.Source) error {
	if missing(src) {
		return fmt.Errorf("%w: no source of randomness", ErrSettings)
	}
	if _, ok := src.(*rand.Rand); ok {
		return fmt.Errorf("%w: the state of a *rand.Rand cannot be saved: pass the *rand.PCG or *rand.ChaCha8 itself",
			ErrSettings)
	}
	return nil
}

// maxBatch is the largest number of values of a batch, rows times Dim: 2 GB.
const maxBatch = 1 << 28

// checkBatch fails if a batch has more than maxBatch values.
func checkBatch(rows int, m *Model) error {
	if rows > maxBatch/m.Dim() {
		return fmt.Errorf("%w: a batch of %d rows of %d values, want %d rows at most",
			ErrSettings, rows, m.Dim(), maxBatch/m.Dim())
	}
	return nil
}
