package kernel

// Product sets out = W·in for a tile: W is (no, ni) row-major, in is ni values
// and out is no values of Lanes rows. in and out must not overlap. A lane's
// result does not depend on the other lanes, to the bit.
func Product[T Float](out, w, in []T, no, ni int) { dense(out, w, nil, in, no, ni) }
