package kernel

// Expm1 replaces every z ≤ 0 by exp(z) − 1. The number of values must be a
// multiple of Lanes.
func Expm1[T Float](z []T) { elu(z) }
