package target

import (
	"errors"
	"flag"
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// A constructor fails with an error of the package, or the target has a ln Z and a density
// at the origin that are not NaN.
func FuzzTargets(f *testing.F) {
	minimizeBriefly()
	f.Add([]byte{4, 4}, 2.27, 1.0, 2.0)
	f.Add([]byte{8}, 0.5, 1e-3, 4.0)
	f.Add([]byte{2, 2}, 1e300, 1e300, 1e300)
	f.Add([]byte{3, 5}, 1e-300, 1e-300, 1e-300)
	f.Add([]byte{}, math.NaN(), math.Inf(1), math.NaN())
	f.Add([]byte{1, 0xff}, -1.0, -1.0, -1.0)
	f.Fuzz(func(t *testing.T, extents []byte, T, mass2, alpha float64) {
		if len(extents) > 3 {
			return
		}
		var shape []int
		n := 1
		for _, b := range extents {
			shape = append(shape, int(int8(b)))
			n *= int(int8(b))
		}
		if n > 1<<12 {
			return
		}
		check := func(d Density, err error, logZ func() float64) {
			t.Helper()
			if err != nil {
				if !errors.Is(err, ErrShape) && !errors.Is(err, ErrSettings) {
					t.Errorf("%v", err)
				}
				return
			}
			if v := logZ(); math.IsNaN(v) {
				t.Errorf("%T %v, %g, %g: ln Z is %g", d, shape, T, mass2, v)
			}
			logp := make([]float64, 1)
			if err := NewEvaluator(d).LogProbs(logp, mat.NewDense(1, d.Dim(), nil)); err != nil || math.IsNaN(logp[0]) {
				t.Errorf("%T %v, %g, %g: ln π(0) is %g, %v", d, shape, T, mass2, logp[0], err)
			}
		}
		logZ := (*Ising).LogZ
		if len(shape) > 2 {
			logZ = (*Ising).LogZOffset // ln Z is known for small lattices only
		}
		i, err := NewIsing(shape, T)
		check(i, err, func() float64 { return logZ(i) })
		i, err = NewIsingOffset(shape, T, alpha)
		check(i, err, func() float64 { return logZ(i) })
		p, err := NewFreeField(shape, mass2)
		check(p, err, func() float64 { return p.LogZ() })
	})
}

// minimizeBriefly limits the time a fuzzer takes to make an input smaller. The default is
// a minute for every input that reaches new code.
func minimizeBriefly() {
	const name = "test.fuzzminimizetime"
	if f := flag.Lookup(name); f.Value.String() == f.DefValue {
		flag.Set(name, "10x")
	}
}
