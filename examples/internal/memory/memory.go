// Package memory estimates the memory that an example is about to allocate.
package memory

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrLimit reports that a run needs more memory than its limit.
var ErrLimit = errors.New("too large")

// Part is the memory for one purpose, in bytes. What names the purpose and the flags
// that make it smaller.
type Part struct {
	What  string
	Bytes float64
}

// Check fails with ErrLimit if all parts together take more than limitGB, the value
// of a flag -memory. The error names the largest parts.
func Check(limitGB float64, parts ...Part) error {
	sum := 0.0
	for _, p := range parts {
		sum += p.Bytes
	}
	if sum <= limitGB*1e9 {
		return nil
	}
	slices.SortFunc(parts, func(a, b Part) int {
		if a.Bytes > b.Bytes {
			return -1
		}
		return 1
	})
	var most []string
	for k, p := range parts {
		if k == 0 || p.Bytes > sum/10 {
			most = append(most, Size(p.Bytes)+" for "+p.What)
		}
	}
	return fmt.Errorf("%w: this run needs about %s of memory, %s; -memory allows %s",
		ErrLimit, Size(sum), strings.Join(most, ", "), Size(limitGB*1e9))
}

// Size is a number of bytes with a unit.
func Size(bytes float64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB"}
	k := 0
	for ; bytes >= 1000 && k < len(units)-1; k++ {
		bytes /= 1000
	}
	return fmt.Sprintf("%.3g %s", bytes, units[k])
}

// Network is the size of a MERA, or of a checkerboard, on a square lattice of L×L sites. Where
// Depth is not given, a MERA is cut as bijector.NetworkSettings.Join says. A checkerboard has
// all scales; for odd L there is a MERA in its place.
type Network struct {
	L, Size, Repeat int
	Depth           int // scales, 0 for as many as the lattice has
	Couplings       int // of a block, 0 for the default
	Hidden          []int
	Spline          bool
	Rational        bool // splines, see flow.Recipe
	Conditional     bool
	Checkerboard    bool
}

// Cost is the number of parameters and of layers.
func (n Network) Cost() (params, layers float64) {
	repeat := float64(max(n.Repeat, 1))
	if n.Checkerboard && n.L > 0 && n.L%2 == 0 {
		return n.board(2*repeat + 1)
	}
	for l, scale := n.L, 1; l > 1 && (n.Depth == 0 || scale <= n.Depth); scale++ {
		size := n.Size
		if l%size != 0 {
			size = smallestFactor(l)
		}
		params += 2 * repeat * n.block(size)
		layers += 2 * repeat
		top := size == l && size != n.Size
		if n.Conditional && !top {
			others := float64(size)*float64(size) - 1
			params += others * n.given(9+others-1)
			layers++
		}
		l /= size
	}
	return params, layers
}

// board is the cost of a checkerboard with so many layers per scale. Every halving of L is two
// scales.
func (n Network) board(perScale float64) (params, layers float64) {
	l := n.L
	for ; l%2 == 0; l /= 2 {
		layers += 2 * perScale
	}
	params = layers * n.given(12)
	if l > 1 {
		params += 2 * n.block(l)
		layers++
	}
	return params, layers
}

// given is the number of parameters for a variable that moves, given so many others.
func (n Network) given(others float64) float64 {
	affine := 2*n.net(others, 1) + 1
	if n.Spline && !n.Rational {
		return affine + n.net(others, smoothNumbers)
	}
	return 2 * affine
}

// smallestFactor is the smallest prime factor of l, or l if all are large.
func smallestFactor(l int) int {
	for f := 2; f < 1<<16; f++ {
		if l%f == 0 {
			return f
		}
	}
	return l
}

// How many numbers make a smooth spline of 16 bins, and a rational-quadratic one of 8.
const smoothNumbers, rationalNumbers = 16 - 2, 3*8 - 1

// block is the number of parameters of a block on a square of size×size sites.
func (n Network) block(size int) float64 {
	kept := float64(size) * float64(size) / 2
	moved := kept
	sum := 2*n.net(kept, moved) + moved
	switch {
	case n.Spline && n.Rational:
		sum += n.net(kept, moved*rationalNumbers)
	case n.Spline:
		sum += n.net(kept, moved*smoothNumbers)
	}
	switch {
	case n.Couplings > 0:
		return sum * float64(n.Couplings)
	case n.Spline:
		return sum * 4
	}
	return sum * 10
}

// net is the number of parameters of a network with these inputs and outputs.
func (n Network) net(in, out float64) float64 {
	sum := 0.0
	for _, h := range n.Hidden {
		sum += (in + 1) * float64(h)
		in = float64(h)
	}
	return sum + (in+1)*out
}

// Memory of a run on one processor, measured and rounded up. A parameter has its
// values in both precisions, its gradient and the moments of the optimiser. A site of
// a configuration has what every layer keeps of it.
const (
	bytesPerParam = 160
	bytesPerSite  = 32
)

// Params is the memory for n parameters.
func Params(n float64) float64 { return bytesPerParam * n }

// Rows is the memory for configurations on their way through a network.
func Rows(rows, sites, layers float64) float64 { return bytesPerSite * rows * sites * (layers + 2) }
