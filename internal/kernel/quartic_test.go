package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// quarticReference returns z and ln p(t|h) by Gauss's rule of five points on fine panels.
func quarticReference(a, h, t, width float64) (z, lnp float64) {
	logp := func(t float64) float64 { return t * (h - t*(a+t*t)) }
	outermost := math.Sqrt(max(0, -a)) + math.Cbrt(math.Abs(h)) // beyond it p falls
	if a > 0 {
		outermost = min(outermost, math.Abs(h)/a)
	}
	integral := func(step float64) float64 { // its logarithm
		top := math.Inf(-1)
		panels := 0
		for x := t; ; x += step {
			top = max(top, logp(x))
			panels++
			if math.Abs(x) > outermost && logp(x) < top-60 && logp(x+step) < logp(x) {
				break
			}
		}
		sum := 0.0
		for k := range panels {
			x := t + float64(k)*step
			for i, w := range []float64{.2369268850561891, .4786286704993665, .5688888888888889,
				.4786286704993665, .2369268850561891} {
				at := []float64{-.9061798459386640, -.5384693101056831, 0, .5384693101056831, .9061798459386640}[i]
				sum += w * math.Exp(logp(x+(1+at)*step/2)-top)
			}
		}
		return top + math.Log(sum*math.Abs(step)/2)
	}
	left, right := integral(-width/10), integral(width/10)
	total := logAdd(left, right)
	if left < right {
		return quantile(left - total), logp(t) - total
	}
	return -quantile(right - total), logp(t) - total
}

// The table has the z and the density that quadrature gives, within its errors.
func TestQuarticTable(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 1))
	for _, c := range []struct{ a, errZ, errLog float64 }{
		{0, 1e-10, 1e-9}, {2, 1e-11, 1e-10}, {30, 1e-11, 1e-10}, {1e6, 1e-11, 1e-10},
		{-1, 1e-9, 1e-8}, {-2, 1e-9, 1e-8}, {-4, 1e-7, 1e-6}, {-6, 1e-6, 1e-5},
	} {
		q := NewQuarticTable(c.a)
		seen := 0
		for range 60 {
			h := math.Sinh(2*rnd.NormFloat64()) * math.Sqrt(1+math.Abs(c.a))
			f := q.field(h)
			y := quarticReach * (2*rnd.Float64() - 1)
			z, lnp := quarticReference(c.a, h, f.m+f.s*y, f.s)
			if math.Abs(z) > quarticSure {
				continue
			}
			seen++
			g := q.value(&f, y)
			ln := math.Log(g.y/f.s) - z*z/2 - math.Log(2*math.Pi)/2
			if !(math.Abs(g.z-z) < c.errZ) || !(math.Abs(ln-lnp) < c.errLog) {
				t.Errorf("a %g, h %.3g, y %.3g: z %g, off by %.2g, ln p %g, off by %.2g",
					c.a, h, y, z, g.z-z, lnp, ln-lnp)
			}
			back, slope := q.solve(&f, g.z)
			if !(math.Abs(back-y)*slope < 1e-13*(1+math.Abs(g.z))) || !(math.Abs(slope/g.y-1) < 1e-6) {
				t.Errorf("a %g, h %.3g: y %g comes back as %g", c.a, h, y, back)
			}
		}
		if seen < 20 {
			t.Errorf("a %g: only %d places inside", c.a, seen)
		}
	}
}

// The map is finite and increases for fields and values of any size, in the tails, too.
func TestQuarticTails(t *testing.T) {
	for _, a := range []float64{-6, 0, 1, 1e30} {
		q := NewQuarticTable(a)
		for _, h := range []float64{0, 1e-300, .1, 3, 40, 1e4, 1e30, 1e300} {
			for _, sign := range []float64{-1, 1} {
				f := q.field(sign * h)
				last, lastZ := math.Inf(-1), math.Inf(-1)
				for y := -40.; y <= 40; y += .05 {
					g := q.value(&f, y)
					if !(g.z > lastZ) || !(g.y > 0) {
						t.Fatalf("a %g, h %g: z %g after %g, slope %g", a, sign*h, g.z, lastZ, g.y)
					}
					d := q.derivatives(&f, y)
					if v := d.t + d.h + d.logT + d.logH; v-v != 0 {
						t.Fatalf("a %g, h %g, y %g: derivatives %v", a, sign*h, y, d)
					}
					lastZ = g.z
				}
				for z := -20.; z <= 20; z += .01 {
					y, slope := q.solve(&f, z)
					if !(y > last) || !(slope > 0) {
						t.Fatalf("a %g, h %g: y %g after %g", a, sign*h, y, last)
					}
					if g := q.value(&f, y); !(math.Abs(g.z-z) < 1e-12*(1+math.Abs(z))) {
						t.Fatalf("a %g, h %g: z %g comes back as %g", a, sign*h, z, g.z)
					}
					last = y
				}
			}
			// −t has the density of −t under −h.
			f, g := q.field(h), q.field(-h)
			if u, v := q.value(&f, .7), q.value(&g, -.7); !(math.Abs(u.z+v.z) < 1e-12) {
				t.Errorf("a %g, h %g: z %g and %g", a, h, u.z, v.z)
			}
		}
		if f := q.field(.5); !(math.Abs(q.value(&f, -quarticReach).z) > quarticSure) {
			t.Errorf("a %g: ends within %g", a, quarticSure)
		}
	}
}

// What is no number gives no number.
func TestQuarticNotFinite(t *testing.T) {
	q := NewQuarticTable(0)
	nan := math.NaN()
	for _, h := range []float64{nan, math.Inf(1), math.Inf(-1), 0} {
		for _, v := range []float64{nan, math.Inf(1), math.Inf(-1), 0} {
			if h == 0 && v == 0 {
				continue
			}
			f := q.field(h)
			y, _ := q.solve(&f, v)
			if g := q.value(&f, v); g.z-g.z == 0 || y-y == 0 {
				t.Errorf("h %g, value %g: z %g, y %g", h, v, g.z, y)
			}
		}
	}
}

func TestQuantile(t *testing.T) {
	for l := -math.Ln2; l > -700; l *= 1.1 {
		z := quantile(l)
		if got := math.Log(math.Erfc(-z/math.Sqrt2) / 2); !(math.Abs(got-l) < 1e-13*math.Abs(l)) {
			t.Errorf("ln Φ(%g) = %g, want %g", z, got, l)
		}
	}
	if z := quantile(-math.Ln2); !(math.Abs(z) < 1e-15) {
		t.Errorf("median %g", z)
	}
}

// BenchmarkQuartic is one tile: 64 sites.
func BenchmarkQuartic(b *testing.B) {
	q := NewQuartic[float32](NewQuarticTable(0), 6.975, 0, []float64{2, 2, 2, 2})
	rnd := rand.New(rand.NewPCG(1, 1))
	x, d, ld := normal[float32](rnd, 5*Lanes), normal[float32](rnd, 5*Lanes), make([]float32, Lanes)
	y := make([]float32, len(x))
	for name, f := range map[string]func(){
		"forward":      func() { q.Run(y, ld, nil, false, nil) },
		"inverse":      func() { q.Run(y, ld, nil, true, nil) },
		"forward grad": func() { q.Grad(nil, d, y, ld, nil, false, nil) },
		"inverse grad": func() { q.Grad(nil, d, y, ld, nil, true, nil) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				copy(y, x)
				f()
			}
		})
	}
}
