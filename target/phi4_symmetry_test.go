package target

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/neuralrg/neuralrg/internal/lattice"
	"gonum.org/v1/gonum/mat"
)

// latticeMap is a symmetry of a lattice: site i of the image has the value of site m[i].
type latticeMap []int

// latticeMaps returns random translations, reflections and exchanges of axes of equal
// extents, and products of them.
func latticeMaps(shape []int, n int, rnd *rand.Rand) (maps []latticeMap) {
	for range n {
		by, mirror := make([]int, len(shape)), make([]bool, len(shape))
		axis := rnd.Perm(len(shape))
		for a := range shape {
			by[a], mirror[a] = rnd.IntN(shape[a]), rnd.IntN(2) == 0
			if shape[axis[a]] != shape[a] {
				axis = nil
				break
			}
		}
		var m latticeMap
		for _, at := range lattice.Points(shape) {
			from := make([]int, len(shape))
			for a := range from {
				c := at[a]
				if axis != nil {
					c = at[axis[a]]
				}
				if mirror[a] {
					c = shape[a] - 1 - c
				}
				from[a] = (c + by[a]) % shape[a]
			}
			m = append(m, lattice.Site(shape, from))
		}
		maps = append(maps, m)
	}
	return maps
}

// The densities do not change under the symmetries of the lattice and of the components,
// and gradients turn with the field.
func TestPhi4Symmetries(t *testing.T) {
	rnd := rand.New(rand.NewPCG(10, 10))
	for _, c := range append(fieldCases, fieldCases[4], fieldCases[8]) {
		p := phi4Of(t, c.shape, -2, 1.5, c.components)
		for _, d := range []Density{p, quarticLocal(t, p)} {
			e := NewEvaluator(d)
			n := c.components
			x := mat.NewDense(1, p.Dim(), normalRows(rnd.Uint64(), p.Dim()))
			logp, grad := evaluate(t, e, x)
			for _, m := range latticeMaps(c.shape, 10, rnd) {
				turn := randomRotation(n, rnd)
				image := func(of *mat.Dense) *mat.Dense {
					y := mat.NewDense(1, p.Dim(), nil)
					for i, from := range m {
						for a := range n {
							for b := range n {
								y.Set(0, i*n+a, y.At(0, i*n+a)+turn.At(a, b)*of.At(0, from*n+b))
							}
						}
					}
					return y
				}
				logp2, grad2 := evaluate(t, e, image(x))
				checkRelative(t, fmt.Sprint(c, m), logp2[0], logp[0], 1e-12)
				if !mat.EqualApprox(grad2, image(grad), 1e-12*mat.Norm(grad, 2)) {
					t.Errorf("%v %v: the gradient does not turn with the field", c, m)
				}
			}
		}
	}
}

// randomRotation returns a random element of O(n).
func randomRotation(n int, rnd *rand.Rand) *mat.Dense {
	a := mat.NewDense(n, n, nil)
	a.Apply(func(_, _ int, _ float64) float64 { return rnd.NormFloat64() }, a)
	var qr mat.QR
	qr.Factorize(a)
	q := new(mat.Dense)
	qr.QTo(q)
	if rnd.IntN(2) == 0 {
		q.Scale(-1, q)
	}
	return q
}
