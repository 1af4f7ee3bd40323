package flow

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/internal/num"
)

// Response returns the mean gradient ∂z_i/∂x of latent variables z = g⁻¹(x), averaged
// over the rows of x, (rows, Dim), and its standard error, which is right for independent
// rows (paper, Fig. 4(a)). Row k of both results, (len(latents), Dim), belongs to z_i with
// i = latents[k]. The gradients come from backpropagation through Inverse, in float64.
//
// For the expectation under a target, x must be samples of the target. If the model is
// symmetrised, x must be their images ηx as Posterior draws them: Decode of its z.
//
// It fails with ErrShape if the extents do not fit or a latent is not from 0 to Dim−1,
// with ErrSettings for a nil context, and with ErrNotFinite, naming latent and row, if a
// derivative is not finite. It checks ctx before every latent.
func (m *Model) Response(ctx context.Context, x *mat.Dense, latents []int) (mean, stdErr *mat.Dense, err error) {
	if ctx == nil {
		return nil, nil, fmt.Errorf("flow: Response: %w: nil context", ErrSettings)
	}
	rows, err := m.rows("Response", nil, x)
	if err != nil {
		return nil, nil, err
	}
	n := m.Dim()
	if len(latents) == 0 {
		return nil, nil, fmt.Errorf("flow: Response: %w: no latent variables", ErrShape)
	}
	for _, i := range latents {
		if i < 0 || i >= n {
			return nil, nil, fmt.Errorf("flow: Response: %w: latent variable %d of %d", ErrShape, i, n)
		}
	}
	mean, stdErr = mat.NewDense(len(latents), n, nil), mat.NewDense(len(latents), n, nil)
	from, w, d := graph.Contiguous(x), make([]float64, rows*n), make([]float64, rows*n)
	for k, i := range latents {
		if err := ctx.Err(); err != nil {
			return nil, nil, fmt.Errorf("flow: Response: %w", err)
		}
		clear(w)
		for r := range rows {
			w[r*n+i] = 1
		}
		if err := m.gradient.Run(rows, [][]float64{from, w}, [][]float64{d}); err != nil {
			return nil, nil, fmt.Errorf("flow: Response: %w", err)
		}
		sum, square := mean.RawRowView(k), stdErr.RawRowView(k)
		for r := range rows {
			for j, v := range d[r*n : (r+1)*n] {
				if !num.Finite(v) {
					return nil, nil, fmt.Errorf("flow: Response: latent variable %d, row %d: %w: derivative %g", i, r,
						ErrNotFinite, v)
				}
				// Welford's update.
				delta := v - sum[j]
				sum[j] += delta / float64(r+1)
				square[j] += delta * (v - sum[j])
			}
		}
		for j, s := range square {
			square[j] = math.Sqrt(s / float64(rows) / float64(rows-1)) // NaN for one row
		}
	}
	return mean, stdErr, nil
}

// latentGradient maps x and w, both (rows, Dim), to the gradient of Σ w∘z with respect to
// x. If w is 1 in column i and 0 elsewhere, this is ∂z_i/∂x in each row.
func (m *Model) latentGradient(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
	z, _, err := graph.Inverse(m.b, in[0])
	if err != nil {
		return nil, err
	}
	picked, err := gorgonia.HadamardProd(z, in[1])
	if err != nil {
		return nil, err
	}
	cost, err := graph.Total(1, picked)
	if err != nil {
		return nil, err
	}
	return graph.Grad(cost, in[0])
}
