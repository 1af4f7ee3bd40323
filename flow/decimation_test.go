package flow

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
)

// covariance returns that of all sites in front of layer k of a network of
// linear blocks under its model: WWᵀ, if the coarser layers map z to Wz.
func covariance(t *testing.T, h *Hierarchy, k int) *mat.SymDense {
	t.Helper()
	n := h.Dim()
	part := must(NewHierarchy(n, h.Layers()[k:]...))
	unit, w := mat.NewDense(n, n, nil), mat.NewDense(n, n, nil)
	for i := range n {
		unit.Set(i, i, 1)
	}
	if err := model(t, part).Decode(w, nil, unit); err != nil {
		t.Fatal(err)
	}
	var c mat.SymDense
	c.SymOuterK(1, w.T())
	return &c
}

// gaussianMI is I(A:B) = ½ ln(det Σ_A det Σ_B/det Σ_AB), in nats.
func gaussianMI(t *testing.T, c *mat.SymDense, a, b []int) float64 {
	t.Helper()
	logDet := func(sites ...int) float64 {
		s := mat.NewSymDense(len(sites), nil)
		for i, u := range sites {
			for j, v := range sites[:i+1] {
				s.SetSym(i, j, c.At(u, v))
			}
		}
		var chol mat.Cholesky
		if !chol.Factorize(s) {
			t.Fatal("covariance is not positive definite")
		}
		return chol.LogDet()
	}
	both := append(append([]int(nil), a...), b...)
	return 0.5 * (logDet(a...) + logDet(b...) - logDet(both...))
}

// halves cuts the sites that are multiples of step into those of the first and
// of the second half of a chain.
func halves(n, step int) (a, b []int) {
	for i := 0; i < n; i += step {
		if i < n/2 {
			a = append(a, i)
		} else {
			b = append(b, i)
		}
	}
	return a, b
}

// Eq. 2: decimators of a tree that do not straddle the cut between A and B
// conserve their mutual information,
//
//	I(A:B) = I(z_A ∪ a : b ∪ z_B) = I(a:b),
//
// scale by scale, where a and b are the variables that live on and z_A and z_B
// those left behind, which are independent of all others; what is left is
// that of the one block at the top. Disentanglers across the cut change it.
func TestDecimationConservesMutualInformation(t *testing.T) {
	const n = 16
	linear := func(seed uint64) BlockFunc {
		return func() (bijector.Bijector, error) {
			seed++
			return bijector.LinearFrom(randn(seed, 2, 2))
		}
	}
	tree := must(NewTree([]int{n}, linear(10), nil))
	a, b := halves(n, 1)
	want := gaussianMI(t, covariance(t, tree, 0), a, b)
	if want < 0.1 {
		t.Fatalf("I(A:B) is %g: nothing to conserve", want)
	}
	for k, step := range []int{1, 2, 4, 8} {
		c := covariance(t, tree, k)
		kept, keptB := halves(n, step)
		for what, got := range map[string]float64{
			"all variables":      gaussianMI(t, c, a, b),
			"those that live on": gaussianMI(t, c, kept, keptB),
		} {
			if math.Abs(got-want) > 1e-10 {
				t.Errorf("scale %d, %s: mutual information %.12f, on the physical sites %.12f", k, what, got, want)
			}
		}
	}
	// The top block alone: its matrix gives the mutual information of the last
	// two variables.
	layers := tree.Layers()
	w := layers[len(layers)-1].Block().(*bijector.Linear).Matrix()
	var top mat.SymDense
	top.SymOuterK(1, w)
	if got := gaussianMI(t, &top, []int{0}, []int{1}); math.Abs(got-want) > 1e-10 {
		t.Errorf("top block: mutual information %.12f, on the physical sites %.12f", got, want)
	}

	mera := must(NewMERA([]int{n}, linear(20), nil))
	fine, coarse := gaussianMI(t, covariance(t, mera, 0), a, b), gaussianMI(t, covariance(t, mera, 1), a, b)
	if math.Abs(fine-coarse) < 1e-3 {
		t.Errorf("disentanglers leave the mutual information at %g", fine)
	}
}
