package target

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/internal/lattice"
	"github.com/neuralrg/neuralrg/internal/num"
)

// hostile holds arguments for every exported function of the package.
type hostile struct {
	shape                  []int
	dim, rows              int
	T, mass2, alpha, value float64
	flags                  uint8
}

// has reports whether bit flag of the flags is set.
func (h *hostile) has(flag int) bool { return h.flags>>flag&1 == 1 }

// For any arguments nothing panics. A call fails with an error of the package, or ln Z is
// finite and ln π of a finite configuration is neither NaN nor +Inf.
func FuzzHostile(f *testing.F) {
	minimizeBriefly()
	f.Add(4, 4, 2, uint8(2), 2.27, 1.0, 2.0, 0.5, uint8(0))
	f.Add(8, 1, 1, uint8(1), 0.5, 1e-3, 4.0, -1.0, uint8(1))
	f.Add(2, 2, 2, uint8(3), 1e300, 1e300, 1e300, 1e300, uint8(2))
	f.Add(3, 5, 2, uint8(3), 1e-299, 1e-300, 1e-300, 1e-300, uint8(0xff))
	f.Add(0, 0, 0, uint8(0), math.NaN(), math.Inf(1), math.NaN(), math.NaN(), uint8(3))
	f.Add(1, 255, 1, uint8(9), -1.0, -1.0, -1.0, math.Inf(1), uint8(8))
	f.Add(1<<32, 1<<32, 2, uint8(2), 2.0, 1.0, 9.0, 0.0, uint8(2))
	f.Add(1<<62, 2, 2, uint8(2), 2.0, 1.0, 9.0, 0.0, uint8(2))
	f.Add(math.MaxInt, math.MinInt, 3, uint8(2), 5e-324, 5e-324, 5e-324, 5e-324, uint8(16))
	f.Fuzz(func(t *testing.T, a, b, axes int, rows uint8, T, mass2, alpha, value float64, flags uint8) {
		h := &hostile{dim: a, rows: int(rows % 8), T: T, mass2: mass2, alpha: alpha, value: value, flags: flags}
		for i := range min(max(axes, 0), 80) {
			h.shape = append(h.shape, []int{a, b}[i%2])
		}
		if n, err := lattice.Size(h.shape); err == nil && n > 1<<10 {
			return // legal, and too slow
		}
		ising, err := NewIsing(h.shape, T)
		h.ising(t, ising, err)
		ising, err = NewIsingOffset(h.shape, T, alpha)
		h.ising(t, ising, err)
		field, err := NewFreeField(h.shape, mass2)
		h.field(t, field, err)
		h.fields(t)
		for _, dim := range []int{a, b % 64} {
			h.density(t, NewNormal(dim))
			h.density(t, Func(dim, nil))
			h.density(t, Func(dim, func(grad, x []float64) float64 {
				for i := range grad {
					if i%3 != 1 || !h.has(7) {
						grad[i] = value
					}
				}
				return alpha
			}))
		}
		for _, d := range []Density{nil, (*Ising)(nil), (*Normal)(nil), (*FreeField)(nil), (*Phi4)(nil)} {
			h.density(t, d)
		}
	})
}

// known fails the test for an error that wraps none of the errors of the package.
func known(t *testing.T, what string, err error) {
	t.Helper()
	for _, is := range []error{ErrShape, ErrSettings, ErrNotFinite, ErrGradient} {
		if err == nil || errors.Is(err, is) {
			return
		}
	}
	t.Errorf("%s: %v", what, err)
}

// allFinite fails the test for NaN and infinite values.
func allFinite(t *testing.T, what string, values ...float64) {
	t.Helper()
	if !num.Finite(values...) {
		t.Errorf("%s: %g", what, values)
	}
}

func (h *hostile) ising(t *testing.T, m *Ising, err error) {
	t.Helper()
	what := fmt.Sprintf("Ising %v, T = %g, α = %g", h.shape, h.T, h.alpha)
	if err != nil {
		known(t, what, err)
		return
	}
	n, err := lattice.Size(h.shape)
	if err != nil || m.Dim() != n {
		t.Fatalf("%s: %d sites, %v", what, m.Dim(), err)
	}
	allFinite(t, what+": offset of ln Z", m.LogZOffset(), m.Alpha())
	allFinite(t, what+": spectrum", m.Spectrum()...)
	if v := slices.Min(m.Spectrum()); !(v > 0) {
		t.Errorf("%s: λ_min = %g", what, v)
	}
	if len(h.shape) < 3 || n <= 1<<4 {
		h.exact(t, what, m)
	}
	x, spins := h.matrix(n), mat.NewDense(max(1, h.rows), n, nil)
	row := mat.NewDense(1, n, normalRows(2, n)).RawRowView(0)
	for i := range row {
		row[i] *= h.value
	}
	if v := m.StructureFactor(row); !math.IsNaN(h.value) && !(v >= 0 && v <= 1+1e-9) && num.Finite(row...) {
		t.Errorf("%s: m² of %v is %g", what, row, v)
	}
	known(t, what, m.Spins(spins, x, rand.NewPCG(1, 1)))
	known(t, what, m.Spins(x, x, nil))
	known(t, what, m.Spins(nil, x, rand.NewPCG(1, 1)))
	known(t, what, m.FieldsGivenSpins(spins, spins, rand.NewPCG(1, 1)))
	known(t, what, m.FieldsGivenSpins(x, spins, rand.NewPCG(1, 1)))
	known(t, what, m.Gibbs(h.matrix(n), rand.New(rand.NewPCG(1, 1))))
	h.density(t, m)
}

// exact checks the exact results of a model.
func (h *hostile) exact(t *testing.T, what string, m *Ising) {
	t.Helper()
	allFinite(t, what+": ln Z", m.LogZ())
	// lower bounds: Jensen's inequality, and one ground state
	sites := float64(m.Dim())
	if v := m.SpinLogZ(); !(v >= (1-1e-12)*max(sites*math.Ln2, sites*float64(len(h.shape))/h.T)) {
		t.Errorf("%s: ln Z of the spins is %g", what, v)
	}
	if slices.Min(h.shape) <= 6 {
		if m2, ok := m.ExactStructureFactor(); !ok || !(m2 >= (1-1e-9)/sites && m2 <= 1+1e-9) {
			t.Errorf("%s: ⟨m²⟩ is %g, %t", what, m2, ok)
		}
	}
	energy, heat, ok := m.ExactEnergy()
	bound := float64(len(h.shape)) * (1 + 1e-12)
	if ok != (len(h.shape) < 3) || !(energy <= 0 && energy >= -bound) || !(heat >= 0 && heat < 10) {
		t.Errorf("%s: energy %g, specific heat %g, %t", what, energy, heat, ok)
	}
}

func (h *hostile) field(t *testing.T, f *FreeField, err error) {
	t.Helper()
	what := fmt.Sprintf("free field %v, m² = %g", h.shape, h.mass2)
	if err != nil {
		known(t, what, err)
		return
	}
	allFinite(t, what+": ln Z", f.LogZ())
	allFinite(t, what+": spectrum", f.Spectrum()...)
	allFinite(t, what+": correlator", f.Correlator()...)
	h.density(t, f)
}

// matrix returns a batch of rows of the given dimension. Flags make it nil, of another
// dimension or NaN.
func (h *hostile) matrix(dim int) *mat.Dense {
	if h.rows == 0 {
		return nil
	}
	if dim < 1 || dim > 1<<10 || h.has(0) {
		dim = 1 + h.rows
	}
	x := mat.NewDense(h.rows, dim, normalRows(1, h.rows*dim))
	x.Scale(h.value, x)
	if h.has(1) {
		x.Set(h.rows-1, dim/2, math.NaN())
	}
	return x
}

func (h *hostile) density(t *testing.T, d Density) {
	t.Helper()
	e := NewEvaluator(d)
	if h.has(2) {
		e = e.Float32()
	}
	x := h.matrix(e.Dim())
	what := fmt.Sprintf("%T of %d", d, e.Dim())
	logp := make([]float64, h.rows)
	var grad *mat.Dense
	if x != nil && !h.has(3) {
		grad = mat.DenseCopyOf(x)
	}
	known(t, what, e.LogProbGrad(logp, grad, x))
	known(t, what, e.LogProbs(logp[:len(logp)/2], x))
	err := e.LogProbs(logp, x)
	known(t, what, err)
	if _, plain := d.(*function); err == nil && !plain && !h.has(2) {
		for r, v := range logp {
			if num.Finite(x.RawRowView(r)...) && !(v < math.Inf(1)) {
				t.Errorf("%s: ln π of %v is %g", what, x.RawRowView(r), v)
			}
		}
	}
	if e.Dim() < 32 {
		known(t, what, CheckGrad(d, x, 1e-6))
		known(t, what, CheckGrad(d, x, h.value))
	}
}
