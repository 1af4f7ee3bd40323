package main

import (
	"fmt"
	"image/color"
	"math"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/palette/moreland"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"github.com/neuralrg/neuralrg/examples/internal/figure"
)

// colours tell depths apart, the shallowest first.
var colours = []color.RGBA{
	{0xd0, 0x80, 0x30, 0xff}, {0xb0, 0x30, 0x30, 0xff}, {0x80, 0x40, 0x90, 0xff},
	{0x1f, 0x4e, 0x9c, 0xff}, {0x20, 0x80, 0x60, 0xff}, {0x40, 0x40, 0x40, 0xff},
}

type errorPoints struct {
	plotter.XYs
	plotter.YErrors
}

// errorFigure is Fig. S1.
func errorFigure(cells []*cell, o *options) error {
	p := plot.New()
	p.Title.Text = fmt.Sprintf("Variational free energy of the %d×%d Ising model", o.L, o.L)
	p.Title.Padding = vg.Points(6)
	p.X.Label.Text = "temperature T"
	p.Y.Label.Text = "relative error (loss + ln Z) / ln Z"
	p.Legend.Top = true
	p.Legend.XOffs, p.Legend.YOffs = -vg.Points(6), -vg.Points(4)
	p.Add(plotter.NewGrid())
	low, high := math.Inf(1), math.Inf(-1)
	for depth := 1; depth <= o.depths(); depth++ {
		var points errorPoints
		for k := range o.temps {
			c := cells[(depth-1)*len(o.temps)+k]
			v, e := c.relative()
			if !(v-e > 0) { // no place on a logarithmic axis
				continue
			}
			y, down, up := math.Log10(v), math.Log10(v-e), math.Log10(v+e)
			points.XYs = append(points.XYs, plotter.XY{X: c.T, Y: y})
			points.YErrors = append(points.YErrors, struct{ Low, High float64 }{y - down, up - y})
			low, high = min(low, down), max(high, up)
		}
		if len(points.XYs) == 0 {
			continue
		}
		line, dots, err := plotter.NewLinePoints(points.XYs)
		if err != nil {
			return err
		}
		bars, err := plotter.NewYErrorBars(points)
		if err != nil {
			return err
		}
		c := colours[(depth-1)%len(colours)]
		line.Color, dots.Color, bars.Color = c, c, c
		line.Width, dots.Radius, dots.Shape = vg.Points(1.2), vg.Points(2.2), draw.CircleGlyph{}
		p.Add(line, dots, bars)
		p.Legend.Add(fmt.Sprintf("depth %d", depth), line, dots)
	}
	if math.IsInf(low, 1) {
		return nil
	}
	p.Y.Tick.Marker = figure.Decades{}
	p.Y.Min, p.Y.Max = low-0.1, high+0.1
	img := vgimg.NewWith(vgimg.UseWH(6*vg.Inch, 4*vg.Inch), vgimg.UseDPI(150))
	p.Draw(draw.Crop(draw.New(img), 8, -8, 8, -8))
	return figure.Write(img, filepath.Join(o.out, "free_energy.png"))
}

// sampleFigure is Fig. S2: a configuration of every cell.
func sampleFigure(cells []*cell, o *options) error {
	largest := 0.0
	for _, c := range cells {
		for _, v := range c.Sample {
			largest = math.Max(largest, math.Abs(v))
		}
	}
	scale := moreland.SmoothBlueRed()
	scale.SetMin(-largest)
	scale.SetMax(largest)
	const panel, bar = 1.3 * vg.Inch, 0.85 * vg.Inch
	width, height := vg.Length(len(o.temps))*panel, vg.Length(o.depths())*panel
	img := vgimg.NewWith(vgimg.UseWH(width+bar, height), vgimg.UseDPI(150))
	canvas := draw.New(img)
	for i, c := range cells {
		depth, temp := o.at(i)
		p := plot.New()
		p.Title.Text = fmt.Sprintf("depth %d, T = %g", depth, c.T)
		p.Title.TextStyle.Font.Size = font.Length(8)
		p.HideAxes()
		heat := plotter.NewHeatMap(figure.Lattice{Values: c.Sample, L: o.L}, scale.Palette(255))
		heat.Min, heat.Max = -largest, largest
		p.Add(heat)
		left, bottom := vg.Length(len(o.temps)-1-temp)*panel, height-vg.Length(depth)*panel
		p.Draw(draw.Canvas{Canvas: canvas, Rectangle: vg.Rectangle{
			Min: vg.Point{X: left + 3, Y: bottom + 3}, Max: vg.Point{X: left + panel - 3, Y: bottom + panel - 3},
		}})
	}
	p := plot.New()
	p.Add(&plotter.ColorBar{ColorMap: scale, Vertical: true})
	p.HideX()
	p.Y.Label.Text = "field x"
	p.Draw(draw.Canvas{Canvas: canvas, Rectangle: vg.Rectangle{
		Min: vg.Point{X: width + 4, Y: 6}, Max: vg.Point{X: width + bar - 4, Y: height - 18},
	}})
	return figure.Write(img, filepath.Join(o.out, "samples.png"))
}
