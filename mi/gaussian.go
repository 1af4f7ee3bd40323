package mi

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// Gaussian returns the total correlation of normal variables with the given
// covariance or correlation matrix, −½ ln det R: for two variables their mutual
// information, −½ ln(1−ρ²). The error wraps ErrShape for an empty matrix,
// ErrNotFinite, and ErrDegenerate for one that is not positive definite.
func Gaussian(sigma mat.Symmetric) (float64, error) {
	if sigma == nil || sigma.SymmetricDim() == 0 {
		return 0, fmt.Errorf("mi: %w: no covariance", ErrShape)
	}
	logDet, err := logDet(sigma, nil)
	if err != nil {
		return 0, err
	}
	sum := -logDet
	for i := range sigma.SymmetricDim() {
		sum += math.Log(sigma.At(i, i))
	}
	return sum / 2, nil
}

// GaussianGroups returns the mutual information of two groups of normal variables
// with the given covariance matrix, ½ ln(det Σ_a det Σ_b / det Σ_ab). The error
// wraps ErrShape for an empty matrix or group or an index that is out of range or
// there twice, and ErrDegenerate if the covariance is not positive definite.
func GaussianGroups(sigma mat.Symmetric, a, b []int) (float64, error) {
	if sigma == nil || len(a) == 0 || len(b) == 0 {
		return 0, fmt.Errorf("mi: %w: covariance of groups of %d and %d variables", ErrShape, len(a), len(b))
	}
	both := append(append([]int{}, a...), b...)
	seen := make([]bool, sigma.SymmetricDim())
	for _, i := range both {
		if i < 0 || i >= len(seen) || seen[i] {
			return 0, fmt.Errorf("mi: %w: variable %d of %d is out of range or there twice", ErrShape, i, len(seen))
		}
		seen[i] = true
	}
	sum := 0.0
	for _, g := range []struct {
		sign  float64
		group []int
	}{{1, a}, {1, b}, {-1, both}} {
		l, err := logDet(sigma, g.group)
		if err != nil {
			return 0, err
		}
		sum += g.sign * l
	}
	return sum / 2, nil
}

// logDet is the logarithm of the determinant of the rows and columns of a
// group, nil for all.
func logDet(sigma mat.Symmetric, group []int) (float64, error) {
	if group != nil {
		some := mat.NewSymDense(len(group), nil)
		for k, i := range group {
			for l, j := range group[:k+1] {
				some.SetSym(k, l, sigma.At(i, j))
			}
		}
		sigma = some
	}
	for i := range sigma.SymmetricDim() {
		for j := range i + 1 {
			if v := sigma.At(i, j); math.IsNaN(v) || math.IsInf(v, 0) {
				return 0, fmt.Errorf("mi: %w: covariance (%d, %d) is %g", ErrNotFinite, i, j, v)
			}
		}
	}
	var c mat.Cholesky
	if !c.Factorize(sigma) {
		return 0, fmt.Errorf("mi: %w: covariance is not positive definite", ErrDegenerate)
	}
	return c.LogDet(), nil
}
