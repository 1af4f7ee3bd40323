package main

import (
	"fmt"
	"image/color"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"gonum.org/v1/gonum/mat"
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
// training: what comes before is off by so much more that it would hide the
// rest, and is in errorFigure.
func lossFigure(h *history, exact float64, o *options) error {
	p := figure.New(fmt.Sprintf("Training on the %d×%d Ising model, T = %.4f", o.L, o.L, o.T), "training step", "loss (nats)")
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
	bound := horizontal(exact, c.mean[0].X, float64(len(h.Loss)))
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
		if !(gap > 0) { // no place on a logarithmic axis
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
// Fig. 3(b).
func m2Figure(samplers []*walkers, m2 float64, o *options) error {
	p := figure.New(fmt.Sprintf("Hybrid Monte Carlo from a cold start, %d×%d sites, T = %.4f, %d chains", o.L, o.L, o.T, o.chains),
		"leapfrog steps", "structure factor, mean of m²") // the font has no angle brackets
	sweeps, low, high := 0, math.Inf(1), math.Inf(-1)
	leapfrog := float64(o.leapfrog)
	for i, w := range samplers {
		c := []color.RGBA{blue, brown}[i]
		points := errorPoints{}
		count := min(len(w.m2), len(samplers[0].m2)) // as many leapfrog steps
		every := max(1, count/60)
		for k := i * every / 2; k < count; k += every {
			points.XYs = append(points.XYs, plotter.XY{X: float64(k+1) * leapfrog, Y: w.m2[k]})
			points.YErrors = append(points.YErrors, struct{ Low, High float64 }{w.err[k], w.err[k]})
			low, high = min(low, w.m2[k]-w.err[k]), max(high, w.m2[k]+w.err[k])
		}
		sweeps = max(sweeps, count)
		dots, err := plotter.NewScatter(points)
		if err != nil {
			return err
		}
		dots.Color, dots.Radius, dots.Shape = c, vg.Points(1.8), draw.CircleGlyph{}
		bars, err := plotter.NewYErrorBars(points)
		if err != nil {
			return err
		}
		bars.Color, bars.CapWidth = c, vg.Points(2)
		p.Add(dots, bars)
		p.Legend.Add(w.name+" space", dots)
	}
	if !math.IsNaN(m2) {
		line := horizontal(m2, 0, float64(sweeps)*leapfrog)
		p.Add(line)
		p.Legend.Add(fmt.Sprintf("exact %.4f", m2), line)
	}
	if final := samplers[0].final; final > 0 {
		x := (float64(final) + 0.5) * leapfrog
		end, err := plotter.NewLine(plotter.XYs{{X: x, Y: low}, {X: x, Y: high}})
		if err != nil {
			return err
		}
		end.Color, end.Dashes = color.Gray{0x80}, []vg.Length{vg.Points(2), vg.Points(2)}
		p.Add(end)
		p.Legend.Add("end of training", end)
	}
	p.X.Min = 0
	return figure.Save(p, o.figure(m2Name))
}

type errorPoints struct {
	plotter.XYs
	plotter.YErrors
}

func horizontal(y, from, to float64) *plotter.Line {
	line, _ := plotter.NewLine(plotter.XYs{{X: from, Y: y}, {X: to, Y: y}})
	line.Color, line.Width, line.Dashes = red, vg.Points(1.2), []vg.Length{vg.Points(5), vg.Points(3)}
	return line
}

// sheetFigure is a sheet of generated configurations with a colour bar.
func sheetFigure(m *flow.Model, o *options, src rand.Source) error {
	const across, down = 8, 4
	x := mat.NewDense(across*down, m.Dim(), nil)
	if err := m.Sample(x, make([]float64, across*down), src); err != nil {
		return err
	}
	values := x.RawMatrix().Data
	colours := figure.Diverging(max(slices.Max(values), -slices.Min(values)))
	field := figure.New(fmt.Sprintf("Configurations x generated by the flow, L = %d, T = %.4f", o.L, o.T), "", "")
	field.HideAxes()
	s := sheet{x, o.L, across, down}
	field.Add(figure.Map{Grid: s, Colours: colours})
	const width, height, scale = 8 * vg.Inch, 4.2 * vg.Inch, 0.9 * vg.Inch
	img := figure.NewCanvas(width, height)
	c := draw.New(img)
	columns, rows := s.Dims()
	figure.DrawSquare(figure.Part(c, 8, width-scale, 8, height-8), field, columns, rows)
	figure.Bar(figure.Part(c, width-scale, width, 12, height-28), colours, "field x")
	return figure.Write(img, o.figure(sheetName))
}

// sheet lays configurations out on a grid, with a gap of one site between them.
type sheet struct {
	x            *mat.Dense
	l            int
	across, down int
}

func (s sheet) Dims() (c, r int) { return s.across*(s.l+1) - 1, s.down*(s.l+1) - 1 }
func (s sheet) X(c int) float64  { return float64(c) }
func (s sheet) Y(r int) float64  { return float64(r) }
func (s sheet) Z(c, r int) float64 {
	i, j := r%(s.l+1), c%(s.l+1)
	if i == s.l || j == s.l {
		return math.NaN()
	}
	return s.x.At(r/(s.l+1)*s.across+c/(s.l+1), i*s.l+j)
}
