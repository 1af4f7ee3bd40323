package flow

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/internal/lattice"
	"github.com/neuralrg/neuralrg/internal/num"
	"github.com/neuralrg/neuralrg/target"
)

const (
	// pilotRows is the number of configurations at which a pilot run looks for symmetries.
	pilotRows = 4
	// mostImages is the largest order of the group of a pilot run.
	mostImages = 1 << 14
	// mostScale is the binary logarithm of the largest size of a field that a pilot run tries.
	mostScale = 40
)

// begin finds the standard deviation of the independent normal variables whose density q is
// closest to π, with the least KL(q‖π): the chains begin there.
func (r *piloting) begin(context.Context) error {
	r.flat = r.Shape == nil
	if r.flat {
		r.Shape = []int{r.t.Dim()}
	}
	u, e := r.normal(pilotRows, 1), target.NewEvaluator(r.t)
	if err := r.periodic(e, u); err != nil {
		return err
	}
	logp, x := make([]float64, pilotRows), mat.NewDense(pilotRows, r.t.Dim(), nil)
	best, bad := math.Inf(-1), math.Inf(-1)
	for k := -mostScale; k <= mostScale; k++ {
		s := math.Ldexp(1, k)
		x.Scale(s, u)
		if err := e.LogProbs(logp, x); err != nil {
			return fmt.Errorf("target: %w", err)
		}
		mean := float64(r.t.Dim()) * math.Log(s)
		for _, v := range logp {
			mean += v / pilotRows
			if !(v < math.Inf(1)) && !math.IsNaN(bad) {
				bad = v
			}
		}
		if mean > best && mean < math.Inf(1) {
			best, r.start = mean, s
		}
	}
	switch k := math.Abs(math.Log2(r.start)); {
	case r.start == 0 && math.IsNaN(bad):
		return fmt.Errorf("%w: ln π is NaN at independent normal variables of any size", ErrNotFinite)
	case r.start == 0:
		return fmt.Errorf("%w: ln π is infinite at independent normal variables of any size", ErrNotFinite)
	case k == mostScale:
		return fmt.Errorf("%w: ln π is not that of a field of finite size: the best normal one has %g",
			ErrSettings, r.start)
	}
	return nil
}

// normal returns normal configurations of a standard deviation.
func (r *piloting) normal(rows int, std float64) *mat.Dense {
	x := mat.NewDense(rows, r.t.Dim(), nil)
	x.Apply(func(_, _ int, _ float64) float64 { return std * r.rnd.NormFloat64() }, x)
	return x
}

// periodic fails if ln π is periodic in its values, as that of angles is. The shift is by so many
// periods that no broad density of this kind is the same after it.
func (r *piloting) periodic(e *target.Evaluator, x *mat.Dense) error {
	same, err := r.agree(e, x, func(y, x []float64) {
		copy(y, x)
		y[len(y)/2] += 2 * math.Pi * (1 << 20)
	})
	if err == nil && same {
		err = fmt.Errorf("%w: ln π is periodic in its values: a pilot run does not cover angles", ErrSettings)
	}
	return err
}

// agree tells whether ln π is the same at the rows of x and their images, and finite at one.
func (r *piloting) agree(e *target.Evaluator, x *mat.Dense, image func(y, x []float64)) (bool, error) {
	rows, cols := x.Dims()
	y, here, there := mat.NewDense(rows, cols, nil), make([]float64, rows), make([]float64, rows)
	for k := range rows {
		image(y.RawRowView(k), x.RawRowView(k))
	}
	for _, f := range []struct {
		v []float64
		x *mat.Dense
	}{{here, x}, {there, y}} {
		if err := e.LogProbs(f.v, f.x); err != nil {
			return false, fmt.Errorf("target: %w", err)
		}
	}
	finite := false
	for k, v := range here {
		finite = finite || num.Finite(v)
		differ := math.Abs(there[k]-v) > symmetryTolerance*(1+math.Abs(v))
		if differ || math.IsNaN(v) != math.IsNaN(there[k]) || math.IsInf(v, 0) != math.IsInf(there[k], 0) {
			return false, nil
		}
	}
	return finite, nil
}

// held are the symmetries that a target has.
type held struct {
	translate []bool   // along each axis
	reflect   []bool   // along each axis
	swap      [][2]int // axes of equal extents
	invert    bool
}

// translations tells whether all of them hold.
func (h *held) translations() bool { return !slices.Contains(h.translate, false) }

// symmetries looks which symmetries ln π has, and takes as many as have room.
func (r *piloting) symmetries(context.Context) error {
	e, x := target.NewEvaluator(r.t), r.normal(pilotRows, r.start)
	var point, all []Symmetry
	holds := func(s Symmetry, list *[]Symmetry) (bool, error) {
		full, err := s.complete(r.t.Dim())
		if err != nil {
			return false, err
		}
		same, err := r.agree(e, x, full.apply)
		if same && err == nil {
			*list = append(*list, s)
		}
		return same, err
	}
	var err error
	if r.held.invert, err = holds(Inversion(r.t.Dim()), &point); err != nil {
		return err
	}
	for a, n := range r.Shape {
		along := func(move func(at []int)) Symmetry { return siteMap(r.Shape, move) }
		ok := [2]bool{true, true} // of an axis of one site
		for k, s := range []Symmetry{along(func(at []int) { at[a] = (at[a] + 1) % n }),
			along(func(at []int) { at[a] = n - 1 - at[a] })} {
			list := &all
			if k == 1 {
				list = &point
			}
			if n > 1 {
				if ok[k], err = holds(s, list); err != nil {
					return err
				}
			}
		}
		r.held.translate, r.held.reflect = append(r.held.translate, ok[0]), append(r.held.reflect, ok[1])
		if b := slices.Index(r.Shape[a+1:], n); b >= 0 && n > 1 {
			b += a + 1
			same, err := holds(along(func(at []int) { at[a], at[b] = at[b], at[a] }), &point)
			if err != nil {
				return err
			} else if same {
				r.held.swap = append(r.held.swap, [2]int{a, b})
			}
		}
	}
	r.take(point, all)
	return nil
}

// take takes the symmetries, without translations if the group would be too large.
func (r *piloting) take(point, translations []Symmetry) {
	order, h := 1, &r.held
	var names []string
	add := func(name string, images int, holds bool) {
		if holds {
			names, order = append(names, name), min(order, mostImages+1)*images
		}
	}
	add("x → −x", 2, h.invert)
	for a := range r.Shape {
		add(fmt.Sprintf("reflection of axis %d", a), 2, h.reflect[a] && r.Shape[a] > 1)
	}
	for k, ab := range h.swap {
		add(fmt.Sprintf("exchange of axes %d and %d", ab[0], ab[1]), k+2, true)
	}
	for a, n := range r.Shape {
		add(fmt.Sprintf("translation along axis %d", a), n, h.translate[a] && n > 1)
	}
	if len(names) == 0 {
		r.note("no symmetry of the lattice and no x → −x")
		return
	}
	r.note("symmetries: %s", strings.Join(names, ", "))
	r.Symmetries = point
	if order <= mostImages && order <= maxTable/elementBytes(r.t.Dim()) {
		r.Symmetries = append(r.Symmetries, translations...)
	} else if len(translations) > 0 {
		r.note("the group has about %d elements: the flow is not symmetrised over translations", order)
	}
}

// average replaces the eigenvalues of wave vectors that the symmetries map onto each other by
// their mean.
func (h *held) average(shape []int, spectrum []float64) {
	class := make([]int, len(spectrum))
	sum, n := make([]float64, len(spectrum)), make([]float64, len(spectrum))
	to := make([]int, len(shape))
	for site, at := range lattice.Points(shape) {
		copy(to, at)
		for a, holds := range h.reflect {
			if holds {
				to[a] = min(to[a], (shape[a]-to[a])%shape[a])
			}
		}
		for range h.swap { // a bubble sort needs as many passes as there are exchanges
			for _, ab := range h.swap {
				if to[ab[0]] > to[ab[1]] {
					to[ab[0]], to[ab[1]] = to[ab[1]], to[ab[0]]
				}
			}
		}
		c := lattice.Site(shape, to)
		c = min(c, lattice.Opposite(shape, c))
		class[site] = c
		sum[c] += spectrum[site]
		n[c]++
	}
	for site, c := range class {
		spectrum[site] = sum[c] / n[c]
	}
}
