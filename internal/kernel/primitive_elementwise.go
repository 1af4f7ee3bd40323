package kernel

import "math"

// These functions work in place on whole tiles: the lengths of their slices
// are multiples of Lanes.

// Expm1 replaces every z ≤ 0 by exp(z) − 1 and keeps every z > 0. The number of
// values must be a multiple of Lanes.
func Expm1[T Float](z []T) { elu(z) }

// elu replaces every z by its exponential linear unit.
func elu[T Float](z []T) {
	if v := inUse[T](); v != nil {
		v.elu(first(z), len(z))
		return
	}
	eluPlain(z)
}

// tanh replaces every z by its hyperbolic tangent.
func tanh[T Float](z []T) {
	if v := inUse[T](); v != nil {
		v.tanh(first(z), len(z))
		return
	}
	tanhPlain(z)
}

// exp replaces every z by its exponential.
func exp[T Float](z []T) {
	if v := inUse[T](); v != nil {
		v.exp(first(z), len(z))
		return
	}
	expPlain(z)
}

// add adds z to the values of to.
func add[T Float](to, z []T) {
	to = to[:len(z)]
	if v := inUse[T](); v != nil {
		v.add(first(to), first(z), len(z))
		return
	}
	for i, v := range z {
		to[i] += v
	}
}

// tanhPlain uses tanh |x| = −m/(m + 2) with m = exp(−2|x|) − 1.
func tanhPlain[T Float](z []T) {
	var m [Lanes]T
	var rows [Lanes]uint8
	for ; len(z) >= Lanes; z = z[Lanes:] {
		x := (*[Lanes]T)(z)
		negative := rows[:negatives(rows[:], x)]
		for l, v := range x {
			m[l] = -2 * v
		}
		for _, l := range negative {
			m[l%Lanes] = -m[l%Lanes]
		}
		expm1List(&m, everyRow[:])
		for l, v := range m {
			x[l] = -v / (v + 2)
		}
		for _, l := range negative {
			x[l%Lanes] = -x[l%Lanes]
		}
	}
}

func expPlain[T Float](z []T) {
	switch z := any(z).(type) {
	case []float64:
		for i, x := range z {
			z[i] = expOf64(x)
		}
	case []float32:
		for i, x := range z {
			z[i] = expOf32(x)
		}
	}
}

// exp(x) is 2^k·2^(j/64)·exp(r) with whole numbers k and j, 0 ≤ j < 64, and
// |r| ≤ ln 2 / 128.
const (
	// Adding 1.5·2^m rounds to a whole number, which is in the low bits of the sum.
	whole32 = 1.5 * (1 << 23)
	whole64 = 1.5 * (1 << 52)

	// The sum of two parts is ln 2. A whole number times the first part is exact.
	ln2Hi32 = 6.93359375e-01
	ln2Lo32 = -2.12194440e-04
	ln2Hi64 = 6.93147180369123816490e-01
	ln2Lo64 = 1.90821492927058770002e-10

	// Beyond these arguments 2^k might not be a normal number.
	most32 = 87
	most64 = 708
)

// powers32 and powers64 are the bits of 2^(j/64).
var (
	powers32 [64]uint32
	powers64 [64]uint64
)

func init() {
	for j := range powers64 {
		p := math.Exp2(float64(j) / 64)
		powers32[j], powers64[j] = math.Float32bits(float32(p)), math.Float64bits(p)
	}
}

// expOf64 is exp(x).
func expOf64(x float64) float64 {
	if !(-most64 < x && x < most64) {
		return expOfAny(x)
	}
	t := x*(64*math.Log2E) + whole64
	n := t - whole64
	r := x - n*(ln2Hi64/64) - n*(ln2Lo64/64)
	b := math.Float64bits(t)
	s := math.Float64frombits(powers64[b%64] + b>>6<<52)
	return s + s*r*(1+r*(1./2+r*(1./6+r*(1./24+r*(1./120))))) // relative error 4e-17
}

// expOf32 is expOf64 in float32.
func expOf32(x float32) float32 {
	if !(-most32 < x && x < most32) {
		return float32(expOfAny(float64(x)))
	}
	t := x*(64*math.Log2E) + whole32
	n := t - whole32
	r := x - n*(ln2Hi32/64) - n*(ln2Lo32/64)
	b := math.Float32bits(t)
	s := math.Float32frombits(powers32[b%64] + b>>6<<23)
	return s + s*r*(1+r*(1./2+r*(1./6))) // relative error 4e-11
}

// expOfAny is exp(x) for all x. On some processors math.Exp overflows for arguments
// whose exponential is still a finite number.
func expOfAny(x float64) float64 {
	if x > 700 {
		return math.Exp(x-32) * math.Exp(32)
	}
	return math.Exp(x)
}
