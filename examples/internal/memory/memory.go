// Package memory prices what an example is about to allocate.
package memory

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrLimit reports that a run needs more memory than it may take.
var ErrLimit = errors.New("too large")

// Part is what one thing takes, in bytes. What says what it is, and by which
// flags it is made smaller.
type Part struct {
	What  string
	Bytes float64
}

// Check fails with ErrLimit if all parts together take more than so many GB, the
// value of a flag -memory. The error names the largest of them.
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

// Size is a number of bytes in words.
func Size(bytes float64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB"}
	k := 0
	for ; bytes >= 1000 && k < len(units)-1; k++ {
		bytes /= 1000
	}
	return fmt.Sprintf("%.3g %s", bytes, units[k])
}

// Network is the size of a MERA of blocks of affine couplings on a square
// lattice.
type Network struct {
	L, Size, Repeat int
	Depth           int // scales, 0 for as many as the lattice has
	Couplings       int // of a block, 0 for the default
	Hidden          []int
	Spline          bool
	Conditional     bool
}

// Cost is the number of parameters and of layers.
func (n Network) Cost() (params, layers float64) {
	scales := 0
	for l := n.L; l > 0 && l%n.Size == 0; l /= n.Size {
		scales++
	}
	if n.Depth > 0 {
		scales = n.Depth
	}
	sites := float64(n.Size) * float64(n.Size)
	kept, moved := sites/2, sites/2
	couplings := float64(n.Couplings)
	if couplings == 0 {
		couplings = 10
		if n.Spline {
			couplings = 4
		}
	}
	block := 2*n.net(kept, moved) + moved
	if n.Spline {
		const bins = 8
		block += n.net(kept, moved*(3*bins-1))
	}
	block *= couplings
	per := 2 * float64(max(n.Repeat, 1)) * block
	layers = 2 * float64(max(n.Repeat, 1))
	if n.Conditional {
		const context = 9
		others := sites - 1
		per += 2 * others * (2*n.net(context+others-1, 1) + 1)
		layers++
	}
	return float64(scales) * per, float64(scales) * layers
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

// Of a run on one processor, measured, rounded up: values in both precisions,
// gradients and moments of the optimiser, and what a layer keeps of a site of a
// configuration.
const (
	bytesPerParam = 160
	bytesPerSite  = 32
)

// Params is what so many parameters take.
func Params(n float64) float64 { return bytesPerParam * n }

// Rows is what so many configurations take on their way through a network.
func Rows(rows, sites, layers float64) float64 { return bytesPerSite * rows * sites * (layers + 2) }
