package kernel

import "math"

// sincos replaces the angles in cos, from −π to π, by their cosines, and sets sin to
// their sines. The errors are a few units of the last place of 1. The results of
// other arguments may be anything, but those of NaN are NaN.
func sincos[T Float](sin, cos []T) {
	sin = sin[:len(cos)]
	if v := inUse[T](); v != nil {
		v.sincos(first(sin), first(cos), len(cos))
		return
	}
	for i, x := range cos {
		s, c := math.Sincos(float64(x))
		sin[i], cos[i] = T(s), T(c)
	}
}

// wrap returns the angle in (−π, π] that is x modulo 2π. It is NaN if x is not finite.
func wrap[T Float](x T) T {
	const pi = math.Pi
	if x > -pi && x <= pi {
		return x
	}
	if !(x > -3*pi && x < 3*pi) {
		x = T(math.Remainder(float64(x), float64(2*T(pi))))
	}
	if x > pi {
		return x - 2*pi
	}
	if x <= -pi {
		return x + 2*pi
	}
	return x
}
