package target

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// faulty returns the density Σ x_i² + x_0 x_1. Where x_0 > 5, one coordinate of its
// gradient is multiplied by factor.
func faulty(coordinate int, factor float64) Density {
	return Func(3, func(grad, x []float64) float64 {
		if grad != nil {
			grad[0], grad[1], grad[2] = 2*x[0]+x[1], 2*x[1]+x[0], 2*x[2]
			if x[0] > 5 {
				grad[coordinate] *= factor
			}
		}
		return x[0]*x[0] + x[1]*x[1] + x[2]*x[2] + x[0]*x[1]
	})
}

// A right gradient passes. A wrong component is named with its row.
func TestCheckGrad(t *testing.T) {
	wide := mat.NewDense(4, 5, normalRows(7, 20))
	x := wide.Slice(0, 4, 1, 4).(*mat.Dense) // strided
	x.SetRow(2, []float64{6, -1, 3})
	keep := mat.DenseCopyOf(wide)
	for _, d := range []Density{faulty(1, 1), quarticFunc(3), quarticNodes(3), NewNormal(3)} {
		if err := CheckGrad(d, x, 1e-6); err != nil {
			t.Error(err)
		}
	}
	for coordinate := range 3 {
		for _, factor := range []float64{0, -1, 1 + 1e-4, 1e9, math.Inf(1), math.Inf(-1), math.NaN()} {
			err := CheckGrad(faulty(coordinate, factor), x, 1e-6)
			what := fmt.Sprintf("coordinate %d times %g", coordinate, factor)
			checkError(t, what, err, ErrGradient, fmt.Sprintf("row 2, coordinate %d: ", coordinate))
		}
		if err := CheckGrad(faulty(coordinate, 1+1e-4), x, 1e-2); err != nil {
			t.Errorf("within the tolerance: %v", err)
		}
	}
	if !mat.Equal(wide, keep) {
		t.Error("x changed")
	}
	err := CheckGrad(NewNormal(3), mat.NewDense(2, 4, nil), 1e-6)
	checkError(t, "x of 4 columns for 3 values", err, ErrShape)
	checkError(t, "empty x", CheckGrad(NewNormal(3), &mat.Dense{}, 1e-6), ErrShape)
}

// Steps scale with x, and the tolerance with the gradient: a right gradient passes at
// every scale.
func TestCheckGradScales(t *testing.T) {
	steep := Func(2, func(grad, x []float64) float64 {
		if grad != nil {
			grad[0], grad[1] = 2e8*x[0], 1e-3
		}
		return 1e8*x[0]*x[0] + 1e-3*x[1]
	})
	for _, v := range []float64{0, 1e-9, 1, -1e6} {
		if err := CheckGrad(steep, mat.NewDense(1, 2, []float64{v, v}), 1e-6); err != nil {
			t.Errorf("at %g: %v", v, err)
		}
	}
}

// CheckGrad compares within the walls only, and fails if there is nothing to compare.
func TestCheckGradAtWalls(t *testing.T) {
	wall := walled(math.Inf(-1))
	within := []float64{0.5, 1, -1 + 1e-7, 2, 5, 0}
	if err := CheckGrad(wall, mat.NewDense(3, 2, within), 1e-6); err != nil {
		t.Error(err)
	}
	bad := Func(2, func(grad, x []float64) float64 {
		if !(math.Abs(x[0]) < 1) {
			return math.Inf(-1)
		}
		if grad != nil {
			grad[0], grad[1] = -x[0], -1.1*x[1]
		}
		return -0.5 * (x[0]*x[0] + x[1]*x[1])
	})
	err := CheckGrad(bad, mat.NewDense(3, 2, within), 1e-6)
	checkError(t, "wrong within the walls", err, ErrGradient, "row 0, coordinate 1")
	err = CheckGrad(bad, mat.NewDense(1, 2, within[2:4]), 1e-6)
	checkError(t, "wrong beside a wall", err, ErrGradient, "coordinate 1")
	err = CheckGrad(wall, mat.NewDense(2, 2, []float64{3, 0, -4, 1}), 1e-6)
	checkError(t, "all rows beyond the walls", err, ErrNotFinite)
	for _, beyond := range []float64{math.Inf(1), math.NaN()} {
		err := CheckGrad(walled(beyond), mat.NewDense(3, 2, within), 1e-6)
		checkError(t, fmt.Sprintf("ln π of %g", beyond), err, ErrNotFinite, "row 2")
	}
}

// The tolerance is tol·max(1, largest component): 0.98 of it passes, 1.02 does not.
func TestCheckGradTolerance(t *testing.T) {
	for _, slope := range []float64{0.01, 1, 300} { // of the largest component
		for _, tol := range []float64{1e-6, 1e-3} {
			for _, off := range []float64{-1.02, -0.98, 0.98, 1.02} { // in units of the tolerance
				d := Func(2, func(grad, x []float64) float64 {
					if grad != nil {
						grad[0], grad[1] = slope, 0.3*slope+off*tol*math.Max(1, slope)
					}
					return slope*x[0] + 0.3*slope*x[1]
				})
				err := CheckGrad(d, mat.NewDense(1, 2, nil), tol)
				if errors.Is(err, ErrGradient) != (math.Abs(off) > 1) || err != nil && !errors.Is(err, ErrGradient) {
					t.Errorf("slope %g, tolerance %g, off by %g of it: error %v", slope, tol, off, err)
				}
			}
		}
	}
	x := mat.NewDense(1, 3, nil)
	for _, tol := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		checkError(t, fmt.Sprintf("tolerance %g", tol), CheckGrad(NewNormal(3), x, tol), ErrSettings)
	}
	checkError(t, "nil matrix", CheckGrad(NewNormal(3), nil, 1e-6), ErrShape)
	checkError(t, "nil density", CheckGrad(nil, x, 1e-6), ErrShape)
}
