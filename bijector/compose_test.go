package bijector_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
)

// A permutation moves values as defined. A chain applies its elements in the given order.
func TestChainAppliesInOrder(t *testing.T) {
	p := must(bijector.NewPermutation([]int{2, 0, 3, 1}))
	x, d := image(t, p, tensor.Float64, false, []float64{10, 11, 12, 13, 20, 21, 22, 23})
	agree(t, "permuted", x, []float64{12, 10, 13, 11, 22, 20, 23, 21}, 0)
	agree(t, "log-determinant", d, []float64{0, 0}, 0)
	q := must(bijector.NewPermutation([]int{1, 0, 2, 3}))
	x, _ = image(t, must(bijector.NewChain(p, q)), tensor.Float64, false, []float64{10, 11, 12, 13})
	agree(t, "first p, then q", x, []float64{10, 12, 13, 11}, 0)
}

func TestInvert(t *testing.T) {
	x := normal(3*4, 1, rand.New(rand.NewPCG(41, 42)))
	for name, b := range everyKind() {
		i := bijector.Invert(b)
		if bijector.Invert(i) != b {
			t.Errorf("%s: inverted twice it is another", name)
		}
		if i.Dim() != b.Dim() || !slices.Equal(i.Params(), b.Params()) {
			t.Errorf("%s: the inverse has another dimension or other parameters", name)
		}
		for _, inverse := range []bool{false, true} {
			y, d := image(t, i, tensor.Float64, inverse, x)
			wantY, wantD := image(t, b, tensor.Float64, !inverse, x)
			if !slices.Equal(y, wantY) || !slices.Equal(d, wantD) {
				t.Errorf("%s: %s of the inverse is not the other direction", name, direction(inverse))
			}
		}
	}
}

// A coupling and a block copy the positions that they are given.
func TestKeepIsCopied(t *testing.T) {
	x := normal(4, 1, rand.New(rand.NewPCG(61, 62)))
	keep := []int{0, 2}
	for name, b := range map[string]bijector.Bijector{
		"RealNVP":  block(4, 1, bijector.RealNVPSettings{Keep: [][]int{keep}}),
		"Coupling": coupling(4, keep, 1),
	} {
		copy(keep, []int{0, 2})
		want, _ := image(t, b, tensor.Float64, false, x)
		copy(keep, []int{1, 3})
		if got, _ := image(t, b, tensor.Float64, false, x); !slices.Equal(got, want) {
			t.Errorf("%s: image %v, was %v", name, got, want)
		}
	}
}
