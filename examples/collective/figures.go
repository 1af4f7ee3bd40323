package main

import (
	"fmt"
	"math"
	"path/filepath"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/palette"
	"gonum.org/v1/plot/palette/moreland"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"github.com/neuralrg/neuralrg/examples/internal/figure"
)

// responseFigure is Fig. 4(a): a map of the lattice for each latent variable.
func responseFigure(response *mat.Dense, latents []int, o *options) error {
	largest := 0.0
	for _, v := range response.RawMatrix().Data {
		largest = math.Max(largest, math.Abs(v))
	}
	colours := moreland.SmoothBlueRed()
	colours.SetMin(-largest)
	colours.SetMax(largest)

	const panel = 2.6 * vg.Inch
	img := vgimg.NewWith(vgimg.UseWH(2*panel+0.9*vg.Inch, 2*panel), vgimg.UseDPI(150))
	c := draw.New(img)
	for k, z := range latents {
		p := plot.New()
		p.Title.Text = fmt.Sprintf("mean of ∂z/∂x, latent variable %d", z)
		p.Title.TextStyle.Font.Size = font.Length(10)
		p.HideAxes()
		heat := plotter.NewHeatMap(figure.Lattice{Values: response.RawRowView(k), L: o.L}, colours.Palette(255))
		heat.Min, heat.Max = -largest, largest
		p.Add(heat)
		left, bottom := vg.Length(k%2)*panel, vg.Length(1-k/2%2)*panel
		p.Draw(draw.Canvas{Canvas: c, Rectangle: vg.Rectangle{
			Min: vg.Point{X: left + 6, Y: bottom + 6}, Max: vg.Point{X: left + panel - 6, Y: bottom + panel - 6},
		}})
	}
	bar(c, colours, "response, dimensionless", 2*panel+6, 2*panel+0.85*vg.Inch, 2*panel)
	return figure.Write(img, filepath.Join(o.out, "response.png"))
}

// informationFigure is Figs. 4(b) and (c), each with a scale of its own.
func informationFigure(latent, physical *mat.SymDense, o *options) error {
	const panel, scale = 4 * vg.Inch, 0.95 * vg.Inch
	img := vgimg.NewWith(vgimg.UseWH(2*(panel+scale), panel), vgimg.UseDPI(150))
	c := draw.New(img)
	for k, m := range []*mat.SymDense{latent, physical} {
		name := []string{"latent", "physical"}[k]
		low, high := math.Inf(1), math.Inf(-1)
		for i := range m.SymmetricDim() {
			for j := range i {
				low, high = min(low, m.At(i, j)), max(high, m.At(i, j))
			}
		}
		colours := palette.Reverse(moreland.Kindlmann()) // from light to dark
		colours.SetMin(low)
		colours.SetMax(high)
		p := plot.New()
		p.Title.Text = fmt.Sprintf("Mutual information of %s variables, %d×%d", name, o.L, o.L)
		p.Title.TextStyle.Font.Size = font.Length(10)
		p.X.Label.Text, p.Y.Label.Text = "site", "site"
		heat := plotter.NewHeatMap(pairs{m}, colours.Palette(255))
		heat.Min, heat.Max = low, high
		p.Add(heat)
		left := vg.Length(k) * (panel + scale)
		p.Draw(draw.Canvas{Canvas: c, Rectangle: vg.Rectangle{
			Min: vg.Point{X: left + 6, Y: 6}, Max: vg.Point{X: left + panel - 6, Y: panel - 6},
		}})
		bar(c, colours, "nats", left+panel, left+panel+scale-4, panel)
	}
	return figure.Write(img, filepath.Join(o.out, "information.png"))
}

// bar draws a colour scale between two abscissas.
func bar(c draw.Canvas, colours palette.ColorMap, label string, left, right, height vg.Length) {
	p := plot.New()
	p.Add(&plotter.ColorBar{ColorMap: colours, Vertical: true})
	p.HideX()
	p.Y.Label.Text = label
	p.Draw(draw.Canvas{Canvas: c, Rectangle: vg.Rectangle{
		Min: vg.Point{X: left, Y: 10}, Max: vg.Point{X: right, Y: height - 24},
	}})
}

// pairs is a matrix without its diagonal.
type pairs struct{ m *mat.SymDense }

func (p pairs) Dims() (c, r int) { return p.m.SymmetricDim(), p.m.SymmetricDim() }
func (p pairs) X(c int) float64  { return float64(c) }
func (p pairs) Y(r int) float64  { return float64(r) }
func (p pairs) Z(c, r int) float64 {
	if c == r {
		return math.NaN()
	}
	return p.m.At(r, c)
}
