package flow

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/target"
)

// latent is the density of Latent.
type latent struct {
	m *Model
	t target.Density
}

// Latent returns the density of the latent variables (paper, eqs. 6 and D.6),
//
//	−U(z) = ln p(z) + ln π(g(z)) − ln q(g(z)),
//
// up to a constant. If q = π/Z, it is the prior. If z is a sample of this density, the
// configuration x = g(z), by Model.Decode, is a sample of π/Z.
//
// For a symmetrised model q is the mean over the whole group, also after training with
// few Settings.Images. It takes one inverse pass for every element but the identity. A
// random choice of images is not possible here, because a density must be the same at
// every call. A model symmetrised over a subgroup is cheaper and also exact: see
// Symmetrize. t must have the symmetry of m. The samples x have the symmetry only after
// Model.RandomImages: call it before you measure a quantity that lacks the symmetry.
//
// LogProb of the result fails with ErrShape if m or t is nil or their dimensions differ.
func Latent(m *Model, t target.Density) target.Density { return &latent{m, t} }

func (l *latent) Dim() int {
	if l.m == nil {
		return 0
	}
	return l.m.Dim()
}

func (l *latent) LogProb(z *gorgonia.Node) (*gorgonia.Node, error) {
	logp, _, err := l.at(z)
	return logp, err
}

// at maps z to its log-density and to x = g(z).
func (l *latent) at(z *gorgonia.Node) (logp, x *gorgonia.Node, err error) {
	if l.m == nil || l.t == nil {
		return nil, nil, fmt.Errorf("flow: Latent: %w: nil model or target", ErrShape)
	}
	if l.t.Dim() != l.m.Dim() {
		return nil, nil, fmt.Errorf("flow: Latent: %w: model of dimension %d, target of dimension %d",
			ErrShape, l.m.Dim(), l.t.Dim())
	}
	if l.m.group == nil { // then ln p − ln q is the log-determinant
		x, logDet, err := graph.Forward(l.m.b, z)
		if err != nil {
			return nil, nil, err
		}
		logpi, err := graph.LogProb(l.t, x)
		if err != nil {
			return nil, nil, err
		}
		logp, err := graph.Combine(0, []float64{1, 1}, logpi, logDet)
		return logp, x, err
	}
	prior, err := graph.LogProb(l.m.prior, z)
	if err != nil {
		return nil, nil, err
	}
	x, logq, err := l.m.push(z, prior, nil)
	if err != nil {
		return nil, nil, err
	}
	logpi, err := graph.LogProb(l.t, x)
	if err != nil {
		return nil, nil, err
	}
	logp, err = graph.Combine(0, []float64{1, 1, -1}, prior, logpi, logq)
	return logp, x, err
}
