package kernel

import (
	"runtime"
	"sync/atomic"
	"testing"
)

// counted counts the ranges in which it is done, and marks the units.
type counted struct {
	ranges atomic.Int64
	done   []atomic.Int64
}

func (c *counted) do(_, from, to int) {
	c.ranges.Add(1)
	for u := from; u < to; u++ {
		c.done[u].Add(1)
	}
}

// Work has enough pieces or chunks for 128 processors, and every unit is done once.
// A batch of 512 rows on 16×16 sites has 512 rows, and 512 units in a layer of all sites.
func TestPieces(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, procs := range []int{1, 2, 128} {
		runtime.GOMAXPROCS(procs)
		for _, units := range []int{1, 2, 8, 127, 512, 513} {
			c := &counted{done: make([]atomic.Int64, units)}
			inPieces(units, c)
			if n := int(c.ranges.Load()); procs > 1 && n < min(units, 128) || procs == 1 && n != 1 {
				t.Errorf("%d units in %d ranges on %d processors", units, n, procs)
			}
			for u := range c.done {
				if n := c.done[u].Load(); n != 1 {
					t.Errorf("unit %d of %d is done %d times", u, units, n)
				}
			}
		}
	}
	l := NewLayer[float32](NewActNorm[float32](4), 256, tilesOf(64))
	if n := pieces(l.units(512)); n < 128 {
		t.Errorf("a layer has %d pieces", n)
	}
	if n := chunks(l.units(512)); n < 128 {
		t.Errorf("the gradient of a layer has %d chunks", n)
	}
}

// tilesOf cuts 4n sites into n tiles.
func tilesOf(n int) (tiles [][]int) {
	for k := range n {
		tiles = append(tiles, []int{4 * k, 4*k + 1, 4*k + 2, 4*k + 3})
	}
	return tiles
}
