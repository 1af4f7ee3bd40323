package flow

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
)

// update clips the gradient, moves the parameters along it at factor times the
// learning rate, and clamps scales.
func (tr *Trainer) update(factor float64) error {
	if clip := tr.s.Optimizer.ClipNorm; clip > 0 {
		norm := floats.Norm(tr.gradient, 2)
		if math.IsInf(norm, 1) {
			return fmt.Errorf("norm of the gradient: %w: %g", ErrNotFinite, norm)
		}
		if norm > clip {
			floats.Scale(clip/norm, tr.gradient)
		}
	}
	if err := tr.adam.update(tr.params, tr.grads, factor); err != nil {
		return err
	}
	tr.clampScales()
	return nil
}

// clampScales limits the scales of couplings to OptimizerSettings.MaxScale.
func (tr *Trainer) clampScales() {
	bound := tr.s.Optimizer.MaxScale
	for _, s := range tr.scales {
		for i := range s.Len() {
			s.SetVec(i, min(max(s.AtVec(i), -bound), bound))
		}
	}
}

// scalesOf returns the scales of all parts of a model that OptimizerSettings.MaxScale
// limits.
func scalesOf(m *Model) (scales []*mat.VecDense) {
	for _, b := range partsOf(m.b) {
		if b, ok := b.(bijector.LogScaler); ok {
			scales = append(scales, b.LogScales()...)
		}
	}
	return scales
}

// endToEnd allocates a slice with one number for every value of the parameters. It also
// returns its parts, one for every parameter.
func endToEnd(m *Model) (all []float64, parts [][]float64) {
	total := 0
	for _, p := range m.Params() {
		total += p.Value().DataSize()
	}
	all = make([]float64, total)
	at := 0
	for _, p := range m.Params() {
		n := p.Value().DataSize()
		parts = append(parts, all[at:at+n])
		at += n
	}
	return all, parts
}
