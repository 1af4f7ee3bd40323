package kernel

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// Sines and cosines are right to two units of the last place of 1 for all angles from −π
// to π, in every variant, and nothing is written beyond them. NaN gives NaN.
func TestSincos(t *testing.T) {
	forEachVariant(t, func(t *testing.T) {
		t.Run("float64", testSincos[float64])
		t.Run("float32", testSincos[float32])
	})
}

func testSincos[T Float](t *testing.T) {
	rnd := rand.New(rand.NewPCG(15, 1))
	x := []T{0, math.Pi, -math.Pi, math.Pi / 2, -math.Pi / 2, math.Pi / 4, 1e-30, -1e-8, 3, T(math.NaN())}
	for len(x) < 40*Lanes {
		x = append(x, T(math.Pi*(2*rnd.Float64()-1)))
	}
	cos, checkCos := fence(t, x)
	sin, checkSin := fence(t, make([]T, len(x)))
	sincos(sin, cos)
	checkCos()
	checkSin()
	worst := 0.0
	for i, v := range x {
		s, c := math.Sincos(float64(v))
		if math.IsNaN(s) {
			if !math.IsNaN(float64(sin[i])) || !math.IsNaN(float64(cos[i])) {
				t.Errorf("sine and cosine of NaN are %g and %g", sin[i], cos[i])
			}
			continue
		}
		worst = max(worst, math.Abs(float64(sin[i])-s), math.Abs(float64(cos[i])-c))
	}
	if t.Logf("off by %.2f units", worst/epsilon[T]()); worst > 2*epsilon[T]() {
		t.Errorf("off by %g", worst)
	}
}

// wrap returns the angle in (−π, π], within the rounding of the argument.
func TestWrap(t *testing.T) {
	t.Run("float64", testWrap[float64])
	t.Run("float32", testWrap[float32])
}

func testWrap[T Float](t *testing.T) {
	rnd := rand.New(rand.NewPCG(16, 1))
	pi := T(math.Pi)
	x := []T{0, pi, -pi, 2 * pi, -2 * pi, 3 * pi, -3 * pi, 7 * pi, 1e30, -1e30, greatest[T]()}
	for range 2000 {
		x = append(x, T(rnd.NormFloat64()*math.Exp(6*rnd.Float64())))
	}
	for _, v := range x {
		w := wrap(v)
		if !(w > -pi && w <= pi) {
			t.Errorf("%g becomes %g", v, w)
		}
		// The number of turns is an integer, with the value of 2π of the precision.
		turns := new(big.Float).SetPrec(2000).Sub(big.NewFloat(float64(v)), big.NewFloat(float64(w)))
		turns.Quo(turns, big.NewFloat(float64(2*pi)))
		whole, _ := new(big.Float).SetPrec(2000).Add(turns, big.NewFloat(0.5)).Int(nil)
		if turns.Sign() < 0 {
			whole, _ = new(big.Float).SetPrec(2000).Sub(turns, big.NewFloat(0.5)).Int(nil)
		}
		off, _ := new(big.Float).Sub(turns, new(big.Float).SetPrec(2000).SetInt(whole)).Float64()
		if !(math.Abs(off) < 2*epsilon[T]()) {
			t.Errorf("%g becomes %g: off a whole number of turns by %g", v, w, off)
		}
	}
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if w := wrap(T(v)); !math.IsNaN(float64(w)) {
			t.Errorf("%g becomes %g", v, w)
		}
	}
}
