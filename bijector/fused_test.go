package bijector_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
)

// perceptrons returns the parameters of a coupling in the order and layout of
// MLP.Params.
func perceptrons(c bijector.AffineCoupling) [][]float64 {
	var ps [][]float64
	for _, d := range slices.Concat(c.S, c.T) {
		var w mat.Dense
		w.CloneFrom(d.W.T()) // (out, in) to (in, out)
		ps = append(ps, w.RawMatrix().Data, mat.Col(nil, 0, d.B))
	}
	return append(ps, mat.Col(nil, 0, c.Scale))
}

// parameters returns those of a block in the order of the chain that composed
// returns.
func parameters(b *bijector.RealNVP) [][]float64 {
	var ps [][]float64
	for _, c := range b.Couplings() {
		ps = append(ps, perceptrons(c)...)
	}
	return ps
}

// composed returns the block as a chain of couplings built from nodes, with
// copies of its weights.
func composed(b *bijector.RealNVP, hidden []int) *bijector.Chain {
	var cs []bijector.Bijector
	for _, c := range b.Couplings() {
		m := must(bijector.NewMLP(len(c.Keep), hidden, len(c.Move), rand.NewPCG(0, 0)))
		for i, p := range perceptrons(c) {
			copy(m.Params()[i].Value().Float64s(), p)
		}
		cs = append(cs, must(bijector.NewCoupling(b.Dim(), c.Keep, m)))
	}
	return must(bijector.NewChain(cs...))
}

// partitions draws n bipartitions of any sizes, in any order.
func partitions(dim, n int, rnd *rand.Rand) [][]int {
	keep := make([][]int, n)
	for k := range keep {
		keep[k] = rnd.Perm(dim)[:1+rnd.IntN(dim-1)]
	}
	return keep
}

// The two implementations of a block must agree to rounding: the fused one,
// and eq. B.1 composed of matrix products and built-in nodes. The largest
// differences are a thirtieth of these tolerances.
var precisions = []struct {
	dt             tensor.Dtype
	values, slopes float64 // relative beyond 1
}{
	{tensor.Float64, 1e-12, 1e-10},
	{tensor.Float32, 1e-4, 1e-4},
}

func TestFusedIsComposed(t *testing.T) {
	rnd := rand.New(rand.NewPCG(11, 12))
	for _, hidden := range [][]int{{}, {1}, {7}, {5, 3}, {4, 6, 5}} {
		for dim := 2; dim <= 6; dim++ {
			keep := partitions(dim, 2, rnd)
			b := block(dim, 1, bijector.RealNVPSettings{Keep: keep, Hidden: hidden})
			randomise(b, 0.5, rnd)
			c := composed(b, hidden)
			rows := []int{67, 1, 5}[dim%3]
			name := fmt.Sprintf("hidden=%v/keep=%v/rows=%d", hidden, keep, rows)
			t.Run(name, func(t *testing.T) { fusedPair{b, c, b}.checkSameMap(t, rows, rnd) })
		}
	}
}

// A layer runs the fused block on all its tiles at once, and gathers and
// scatters nodes for any other block.
func TestFusedLayerIsComposed(t *testing.T) {
	rnd := rand.New(rand.NewPCG(13, 14))
	hidden := []int{5, 4}
	for _, l := range []struct {
		n, dim int
		tiles  [][]int
	}{
		{16, 4, must(bijector.Tiles([]int{4, 4}, 2, 1, 1))},
		{16, 4, must(bijector.Tiles([]int{4, 4}, 2, 2, 0))},
		{11, 3, [][]int{{9, 0, 4}, {3, 7, 1}}},
	} {
		b := block(l.dim, 2, bijector.RealNVPSettings{Keep: partitions(l.dim, 2, rnd), Hidden: hidden})
		randomise(b, 0.5, rnd)
		fused := must(must(bijector.Disentangler(b, l.tiles)).On(l.n))
		nodes := must(must(bijector.Disentangler(composed(b, hidden), l.tiles)).On(l.n))
		p := fusedPair{fused, nodes, b}
		for _, rows := range []int{1, 40} {
			name := fmt.Sprintf("tiles=%v/rows=%d", l.tiles, rows)
			t.Run(name, func(t *testing.T) { p.checkSameMap(t, rows, rnd) })
		}
	}
}

// The fused and the composed layer agree also if tiles share their context, in batches of any
// size.
func TestFusedConditionalIsComposed(t *testing.T) {
	rnd := rand.New(rand.NewPCG(15, 16))
	hidden := []int{5, 4}
	for _, l := range []struct {
		n, dim  int
		keep    [][]int
		tiles   [][]int
		context []int
	}{
		{16, 5, [][]int{{0, 4}, {0, 4, 1}},
			[][]int{{0, 1, 4, 5, 2}, {2, 3, 6, 7, 0}, {8, 9, 12, 13, 0}, {8, 10, 11, 14, 8}}, []int{4, 0}},
		{12, 3, [][]int{{1}, {1, 0}, {2, 1}}, [][]int{{3, 7, 4}, {5, 7, 0}}, []int{1}},
	} {
		b := block(l.dim, 2, bijector.RealNVPSettings{Keep: l.keep, Hidden: hidden})
		randomise(b, 0.5, rnd)
		fused := must(must(bijector.ConditionalDecimator(b, l.tiles, l.context...)).On(l.n))
		nodes := must(must(bijector.ConditionalDecimator(composed(b, hidden), l.tiles, l.context...)).On(l.n))
		p := fusedPair{fused, nodes, b}
		for _, rows := range []int{1, 3, 40, 133} {
			name := fmt.Sprintf("tiles=%v/rows=%d", l.tiles, rows)
			t.Run(name, func(t *testing.T) { p.checkSameMap(t, rows, rnd) })
		}
	}
}

// fusedPair is one map twice: fused, and composed of nodes.
type fusedPair struct {
	fused, nodes bijector.Bijector
	block        *bijector.RealNVP // has the parameters of fused
}

// checkSameMap checks that both maps of a pair have the same values,
// log-determinants and gradients, in both directions and precisions.
func (m fusedPair) checkSameMap(t *testing.T, rows int, rnd *rand.Rand) {
	t.Helper()
	fused, nodes := m.fused, m.nodes
	x := normal(rows*fused.Dim(), 1, rnd)
	w := normal(rows*(fused.Dim()+1), 1, rnd)
	for _, p := range precisions {
		for _, inverse := range []bool{false, true} {
			where := fmt.Sprintf("%v %s", p.dt, direction(inverse))
			y, d := image(t, fused, p.dt, inverse, x)
			wantY, wantD := image(t, nodes, p.dt, inverse, x)
			agree(t, where+": image", y, wantY, p.values)
			agree(t, where+": log-determinant", d, wantD, p.values)

			dx, dp := gradients(t, oneWay{fused, p.dt, inverse}, x, w)
			wantX, wantP := gradients(t, oneWay{nodes, p.dt, inverse}, x, w)
			agree(t, where+": gradient of input", dx, wantX, p.slopes)
			// The gradient has the layout of the weights: read it through
			// the views of the block.
			weights := m.block.Params()[0].Value().Float64s()
			keep := slices.Clone(weights)
			copy(weights, dp[0])
			got := parameters(m.block)
			copy(weights, keep)
			if len(got) != len(wantP) {
				t.Fatalf("%d parameters, want %d", len(got), len(wantP))
			}
			for i, p2 := range nodes.Params() {
				agree(t, fmt.Sprintf("%s: gradient of %s (%d)", where, p2.Name(), i), got[i], wantP[i], p.slopes)
			}
		}
	}
}
