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

func tanhPlain[T Float](z []T) {
	for i, x := range z {
		z[i] = T(math.Tanh(float64(x)))
	}
}

func expPlain[T Float](z []T) {
	for i, x := range z {
		z[i] = expOf(x)
	}
}

// expOf is exp(x). On some processors math.Exp overflows for arguments whose
// exponential is still a finite number.
func expOf[T Float](x T) T {
	if x > 700 {
		return T(math.Exp(float64(x)-32) * math.Exp(32))
	}
	return T(math.Exp(float64(x)))
}
