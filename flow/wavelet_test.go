package flow

import (
	"fmt"
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
)

// haar is the block of the Haar wavelet on 2^d sites: mean and difference of
// a pair along each axis, normalised.
func haar(d int) *bijector.Orthogonal {
	h := math.Sqrt2 / 2
	pair := mat.NewDense(2, 2, []float64{h, h, h, -h})
	q := pair
	for range d - 1 {
		var k mat.Dense
		k.Kronecker(q, pair)
		q = &k
	}
	return must(bijector.OrthogonalFrom(q))
}

// wavelet is the Haar transform of x, in place: means of neighbouring pairs
// along each axis in turn, and again of the means. The coefficients of a
// scale lie on the sites from which they were made, the mean on the first.
func wavelet(x []float64, shape []int, step int) {
	if step >= shape[0] {
		return
	}
	n := len(x)
	stride := n
	for _, extent := range shape {
		stride /= extent
		for i := range n {
			onGrid, rest := true, n
			at := i
			for _, e := range shape {
				rest /= e
				onGrid = onGrid && at/rest%step == 0
				at %= rest
			}
			if onGrid && i/stride%extent%(2*step) == 0 {
				a, b := x[i], x[i+step*stride]
				x[i], x[i+step*stride] = (a+b)/math.Sqrt2, (a-b)/math.Sqrt2
			}
		}
	}
	wavelet(x, shape, 2*step)
}

// Without disentanglers and with Haar blocks, the renormalization flow is the
// wavelet transform (paper, discussion): z_0 is the mean of all sites times
// √N, and the difference that belongs to a pair or a square of scale k is the
// latent variable of level k at the site of its second half.
func TestWaveletLimit(t *testing.T) {
	for _, shape := range [][]int{{8}, {16}, {8, 8}} {
		t.Run(fmt.Sprint(shape), func(t *testing.T) {
			block := haar(len(shape))
			h, err := bijector.NewTree(shape, func(int) (bijector.Bijector, error) { return block, nil }, nil)
			if err != nil {
				t.Fatal(err)
			}
			n := h.Dim()
			x, z := randn(1, 3, n), mat.NewDense(3, n, nil)
			logDet := []float64{1, 1, 1}
			if err := model(t, h).Encode(z, logDet, x); err != nil {
				t.Fatal(err)
			}
			wantSame(t, "log-determinants", logDet, make([]float64, 3))
			for r := range 3 {
				want := mat.Row(nil, r, x)
				mean := 0.0
				for _, v := range want {
					mean += v / math.Sqrt(float64(n))
				}
				wavelet(want, shape, 1)
				wantClose(t, "coefficients", z.RawRowView(r), want, 1e-12)
				wantClose(t, "z_0", z.RawRowView(r)[:1], []float64{mean}, 1e-12)
			}
		})
	}
	// One coefficient spelt out: on a chain of 8, z_4 compares the halves, z_2
	// the quarters of the first half, z_1 the first pair.
	h := must(bijector.NewTree([]int{8}, func(int) (bijector.Bijector, error) { return haar(1), nil }, nil))
	x, z := mat.NewDense(1, 8, []float64{1, 2, 3, 4, 5, 6, 7, 9}), mat.NewDense(1, 8, nil)
	if err := model(t, h).Encode(z, nil, x); err != nil {
		t.Fatal(err)
	}
	wantClose(t, "by hand", []float64{z.At(0, 4), z.At(0, 2), z.At(0, 1)},
		[]float64{(10 - 27) / math.Sqrt(8), (3 - 7) / 2., (1 - 2) / math.Sqrt2}, 1e-12)
}
