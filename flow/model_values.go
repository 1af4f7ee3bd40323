package flow

import (
	"fmt"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/internal/graph"
)

// Sample fills x, (rows, Dim), with samples of the model, and logq, (rows), with their
// ln q. logq may be nil; Sample then takes no inverse pass. With logq it takes one inverse
// pass for every element of the symmetry group but the identity. It fails with ErrShape if
// the extents do not fit and with ErrSettings for a nil source.
func (m *Model) Sample(x *mat.Dense, logq []float64, src rand.Source) error {
	rows, err := m.rows("Sample", logq, x)
	if err != nil {
		return err
	}
	if missing(src) {
		return fmt.Errorf("flow: Sample: %w: nil source", ErrSettings)
	}
	rnd := rand.New(src)
	z, ok := m.latents.Get().(*[]float64)
	if !ok || cap(*z) < rows*m.Dim() {
		buf := make([]float64, rows*m.Dim())
		z = &buf
	}
	defer m.latents.Put(z)
	*z = (*z)[:rows*m.Dim()]
	m.draw(*z, rnd)
	out := graph.Contiguous(x)
	p := m.sample
	if logq == nil { // no need of images
		p = m.decode
	}
	if err := p.Run(rows, [][]float64{*z}, [][]float64{out, logq}); err != nil {
		return fmt.Errorf("flow: Sample: %w", err)
	}
	graph.Restore(x, out)
	m.randomImages(x, (*z)[:m.Dim()], rnd)
	return nil
}

// draw fills z with rows drawn from the prior.
func (m *Model) draw(z []float64, rnd *rand.Rand) {
	n := m.Dim()
	for ; len(z) > 0; z = z[n:] {
		m.prior.Rand(z[:n], rnd)
	}
}

// LogProbs stores ln q of every row of x, (rows, Dim), in logq, (rows). It fails with
// ErrShape if the extents do not fit.
func (m *Model) LogProbs(logq []float64, x *mat.Dense) error {
	rows, err := m.rows("LogProbs", logq, x)
	if err != nil {
		return err
	}
	if err := m.density.Run(rows, [][]float64{graph.Contiguous(x)}, [][]float64{logq}); err != nil {
		return fmt.Errorf("flow: LogProbs: %w", err)
	}
	return nil
}

// Encode stores the latent variables z = g⁻¹(x) of every row of x in z, both (rows, Dim),
// and ln |det ∂z/∂x| in logDet, (rows) or nil. It is the map of the bijector alone; for
// a symmetrised model see Posterior. It fails with ErrShape if the extents do not fit.
func (m *Model) Encode(z *mat.Dense, logDet []float64, x *mat.Dense) error {
	return m.transform("Encode", m.encode, z, logDet, x)
}

// Decode stores the configurations x = g(z) of every row of z in x, both (rows, Dim), and
// ln |det ∂x/∂z| in logDet, (rows) or nil. It is the map of the bijector alone;
// RandomImages adds the symmetry. It fails with ErrShape if the extents do not fit.
func (m *Model) Decode(x *mat.Dense, logDet []float64, z *mat.Dense) error {
	return m.transform("Decode", m.decode, x, logDet, z)
}

func (m *Model) transform(name string, p *graph.Program, dst *mat.Dense, logDet []float64, src *mat.Dense) error {
	rows, err := m.rows(name, logDet, src)
	if err != nil {
		return err
	}
	if _, err := m.rows(name, nil, dst); err != nil {
		return err
	}
	if r, _ := dst.Dims(); r != rows {
		return fmt.Errorf("flow: %s: %w: from %d rows to %d", name, ErrShape, rows, r)
	}
	out := graph.Contiguous(dst)
	if err := p.Run(rows, [][]float64{graph.Contiguous(src)}, [][]float64{out, logDet}); err != nil {
		return fmt.Errorf("flow: %s: %w", name, err)
	}
	graph.Restore(dst, out)
	return nil
}

// rows checks a matrix of configurations and a slice with one number per row, which may be
// nil. It returns the number of rows.
func (m *Model) rows(name string, perRow []float64, x *mat.Dense) (int, error) {
	if x == nil {
		return 0, fmt.Errorf("flow: %s: %w: nil matrix, want (rows, %d)", name, ErrShape, m.Dim())
	}
	rows, cols := x.Dims()
	if cols != m.Dim() || rows == 0 {
		return 0, fmt.Errorf("flow: %s: %w: matrix (%d, %d), want (rows, %d)", name, ErrShape, rows, cols, m.Dim())
	}
	if perRow != nil && len(perRow) != rows {
		return 0, fmt.Errorf("flow: %s: %w: %d numbers for %d rows", name, ErrShape, len(perRow), rows)
	}
	return rows, nil
}
