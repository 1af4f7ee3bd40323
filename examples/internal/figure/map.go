package figure

import (
	"image"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/palette"
	"gonum.org/v1/plot/palette/moreland"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Lattice is a configuration on L×L sites as a grid for a map.
type Lattice struct {
	Values []float64 // row-major
	L      int
}

func (l Lattice) Dims() (c, r int)   { return l.L, l.L }
func (l Lattice) X(c int) float64    { return float64(c) }
func (l Lattice) Y(r int) float64    { return float64(r) }
func (l Lattice) Z(c, r int) float64 { return l.Values[r*l.L+c] }

// Diverging is a colour map from blue over grey to red, symmetric about zero.
func Diverging(largest float64) palette.ColorMap {
	c := moreland.SmoothBlueRed()
	if !(largest > 0) {
		largest = 1
	}
	c.SetMin(-largest)
	c.SetMax(largest)
	return c
}

// Map colours the cells of a grid, square ones if it is drawn by DrawSquare.
// NaN is left out, and numbers beyond the colours have the nearest one.
type Map struct {
	Grid    plotter.GridXYZ
	Colours palette.ColorMap
}

// Plot meets plot.Plotter. Cells are whole pixels of the figure, so that none is
// blurred and there are no seams.
func (m Map) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	xMin, xMax, yMin, yMax := m.DataRange()
	rect := vg.Rectangle{Min: vg.Point{X: x(xMin), Y: y(yMin)}, Max: vg.Point{X: x(xMax), Y: y(yMax)}}
	columns, rows := m.Grid.Dims()
	across := max(1, int(math.Round(rect.Size().X.Dots(dpi)/float64(columns))))
	down := max(1, int(math.Round(rect.Size().Y.Dots(dpi)/float64(rows))))
	img := image.NewRGBA(image.Rect(0, 0, columns*across, rows*down))
	for i := range columns {
		for j := range rows {
			cell, ok := m.colour(m.Grid.Z(i, j))
			if !ok {
				continue
			}
			for k := range across * down {
				img.Set(i*across+k%across, (rows-1-j)*down+k/across, cell)
			}
		}
	}
	c.DrawImage(rect, img)
}

func (m Map) colour(v float64) (color.Color, bool) {
	if math.IsNaN(v) {
		return nil, false
	}
	c, err := m.Colours.At(min(max(v, m.Colours.Min()), m.Colours.Max()))
	return c, err == nil
}

// DataRange meets plot.DataRanger.
func (m Map) DataRange() (xMin, xMax, yMin, yMax float64) {
	c, r := m.Grid.Dims()
	return m.Grid.X(0) - 0.5, m.Grid.X(c-1) + 0.5, m.Grid.Y(0) - 0.5, m.Grid.Y(r-1) + 0.5
}

// DrawSquare draws a plot of a map of so many columns and rows in the middle of a
// part of a canvas, with square cells of whole pixels, as many as there is room for.
func DrawSquare(c draw.Canvas, p *plot.Plot, columns, rows int) {
	const px = vg.Inch / dpi
	data := p.DataCanvas(c).Size()
	cell := min(data.X/vg.Length(columns), data.Y/vg.Length(rows))
	if whole := vg.Length(math.Floor(float64(cell/px))) * px; whole > 0 {
		cell = whole
	}
	width, height := cell*vg.Length(columns), cell*vg.Length(rows)
	left, low := (data.X-width)/2, (data.Y-height)/2
	c.Min.X, c.Min.Y = c.Min.X+left, c.Min.Y+low
	for range 10 { // the room for labels depends a little on the size
		data = p.DataCanvas(c).Size()
		c.Max.X, c.Max.Y = c.Max.X+width-data.X, c.Max.Y+height-data.Y
		corner := p.DataCanvas(c).Min
		dx, dy := snap(corner.X, px)-corner.X, snap(corner.Y, px)-corner.Y
		c.Min.X, c.Max.X, c.Min.Y, c.Max.Y = c.Min.X+dx, c.Max.X+dx, c.Min.Y+dy, c.Max.Y+dy
	}
	p.Draw(c)
}

// snap is the nearest multiple of a unit.
func snap(v, unit vg.Length) vg.Length { return vg.Length(math.Round(float64(v/unit))) * unit }

// Bar draws a scale of colours with a frame, and a margin on its right, in a part
// of a canvas.
func Bar(c draw.Canvas, colours palette.ColorMap, label string) {
	const margin = 12
	p := plot.New()
	p.Add(&plotter.ColorBar{ColorMap: colours, Vertical: true, Colors: 512})
	p.HideX()
	p.Y.Tick.Marker, p.Y.Label.Text, p.Y.Padding = Ticks{}, label, 0
	c = draw.Crop(c, 0, -margin, 0, 0)
	p.Draw(c)
	bar := p.DataCanvas(c)
	bar.StrokeLines(draw.LineStyle{Color: color.Black, Width: vg.Points(0.5)}, []vg.Point{
		bar.Min, {X: bar.Max.X, Y: bar.Min.Y}, bar.Max, {X: bar.Min.X, Y: bar.Max.Y}, bar.Min,
	})
}

// Part is a part of a canvas, in lengths from its lower left corner.
func Part(c draw.Canvas, left, right, low, high vg.Length) draw.Canvas {
	return draw.Canvas{Canvas: c.Canvas, Rectangle: vg.Rectangle{
		Min: vg.Point{X: c.Min.X + left, Y: c.Min.Y + low}, Max: vg.Point{X: c.Min.X + right, Y: c.Min.Y + high},
	}}
}
