package mi

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"gonum.org/v1/gonum/mat"
)

// hostile returns a matrix of normal, repeated or extreme numbers, or with a NaN,
// according to kind. It is nil or empty for fewer than one row or column.
func hostile(n, p int, kind uint8, value float64, rnd *rand.Rand) *mat.Dense {
	if n < 0 || p < 0 {
		return nil
	}
	if n == 0 || p == 0 {
		return &mat.Dense{}
	}
	x := mat.NewDense(n, p, nil)
	for i := range n {
		for j := range p {
			v := rnd.NormFloat64()
			switch kind % 8 {
			case 1:
				v = float64(rnd.IntN(3)) * value
			case 2:
				v *= value
			case 3:
				v += value
			case 4:
				v = math.Float64frombits(rnd.Uint64())
			case 5:
				v = float64(i)
			case 6:
				v = math.Copysign(value, v)
			}
			x.Set(i, j, v)
		}
	}
	if kind&8 != 0 {
		x.Set(rnd.IntN(n), rnd.IntN(p), value)
	}
	return x
}

// hostileCovariance returns a covariance of p variables with value at one place,
// a nil pointer for fewer than one variable.
func hostileCovariance(p int, value float64, rnd *rand.Rand) *mat.SymDense {
	if p < 1 {
		return nil
	}
	sigma := mat.NewSymDense(p, nil)
	for i := range p {
		for j := range i {
			sigma.SetSym(i, j, rnd.NormFloat64()*0.3)
		}
		sigma.SetSym(i, i, 1)
	}
	sigma.SetSym(rnd.IntN(p), rnd.IntN(p), value)
	return sigma
}

// FuzzAll calls every exported function with any arguments: they return finite
// numbers or errors, and do not panic.
func FuzzAll(f *testing.F) {
	f.Add(40, 1, 1, 3, 0, 0, 2, 1<<60, uint8(0), uint8(0), 1.0, uint64(1))
	f.Add(230, 2, 1, 1, 1, 1, 2, 2, uint8(1), uint8(1), 1e4, uint64(2))
	f.Add(9, 3, 2, -1<<63, 7, -1, -1<<63, -1<<63, uint8(4), uint8(9), math.NaN(), uint64(3))
	f.Add(210, 1, 2, 1<<62, 0, 2, 1<<62, 3, uint8(6), uint8(2), 1e308, uint64(4))
	f.Add(0, -1, 1, 0, 0, 2, 0, 0, uint8(2), uint8(11), 5e-324, uint64(5))
	f.Fuzz(func(
		t *testing.T, n, p, q, k, method, scale, blocks, times int, kind, other uint8, value float64, seed uint64,
	) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		n, p, q = n%400, p%5, q%5
		x, y := hostile(n, p, kind, value, rnd), hostile(n, q, other, value, rnd)
		s := &Settings{K: k, Method: Method(method), Scale: Scale(scale), Src: rnd}
		switch seed % 4 {
		case 1:
			s = nil
		case 2:
			s.Src = nil
		}
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		number := func(name string, v float64, err error) {
			if err == nil && (math.IsNaN(v) || math.IsInf(v, 0)) {
				t.Errorf("%s: %v", name, v)
			}
		}
		v, err := Estimate(ctx, x, y, s)
		number("Estimate", v, err)
		v, err = StdErr(ctx, x, y, blocks, s)
		number("StdErr", v, err)
		v, stdErr, err := Baseline(ctx, x, y, times, s)
		number("Baseline", v, err)
		number("Baseline", stdErr, err)
		v, err = MeanOfPairsStdErr(ctx, x, blocks, s)
		number("MeanOfPairsStdErr", v, err)
		m, err := Matrix(ctx, x, s)
		if _, cols := dims(x); cols > 1 {
			number("MeanOfPairs", MeanOfPairs(m), err)
		}
		MeanOfPairs(nil)

		sigma := hostileCovariance(p, value, rnd)
		v, err = Gaussian(sigma)
		number("Gaussian", v, err)
		v, err = GaussianGroups(sigma, []int{0, q}, []int{blocks, k})
		number("GaussianGroups", v, err)
		v, err = GaussianGroups(sigma, []int{0}, []int{q})
		number("GaussianGroups", v, err)
	})
}

func dims(x *mat.Dense) (n, p int) {
	if x == nil {
		return 0, 0
	}
	return x.Dims()
}
