package draws

import (
	"fmt"
	"io"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/internal/errs"
)

// Errors are wrapped with what was wrong and where. They are the same values as
// in the other packages of the module.
var (
	// ErrShape reports chains, shapes or matrices that do not fit.
	ErrShape = errs.ErrShape
	// ErrSettings reports a nil writer.
	ErrSettings = errs.ErrSettings
)

// maxAxes is the largest number of axes of an array that every NumPy reads.
const maxAxes = 32

// Array holds the draws of one quantity, in memory. It is not safe for concurrent
// use.
type Array struct {
	chains int
	shape  []int     // of one draw of one chain
	size   int       // numbers of one draw of one chain
	values []float64 // (draws, chains, size)
}

// New returns an array without draws, for a number of chains and the shape of one
// draw of one chain. Without a shape a draw is a number. The error wraps ErrShape
// if chains or an extent is below one, or if there are more than 30 extents.
func New(chains int, shape ...int) (*Array, error) {
	if chains < 1 {
		return nil, fmt.Errorf("draws: New: %w: %d chains, want 1 or more", ErrShape, chains)
	}
	if slices.Contains(shape, 0) {
		return nil, fmt.Errorf("draws: New: %w: %v has an extent 0", ErrShape, shape)
	}
	size, err := volume(append([]int{chains, 1}, shape...))
	if err != nil {
		return nil, fmt.Errorf("draws: New: %w", err)
	}
	return &Array{chains: chains, shape: slices.Clone(shape), size: size / chains}, nil
}

// Add appends one draw of every chain. Row i of x, (chains, size), is that of
// chain i, where size is the product of the shape; a shape (a, b) takes its a·b
// numbers row by row. x is copied. Numbers that are not finite are allowed. The
// error wraps ErrShape if x has other dimensions; nothing is added then.
func (a *Array) Add(x *mat.Dense) error {
	if x == nil {
		return fmt.Errorf("draws: Add: %w: nil matrix", ErrShape)
	}
	if rows, cols := x.Dims(); rows != a.chains || cols != a.size {
		return fmt.Errorf("draws: Add: %w: %d rows of %d numbers, want %d of %d",
			ErrShape, rows, cols, a.chains, a.size)
	}
	for c := range a.chains {
		a.values = append(a.values, x.RawRowView(c)...)
	}
	return nil
}

// Shape returns (chains, draws, shape…), in a new slice.
func (a *Array) Shape() []int {
	return append([]int{a.chains, a.draws()}, a.shape...)
}

// Series returns number j of all draws as a new (draws, chains) matrix, as
// diag.AutocorrTime expects it. Without draws the matrix is empty. Series panics if
// j is not in 0…size−1.
func (a *Array) Series(j int) *mat.Dense {
	if j < 0 || j >= a.size {
		panic(fmt.Sprintf("draws: series %d of %d numbers", j, a.size))
	}
	if len(a.values) == 0 {
		return &mat.Dense{}
	}
	series := mat.NewDense(a.draws(), a.chains, nil)
	series.Apply(func(k, c int, _ float64) float64 { return a.draw(k, c)[j] }, series)
	return series
}

// WriteNPY writes all draws as a .npy file of shape Shape, in float64. The error
// wraps ErrSettings for a nil writer, and otherwise that of the writer.
func (a *Array) WriteNPY(w io.Writer) error {
	f, err := newWriter(w, a.Shape())
	if err != nil {
		return fmt.Errorf("draws: WriteNPY: %w", err)
	}
	for c := range a.chains {
		for k := range a.draws() {
			f.add(a.draw(k, c))
		}
	}
	if err := f.Flush(); err != nil {
		return fmt.Errorf("draws: WriteNPY: %w", err)
	}
	return nil
}

func (a *Array) draws() int { return len(a.values) / (a.chains * a.size) }

// draw returns draw k of chain c.
func (a *Array) draw(k, c int) []float64 {
	return a.values[(k*a.chains+c)*a.size:][:a.size]
}

// volume returns the product of the extents. It fails if one of them is negative,
// if there are more than maxAxes, or if the product overflows.
func volume(shape []int) (int, error) {
	if len(shape) > maxAxes {
		return 0, fmt.Errorf("%w: %d axes, want %d or fewer", ErrShape, len(shape), maxAxes)
	}
	size := 1
	for _, extent := range shape {
		if extent < 0 {
			return 0, fmt.Errorf("%w: %v has an extent below zero", ErrShape, shape)
		}
		if extent > 0 && size > math.MaxInt/8/extent {
			return 0, fmt.Errorf("%w: %v is too large", ErrShape, shape)
		}
		size *= extent
	}
	return size, nil
}
