package flow

import (
	"fmt"
	"math"

	"github.com/neuralrg/neuralrg/internal/safetensors"
)

// A row of the window is a step. Its numbers are: the number of samples where π is
// positive, the mean and the sum of squared deviations of their ln(q/π), ln Σw and ln Σw².
// If any step had samples outside the support of the target or dropped samples, their
// numbers follow in all rows.
const (
	windowFields = 5
	faultyFields = 7
)

// windowOf returns a window as an array and its number of columns.
func windowOf(window []moments) (rows []float64, fields int) {
	fields = windowFields
	for _, b := range window {
		if b.unweighted != (unweighted{}) {
			fields = faultyFields
		}
	}
	for _, b := range window {
		row := []float64{float64(b.n), b.mean, b.m2, b.lw, b.lw2, float64(b.out), float64(b.dropped)}
		rows = append(rows, row[:fields]...)
	}
	return rows, fields
}

// windowIn reads the moments of the last steps. Those of a step are from one batch or,
// after faults, from several.
func windowIn(f *safetensors.File, steps, batch int) ([]moments, error) {
	fields := windowFields
	if f.Expect(windowArray, "F64", steps, faultyFields) == nil {
		fields = faultyFields
	}
	rows, err := f.Float64s(windowArray, steps, fields)
	if err != nil {
		return nil, err
	}
	var window []moments
	for k := range steps {
		r := append(rows[k*fields:(k+1)*fields:(k+1)*fields], 0, 0)[:faultyFields]
		for _, i := range []int{0, 5, 6} {
			if !(r[i] >= 0 && r[i] <= min(1<<53, math.MaxInt/4) && r[i] == math.Trunc(r[i])) {
				return nil, fmt.Errorf("array %q: row %d has %g samples", windowArray, k, r[i])
			}
		}
		b := moments{int(r[0]), r[1], r[2], r[3], r[4], unweighted{int(r[5]), int(r[6])}}
		if b.n < batch || (b.n+b.out+b.dropped)%batch != 0 || !b.finite() || b.m2 < 0 {
			return nil, fmt.Errorf("array %q: row %d is %v, of batches of %d", windowArray, k, r, batch)
		}
		window = append(window, b)
	}
	return window, nil
}
