package kernel

// The values of a state lie site by site within blocks of Lanes rows: a tile of a block is
// read and written in runs of Lanes values. Rows that remain after the last block lie one
// by one.

// Groups is the number of blocks of a batch and of rows that remain.
func Groups(rows int) int { return rows/Lanes + rows%Lanes }

// group returns the rows of group g: the first one, and how many they are.
func group(g, rows int) (first, n int) {
	if blocks := rows / Lanes; g >= blocks {
		return blocks*Lanes + g - blocks, 1
	}
	return g * Lanes, Lanes
}

// Pack sets the values of some groups of a state to x, rows of n values one by one.
func Pack[T Float](state, x []T, rows, n, from, to int) {
	for g := from; g < to; g++ {
		first, m := group(g, rows)
		transpose(state[first*n:(first+m)*n], x[first*n:(first+m)*n], m, n)
	}
}

// Unpack sets x to the values of some groups of a state, row by row.
func Unpack[T Float](x, state []T, rows, n, from, to int) {
	for g := from; g < to; g++ {
		first, m := group(g, rows)
		transpose(x[first*n:(first+m)*n], state[first*n:(first+m)*n], n, m)
	}
}

// transpose sets to to the transpose of a matrix of the given extents.
func transpose[T Float](to, from []T, rows, cols int) {
	const side = 16 // of the pieces that are turned at a time
	for i := 0; i < rows; i += side {
		for j := 0; j < cols; j += side {
			for r := i; r < min(i+side, rows); r++ {
				for c := j; c < min(j+side, cols); c++ {
					to[c*rows+r] = from[r*cols+c]
				}
			}
		}
	}
}
