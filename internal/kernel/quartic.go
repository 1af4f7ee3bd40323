package kernel

import "math"

// Quartic maps the last column x of a tile given the others, the context c, by the
// distribution function of
//
//	p(x|c) ∝ exp(h·x − a·x² − λ·x⁴),  h = field + Σ_j coupling_j·c_j:
//
// the inverse takes x to the z with Φ(z) equal to the distribution function of p. The
// context passes through. There are no parameters but one number that is not used.
// Everything is computed in float64.
type Quartic[T Float] struct {
	table    *QuarticTable // of t = unit·x
	unit     float64       // λ^¼
	field    float64
	coupling []float64
}

// NewQuartic returns the map. table is that of a/√λ.
func NewQuartic[T Float](table *QuarticTable, lambda, field float64, coupling []float64) *Quartic[T] {
	return &Quartic[T]{table, math.Sqrt(math.Sqrt(lambda)), field, coupling}
}

func (b *Quartic[T]) Dim() int                 { return len(b.coupling) + 1 }
func (b *Quartic[T]) Params() int              { return 1 }
func (b *Quartic[T]) Scratch() (run, grad int) { return 0, 0 }

// fieldAt is the field of lane l in units of the table.
func (b *Quartic[T]) fieldAt(x []T, l int) quarticField {
	h := b.field
	for j, c := range b.coupling {
		h += c * float64(x[j*Lanes+l])
	}
	return b.table.field(h / b.unit)
}

func (b *Quartic[T]) Run(x, logDet, _ []T, inverse bool, _ []T) {
	moved := x[len(b.coupling)*Lanes:][:Lanes]
	for l, v := range moved {
		f := b.fieldAt(x, l)
		if inverse {
			g := b.table.value(&f, (float64(v)*b.unit-f.m)/f.s)
			moved[l] = T(g.z)
			logDet[l] += T(math.Log(g.y / f.s * b.unit))
			continue
		}
		y, slope := b.table.solve(&f, float64(v))
		moved[l] = T((f.m + f.s*y) / b.unit)
		logDet[l] -= T(math.Log(slope / f.s * b.unit))
	}
}

func (b *Quartic[T]) Grad(_, dx, x, dLogDet, _ []T, inverse bool, _ []T) {
	last := len(b.coupling) * Lanes
	for l, v := range x[last : last+Lanes] {
		f := b.fieldAt(x, l)
		y := (float64(v)*b.unit - f.m) / f.s
		if !inverse {
			y, _ = b.table.solve(&f, float64(v))
		}
		g := b.table.derivatives(&f, y)
		d, dl := float64(dx[last+l]), float64(dLogDet[l])
		var dh float64
		if inverse {
			dx[last+l] = T(b.unit * (d*g.t + dl*g.logT))
			dh = d*g.h + dl*g.logH
		} else {
			dt := d/b.unit - dl*g.logT
			dx[last+l] = T(dt / g.t)
			dh = -dt*g.h/g.t - dl*g.logH
		}
		for j, c := range b.coupling {
			dx[j*Lanes+l] += T(c / b.unit * dh)
		}
	}
}

// quarticField is where a table has the density of one field.
type quarticField struct {
	v, s, m float64 // reduced coordinates, see QuarticTable
	first   int     // row of coefficients
	place   float64 // on the interval of x
	w       [6]float64
}

// field finds the place of a field.
func (q *QuarticTable) field(h float64) (f quarticField) {
	// The real root u − k/u of h = 4v³ + c·v, by Cardano's formula, without cancellation.
	k := q.c / 12
	u := math.Cbrt(math.Abs(h/8) + math.Hypot(h/8, k*math.Sqrt(k)))
	f.v = h / 4 / (u*u + k + k/u*(k/u))
	s2 := 1 / (12*f.v*f.v + q.c)
	f.s = math.Sqrt(s2)
	f.m = f.v + q.w*f.v*s2
	at := (1 + math.Sqrt(12)*f.v*f.s) / quarticDx
	f.first = min(max(int(at), 0), quarticNodes-1)
	f.place = at - float64(f.first)
	f.w = splines(f.place)
	return f
}

// quarticValue is z = G and its derivative with respect to y.
type quarticValue struct{ z, y float64 }

// value is G at a place y of a field.
func (q *QuarticTable) value(f *quarticField, y float64) (g quarticValue) {
	in, rest := inside(y)
	j, u := interval(in)
	p := q.along(&f.w, f.first, j)
	g.z, g.y, _ = p.at(u)
	g.y /= quarticDy
	g.z += g.y * rest
	return g
}

// quarticGrad holds derivatives: of G and of ln ∂G/∂t, with respect to t and h.
type quarticGrad struct{ t, h, logT, logH float64 }

// derivatives are those at a place y of a field.
func (q *QuarticTable) derivatives(f *quarticField, y float64) quarticGrad {
	in, rest := inside(y)
	j, u := interval(in)
	p := q.along(&f.w, f.first, j)
	_, gy, gyy := p.at(u)
	gy, gyy = gy/quarticDy, gyy/(quarticDy*quarticDy)
	slopes := splineSlopes(f.place)
	p = q.along(&slopes, f.first, j)
	gx, gyx, _ := p.at(u)
	gx, gyx = gx/quarticDx, gyx/(quarticDx*quarticDy)
	if rest != 0 {
		gx, gyy = gx+gyx*rest, 0
	}
	// Derivatives of the coordinates with respect to h, at constant t.
	v, s := f.v, f.s
	s2 := s * s
	s4 := s2 * s2
	logS := -12 * v * s4
	m := s2 + q.w*s4*(1-24*v*v*s2)
	yh, xh := -m/s-y*logS, math.Sqrt(12)*q.c*s4*s
	return quarticGrad{t: gy / s, h: gy*yh + gx*xh, logT: gyy / (gy * s), logH: (gyy*yh+gyx*xh)/gy - logS}
}

// solve returns the y of a field with G = z, and ∂G/∂y there.
func (q *QuarticTable) solve(f *quarticField, z float64) (y, slope float64) {
	if !(math.Abs(z) < quarticSure) { // or NaN
		end := math.Copysign(quarticReach, z)
		if g := q.value(f, end); !((g.z-z)*end > 0) {
			return end + (z-g.z)/g.y, g.y
		}
	}
	from, to := -quarticReach, quarticReach
	y = q.guessed(f, z)
	var p quintic
	at := -1
	for range 100 {
		j, u := interval(y)
		if j != at {
			p, at = q.along(&f.w, f.first, j), j
		}
		g, d, _ := p.at(u)
		slope = d / quarticDy
		if g < z {
			from = y
		} else {
			to = y
		}
		step := (z - g) / slope
		if math.Abs(step) <= 0x1p-50*(1+math.Abs(y)) || math.Abs(z-g) <= 0x1p-51*(1+math.Abs(z)) {
			return y + step, slope
		}
		if y += step; !(y > from && y < to) {
			y = (from + to) / 2
		}
	}
	return y, slope
}

// guessed is near the y of a field with G = z.
func (q *QuarticTable) guessed(f *quarticField, z float64) float64 {
	const per = quarticNodes / guessX
	i := f.first / per
	a := (float64(f.first-i*per) + f.place) / per
	at := min(max((z+guessEnd)*(guessZ/(2*guessEnd)), 0), guessZ)
	j := min(int(at), guessZ-1)
	b := at - float64(j)
	n := guessZ + 1
	g := q.guess[i*n+j:]
	return (1-a)*((1-b)*g[0]+b*g[1]) + a*((1-b)*g[n]+b*g[n+1])
}

// inside splits y into a part that the table covers and the rest.
func inside(y float64) (in, rest float64) {
	in = min(max(y, -quarticReach), quarticReach)
	return in, y - in
}

// interval returns the interval of y and the place on it.
func interval(y float64) (j int, u float64) {
	at := (y + quarticReach) / quarticDy
	j = min(max(int(at), 0), quarticNodes-1)
	return j, at - float64(j)
}

// splines returns the six quintic B-splines at the place u of an interval, 0 ≤ u ≤ 1.
func splines(u float64) [6]float64 {
	u2, r := u*u, 1-u
	u3, u4 := u2*u, u2*u2
	u5, r2 := u4*u, r*r
	return [6]float64{
		r2 * r2 * r / 120,
		(5*u5 - 20*u4 + 20*u3 + 20*u2 - 50*u + 26) / 120,
		(-10*u5 + 30*u4 - 60*u2 + 66) / 120,
		(10*u5 - 20*u4 - 20*u3 + 20*u2 + 50*u + 26) / 120,
		(-5*u5 + 5*u4 + 10*u3 + 10*u2 + 5*u + 1) / 120,
		u5 / 120,
	}
}

// splineSlopes returns the derivatives of splines.
func splineSlopes(u float64) [6]float64 {
	u2, r := u*u, 1-u
	u3, u4, r2 := u2*u, u2*u2, r*r
	return [6]float64{
		-r2 * r2 / 24,
		(5*u4 - 16*u3 + 12*u2 + 8*u - 10) / 24,
		(-10*u4 + 24*u3 - 24*u) / 24,
		(10*u4 - 16*u3 - 12*u2 + 8*u + 10) / 24,
		(-5*u4 + 4*u3 + 6*u2 + 4*u + 1) / 24,
		u4 / 24,
	}
}

// quintic is a polynomial of degree five.
type quintic [6]float64

// along is the spline on interval j of y as a polynomial in the place on it.
func (q *QuarticTable) along(w *[6]float64, first, j int) quintic {
	const n = quarticNodes + 5
	var b [6]float64
	for i, wi := range w {
		row := q.b[(first+i)*n+j:][:6]
		for k, v := range row {
			b[k] += wi * v
		}
	}
	return quintic{
		(b[0] + b[4] + 26*(b[1]+b[3]) + 66*b[2]) / 120,
		(b[4] - b[0] + 10*(b[3]-b[1])) / 24,
		(b[0] + b[4] + 2*(b[1]+b[3]) - 6*b[2]) / 12,
		(b[4] - b[0] + 2*(b[1]-b[3])) / 12,
		(b[0] + b[4] - 4*(b[1]+b[3]) + 6*b[2]) / 24,
		(b[5] - b[0] + 5*(b[1]-b[4]) + 10*(b[3]-b[2])) / 120,
	}
}

// at returns the polynomial and its first two derivatives.
func (p *quintic) at(u float64) (v, d, dd float64) {
	v = p[0] + u*(p[1]+u*(p[2]+u*(p[3]+u*(p[4]+u*p[5]))))
	d = p[1] + u*(2*p[2]+u*(3*p[3]+u*(4*p[4]+u*5*p[5])))
	dd = 2*p[2] + u*(6*p[3]+u*(12*p[4]+u*20*p[5]))
	return v, d, dd
}
