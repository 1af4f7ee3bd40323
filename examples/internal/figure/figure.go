// Package figure is what the figures of several examples are made of.
package figure

import (
	"image/color"
	"io"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"github.com/neuralrg/neuralrg/examples/internal/checkpoint"
)

// dpi is the resolution of all figures, in pixels per inch.
const dpi = 150

// NewCanvas returns an empty figure.
func NewCanvas(width, height vg.Length) *vgimg.Canvas {
	return vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(dpi))
}

// Write makes a PNG file of a canvas, whole or not at all.
func Write(img *vgimg.Canvas, name string) error {
	return checkpoint.Write(name, 1, func(w io.Writer) error {
		_, err := vgimg.PngCanvas{Canvas: img}.WriteTo(w)
		return err
	})
}

// New returns a plot with a grid, marks at round numbers and a legend at the top
// right.
func New(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.Padding = vg.Points(6)
	p.X.Tick.Marker, p.Y.Tick.Marker = Ticks{}, Ticks{}
	p.Legend.Top = true
	p.Legend.XOffs, p.Legend.YOffs = -vg.Points(6), -vg.Points(4)
	p.Legend.Padding = vg.Points(2)
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{0xe6}, color.Gray{0xe6}
	p.Add(grid)
	return p
}

// Save draws a plot with a margin.
func Save(p *plot.Plot, name string) error {
	const margin = 10
	img := NewCanvas(6*vg.Inch, 4*vg.Inch)
	p.Draw(draw.Crop(draw.New(img), margin, -margin, margin, -margin))
	return Write(img, name)
}

// Band is the area between two curves with the same abscissas.
func Band(low, high plotter.XYs, c color.Color) (*plotter.Polygon, error) {
	outline := append(plotter.XYs{}, low...)
	for k := len(high) - 1; k >= 0; k-- {
		outline = append(outline, high[k])
	}
	band, err := plotter.NewPolygon(outline)
	if err != nil {
		return nil, err
	}
	band.Color, band.LineStyle.Width = c, 0
	return band, nil
}
