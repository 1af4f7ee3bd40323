package bijector_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
)

// apart is a bijector that takes no part in a packed state.
type apart struct{ b bijector.Bijector }

func (a apart) Dim() int                  { return a.b.Dim() }
func (a apart) Params() []*bijector.Param { return a.b.Params() }

func (a apart) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) { return a.b.Forward(z) }
func (a apart) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) { return a.b.Inverse(x) }

// A hierarchy and the whitening behind it have the same bits, packed or not.
func TestHierarchyAndSpectralSameBits(t *testing.T) {
	shape := []int{4, 4}
	h := must(bijector.NewMERA(shape, small(1), nil))
	spectrum := make([]float64, 16)
	for k := range spectrum { // symmetric
		x, y := min(k%4, 4-k%4), min(k/4, 4-k/4)
		spectrum[k] = 1 / (0.3 + float64(x*x+y*y))
	}
	white := must(bijector.NewSpectral(shape, spectrum))
	rnd := rand.New(rand.NewPCG(1, 1))
	randomise(h, 0.3, rnd)
	packed := must(bijector.NewChain(h, white))
	loose := must(bijector.NewChain(apart{h}, apart{white}))
	x, w := normal(16*5, 1, rnd), normal(17*5, 1, rnd)
	for _, dt := range []tensor.Dtype{tensor.Float64, tensor.Float32} {
		for _, inverse := range []bool{false, true} {
			y, d := image(t, packed, dt, inverse, x)
			y2, d2 := image(t, loose, dt, inverse, x)
			if !slices.Equal(y, y2) || !slices.Equal(d, d2) {
				t.Errorf("%v, %s: other bits", dt, direction(inverse))
			}
			dx, dw := gradients(t, oneWay{packed, dt, inverse}, x, w)
			dx2, dw2 := gradients(t, oneWay{loose, dt, inverse}, x, w)
			if !slices.Equal(dx, dx2) || !slices.EqualFunc(dw, dw2, slices.Equal) {
				t.Errorf("%v, %s: other bits of the gradient", dt, direction(inverse))
			}
		}
	}
}
