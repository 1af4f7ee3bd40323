package main

import (
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

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

// errorFigure is Fig. S1: the relative errors against temperature, a line per depth.
func errorFigure(cells []*cell, o *options) error {
	title := fmt.Sprintf("Variational free energy of the %d×%d Ising model", o.L, o.L)
	p := figure.New(title, "temperature T", "relative error (loss + ln Z) / ln Z")
	low, high := math.Inf(1), math.Inf(-1)
	for depth := 1; depth <= o.depths(); depth++ {
		points := relativeErrors(cells[(depth-1)*len(o.temps) : depth*len(o.temps)])
		for k, y := range points.XYs {
			low, high = min(low, y.Y-points.YErrors[k].Low), max(high, y.Y+points.YErrors[k].High)
		}
		if len(points.XYs) == 0 {
			continue
		}
		if err := addDepth(p, points, depth); err != nil {
			return err
		}
	}
	if math.IsInf(low, 1) {
		return nil
	}
	p.Y.Tick.Marker = figure.Decades{}
	low, high = low-0.1, high+0.1
	legend := 0.07 * float64(o.depths()) // its part of the height, above the lines
	p.Y.Min, p.Y.Max = low, low+(high-low)/(1-legend)
	return figure.Save(p, o.figure(errorName))
}

// relativeErrors are the decimal logarithms of the relative errors.
func relativeErrors(cells []*cell) (points errorPoints) {
	for _, c := range cells {
		v, e := c.relative()
		if !(v-e > 0) { // not on a logarithmic axis
			continue
		}
		y, down, up := math.Log10(v), math.Log10(v-e), math.Log10(v+e)
		points.XYs = append(points.XYs, plotter.XY{X: c.T, Y: y})
		points.YErrors = append(points.YErrors, struct{ Low, High float64 }{y - down, up - y})
	}
	return points
}

// addDepth adds a line with error bars to a plot.
func addDepth(p *plot.Plot, points errorPoints, depth int) error {
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
	return nil
}

// sampleFigure is Fig. S2: a configuration of every cell.
func sampleFigure(cells []*cell, o *options) error {
	largest := 0.0
	for _, c := range cells {
		for _, v := range c.Sample {
			largest = math.Max(largest, math.Abs(v))
		}
	}
	scale := figure.Diverging(largest)
	const panel, bar = 1.3 * vg.Inch, 0.9 * vg.Inch
	width, height := vg.Length(len(o.temps))*panel, max(vg.Length(o.depths())*panel, 2*panel)
	img := figure.NewCanvas(width+bar, height)
	canvas := draw.New(img)
	for i, c := range cells {
		depth, temp := o.at(i)
		p := figure.New(fmt.Sprintf("depth %d, T = %g", depth, c.T), "", "")
		p.Title.TextStyle.Font.Size = font.Length(8)
		p.Title.Padding = 2
		p.HideAxes()
		p.Add(figure.Map{Grid: figure.Lattice{Values: c.Sample, L: o.L}, Colours: scale})
		left, bottom := vg.Length(len(o.temps)-1-temp)*panel, height-vg.Length(depth)*panel
		figure.DrawSquare(figure.Part(canvas, left+3, left+panel-3, bottom+3, bottom+panel-3), p, o.L, o.L)
	}
	figure.Bar(figure.Part(canvas, width+4, width+bar, 8, height-20), scale, "field x")
	return figure.Write(img, o.figure(sampleName))
}
