package main

import (
	"context"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/examples/internal/console"
	"github.com/neuralrg/neuralrg/flow"
)

// respond draws the responses of the four variables of the last tile, which depend on
// all of the lattice, and of one variable at every level.
func respond(ctx context.Context, m *flow.Model, h *bijector.Hierarchy, x *mat.Dense, o *options) error {
	layers := h.Layers()
	top := layers[len(layers)-1].Tiles()[0]
	response, stdErr, err := m.Response(ctx, x, top)
	if err != nil {
		return err
	}
	fractions, row, column := quadrants(response, top, o.L)
	for k, z := range top {
		console.Printf("latent variable %d: %.3f of Σ|response| on the quadrant from row %d, column %d\n",
			z, fractions[k], mod(z/o.L+row, o.L), mod(z%o.L+column, o.L))
	}
	console.Printf("largest standard error of a mean response %.4f, largest response %.3f\n",
		mat.Max(stdErr), math.Max(mat.Max(response), -mat.Min(response)))
	if err := responseFigure(response, top, o); err != nil {
		return err
	}

	latents := make([]int, h.Levels())
	for level := range latents {
		latents[level] = central(h.Latents(level), o.L)
	}
	response, _, err = m.Response(ctx, x, latents)
	if err != nil {
		return err
	}
	return levelFigure(response, latents, o)
}

// central is the site nearest to the middle of the lattice, the first one if there
// are several.
func central(sites []int, L int) int {
	distance := func(s int) int { return max(s/L-L/2, L/2-s/L) + max(s%L-L/2, L/2-s%L) }
	best := sites[0]
	for _, s := range sites {
		if distance(s) < distance(best) {
			best = s
		}
	}
	return best
}

// quadrants cuts the lattice into four squares, one for each latent variable of the
// last tile. It returns for each variable the fraction of Σ|response| on its own
// square. The square begins row rows and column columns beyond the site of the
// variable; of all such cuts the one with the largest sum of fractions is taken.
func quadrants(response *mat.Dense, latents []int, L int) (fractions []float64, row, column int) {
	best := -1.0
	for r := -L / 4; r < L/4; r++ {
		for c := -L / 4; c < L/4; c++ {
			some, sum := make([]float64, len(latents)), 0.0
			for k, z := range latents {
				in, all := 0.0, 0.0
				for site, v := range response.RawRowView(k) {
					v = math.Abs(v)
					all += v
					if mod(site/L-z/L-r, L) < L/2 && mod(site%L-z%L-c, L) < L/2 {
						in += v
					}
				}
				some[k] = in / all
				sum += some[k]
			}
			if sum > best {
				best, fractions, row, column = sum, some, r, c
			}
		}
	}
	return fractions, row, column
}

// mod is the remainder of a/n that is not negative.
func mod(a, n int) int { return (a%n + n) % n }
