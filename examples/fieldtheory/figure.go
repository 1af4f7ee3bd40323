package main

import (
	"image/color"
	"math"

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

// drawTwoPoint draws the two-point function of the flow and that of plain chains.
func drawTwoPoint(o *options, r *report) error {
	p := figure.New("Two-point function at zero momentum: "+r.t.name, "distance t", "C(t)")
	low := math.Inf(1)
	half := r.t.field.Shape()[0]/2 + 1 // C(t) is the same at L − t
	for k, way := range []struct {
		name  string
		g     *twoPoint
		shape draw.GlyphDrawer
		color color.Color
	}{
		{"flow, weighted samples", r.weighted, draw.CircleGlyph{}, color.RGBA{0x1f, 0x4e, 0x9c, 0xff}},
		{"hybrid Monte Carlo", r.plainTwoPoint, draw.CrossGlyph{}, color.RGBA{0xb3, 0x5a, 0x00, 0xff}},
	} {
		if way.g == nil {
			continue
		}
		var v points
		for t, c := range way.g.C[:half] {
			v.XYs = append(v.XYs, plotter.XY{X: float64(t) + 0.12*float64(k), Y: c})
			v.YErrors = append(v.YErrors, struct{ Low, High float64 }{way.g.Err[t], way.g.Err[t]})
			low = min(low, c-way.g.Err[t])
		}
		scatter, err := plotter.NewScatter(v)
		if err != nil {
			return err
		}
		scatter.Shape, scatter.Color, scatter.Radius = way.shape, way.color, vg.Points(3)
		bars, err := plotter.NewYErrorBars(v)
		if err != nil {
			return err
		}
		bars.Color = way.color
		p.Add(scatter, bars)
		p.Legend.Add(way.name, scatter)
	}
	if math.IsInf(low, 1) {
		return nil
	}
	p.Y.Min = min(0, low)
	p.X.Min, p.X.Max = -0.2, float64(half)-0.5
	return figure.Save(p, o.figure())
}
