package flow

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/mi"
)

// covariance returns that of all sites in front of layer k of a network of
// linear blocks under its model: WWᵀ, if the coarser layers map z to Wz.
func covariance(t *testing.T, h *bijector.Hierarchy, k int) *mat.SymDense {
	t.Helper()
	n := h.Dim()
	part := must(bijector.NewHierarchy(n, h.Layers()[k:]...))
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
	linear := func(seed uint64) bijector.BlockFunc {
		return func(int) (bijector.Bijector, error) {
			seed++
			return bijector.LinearFrom(randn(seed, 2, 2))
		}
	}
	tree := must(bijector.NewTree([]int{n}, linear(10), nil))
	a, b := halves(n, 1)
	want := must(mi.GaussianGroups(covariance(t, tree, 0), a, b))
	if want < 0.1 {
		t.Fatalf("I(A:B) is %g: nothing to conserve", want)
	}
	for k, step := range []int{1, 2, 4, 8} {
		c := covariance(t, tree, k)
		kept, keptB := halves(n, step)
		for what, got := range map[string]float64{
			"all variables":      must(mi.GaussianGroups(c, a, b)),
			"those that live on": must(mi.GaussianGroups(c, kept, keptB)),
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
	if got := must(mi.GaussianGroups(&top, []int{0}, []int{1})); math.Abs(got-want) > 1e-10 {
		t.Errorf("top block: mutual information %.12f, on the physical sites %.12f", got, want)
	}

	mera := must(bijector.NewMERA([]int{n}, linear(20), nil))
	fine, coarse := must(mi.GaussianGroups(covariance(t, mera, 0), a, b)),
		must(mi.GaussianGroups(covariance(t, mera, 1), a, b))
	if math.Abs(fine-coarse) < 1e-3 {
		t.Errorf("disentanglers leave the mutual information at %g", fine)
	}
}

// Eq. 2 for nonlinear blocks, by samples: the mutual information of the halves
// (x₀, x₁) and (x₂, x₃) is that of the two variables that live on, within the
// statistical errors of the estimator in four and in two dimensions, and not that
// of normal variables.
func TestNonlinearDecimation(t *testing.T) {
	const n, rows, blocks = 4, 5000, 10
	seeds, excess := []uint64{3, 2, 4}, 0.0
	if testing.Short() {
		seeds = seeds[:1]
	}
	for _, seed := range seeds {
		src := rand.NewPCG(seed-1, 3)
		block := func(int) (bijector.Bijector, error) {
			return bijector.NewRealNVP(2, &bijector.RealNVPSettings{Couplings: 4, Hidden: []int{8}, Src: src})
		}
		tree := must(bijector.NewTree([]int{n}, block, nil))
		scramble(tree, seed, 0.4)
		z := randn(seed+6, rows, n)
		fine, coarse := mat.NewDense(rows, n, nil), mat.NewDense(rows, n, nil)
		for x, h := range map[*mat.Dense]*bijector.Hierarchy{
			fine: tree, coarse: must(bijector.NewHierarchy(n, tree.Layers()[1:]...)),
		} {
			if err := model(t, h).Decode(x, nil, z); err != nil {
				t.Fatal(err)
			}
		}
		estimate := func(x, y *mat.Dense) (v, stdErr float64) {
			return must(mi.Estimate(t.Context(), x, y, nil)), must(mi.StdErr(t.Context(), x, y, blocks, nil))
		}
		part := func(x *mat.Dense, from, to int) *mat.Dense { return x.Slice(0, rows, from, to).(*mat.Dense) }
		all, allErr := estimate(part(fine, 0, 2), part(fine, 2, 4))
		kept, keptErr := estimate(part(coarse, 0, 1), part(coarse, 2, 3))
		var c mat.SymDense
		stat.CovarianceMatrix(&c, coarse, nil)
		normal := must(mi.GaussianGroups(&c, []int{0}, []int{2}))
		t.Logf("seed %d: I(A:B) = %.4f ± %.4f, I(a:b) = %.4f ± %.4f, of normal variables %.4f", seed, all, allErr, kept,
			keptErr, normal)
		if math.Abs(all-kept) > 3*math.Hypot(allErr, keptErr) {
			t.Errorf("seed %d: decimation changes mutual information from %.4f ± %.4f to %.4f ± %.4f", seed, all,
				allErr, kept, keptErr)
		}
		excess = max(excess, (kept-normal)/keptErr)
	}
	if excess < 5 {
		t.Errorf("mutual information exceeds that of normal variables by %.1f errors: nothing nonlinear to conserve",
			excess)
	}
}
