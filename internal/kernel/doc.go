// Package kernel holds the arithmetic of block transforms on tiles of rows.
//
// A tile holds Lanes rows of a few values each, stored value by value: value j
// of row l is x[j*Lanes+l]. Every inner loop runs along the rows, and all rows
// see the same weights. A Layer gathers tiles from a batch of lattice
// configurations, runs a Transform on them and scatters the results back, on
// several goroutines.
//
// The files, from the inside out:
//
//   - primitive_*.go are the primitive operations on tiles. Each exists in plain
//     Go and in vector code: for amd64 processors with AVX2 and FMA or with
//     AVX-512, and for arm64 processors, which all have NEON. No other file calls
//     vector code.
//   - vector*.go choose between the two when the program starts. The module in
//     gen writes the vector code. The build tag purego leaves it out.
//   - net.go is a multilayer perceptron. affine.go, curves.go and circular.go are
//     couplings made of such nets, where spline.go, smooth.go and circle.go are the
//     curves of the last two. couplings.go is a chain of couplings, and jacobian.go
//     takes their Jacobian matrices along.
//   - actnorm.go, lu.go and rotations.go are linear maps, in plain Go on top of
//     lanes.go.
//   - layer.go applies a transform to a batch, and chunk.go spreads the work
//     over goroutines.
//
// Results depend on the input alone, whatever the number of processors: the
// number of chunks of work follows from the size of the batch, and sums over
// chunks are taken in chunk order. Results of the variants of the primitives
// (plain Go, AVX2, AVX-512, NEON) differ by rounding.
package kernel

// Float is the precision of the arithmetic.
type Float interface{ float32 | float64 }

// Lanes is the number of rows in a tile. The generated code relies on it.
const Lanes = 64
