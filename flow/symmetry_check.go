package flow

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/target"
)

// maxChecked is the number of group elements under which a target is compared. If there
// are more generators, all generators are compared. The generators come first in the
// group. A target with their symmetry has the symmetry of the whole group.
const maxChecked = 1024

// symmetryTolerance is the largest difference of ln π at two images, relative to
// 1 + |ln π|, that counts as rounding. A target may compute in float32.
const symmetryTolerance = 1e-6

// checkSymmetry checks that t has the symmetry of m at a few configurations. If a
// configuration has weight zero, ln π = −Inf, its images must have weight zero. NaN and
// +Inf are not errors here; training reports them.
func checkSymmetry(m *Model, t target.Density) error {
	if m.group == nil {
		return nil
	}
	const rows = 2
	n := m.Dim()
	x, y := mat.NewDense(rows, n, nil), mat.NewDense(rows, n, nil)
	m.draw(x.RawMatrix().Data, rand.New(rand.NewPCG(1, 1)))
	e := target.NewEvaluator(t)
	here, there := make([]float64, rows), make([]float64, rows)
	if err := e.LogProbs(here, x); err != nil {
		return fmt.Errorf("flow: symmetry of the target: %w", err)
	}
	for k, g := range m.group[1:min(len(m.group), 1+max(maxChecked, len(m.gens)))] {
		for r := range rows {
			g.apply(y.RawRowView(r), x.RawRowView(r))
		}
		if err := e.LogProbs(there, y); err != nil {
			return fmt.Errorf("flow: symmetry of the target: %w", err)
		}
		for r, v := range here {
			// False, too, where one of them is NaN or +Inf, and where both are −Inf.
			differ := math.Abs(there[r]-v) > symmetryTolerance*(1+math.Abs(v))
			oneIsZero := math.IsInf(v, -1) != math.IsInf(there[r], -1)
			if (differ || oneIsZero) && v < math.Inf(1) && there[r] < math.Inf(1) {
				return fmt.Errorf("flow: %w: ln π of the target is %.9g at a configuration"+
					" and %.9g at its image under element %d of the group", ErrSymmetry, v, there[r], k+1)
			}
		}
	}
	return nil
}
