package main

import (
	"fmt"
	"image/color"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/palette/moreland"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"github.com/neuralrg/neuralrg/examples/internal/figure"
	"github.com/neuralrg/neuralrg/flow"
)

var (
	blue  = color.RGBA{0x1f, 0x4e, 0x9c, 0xff}
	pale  = color.NRGBA{0x1f, 0x4e, 0x9c, 0x40}
	brown = color.RGBA{0xb3, 0x5a, 0x00, 0xff}
	red   = color.RGBA{0xc0, 0x10, 0x10, 0xff}
)

func newPlot() *plot.Plot {
	p := plot.New()
	p.Title.Padding = vg.Points(6)
	p.Legend.Top = true
	p.Legend.XOffs, p.Legend.YOffs = -vg.Points(6), -vg.Points(4)
	p.Legend.Padding = vg.Points(2)
	return p
}

// save draws a plot with a margin.
func save(p *plot.Plot, name string) error {
	const width, height, margin = 6 * vg.Inch, 4 * vg.Inch, 8
	img := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(150))
	p.Draw(draw.Crop(draw.New(img), margin, -margin, margin, -margin))
	return figure.Write(img, name)
}

// lossFigure is the loss against its exact lower bound.
func lossFigure(h *history, exact float64, o *options) error {
	p := newPlot()
	p.Title.Text = fmt.Sprintf("Training on the %d×%d Ising model, T = %.4f", o.L, o.L, o.T)
	p.X.Label.Text = "training step"
	p.Y.Label.Text = "loss (nats)"
	var mean, low, high plotter.XYs
	for k, v := range h.Loss {
		e := h.Err[k]
		if math.IsNaN(e) {
			e = 0
		}
		x := float64(k + 1)
		mean = append(mean, plotter.XY{X: x, Y: v})
		low = append(low, plotter.XY{X: x, Y: v - e})
		high = append(high, plotter.XY{X: x, Y: v + e})
	}
	slices.Reverse(high)
	band, err := plotter.NewPolygon(append(low, high...))
	if err != nil {
		return err
	}
	band.Color, band.LineStyle.Width = pale, 0
	line, err := plotter.NewLine(mean)
	if err != nil {
		return err
	}
	line.Color, line.Width = blue, vg.Points(1.2)
	bound := horizontal(exact, 1, float64(len(mean)))
	p.Add(plotter.NewGrid(), band, line, bound)
	p.Legend.Add("loss, mean of 20 steps ± standard error", line)
	p.Legend.Add(fmt.Sprintf("exact bound −ln Z = %.3f", exact), bound)
	// The first steps are far off and would hide the rest.
	sorted := slices.Clone(h.Loss)
	slices.Sort(sorted)
	top := sorted[len(sorted)*9/10]
	p.Y.Min, p.Y.Max = exact-0.1*(top-exact), top+0.1*(top-exact)
	return save(p, filepath.Join(o.out, "loss.png"))
}

// errorFigure is the relative error of the free energy, Fig. 3(a).
func errorFigure(h *history, exact float64, o *options) error {
	p := newPlot()
	p.Title.Text = fmt.Sprintf("Variational free energy of the %d×%d Ising model, T = %.4f", o.L, o.L, o.T)
	p.X.Label.Text = "training step"
	p.Y.Label.Text = "relative error (loss + ln Z) / ln Z"
	var mean plotter.XYs
	low, high := math.Inf(1), math.Inf(-1)
	for k, v := range h.Loss {
		if v > exact { // else no place on a logarithmic axis
			y := math.Log10((v - exact) / math.Abs(exact))
			mean = append(mean, plotter.XY{X: float64(k + 1), Y: y})
			low, high = min(low, y), max(high, y)
		}
	}
	if len(mean) == 0 {
		return nil
	}
	line, err := plotter.NewLine(mean)
	if err != nil {
		return err
	}
	line.Color, line.Width = blue, vg.Points(1.2)
	p.Add(plotter.NewGrid(), line)
	p.Legend.Add("mean of 20 steps", line)
	p.Y.Tick.Marker = figure.Decades{}
	p.Y.Min, p.Y.Max = low-0.1, high+0.1
	return save(p, filepath.Join(o.out, "free_energy.png"))
}

// m2Figure is ⟨m²⟩ of both samplers against the leapfrog steps of each chain,
// Fig. 3(b).
func m2Figure(samplers []*walkers, m2 float64, o *options) error {
	p := newPlot()
	p.Title.Text = fmt.Sprintf("Hybrid Monte Carlo from a cold start on %d×%d sites, T = %.4f, %d chains", o.L, o.L, o.T, o.chains)
	p.X.Label.Text = "leapfrog steps"
	p.Y.Label.Text = "structure factor, mean of m²" // the font has no angle brackets
	p.Add(plotter.NewGrid())
	sweeps, low, high := 0, math.Inf(1), math.Inf(-1)
	leapfrog := float64(o.leapfrog)
	for i, w := range samplers {
		c := []color.RGBA{blue, brown}[i]
		points := errorPoints{}
		every := max(1, len(w.m2)/60)
		for k := i * every / 2; k < len(w.m2); k += every {
			points.XYs = append(points.XYs, plotter.XY{X: float64(k+1) * leapfrog, Y: w.m2[k]})
			points.YErrors = append(points.YErrors, struct{ Low, High float64 }{w.err[k], w.err[k]})
			low, high = min(low, w.m2[k]-w.err[k]), max(high, w.m2[k]+w.err[k])
		}
		sweeps = max(sweeps, len(w.m2))
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
		line := horizontal(m2, leapfrog, float64(sweeps)*leapfrog)
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
	return save(p, filepath.Join(o.out, "m2.png"))
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
	largest := 0.0
	for _, v := range x.RawMatrix().Data {
		largest = math.Max(largest, math.Abs(v))
	}
	colours := moreland.SmoothBlueRed()
	colours.SetMin(-largest)
	colours.SetMax(largest)

	field := plot.New()
	field.Title.Text = fmt.Sprintf("Configurations x generated by the flow, L = %d, T = %.4f", o.L, o.T)
	field.HideAxes()
	heat := plotter.NewHeatMap(sheet{x, o.L, across, down}, colours.Palette(255))
	heat.Min, heat.Max = -largest, largest
	field.Add(heat)

	scale := plot.New()
	scale.Add(&plotter.ColorBar{ColorMap: colours, Vertical: true})
	scale.HideX()
	scale.Y.Label.Text = "field x"

	width, height := 8*vg.Inch, 4.2*vg.Inch
	img := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(150))
	c := draw.New(img)
	right := width - 0.85*vg.Inch
	field.Draw(draw.Crop(c, 0.1*vg.Inch, right-width-0.2*vg.Inch, 0.1*vg.Inch, -0.1*vg.Inch))
	scale.Draw(draw.Crop(c, right, -0.1*vg.Inch, 0.1*vg.Inch, -0.4*vg.Inch))
	return figure.Write(img, filepath.Join(o.out, "configurations.png"))
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
