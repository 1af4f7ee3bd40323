package main

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/palette"
	"gonum.org/v1/plot/palette/moreland"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/neuralrg/neuralrg/examples/internal/figure"
)

// responseFigure is Fig. 4(a): a map of the lattice for each latent variable
// of the last tile.
func responseFigure(response *mat.Dense, latents []int, o *options) error {
	titles := make([]string, len(latents))
	for k, z := range latents {
		titles[k] = fmt.Sprintf("mean of ∂z/∂x, latent variable %d", z)
	}
	return maps(response, titles, 2, o.figure(responseName), o)
}

// levelFigure is a map for a latent variable of every level.
func levelFigure(response *mat.Dense, latents []int, o *options) error {
	titles := make([]string, len(latents))
	for level, z := range latents {
		titles[level] = fmt.Sprintf("mean of ∂z/∂x, level %d, variable %d", level, z)
	}
	return maps(response, titles, 3, o.figure(levelsName), o)
}

// maps draws a map of the lattice for each row of response, on one scale, with the
// given number side by side.
func maps(response *mat.Dense, titles []string, abreast int, name string, o *options) error {
	colours := figure.Diverging(math.Max(mat.Max(response), -mat.Min(response)))
	const panel, scale = 2.6 * vg.Inch, 1 * vg.Inch
	abreast = min(abreast, len(titles))
	rows := (len(titles) + abreast - 1) / abreast
	width, height := vg.Length(abreast)*panel, vg.Length(rows)*panel
	img := figure.NewCanvas(width+scale, height)
	c := draw.New(img)
	for k, title := range titles {
		p := figure.New(title, "", "")
		p.Title.TextStyle.Font.Size = font.Length(10)
		p.HideAxes()
		p.Add(figure.Map{Grid: figure.Lattice{Values: response.RawRowView(k), L: o.L}, Colours: colours})
		left, bottom := vg.Length(k%abreast)*panel, vg.Length(rows-1-k/abreast)*panel
		figure.DrawSquare(figure.Part(c, left+6, left+panel-6, bottom+6, bottom+panel-6), p, o.L, o.L)
	}
	figure.Bar(figure.Part(c, width+6, width+scale, 12, height-24), colours, "mean response, dimensionless")
	return figure.Write(img, name)
}

// informationFigure is Figs. 4(b) and (c), on one scale. On a scale of their own, the
// latent variables would show little but the errors of single pairs.
func informationFigure(latent, physical *mat.SymDense, o *options) error {
	const panel, scale = 4.3 * vg.Inch, 1 * vg.Inch
	img := figure.NewCanvas(2*panel+scale, panel)
	c := draw.New(img)
	colours := palette.Reverse(moreland.Kindlmann()) // from light to dark
	colours.SetMin(0)
	colours.SetMax(max(slices.Max(offDiagonal(physical)), 1e-6))
	for k, m := range []*mat.SymDense{latent, physical} {
		name := []string{"(b) latent", "(c) physical"}[k]
		p := figure.New(fmt.Sprintf("%s variables, L = %d, T = %.4g", name, o.L, o.T), "site", "site")
		p.Title.TextStyle.Font.Size = font.Length(10)
		p.Add(figure.Map{Grid: pairs{m}, Colours: colours})
		left := vg.Length(k) * panel
		n := m.SymmetricDim()
		figure.DrawSquare(figure.Part(c, left+4, left+panel-4, 4, panel-4), p, n, n)
	}
	figure.Bar(figure.Part(c, 2*panel+4, 2*panel+scale, 40, panel-28), colours,
		"mutual information of two variables, nats")
	return figure.Write(img, o.figure(informationName))
}

// pairs is a matrix as a grid, without its diagonal.
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
