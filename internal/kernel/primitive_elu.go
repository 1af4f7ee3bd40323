package kernel

import "math"

// exp(x) − 1 follows from the usual reduction x = k ln 2 + r with |r| ≤ ln 2 / 2:
// it is 2^k·expm1(r) + (2^k − 1). This is accurate for small x too, where the
// difference exp(x) − 1 cancels.

const (
	// Adding and subtracting 1.5·2^52 rounds a float64 to the nearest
	// integer and leaves that integer in the low bits of the sum.
	round64 = 1.5 * (1 << 52)
	round32 = 1.5 * (1 << 23)

	ln2Hi64 = 6.93147180369123816490e-01 // low 32 bits zero: k·ln2Hi64 is exact
	ln2Lo64 = 1.90821492927058770002e-10
	ln2Hi32 = 6.93359375e-01
	ln2Lo32 = -2.12194440e-04

	// Below these arguments expm1 rounds to −1. At them 2^k is still a normal number.
	least64 = -700
	least32 = -80
)

// elu64 replaces every x ≤ 0 by exp(x) − 1. It has no branch on the sign: a
// processor would mispredict it for every other row.
func elu64(z []float64) {
	for i, x := range z {
		b := math.Float64bits(x)
		sign := uint64(int64(b) >> 63)
		neg, pos := math.Float64frombits(b&sign), math.Float64frombits(b&^sign)
		if neg < least64 {
			neg = least64
		}
		t := neg*math.Log2E + round64
		k := t - round64
		r := neg - k*ln2Hi64 - k*ln2Lo64
		// Minimax polynomial for expm1: relative error 2e-17 for |r| ≤ ln 2 / 2.
		// It is summed in pairs, which a processor can compute at the same time.
		r2 := r * r
		r4 := r2 * r2
		p01 := (0.5000000000000005198554 + r*0.1666666666666658886382) +
			r2*(0.04166666666657648347433+r*0.008333333333389822456179)
		p23 := (0.001388888893166228564612 + r*0.0001984126971846948349089) +
			r2*(0.00002480150514823265409481+r*0.000002755740794357351275926)
		p := r + r2*(p01+r4*(p23+r4*(2.76260907401037480378e-7+r*2.505368217778358169227e-8)))
		s := math.Float64frombits((math.Float64bits(t) + 1023) << 52)
		z[i] = math.Float64frombits(math.Float64bits(pos+(s*p+(s-1))) | b&(1<<63)) // −0 stays −0
	}
}

// elu32 is elu64 in float32.
func elu32(z []float32) {
	for i, x := range z {
		b := math.Float32bits(x)
		sign := uint32(int32(b) >> 31)
		neg, pos := math.Float32frombits(b&sign), math.Float32frombits(b&^sign)
		if neg < least32 {
			neg = least32
		}
		t := neg*math.Log2E + round32
		k := t - round32
		r := neg - k*ln2Hi32 - k*ln2Lo32
		// Minimax polynomial for expm1: relative error 1.3e-8.
		r2 := r * r
		p01 := (0.4999999814968358454543 + r*0.1666654342482258223109) +
			r2*(0.04166720063010006212179+r*0.008366547106849566065355)
		p := r + r2*(p01+r2*r2*0.001388252291752721292154)
		s := math.Float32frombits((math.Float32bits(t) + 127) << 23)
		z[i] = math.Float32frombits(math.Float32bits(pos+(s*p+(s-1))) | b&(1<<31))
	}
}

func eluPlain[T Float](z []T) {
	switch z := any(z).(type) {
	case []float64:
		elu64(z)
	case []float32:
		elu32(z)
	}
}

// eluBackPlain multiplies d by the slope of ELU at the point where its value is
// a, for as many values as a has.
func eluBackPlain[T Float](d, a []T) {
	d = d[:len(a)]
	for i, v := range a {
		d[i] *= min(v, 0) + 1
	}
}
