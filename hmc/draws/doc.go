// Package draws collects what Markov chains draw and writes it in the .npy format
// of NumPy.
//
// An Array has the axes (chain, draw, shape…), the convention of ArviZ: shape is
// that of one draw of one chain, empty for a number, (16, 16) for a configuration
// of a lattice. In Python,
//
//	x = numpy.load("x.npy")
//	data = arviz.from_dict({"posterior": {"x": x}})
//
// where ArviZ before version 1 wants arviz.from_dict(posterior={"x": x}).
//
// The package does not depend on a sampler: draws are matrices with one row per
// chain, as hmc.Sampler.X returns them.
package draws
