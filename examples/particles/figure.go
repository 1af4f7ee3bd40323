package main

import (
	"fmt"
	"image/color"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/neuralrg/neuralrg/examples/internal/figure"
)

// points are values with error bars.
type points struct {
	plotter.XYs
	plotter.YErrors
}

// drawRadial draws g(r) of the weighted samples and that of hybrid Monte Carlo.
func drawRadial(r *report) error {
	p := figure.New(fmt.Sprintf("Radial distribution of %d particles, density %g, temperature %g",
		r.o.n, r.o.density, r.o.temperature), "r/σ", "g(r)")
	blue, orange := color.RGBA{0x1f, 0x4e, 0x9c, 0xff}, color.RGBA{0xb3, 0x5a, 0x00, 0xff}
	line, err := plotter.NewLine(curve(r.plainRadial))
	if err != nil {
		return err
	}
	line.Color = orange
	v := points{XYs: curve(r.radial)}
	for _, e := range r.radial.Err {
		v.YErrors = append(v.YErrors, struct{ Low, High float64 }{e, e})
	}
	scatter, err := plotter.NewScatter(v)
	if err != nil {
		return err
	}
	scatter.Shape, scatter.Color, scatter.Radius = draw.CircleGlyph{}, blue, vg.Points(2.5)
	bars, err := plotter.NewYErrorBars(v)
	if err != nil {
		return err
	}
	bars.Color = blue
	p.Add(line, bars, scatter)
	p.Legend.Add("annealing, weighted samples", scatter)
	p.Legend.Add("hybrid Monte Carlo", line)
	p.X.Min, p.X.Max, p.Y.Min = 0, r.o.edge()/2, 0
	p.Y.Max *= 1.15 // room for the legend
	return figure.Save(p, r.o.figure())
}

func curve(g *radial) plotter.XYs {
	var xys plotter.XYs
	for k, x := range g.R {
		xys = append(xys, plotter.XY{X: x, Y: g.G[k]})
	}
	return xys
}
