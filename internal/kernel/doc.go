// Package kernel holds the arithmetic of block transforms on tiles of rows.
//
// A tile is Lanes rows of a few values each, stored value by value: value j
// of row l is x[j*Lanes+l], so that every inner loop runs along the rows of
// the batch and all rows see the same weights. Layer gathers tiles from a
// batch of lattice configurations, runs a Transform on them and scatters the
// results back, spread over goroutines.
//
// The chapters, from the inside out: elu.go and dense.go are the primitive
// operations on tiles, the only code that is worth writing for a particular
// processor; Net is a multilayer perceptron built on them, which knows
// nothing of what its outputs are used for; Affine is the Real NVP block, one
// client of Net; Layer is the batch.
//
// Results depend on the input alone: work is cut into chunks whose number
// follows from the size of the batch, and sums over chunks are taken in chunk
// order, whatever the number of processors.
package kernel

// Float is the precision of the arithmetic.
type Float interface{ float32 | float64 }

// Lanes is the number of rows in a tile.
const Lanes = 64
