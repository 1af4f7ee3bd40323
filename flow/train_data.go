package flow

import (
	"fmt"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/internal/num"
)

// DataSettings adds the likelihood of configurations of the target to the objective.
// Training then minimises
//
//	(1−w)·objective − w·E_data[ln q], w = Weight.
//
// So the flow learns parts of the target that it does not propose by itself. The reverse
// divergence does not penalise what q leaves out; the likelihood does. The configurations
// may come from any sampler of the target, for instance from hybrid Monte Carlo in the
// latent space of the flow itself (adaptive Monte Carlo; Gabrié, Rotskoff and
// Vanden-Eijnden, PNAS 119, e2109420119 (2022)). A zero field means its default.
type DataSettings struct {
	Source DataSource // gives Settings.Batch configurations at every step; required
	Weight float64    // w in (0, 1], ½ by default
}

// defaults returns the settings with their defaults, checked.
func (s *DataSettings) defaults() (*DataSettings, error) {
	if s == nil {
		return nil, nil
	}
	if s.Source == nil {
		return nil, fmt.Errorf("%w: no source of configurations", ErrSettings)
	}
	if !(s.Weight >= 0 && s.Weight <= 1) {
		return nil, fmt.Errorf("%w: weight %g, want one from 0 to 1", ErrSettings, s.Weight)
	}
	full := *s
	if full.Weight == 0 {
		full.Weight = 0.5
	}
	return &full, nil
}

// DataSource gives configurations of a target: from a file, from the chains of hybrid
// Monte Carlo, or from an experiment. In training Sample is called once for every batch,
// before the parameters change, and an error is a fault (FaultSettings). Trainer.Save does
// not save the state of a DataSource: before training is resumed, set it to the state that
// it had.
type DataSource interface {
	// Sample fills x, (rows, Dim), with the next configurations, a row each.
	Sample(x *mat.Dense) error
}

// DataRows is a DataSource that gives the rows of a matrix in order and starts again after
// the last row. Shuffle the rows first if successive rows are correlated. It is not safe
// for concurrent use.
type DataRows struct {
	X    *mat.Dense // (configurations, Dim), a configuration per row
	Next int        // the next row; keep this number and set it when training is resumed
}

// Sample copies the next rows of X to the rows of x. It fails with ErrShape if a matrix is
// nil, X is empty or the numbers of columns differ, and with ErrSettings if Next is no row
// of X.
func (d *DataRows) Sample(x *mat.Dense) error {
	if d == nil || d.X == nil || x == nil || d.X.IsEmpty() {
		return fmt.Errorf("flow: DataRows: %w: nil or empty matrix", ErrShape)
	}
	n, have := d.X.Dims()
	rows, want := x.Dims()
	if have != want {
		return fmt.Errorf("flow: DataRows: %w: configurations of %d values, want %d", ErrShape, have, want)
	}
	if d.Next < 0 || d.Next >= n {
		return fmt.Errorf("flow: DataRows: %w: row %d of %d comes next", ErrSettings, d.Next, n)
	}
	for r := range rows {
		x.SetRow(r, d.X.RawRowView(d.Next))
		d.Next = (d.Next + 1) % n
	}
	return nil
}

// next fills x with configurations of a source, and checks them.
func next(data DataSource, x *mat.Dense) error {
	if err := graph.Guard(func() error { return data.Sample(x) }); err != nil {
		return err
	}
	for i, v := range x.RawMatrix().Data {
		if !num.Finite(v) {
			_, n := x.Dims()
			return fmt.Errorf("configuration %d: %w: value %d is %g", i/n, ErrNotFinite, i%n, v)
		}
	}
	return nil
}
