package main

import (
	"fmt"
	"image/color"
	"math"
	"math/rand/v2"
	"strings"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/neuralrg/neuralrg/examples/internal/figure"
	"github.com/neuralrg/neuralrg/flow"
)

var (
	blue  = color.RGBA{0x1f, 0x4e, 0x9c, 0xff}
	pale  = color.NRGBA{0x1f, 0x4e, 0x9c, 0x50}
	brown = color.RGBA{0xb3, 0x5a, 0x00, 0xff}
	red   = color.RGBA{0xc0, 0x10, 0x10, 0xff}
)

// curve is a line with a band of one standard error.
type curve struct{ mean, low, high plotter.XYs }

func (c *curve) add(x, y, low, high float64) {
	c.mean = append(c.mean, plotter.XY{X: x, Y: y})
	c.low = append(c.low, plotter.XY{X: x, Y: low})
	c.high = append(c.high, plotter.XY{X: x, Y: high})
}

func (c *curve) plotters() (*plotter.Line, *plotter.Polygon, error) {
	band, err := figure.Band(c.low, c.high, pale)
	if err != nil {
		return nil, nil, err
	}
	line, err := plotter.NewLine(c.mean)
	if err != nil {
		return nil, nil, err
	}
	line.Color, line.Width = blue, vg.Points(1.2)
	return line, band, nil
}

// lossFigure is the loss against its exact lower bound, in the second half of
// training. In the first half the loss is so far off that it would hide the rest;
// errorFigure shows all of training.
func lossFigure(h *history, exact float64, o *options) error {
	title := fmt.Sprintf("Training on the %d×%d Ising model, T = %.4f", o.L, o.L, o.T)
	p := figure.New(title, "training step", "loss (nats)")
	var c curve
	low, high := exact, exact
	for k := len(h.Loss) / 2; k < len(h.Loss); k++ {
		e := h.Err[k]
		if math.IsNaN(e) {
			e = 0
		}
		c.add(float64(k+1), h.Loss[k], h.Loss[k]-e, h.Loss[k]+e)
		low, high = min(low, h.Loss[k]-e), max(high, h.Loss[k]+e)
	}
	line, band, err := c.plotters()
	if err != nil {
		return err
	}
	bound, err := dashed(plotter.XYs{{X: c.mean[0].X, Y: exact}, {X: float64(len(h.Loss)), Y: exact}}, red, 1.2)
	if err != nil {
		return err
	}
	p.Add(band, line, bound)
	p.Legend.Add("loss, mean of 20 steps", line)
	p.Legend.Add("± standard error", band)
	p.Legend.Add("exact bound −ln Z = "+strings.Replace(fmt.Sprintf("%.3f", exact), "-", "−", 1), bound)
	p.Y.Min, p.Y.Max = low-0.08*(high-low), high+0.35*(high-low) // room for the legend
	return figure.Save(p, o.figure(lossName))
}

// errorFigure is the relative error of the free energy, Fig. 3(a).
func errorFigure(h *history, exact float64, o *options) error {
	p := figure.New(fmt.Sprintf("Variational free energy of the %d×%d Ising model, T = %.4f", o.L, o.L, o.T),
		"training step", "relative error (loss + ln Z) / ln Z")
	var c curve
	low, high := math.Inf(1), math.Inf(-1)
	for k, v := range h.Loss {
		gap := v - exact
		if !(gap > 0) { // not on a logarithmic axis
			continue
		}
		e := h.Err[k]
		if math.IsNaN(e) {
			e = 0
		}
		at := func(gap float64) float64 { return math.Log10(gap / math.Abs(exact)) }
		y, down, up := at(gap), at(max(gap-e, gap/3)), at(gap+e)
		c.add(float64(k+1), y, down, up)
		low, high = min(low, down), max(high, up)
	}
	if len(c.mean) == 0 {
		return nil
	}
	line, band, err := c.plotters()
	if err != nil {
		return err
	}
	p.Add(band, line)
	p.Legend.Add("mean of 20 steps", line)
	p.Legend.Add("± standard error", band)
	p.Y.Tick.Marker = figure.Decades{}
	p.X.Min, p.Y.Min, p.Y.Max = 0, low-0.1, high+0.1
	return figure.Save(p, o.figure(errorName))
}

// m2Figure is ⟨m²⟩ of both samplers against the leapfrog steps of each chain,
// Fig. 3(b). The exact value m2 is NaN if it is not known.
func m2Figure(samplers []*walkers, m2 float64, o *options) error {
	start := ""
	if o.cold {
		start = " from a cold start"
	}
	title := fmt.Sprintf("Hybrid Monte Carlo%s, %d×%d sites, T = %.4f, %d chains", start, o.L, o.L, o.T, o.chains)
	p := figure.New(title, "leapfrog steps", "structure factor, mean of m²") // the font has no angle brackets
	p.X.Min = 0
	leapfrog := float64(o.leapfrog)
	most := len(samplers[0].m2) // as many leapfrog steps of both
	for i, w := range samplers {
		if err := addSampler(p, w, most, i); err != nil {
			return err
		}
	}
	if !math.IsNaN(m2) {
		line, err := dashed(plotter.XYs{{X: 0, Y: m2}, {X: float64(most) * leapfrog, Y: m2}}, red, 1.2)
		if err != nil {
			return err
		}
		p.Add(line)
		p.Legend.Add(fmt.Sprintf("exact %.4f", m2), line)
	}
	if final := samplers[0].final; final > 0 {
		x := (float64(final) + 0.5) * leapfrog
		end, err := dashed(plotter.XYs{{X: x, Y: p.Y.Min}, {X: x, Y: p.Y.Max}}, color.Gray{0x80}, 0.6)
		if err != nil {
			return err
		}
		p.Add(end)
		p.Legend.Add("end of training", end)
	}
	return figure.Save(p, o.figure(m2Name))
}

// addSampler adds at most 60 of the first sweeps of a sampler to a plot. Those of
// the second sampler are between those of the first.
func addSampler(p *plot.Plot, w *walkers, sweeps, which int) error {
	points := errorPoints{}
	sweeps = min(sweeps, len(w.m2))
	every := max(1, sweeps/60)
	for k := which * every / 2; k < sweeps; k += every {
		points.XYs = append(points.XYs, plotter.XY{X: float64(k+1) * float64(w.o.leapfrog), Y: w.m2[k]})
		points.YErrors = append(points.YErrors, struct{ Low, High float64 }{w.err[k], w.err[k]})
	}
	dots, err := plotter.NewScatter(points)
	if err != nil {
		return err
	}
	bars, err := plotter.NewYErrorBars(points)
	if err != nil {
		return err
	}
	c := []color.RGBA{blue, brown}[which]
	dots.Color, dots.Radius, dots.Shape = c, vg.Points(1.8), draw.CircleGlyph{}
	bars.Color, bars.CapWidth = c, vg.Points(2)
	p.Add(dots, bars)
	start := "cold start"
	if w.fresh != nil {
		start = "from samples of the flow"
	}
	p.Legend.Add(w.name+" space, "+start, dots)
	return nil
}

type errorPoints struct {
	plotter.XYs
	plotter.YErrors
}

// dashed is a dashed line of a width in points.
func dashed(points plotter.XYs, c color.Color, width float64) (*plotter.Line, error) {
	line, err := plotter.NewLine(points)
	if err != nil {
		return nil, err
	}
	line.Color, line.Width, line.Dashes = c, vg.Points(width), []vg.Length{vg.Points(5), vg.Points(3)}
	return line, nil
}

// sheetFigure shows configurations that the flow generates, with a colour bar.
func sheetFigure(m *flow.Model, o *options, src rand.Source) error {
	const across, down = 8, 4
	x := mat.NewDense(across*down, m.Dim(), nil)
	if err := m.Sample(x, make([]float64, across*down), src); err != nil {
		return err
	}
	title := fmt.Sprintf("Configurations x generated by the flow, L = %d, T = %.4f", o.L, o.T)
	return figure.Sheet(x, o.L, across, title, o.figure(sheetName))
}
