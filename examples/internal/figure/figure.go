// Package figure is what the figures of several examples are made of.
package figure

import (
	"math"
	"os"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg/vgimg"
)

// Write makes a PNG file of a canvas.
func Write(img *vgimg.Canvas, name string) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	if _, err := (vgimg.PngCanvas{Canvas: img}).WriteTo(file); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}

// Lattice is a configuration on L×L sites as a grid for a heat map.
type Lattice struct {
	Values []float64 // row-major
	L      int
}

func (l Lattice) Dims() (c, r int)   { return l.L, l.L }
func (l Lattice) X(c int) float64    { return float64(c) }
func (l Lattice) Y(r int) float64    { return float64(r) }
func (l Lattice) Z(c, r int) float64 { return l.Values[r*l.L+c] }

// Decades marks an axis of decimal logarithms with the numbers themselves: 1, 2
// and 5 times powers of ten, more of them if there are few.
type Decades struct{}

// Ticks meets plot.Ticker.
func (Decades) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for e := math.Floor(low); e <= high; e++ {
		for m := 1; m < 10; m++ {
			v := e + math.Log10(float64(m))
			if v < low || v > high {
				continue
			}
			t := plot.Tick{Value: v}
			if m == 1 || m == 2 || m == 5 || high < low+1 {
				t.Label = strconv.FormatFloat(math.Pow(10, v), 'g', 1, 64)
			}
			ticks = append(ticks, t)
		}
	}
	return ticks
}
