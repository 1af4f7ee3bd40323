package mi

import (
	"fmt"
	"math"
	"reflect"

	"github.com/neuralrg/neuralrg/internal/num"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
)

// Gaussian returns the total correlation −½ ln det R, in nats, of normal
// variables with correlation matrix R; sigma is R or the covariance matrix. For
// two variables this is their mutual information, −½ ln(1−ρ²). Weak correlations
// are computed as precisely as strong ones. The error wraps ErrShape for an empty
// matrix, ErrNotFinite for NaN or infinity, and ErrDegenerate for a matrix that is
// not positive definite.
func Gaussian(sigma mat.Symmetric) (float64, error) {
	all := num.UpTo(dim(sigma))
	l, err := factor(sigma, all)
	if err != nil {
		return 0, err
	}
	// The sum of the mutual information of each variable with all before it. All
	// terms are positive, so that nothing cancels.
	sum := 0.0
	for i := range all {
		// shared is the part of variance 1 that the variables before explain, and
		// most² its largest contribution.
		shared, most := 0.0, 0.0
		for j := range i {
			v := math.Abs(l.At(i, j))
			shared, most = shared+v*v, max(most, v)
		}
		if shared < 0.5 {
			sum -= math.Log1p(-shared)
			continue
		}
		left := (1-most)*(1+most) - (shared - most*most)
		if !(left > 0) {
			return 0, indefinite()
		}
		sum -= math.Log(left)
	}
	return sum / 2, nil
}

// GaussianGroups returns the mutual information ½ ln(det Σ_a det Σ_b / det Σ_ab),
// in nats, of two groups of normal variables with covariance matrix sigma. It is
// computed as −½ Σ ln(1−ρ²) over the canonical correlations ρ. a and b are the
// indices of the variables. The error wraps ErrShape for an empty matrix or group,
// or for an index that is out of range or occurs twice; ErrNotFinite for NaN or
// infinity; and ErrDegenerate if sigma is not positive definite.
func GaussianGroups(sigma mat.Symmetric, a, b []int) (float64, error) {
	n := dim(sigma)
	if n == 0 || len(a) == 0 || len(b) == 0 {
		return 0, fmt.Errorf("mi: %w: covariance of %d variables, groups of %d and %d", ErrShape, n, len(a), len(b))
	}
	seen := make([]bool, n)
	for _, group := range [][]int{a, b} {
		for _, i := range group {
			if i < 0 || i >= n || seen[i] {
				return 0, fmt.Errorf("mi: %w: variable %d of %d is out of range or occurs twice", ErrShape, i, n)
			}
			seen[i] = true
		}
	}
	la, err := factor(sigma, a)
	if err != nil {
		return 0, err
	}
	lb, err := factor(sigma, b)
	if err != nil {
		return 0, err
	}
	cross := mat.NewDense(len(a), len(b), nil)
	for k, i := range a {
		for l, j := range b {
			r, err := correlation(sigma, i, j)
			if err != nil {
				return 0, err
			}
			cross.Set(k, l, r)
		}
	}
	blas64.Trsm(blas.Left, blas.NoTrans, 1, la.RawTriangular(), cross.RawMatrix())
	blas64.Trsm(blas.Right, blas.Trans, 1, lb.RawTriangular(), cross.RawMatrix())
	var svd mat.SVD
	if !svd.Factorize(cross, mat.SVDNone) {
		return 0, fmt.Errorf("mi: %w: covariance has no canonical correlations", ErrDegenerate)
	}
	sum := 0.0
	for _, rho := range svd.Values(nil) {
		if !(rho < 1) {
			return 0, indefinite()
		}
		if rho < 0.5 {
			sum -= math.Log1p(-rho * rho)
		} else {
			sum -= math.Log1p(-rho) + math.Log1p(rho)
		}
	}
	return sum / 2, nil
}

// indefinite returns the error for a matrix that is no covariance.
func indefinite() error {
	return fmt.Errorf("mi: %w: covariance is not positive definite", ErrDegenerate)
}

// factor returns the lower triangle L with LLᵀ the correlation matrix of a group.
func factor(sigma mat.Symmetric, group []int) (*mat.TriDense, error) {
	if len(group) == 0 {
		return nil, fmt.Errorf("mi: %w: no covariance", ErrShape)
	}
	r := mat.NewSymDense(len(group), nil)
	for k, i := range group {
		for l, j := range group[:k+1] {
			v, err := correlation(sigma, i, j)
			if err != nil {
				return nil, err
			}
			r.SetSym(k, l, v)
		}
	}
	var c mat.Cholesky
	if !c.Factorize(r) {
		return nil, indefinite()
	}
	var l mat.TriDense
	c.LTo(&l)
	return &l, nil
}

// correlation returns the correlation of two variables.
func correlation(sigma mat.Symmetric, i, j int) (float64, error) {
	v, a, b := sigma.At(i, j), sigma.At(i, i), sigma.At(j, j)
	if !num.Finite(v) {
		return 0, fmt.Errorf("mi: %w: covariance (%d, %d) is %g", ErrNotFinite, i, j, v)
	}
	if i == j && v > 0 {
		return 1, nil
	}
	r := v / math.Sqrt(a) / math.Sqrt(b)
	if !(a > 0 && b > 0 && math.Abs(r) < 1) {
		return 0, indefinite()
	}
	return r, nil
}

// dim returns the number of variables, 0 for nil.
func dim(m mat.Symmetric) int {
	if m == nil {
		return 0
	}
	if v := reflect.ValueOf(m); v.Kind() == reflect.Pointer && v.IsNil() {
		return 0
	}
	return m.SymmetricDim()
}
