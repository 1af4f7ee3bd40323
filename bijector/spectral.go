package bijector

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/fourier"
	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/internal/kernel"
	"github.com/neuralrg/neuralrg/internal/lattice"
)

// Spectral is the fixed map x = C^½·z on a periodic lattice, where C is a
// translation-invariant covariance. It maps white noise to a Gaussian field of covariance
// C. It is diagonal in Fourier space and has no parameters.
//
// Use it for whitening, as the last element of a chain after a hierarchy. The hierarchy
// then need not learn the covariance:
//
//	white, err := bijector.NewSpectral(shape, ising.Spectrum())
//	b, err := bijector.NewChain(hierarchy, white) // x = C^½·g(z)
//
// A Spectral is safe for concurrent use.
type Spectral struct {
	shape       []int
	spectrum    []float64
	root, white *fourier.Diagonal // C^½ and its inverse
	logDet      float64
	workspaces  sync.Pool
}

// NewSpectral returns the map for a covariance C with the given eigenvalues, one for each
// of the N wave vectors k_μ = 2πj_μ/L_μ, row-major in the wave numbers j. It fails with
// ErrShape for a lattice without sites or a number of eigenvalues other than N. It fails
// with ErrSettings if an eigenvalue is not positive and finite, or if those of k and −k
// differ by more than a relative 10⁻⁹.
func NewSpectral(shape []int, spectrum []float64) (*Spectral, error) {
	n, err := lattice.Size(shape)
	if err != nil {
		return nil, fmt.Errorf("bijector: Spectral: %w: %w", ErrShape, err)
	}
	if len(spectrum) != n {
		return nil, fmt.Errorf("bijector: Spectral: %w: %d eigenvalues for lattice %v", ErrShape, len(spectrum), shape)
	}
	s := &Spectral{shape: slices.Clone(shape), spectrum: slices.Clone(spectrum)}
	root, white := make([]float64, n), make([]float64, n)
	for k, v := range spectrum {
		if !(v > 0) || math.IsInf(v, 1) {
			return nil, fmt.Errorf("bijector: Spectral: %w: eigenvalue %d is %g, want a positive number",
				ErrSettings, k, v)
		}
		if o := lattice.Opposite(shape, k); !(math.Abs(spectrum[o]-v) <= 1e-9*v) {
			return nil, fmt.Errorf("bijector: Spectral: %w: eigenvalue %d is %g, that of the opposite wave, %d, %g",
				ErrSettings, k, v, o, spectrum[o])
		}
		root[k], white[k] = math.Sqrt(v), 1/math.Sqrt(v)
		s.logDet += 0.5 * math.Log(v)
	}
	s.root, s.white = fourier.NewDiagonal(shape, root), fourier.NewDiagonal(shape, white)
	s.workspaces.New = func() any { return &spectralWork{s.root.NewWorkspace(), make([]float64, s.root.Block()*n)} }
	return s, nil
}

// spectralWork is the workspace of one goroutine.
type spectralWork struct {
	*fourier.Workspace
	rows []float64
}

const (
	spectralKind  = "spectral"
	spectrumArray = "spectrum"
	perWave       = 55 // bytes for each eigenvalue
)

// spectralConfig are the settings of a Spectral in a file.
type spectralConfig struct {
	Shape []int `json:"shape,omitempty"` // of the lattice
}

// Describe returns shape and spectrum.
func (s *Spectral) Describe() *Description {
	return &Description{Kind: spectralKind, Config: &spectralConfig{s.Shape()}, of: s, Arrays: func() []Array {
		return []Array{{Name: spectrumArray, Shape: []int{s.Dim()}, Floats: s.Spectrum()}}
	}}
}

func buildSpectral(s Stored) (Bijector, error) {
	var c spectralConfig
	if err := s.Config(&c); err != nil {
		return nil, err
	}
	if err := s.Spend(s.Dim(), perWave); err != nil {
		return nil, err
	}
	spectrum, err := s.Floats(spectrumArray, s.Dim())
	if err != nil {
		return nil, err
	}
	return NewSpectral(c.Shape, spectrum)
}

// Dim returns the number of sites N.
func (s *Spectral) Dim() int { return len(s.spectrum) }

func (s *Spectral) passed() []bool { return make([]bool, s.Dim()) }

// Params returns nil: a Spectral has no parameters.
func (s *Spectral) Params() []*Param { return nil }

// Shape returns the extents of the lattice.
func (s *Spectral) Shape() []int { return slices.Clone(s.shape) }

// Spectrum returns the eigenvalues of C, as NewSpectral takes them.
func (s *Spectral) Spectrum() []float64 { return slices.Clone(s.spectrum) }

// Forward maps z to C^½·z; the log-determinant is ½ ln det C.
func (s *Spectral) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	return s.apply(z, s.root, s.white, s.logDet)
}

// Inverse maps x to C^−½·x.
func (s *Spectral) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) {
	return s.apply(x, s.white, s.root, -s.logDet)
}

// apply applies d to x and to its score, if it has one, back: both maps are symmetric.
func (s *Spectral) apply(
	x *gorgonia.Node, d, back *fourier.Diagonal, constant float64,
) (y, logDet *gorgonia.Node, err error) {
	if _, err := graph.Rows(x, s.Dim()); err != nil {
		return nil, nil, fmt.Errorf("bijector: Spectral: %w", err)
	}
	if y, err = s.node(x, d); err != nil {
		return nil, nil, err
	}
	if score := graph.ScoreOf(x); score != nil {
		if score, err = s.node(score, back); err != nil {
			return nil, nil, err
		}
		if y, err = graph.Scored(y, score); err != nil {
			return nil, nil, err
		}
	}
	logDet, err = graph.PerRow("log-determinant of Spectral", x, s.Dim(), func() graph.RowsFunc {
		return func(val, grad, _ []float64) error {
			for r := range val {
				val[r] = constant
			}
			clear(grad)
			return nil
		}
	})
	return y, logDet, err
}

// node applies the map to a batch. The map is symmetric, so the gradient of this operation
// is the same map.
func (s *Spectral) node(x *gorgonia.Node, d *fourier.Diagonal) (*gorgonia.Node, error) {
	return graph.Apply(graph.Spec{
		Name: "spectral", Shape: x.Shape(),
		Run: graph.Generic(
			func(out []float64, in [][]float64) error { spectralRows(s, d, out, in[0]); return nil },
			func(out []float32, in [][]float32) error { spectralRows(s, d, out, in[0]); return nil }),
		Diff: func(_ gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			dx, err := s.node(grad, d)
			return gorgonia.Nodes{dx}, err
		},
	}, x)
}

// spectralRows maps rows block by block, in float64 for every T.
func spectralRows[T kernel.Float](s *Spectral, d *fourier.Diagonal, out, in []T) {
	n := s.Dim()
	kernel.Rows(len(in)/n, func(from, to int) {
		w := s.workspaces.Get().(*spectralWork)
		defer s.workspaces.Put(w)
		for at := from * n; at < to*n; {
			rows := w.rows[:min(len(w.rows), to*n-at)]
			for i, v := range in[at : at+len(rows)] {
				rows[i] = float64(v)
			}
			d.Apply(rows, rows, w.Workspace)
			for i, v := range rows {
				out[at+i] = T(v)
			}
			at += len(rows)
		}
	})
}
