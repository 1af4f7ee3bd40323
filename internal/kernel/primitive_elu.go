package kernel

import "math"

// exp(x) − 1 for x ≤ 0 is split at the nearest c on a grid, x = c + r:
//
//	exp(x) − 1 = e + (1 + e)·(exp(r) − 1) with e = exp(c) − 1.
//
// e and 1 + e are in tables. c and r are exact, because the spacing of the grid is a
// power of two. r is small, so that a short polynomial suffices for exp(r) − 1. The
// sum has no cancellation for small x either: e is then 0.

const (
	grid = 64 // points of the grid per unit

	// Adding one of these to x rounds it to the spacing of the last bit of the sum, 1/grid.
	// The sum minus it is c.
	round32 = whole32 / grid
	round64 = whole64 / grid

	// Below the tables exp(x) − 1 rounds to −1.
	points32 = 18 * grid
	points64 = 38 * grid
)

// The tables begin with the least c and end with 0. There they hold −0 for e, so that
// −0 stays −0.
var (
	less32, exp32 [points32]float32 // exp(c) − 1 and exp(c)
	less64, exp64 [points64]float64
)

// everyRow lists all rows of a column.
var everyRow [Lanes]uint8

func init() {
	for l := range everyRow {
		everyRow[l] = uint8(l)
	}
	for i := range less64 {
		e := math.Expm1(-float64(i) / grid)
		less64[points64-1-i], exp64[points64-1-i] = e, 1+e
		if i < points32 {
			less32[points32-1-i], exp32[points32-1-i] = float32(e), float32(1+e)
		}
	}
}

// numbers32 and numbers64 are round32 and round64, then 1/n! for n from 1. A loop keeps them in
// registers, because they are variables. It would read constants from memory at every
// use.
var (
	numbers32 = [...]float32{round32, 1, 1. / 2, 1. / 6}
	numbers64 = [...]float64{round64, 1, 1. / 2, 1. / 6, 1. / 24, 1. / 120, 1. / 720}
)

// expm1List replaces x by exp(x) − 1 in the rows of the list. There x must have the
// sign bit.
func expm1List[T Float](x *[Lanes]T, list []uint8) {
	switch x := any(x).(type) {
	case *[Lanes]float32:
		expm1List32(x, list)
	case *[Lanes]float64:
		expm1List64(x, list)
	}
}

// expm1List32 is expm1List in float32.
func expm1List32(x *[Lanes]float32, list []uint8) {
	n := &numbers32
	round, c1, c2, c3 := n[0], n[1], n[2], n[3]
	_ = x[0] // checks the pointer once, not for every row
	for _, l := range list {
		v := x[l%Lanes]
		t := v + round
		i := math.Float32bits(t) - (math.Float32bits(round32) - (points32 - 1))
		if i >= points32 {
			x[l%Lanes] = max(v, -1) // a NaN stays a NaN
			continue
		}
		r := v - (t - round)
		x[l%Lanes] = less32[i] + exp32[i]*r*(c1+r*(c2+r*c3)) // relative error 2e-8
	}
}

// expm1List64 is expm1List in float64.
func expm1List64(x *[Lanes]float64, list []uint8) {
	n := &numbers64
	round, c1, c2, c3, c4, c5, c6 := n[0], n[1], n[2], n[3], n[4], n[5], n[6]
	_ = x[0]
	for _, l := range list {
		v := x[l%Lanes]
		t := v + round
		i := math.Float64bits(t) - (math.Float64bits(round64) - (points64 - 1))
		if i >= points64 {
			x[l%Lanes] = max(v, -1)
			continue
		}
		r := v - (t - round)
		x[l%Lanes] = less64[i] + exp64[i]*r*(c1+r*(c2+r*(c3+r*(c4+r*(c5+r*c6))))) // relative error 5e-17
	}
}

// eluPlain first lists the rows of a column with negative values, then computes
// exp(x) − 1 in these only. It has no branch on the sign: a processor would mispredict
// it for every other row.
func eluPlain[T Float](z []T) {
	var rows [Lanes]uint8
	for ; len(z) >= Lanes; z = z[Lanes:] {
		x := (*[Lanes]T)(z)
		expm1List(x, rows[:negatives(rows[:], x)])
	}
}

// negatives lists the rows where x has the sign bit and returns their number. It
// writes every row. The row stays in the list if the number then grows.
func negatives[T Float](list []uint8, x *[Lanes]T) int {
	n := 0
	_ = x[0]
	for l := 0; l < Lanes; l += 4 {
		list[n] = uint8(l)
		n += int(math.Float32bits(float32(x[l])) >> 31)
		list[n] = uint8(l + 1)
		n += int(math.Float32bits(float32(x[l+1])) >> 31)
		list[n] = uint8(l + 2)
		n += int(math.Float32bits(float32(x[l+2])) >> 31)
		list[n] = uint8(l + 3)
		n += int(math.Float32bits(float32(x[l+3])) >> 31)
	}
	return n
}

// eluBackPlain multiplies d by the slope of ELU at the point where its value is
// a, for as many values as a has: a number of columns.
func eluBackPlain[T Float](d, a []T) {
	for ; len(a) >= Lanes; d, a = d[Lanes:], a[Lanes:] {
		d, a := any((*[Lanes]T)(d)), any((*[Lanes]T)(a))
		switch d := d.(type) {
		case *[Lanes]float32:
			a := a.(*[Lanes]float32)
			for l := 0; l < Lanes; l += 2 {
				d[l] *= eluSlope32(a[l])
				d[l+1] *= eluSlope32(a[l+1])
			}
		case *[Lanes]float64:
			a := a.(*[Lanes]float64)
			for l := 0; l < Lanes; l += 2 {
				d[l] *= eluSlope64(a[l])
				d[l+1] *= eluSlope64(a[l+1])
			}
		}
	}
}

// eluSlope32 is 1 plus the minimum of a and 0, a NaN for a NaN. It has no branch, and it
// does not use min, which is a function call on some processors.
func eluSlope32(a float32) float32 {
	b := math.Float32bits(a)
	if b <= 0xff<<23 { // 0 to +Inf
		b = 0
	}
	return math.Float32frombits(b) + 1
}

// eluSlope64 is eluSlope32 in float64.
func eluSlope64(a float64) float64 {
	b := math.Float64bits(a)
	if b <= 0x7ff<<52 {
		b = 0
	}
	return math.Float64frombits(b) + 1
}
