package kernel

import "math"

// QuarticTable holds the distribution functions of the densities
//
//	p(t|h) ∝ exp(h·t − a·t² − t⁴)
//
// with one a and all fields h, in the form of the monotonic map z = G(t; h) that takes p to
// a standard normal density: Φ(z) is the distribution function of p at t.
//
// G is a quintic spline on a grid of two reduced coordinates. With the real root v of
// h = 4v³ + c·v, c > 0, and s = (12v² + c)^(−1/2),
//
//	y = (t − v − (c − 2a)·v·s²)/s,  x = √12·v·s.
//
// v is nearly the place of the maximum of p and s its width where h is large, so that
// G → y as x → ±1. Beyond |y| = 14, G goes on with constant slope; there |z| > 8.
//
// A QuarticTable is immutable and safe for concurrent use.
type QuarticTable struct {
	a, c  float64
	w     float64   // c − 2a
	b     []float64 // coefficients: quarticNodes+5 for every x
	guess []float64 // y at nodes of z and x
}

// Sizes of a QuarticTable.
const (
	quarticNodes  = 256 // intervals of x and of y
	quarticGhosts = 6   // nodes beyond the grid on each side
	quarticWidth  = 12. // c of a ≤ 0
	quarticReach  = 14. // of y
	quarticSure   = 8.  // every y beyond quarticReach has a larger |z|
	quarticDx     = 2. / quarticNodes
	quarticDy     = 2 * quarticReach / quarticNodes

	guessX, guessZ = 32, 80 // intervals of the guesses
	guessEnd       = 10.    // they are for −guessEnd ≤ z ≤ guessEnd
)

// NewQuarticTable returns the table for one a ≥ −6. ln p of the map is right to 1e-10 for
// a ≥ 0. For a < 0 the error grows, to 1e-6 at a = −6, where 9 nats are between two wells.
func NewQuarticTable(a float64) *QuarticTable {
	q := &QuarticTable{a: a, c: quarticWidth + 2*max(a, 0), w: quarticWidth - 2*min(a, 0)}
	const rows, wide = quarticNodes + 1 + 2*quarticGhosts, quarticNodes + 1 + 2*quarticGhosts
	values := make([]float64, rows*wide)
	for i := range quarticNodes/2 + 1 {
		row := values[(i+quarticGhosts)*wide:][:wide]
		q.sample(row, -1+float64(i)*quarticDx)
		// G(−t; −h) = −G(t; h)
		mirror := values[(quarticNodes-i+quarticGhosts)*wide:][:wide]
		for j, z := range row {
			mirror[wide-1-j] = -z
		}
	}
	extend(values, wide)
	q.b = splineCoefficients(values, wide)
	q.guess = q.guesses(values, wide)
	return q
}

// guesses returns y at nodes of z and x.
func (q *QuarticTable) guesses(values []float64, wide int) []float64 {
	guess := make([]float64, (guessX+1)*(guessZ+1))
	for i := range guessX + 1 {
		z := values[(i*(quarticNodes/guessX)+quarticGhosts)*wide:][:wide]
		j := 0
		for k := range guessZ + 1 {
			at := guessEnd * (2*float64(k)/guessZ - 1)
			for j < wide-2 && z[j+1] < at {
				j++
			}
			y := float64(j-quarticGhosts) + (at-z[j])/(z[j+1]-z[j])
			guess[i*(guessZ+1)+k] = min(max(y*quarticDy-quarticReach, -quarticReach), quarticReach)
		}
	}
	return guess
}

// sample sets z to G at the nodes of y, with the ghosts, for one x ≤ 0.
func (q *QuarticTable) sample(z []float64, x float64) {
	node := func(j int) float64 { return float64(j-quarticGhosts)*quarticDy - quarticReach }
	if x <= -1 {
		for j := range z {
			z[j] = node(j)
		}
		return
	}
	v := x * math.Sqrt(q.c/(12*(1-x*x)))
	s2 := 1 / (12*v*v + q.c)
	// The exponent as a polynomial in u = t − m, with m = v + e.
	s, e := math.Sqrt(s2), q.w*v*s2
	m := v + e
	c1, c2 := e*(q.w-e*(12*v+4*e)), q.a+6*m*m
	logp := func(y float64) float64 {
		u := s * y
		return u * (c1 - u*(c2+u*(4*m+u)))
	}
	// Logarithms of the integrals up to the nodes, and from them on. They begin far out,
	// where nothing is left.
	const far = 30 // intervals
	n := len(z)
	cells := make([]float64, n-1+2*far)
	for k := range cells {
		cells[k] = logIntegral(logp, node(k-far), quarticDy)
	}
	left, right := make([]float64, n), make([]float64, n)
	sum := math.Inf(-1)
	for k, c := range cells[:n-1+far] {
		if sum = logAdd(sum, c); k >= far-1 {
			left[k-far+1] = sum
		}
	}
	sum = math.Inf(-1)
	for k := len(cells) - 1; k >= far; k-- {
		if sum = logAdd(sum, cells[k]); k-far < n {
			right[k-far] = sum
		}
	}
	for j := range z {
		total := logAdd(left[j], right[j])
		if left[j] < right[j] {
			z[j] = quantile(left[j] - total)
		} else {
			z[j] = -quantile(right[j] - total)
		}
	}
}

// extend sets the rows of ghosts by polynomials of degree 7.
func extend(values []float64, wide int) {
	rows := len(values) / wide
	row := func(i int) []float64 { return values[i*wide : (i+1)*wide] }
	binomial := [...]float64{8, -28, 56, -70, 56, -28, 8, -1}
	for i := quarticGhosts - 1; i >= 0; i-- {
		for _, side := range []int{1, -1} {
			at := i
			if side < 0 {
				at = rows - 1 - i
			}
			to := row(at)
			clear(to)
			for k, b := range binomial {
				for j, v := range row(at + side*(k+1)) {
					to[j] += b * v
				}
			}
		}
	}
}

// logIntegral is the logarithm of the integral of exp(logp) from y to y+d.
func logIntegral(logp func(float64) float64, y, d float64) float64 {
	// Gauss–Legendre quadrature with ten points (Abramowitz and Stegun, table 25.4).
	nodes := [...]float64{.148874338981631210885, .433395394129247190799, .679409568299024406234,
		.865063366688984510732, .973906528517171720078}
	weights := [...]float64{.295524224714752870174, .269266719309996355091, .219086362515982043996,
		.149451349150580593146, .066671344308688137594}
	var l [10]float64
	top := math.Inf(-1)
	for i, u := range nodes {
		l[2*i], l[2*i+1] = logp(y+d*(1-u)/2), logp(y+d*(1+u)/2)
		top = max(top, l[2*i], l[2*i+1])
	}
	sum := 0.0
	for i, w := range weights {
		sum += w * (math.Exp(l[2*i]-top) + math.Exp(l[2*i+1]-top))
	}
	return top + math.Log(sum*d/2)
}

// logAdd is ln(e^a + e^b).
func logAdd(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	if math.IsInf(b, -1) {
		return a
	}
	return a + math.Log1p(math.Exp(b-a))
}

// quantile is the z ≤ 0 with ln Φ(z) = l, where l ≤ ln ½.
func quantile(l float64) float64 {
	// ln Φ is concave, so that Newton's method comes from below.
	z := -math.Sqrt(max(0, -2*(l+math.Ln2)))
	for range 50 {
		ln, mills := logNormal(z)
		d := (l - ln) * mills
		if z += d; !(math.Abs(d) > 1e-15*(1-z)) {
			break
		}
	}
	return z
}

// logNormal is ln Φ(z) and the ratio of Φ(z) to its derivative.
func logNormal(z float64) (ln, mills float64) {
	const halfLog2Pi = 0.918938533204672741780329736406
	if z > -4 {
		ln = math.Log(math.Erfc(-z/math.Sqrt2) / 2)
		return ln, math.Exp(ln + z*z/2 + halfLog2Pi)
	}
	// The continued fraction of Laplace, from its end.
	x := -z
	f := x
	for k := 100; k >= 1; k-- {
		f = x + float64(k)/f
	}
	return -z*z/2 - halfLog2Pi - math.Log(f), 1 / f
}

// splineCoefficients returns the coefficients of the quintic spline through values on a
// grid of unit distance. Along both axes there are four fewer at each end.
func splineCoefficients(values []float64, wide int) []float64 {
	// A spline with coefficients b has the values (1 + δ²/4 + δ⁴/120) b at the nodes, with
	// the second difference δ². This is its inverse up to δ⁸.
	series := [...]float64{1, -1. / 4, 13. / 240, -11. / 960, 139. / 57600}
	var taps [9]float64
	power := [9]float64{4: 1}
	for _, g := range series {
		for k, v := range power {
			taps[k] += g * v
		}
		var next [9]float64
		for k, v := range power[1:8] {
			next[k], next[k+1], next[k+2] = next[k]+v, next[k+1]-2*v, next[k+2]+v
		}
		power = next
	}
	rows, cols := len(values)/wide, wide-8
	half := make([]float64, rows*cols)
	for i := range rows {
		for j := range cols {
			for k, w := range taps {
				half[i*cols+j] += w * values[i*wide+j+k]
			}
		}
	}
	b := make([]float64, (rows-8)*cols)
	for i := range rows - 8 {
		for k, w := range taps {
			for j, v := range half[(i+k)*cols : (i+k+1)*cols] {
				b[i*cols+j] += w * v
			}
		}
	}
	return b
}
