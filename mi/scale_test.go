package mi

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// apply returns the matrix of f of all values.
func apply(x *mat.Dense, f func(v float64) float64) *mat.Dense {
	var y mat.Dense
	y.Apply(func(_, _ int, v float64) float64 { return f(v) }, x)
	return &y
}

// coin returns x with random signs; flip is the probability of a minus sign.
func coin(x *mat.Dense, flip float64, rnd *rand.Rand) *mat.Dense {
	return apply(x, func(v float64) float64 {
		if rnd.Float64() < flip {
			return -v
		}
		return v
	})
}

// With Rank and Robust one wrong value changes the estimate by less than its error:
// an outlier, or a fill value in both columns.
func TestWrongValue(t *testing.T) {
	const n, stdErr = 4000, 0.02
	for _, rho := range []float64{0, 0.9} {
		x, y := normals(n, 1, 1, rho, 6)
		for _, scale := range []Scale{Rank, Robust} {
			s := &Settings{Scale: scale}
			want, err := Estimate(ctx, x, y, s)
			if exact := -0.5 * math.Log1p(-rho*rho); err != nil || math.Abs(want-exact) > 3*stdErr {
				t.Errorf("ρ = %g, scale %d: %v, %v, want %v", rho, scale, want, err, exact)
			}
			for name, wrong := range map[string][2]float64{
				"outlier": {1e5, y.At(7, 0)}, "fill value": {9.97e36, 9.97e36}, "huge": {-1e308, 1e308},
			} {
				a, b := mat.DenseCopyOf(x), mat.DenseCopyOf(y)
				a.Set(7, 0, wrong[0])
				b.Set(7, 0, wrong[1])
				if v, err := Estimate(ctx, a, b, s); err != nil || math.Abs(v-want) > stdErr/4 {
					t.Errorf("ρ = %g, scale %d, %s: %v, %v, want %v", rho, scale, name, v, err, want)
				}
			}
		}
		heavy := func(v float64) float64 { return math.Exp(10 * v) }
		want, _ := Estimate(ctx, x, y, nil)
		if v, err := Estimate(ctx, apply(x, heavy), apply(y, heavy), nil); err != nil || v != want {
			t.Errorf("ρ = %g, exp(10 x): %v, %v, want %v", rho, v, err, want)
		}
	}
}

// For groups of normal variables the estimates are near the exact value, for Rank
// also after a map that makes heavy tails.
func TestVectors(t *testing.T) {
	const n, seeds = 1000, 8
	c := mat.NewSymDense(4, nil)
	for i := range 4 {
		for j := range i + 1 {
			c.SetSym(i, j, math.Pow(0.7, float64(i-j)))
		}
	}
	exact, err := GaussianGroups(c, []int{0, 1}, []int{2, 3})
	if err != nil {
		t.Fatal(err)
	}
	var chol mat.Cholesky
	if !chol.Factorize(c) {
		t.Fatal("not positive definite")
	}
	var l mat.TriDense
	chol.LTo(&l)
	for scale, bound := range map[Scale]float64{Rank: 0.02, Robust: 0.02} {
		sum, heavy := 0.0, 0.0
		for seed := range uint64(seeds) {
			z, _ := normals(n, 4, 1, 0, 70+seed)
			var x mat.Dense
			x.Mul(z, l.T())
			s := &Settings{Scale: scale}
			estimate := func(x *mat.Dense) float64 {
				v, err := Estimate(ctx, x.Slice(0, n, 0, 2).(*mat.Dense), x.Slice(0, n, 2, 4).(*mat.Dense), s)
				if err != nil {
					t.Fatal(err)
				}
				return v
			}
			sum += estimate(&x) / seeds
			heavy += estimate(apply(&x, func(v float64) float64 { return math.Sinh(4 * v) })) / seeds
		}
		t.Logf("scale %d: %.4f, heavy tails %.4f, exact %.4f", scale, sum, heavy, exact)
		// The mean of eight is uncertain by .012.
		if math.Abs(sum-exact) > bound+3*0.012 {
			t.Errorf("scale %d: %.4f, want %.4f", scale, sum, exact)
		}
		if scale == Rank && heavy != sum {
			t.Errorf("heavy tails: %.4f, want %.4f", heavy, sum)
		}
	}
}

// The estimate for discrete columns is their mutual information, on every scale and
// for values of any size.
func TestDiscrete(t *testing.T) {
	const n, flip, spread = 800, 0.1, 0.035
	rnd := rand.New(rand.NewPCG(3, 4))
	spins := func(cols int) *mat.Dense {
		ones := mat.NewDense(n, cols, nil)
		return coin(apply(ones, func(float64) float64 { return 1 }), 0.5, rnd)
	}
	entropy := -flip*math.Log(flip) - (1-flip)*math.Log(1-flip)
	x, pair := spins(1), spins(2)
	product := mat.NewDense(n, 1, nil)
	for i := range n {
		product.Set(i, 0, pair.At(i, 0)*pair.At(i, 1))
	}
	for _, c := range []struct {
		name string
		x, y *mat.Dense
		want float64
	}{
		{"independent", x, spins(1), 0},
		{"one in ten differs", x, coin(x, flip, rnd), math.Ln2 - entropy},
		{"the same", x, x, math.Ln2},
		{"the opposite", x, coin(x, 1, rnd), math.Ln2},
		{"product of two", pair, coin(product, flip, rnd), math.Ln2 - entropy},
		{"one of two", pair, coin(mat.DenseCopyOf(pair.Slice(0, n, 1, 2)), flip, rnd), math.Ln2 - entropy},
	} {
		for _, scale := range []Scale{Rank, Robust, Raw} {
			for _, at := range [][2]float64{{0, 1}, {1e4, 1}, {1e15, 1}, {0, 1e-200}, {0, 1e300}, {3, 1e-12}} {
				place := func(v float64) float64 { return at[0] + at[1]*v }
				v, err := Estimate(ctx, apply(c.x, place), apply(c.y, place),
					&Settings{Scale: scale, Src: rand.NewPCG(1, 2)})
				if err != nil || math.Abs(v-c.want) > 3*spread {
					t.Errorf("%s, scale %d, ±%g at %g: %v, %v, want %v", c.name, scale, at[1], at[0], v, err, c.want)
				}
			}
		}
	}
}

// Repeated values stay apart from their neighbours: the estimate for the product of
// two spins has no bias.
func TestTiesStayApart(t *testing.T) {
	const n, seeds, flip = 500, 20, 0.1
	exact := math.Ln2 + flip*math.Log(flip) + (1-flip)*math.Log(1-flip)
	for _, scale := range []Scale{Rank, Raw} {
		sum := 0.0
		for seed := range uint64(seeds) {
			rnd := rand.New(rand.NewPCG(seed, 6))
			pair := coin(apply(mat.NewDense(n, 2, nil), func(float64) float64 { return 1 }), 0.5, rnd)
			product := mat.NewDense(n, 1, nil)
			for i := range n {
				product.Set(i, 0, pair.At(i, 0)*pair.At(i, 1))
			}
			v, err := Estimate(ctx, pair, coin(product, flip, rnd), &Settings{Scale: scale, Src: rnd})
			if err != nil {
				t.Fatal(err)
			}
			sum += v / seeds
		}
		// One estimate is uncertain by .04.
		if math.Abs(sum-exact) > 3*0.04/math.Sqrt(seeds) {
			t.Errorf("scale %d: %.4f, want %.4f", scale, sum, exact)
		}
	}
}

// A discrete column and a continuous one: the mutual information of the sign of a
// normal variable and another one of correlation ρ is a one-dimensional integral.
func TestSign(t *testing.T) {
	const n, rho = 4000, 0.6
	want := 0.0
	for i := range 4000 { // the midpoint rule
		y := -8 + 16*(float64(i)+0.5)/4000
		weight := math.Exp(-y*y/2) / math.Sqrt(2*math.Pi) * 16 / 4000
		for _, sign := range []float64{1, -1} {
			p := 0.5 * math.Erfc(-sign*rho*y/math.Sqrt(2*(1-rho*rho)))
			want += weight * p * math.Log(2*p)
		}
	}
	x, y := normals(n, 1, 1, rho, 8)
	x = apply(x, func(v float64) float64 { return math.Copysign(1, v) })
	for _, scale := range []Scale{Rank, Robust, Raw} {
		v, err := Estimate(ctx, x, y, &Settings{Scale: scale, Src: rand.NewPCG(1, 2)})
		if err != nil || math.Abs(v-want) > 0.03 {
			t.Errorf("scale %d: %v, %v, want %v", scale, v, err, want)
		}
	}
}

// Columns in the same order throughout are an error, under any monotone map, up to
// rounding and repeated values. Strongly dependent columns are no error.
func TestCopies(t *testing.T) {
	const n = 400
	x, noise := normals(n, 1, 1, 0, 9)
	for name, f := range map[string]func(v float64) float64{
		"same":       func(v float64) float64 { return v },
		"opposite":   func(v float64) float64 { return -v },
		"scaled":     func(v float64) float64 { return 3e7*v + 11 },
		"shifted":    func(v float64) float64 { return v + 1e8 },
		"there back": func(v float64) float64 { return (v+1000)/3*3 - 1000 },
		"exp":        math.Exp,
		"steep":      func(v float64) float64 { return -math.Exp(50 * v) },
		"cube":       func(v float64) float64 { return v * v * v },
		"rounded":    func(v float64) float64 { return float64(float32(v)) },
	} {
		for _, scale := range []Scale{Rank, Robust, Raw} {
			_, err := Estimate(ctx, x, apply(x, f), &Settings{Scale: scale, Src: rand.NewPCG(1, 1)})
			if !errors.Is(err, ErrDegenerate) || !strings.Contains(err.Error(), "throughout") {
				t.Errorf("%s, scale %d: %v", name, scale, err)
			}
		}
	}
	positive := apply(x, func(v float64) float64 { return max(v, 0) })
	if _, err := Estimate(ctx, positive, positive, &Settings{Src: rand.NewPCG(1, 1)}); !errors.Is(err, ErrDegenerate) {
		t.Errorf("a copy that repeats one value: %v", err)
	}
	// A column that rises with every row and one that rises once are no copies.
	ramp, step := mat.NewDense(n, 1, nil), mat.NewDense(n, 1, nil)
	for i := range n {
		ramp.Set(i, 0, float64(i))
		step.Set(i, 0, float64(i/(n/2)))
	}
	for _, pair := range [][2]*mat.Dense{{ramp, step}, {step, ramp}} {
		v, err := Estimate(ctx, pair[0], pair[1], &Settings{Src: rand.NewPCG(1, 1)})
		if err != nil || math.Abs(v-math.Ln2) > 0.1 {
			t.Errorf("step: %v, %v, want %v", v, err, math.Ln2)
		}
	}
	for _, rho := range []float64{0.9999, -0.9999, 0.999999} {
		for _, scale := range []Scale{Rank, Robust, Raw} {
			y := apply(noise, func(v float64) float64 { return v * math.Sqrt(1-rho*rho) })
			var sum mat.Dense
			sum.Scale(rho, x)
			sum.Add(&sum, y)
			v, err := Estimate(ctx, x, &sum, &Settings{Scale: scale})
			if exact := -0.5 * math.Log1p(-rho*rho); err != nil || v < 3.6 || v > exact {
				t.Errorf("ρ = %g, scale %d: %v, %v, want somewhat less than %v", rho, scale, v, err, exact)
			}
		}
	}
}

// Numbers are drawn from the source, and only if values repeat.
func TestSource(t *testing.T) {
	x, y := normals(200, 1, 1, 0.5, 5)
	src := rand.NewPCG(1, 1)
	if _, err := Estimate(ctx, x, y, &Settings{Src: src}); err != nil || *src != *rand.NewPCG(1, 1) {
		t.Errorf("something was drawn, %v", err)
	}
	x = apply(x, math.Round)
	var values []string
	for _, seed := range []uint64{1, 1, 2} {
		v, err := Estimate(ctx, x, y, &Settings{Src: rand.NewPCG(seed, 1)})
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, fmt.Sprint(v))
	}
	if values[0] != values[1] || values[0] == values[2] {
		t.Errorf("seeds 1, 1, 2: %v", values)
	}
}
