package main

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"

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

// responseFigure is Fig. 4(a): a map of the lattice for each latent variable
// of the last tile.
func responseFigure(response *mat.Dense, latents []int, o *options) error {
	titles := make([]string, len(latents))
	for k, z := range latents {
		titles[k] = fmt.Sprintf("mean of ∂z/∂x, latent variable %d", z)
	}
	return maps(response, titles, 2, filepath.Join(o.out, "response.png"), o)
}

// levelFigure is a map for a latent variable of every level.
func levelFigure(response *mat.Dense, latents []int, o *options) error {
	titles := make([]string, len(latents))
	for level, z := range latents {
		titles[level] = fmt.Sprintf("mean of ∂z/∂x, level %d, variable %d", level, z)
	}
	return maps(response, titles, 3, filepath.Join(o.out, "levels.png"), o)
}

// maps draws a map of the lattice for each row, so many abreast, on one scale.
func maps(response *mat.Dense, titles []string, abreast int, name string, o *options) error {
	largest := math.Max(mat.Max(response), -mat.Min(response))
	colours := moreland.SmoothBlueRed()
	colours.SetMin(-largest)
	colours.SetMax(largest)

	const panel, scale = 2.6 * vg.Inch, 0.9 * vg.Inch
	rows := (len(titles) + abreast - 1) / abreast
	width, height := vg.Length(abreast)*panel, vg.Length(rows)*panel
	img := vgimg.NewWith(vgimg.UseWH(width+scale, height), vgimg.UseDPI(150))
	c := draw.New(img)
	for k, title := range titles {
		p := plot.New()
		p.Title.Text = title
		p.Title.TextStyle.Font.Size = font.Length(10)
		p.HideAxes()
		heat := plotter.NewHeatMap(figure.Lattice{Values: response.RawRowView(k), L: o.L}, colours.Palette(255))
		heat.Min, heat.Max = -largest, largest
		p.Add(heat)
		left, bottom := vg.Length(k%abreast)*panel, vg.Length(rows-1-k/abreast)*panel
		p.Draw(draw.Canvas{Canvas: c, Rectangle: vg.Rectangle{
			Min: vg.Point{X: left + 6, Y: bottom + 6}, Max: vg.Point{X: left + panel - 6, Y: bottom + panel - 6},
		}})
	}
	bar(c, colours, "mean response, dimensionless", width+6, width+scale-4, height)
	return figure.Write(img, name)
}

// informationFigure is Figs. 4(b) and (c), on one scale: on one of their own
// latent variables would show the errors of single pairs and little else.
func informationFigure(latent, physical *mat.SymDense, o *options) error {
	const panel, scale = 4 * vg.Inch, 0.95 * vg.Inch
	img := vgimg.NewWith(vgimg.UseWH(2*panel+scale, panel), vgimg.UseDPI(150))
	c := draw.New(img)
	colours := palette.Reverse(moreland.Kindlmann()) // from light to dark
	colours.SetMin(0)
	colours.SetMax(slices.Max(offDiagonal(physical)))
	scaled := colours.Palette(256) // the middle one of an odd number would be missing
	for k, m := range []*mat.SymDense{latent, physical} {
		p := plot.New()
		p.Title.Text = fmt.Sprintf("%s variables, L = %d, T = %.4g", []string{"(b) latent", "(c) physical"}[k], o.L, o.T)
		p.Title.TextStyle.Font.Size = font.Length(10)
		p.X.Label.Text, p.Y.Label.Text = "site", "site"
		heat := plotter.NewHeatMap(pairs{m}, scaled)
		heat.Min, heat.Max = colours.Min(), colours.Max()
		heat.Underflow, heat.Overflow = scaled.Colors()[0], scaled.Colors()[255]
		p.Add(heat)
		left := vg.Length(k) * panel
		p.Draw(draw.Canvas{Canvas: c, Rectangle: vg.Rectangle{
			Min: vg.Point{X: left + 6, Y: 6}, Max: vg.Point{X: left + panel - 6, Y: panel - 6},
		}})
	}
	bar(c, colours, "mutual information of two variables, nats", 2*panel, 2*panel+scale-4, panel)
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
