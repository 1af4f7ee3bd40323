package flow

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/target"
)

// maxChecked bounds the elements under which a target is compared, if there are
// not more generators: a target that has these, which come first in the group,
// has their products.
const maxChecked = 1024

// symmetryTolerance is the largest difference of ln π at two images, relative to
// 1 + |ln π|, that is taken for rounding: a target may compute in float32.
const symmetryTolerance = 1e-6

// checkSymmetry checks that t has the symmetry of m at a few configurations. A
// configuration of weight zero, ln π = −Inf, must have images of weight zero. Where t
// is NaN or +Inf it is left for training to find.
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
