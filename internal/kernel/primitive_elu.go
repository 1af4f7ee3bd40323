package kernel

import "math"

// exp(x) − 1 for x ≤ 0 is split at the nearest c on a grid, x = c + r:
//
//	exp(x) − 1 = e + (1 + e)·(exp(r) − 1) with e = exp(c) − 1.
//
// e is in a table. c and r are exact, because the spacing of the grid is a power of
// two. r is small, so that a short polynomial suffices for exp(r) − 1. The sum has no
// cancellation for small x either: e is then 0.

const (
	grid = 64 // points of the grid per unit

	// Adding and subtracting 1.5·2^k rounds a number to the spacing of the last bit
	// of the sum, 1/grid. The low bits of the sum are the index of e, modulo the
	// length of the table.
	round32 = 1.5 * (1 << 23) / grid
	round64 = 1.5 * (1 << 52) / grid

	// Below these arguments exp(x) − 1 rounds to −1.
	least32 = -18
	least64 = -38
)

// expm1Table32 and expm1Table64 hold e = exp(−i/grid) − 1 at the index −i, modulo
// their lengths. At 0 they hold −0, so that −0 stays −0.
var (
	expm1Table32 [2048]float32
	expm1Table64 [4096]float64
)

func init() {
	for i := range -least64*grid + 1 {
		e := math.Expm1(-float64(i) / grid)
		expm1Table64[-i&4095] = e
		if i <= -least32*grid {
			expm1Table32[-i&2047] = float32(e)
		}
	}
}

// expm1Of32 is exp(x) − 1 for x < 0 or −0. Its result for a NaN is a NaN.
func expm1Of32(x float32) float32 {
	// The bits of negative numbers are in the order of their absolute values. NaNs
	// come last.
	if math.Float32bits(x) > math.Float32bits(least32) {
		return max(x, -1)
	}
	t := x + round32
	r := x - (t - round32)
	e := expm1Table32[math.Float32bits(t)&2047]
	return e + (1+e)*r*(1+r*(1./2+r*(1./6))) // relative error 2e-8
}

// expm1Of64 is expm1Of32 in float64.
func expm1Of64(x float64) float64 {
	if math.Float64bits(x) > math.Float64bits(least64) {
		return max(x, -1)
	}
	t := x + round64
	r := x - (t - round64)
	e := expm1Table64[math.Float64bits(t)&4095]
	return e + (1+e)*r*(1+r*(1./2+r*(1./6+r*(1./24+r*(1./120+r*(1./720)))))) // relative error 5e-17
}

// eluPlain first lists the negative values of a column, then computes exp(x) − 1 for
// these only. It has no branch on the sign: a processor would mispredict it for every
// other row.
func eluPlain[T Float](z []T) {
	var at [Lanes]uint8
	for ; len(z) >= Lanes; z = z[Lanes:] {
		x := (*[Lanes]T)(z)
		list := at[:negatives(&at, x)]
		switch x := any(x).(type) {
		case *[Lanes]float32:
			for _, i := range list {
				x[i%Lanes] = expm1Of32(x[i%Lanes])
			}
		case *[Lanes]float64:
			for _, i := range list {
				x[i%Lanes] = expm1Of64(x[i%Lanes])
			}
		}
	}
}

// negatives lists the indices of the values with a sign bit in at, and returns their
// number. Every index is written; it stays in the list if the number then grows.
func negatives[T Float](at *[Lanes]uint8, x *[Lanes]T) int {
	n := uint32(0)
	for i := 0; i < Lanes; i += 4 {
		at[n%Lanes] = uint8(i)
		n += math.Float32bits(float32(x[i])) >> 31
		at[n%Lanes] = uint8(i + 1)
		n += math.Float32bits(float32(x[i+1])) >> 31
		at[n%Lanes] = uint8(i + 2)
		n += math.Float32bits(float32(x[i+2])) >> 31
		at[n%Lanes] = uint8(i + 3)
		n += math.Float32bits(float32(x[i+3])) >> 31
	}
	return int(n)
}

// eluBackPlain multiplies d by the slope of ELU at the point where its value is
// a, for as many values as a has.
func eluBackPlain[T Float](d, a []T) {
	d = d[:len(a)]
	for i, v := range a {
		d[i] *= min(v, 0) + 1
	}
}
