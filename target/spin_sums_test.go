package target

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// The transfer matrix gives ln Z and ⟨m²⟩ of an enumeration.
func TestSpinSumsEnumeration(t *testing.T) {
	forSpinModels(t, func(t *testing.T, m spinModel) {
		_, logZ, square := m.enumerate()
		g := m.build(t, 0)
		if got, ok := g.ExactSpinLogZ(); !ok || !(math.Abs(got-logZ) <= 1e-13*math.Max(1, math.Abs(logZ))) {
			t.Errorf("ln Z is %.15g, %t, want %.15g", got, ok, logZ)
		}
		n := float64(m.sites)
		if got, ok := g.ExactLogZ(); !ok || !(math.Abs(got-logZ-g.LogZOffset()) <= 1e-9*math.Max(1, math.Abs(got))) {
			t.Errorf("ln Z of x is %.15g, %t, want %.15g", got, ok, logZ+g.LogZOffset())
		}
		if got, ok := g.ExactStructureFactor(); !ok || !(math.Abs(got*n*n-square) <= 1e-12*n*n) {
			t.Errorf("⟨m²⟩ is %.15g, %t, want %.15g", got, ok, square/n/n)
		}
	})
}

// Exact results of lattices that no enumeration reaches: a 3-dimensional one against a
// transfer matrix of another order, and an 8×8 glass against a sum over its first row.
func TestSpinSumsLarge(t *testing.T) {
	rnd := rand.New(rand.NewPCG(8, 8))
	glass := latticeModel([]int{8, 8}, func(int, int) float64 { return float64(1 - 2*rnd.IntN(2)) })
	renamed := glass
	renamed.bonds = slices.Clone(glass.bonds)
	names := rnd.Perm(64)
	for i, b := range renamed.bonds {
		renamed.bonds[i] = Bond{names[b.I], names[b.J], b.K}
	}
	want, ok := glass.build(t, 0).ExactSpinLogZ()
	if got, ok2 := renamed.build(t, 0).ExactSpinLogZ(); !ok || !ok2 || !(math.Abs(got-want) <= 1e-11*want) {
		t.Errorf("ln Z of the glass is %.15g, and %.15g with other names of the sites", want, got)
	}
	if testing.Short() {
		return
	}
	// Along an extent of 2 neighbours share two bonds: a ring of 4 whose opposite sites are
	// not linked is the same as 2×2 sites with half of the coupling.
	flat := latticeModel([]int{4, 4, 3}, func(int, int) float64 { return 0.22 })
	folded := latticeModel([]int{2, 2, 2, 2, 3}, func(_, axis int) float64 {
		if axis < 4 {
			return 0.11
		}
		return 0.22
	})
	want, ok = flat.build(t, 0).ExactSpinLogZ()
	if got, ok2 := folded.build(t, 0).ExactSpinLogZ(); !ok || !ok2 || !(math.Abs(got-want) <= 1e-12*want) {
		t.Errorf("ln Z of 4×4×3 is %.15g, %t, and as 2×2×2×2×3 %.15g, %t", want, ok, got, ok2)
	}
}

// Where the sum takes too long there is no result, and the answer comes at once.
func TestSpinSumsLimits(t *testing.T) {
	for _, shape := range [][]int{{13, 13}, {64, 64}, {5, 5, 5}} {
		m := latticeModel(shape, func(int, int) float64 { return 0.3 })
		if z, _, ok := newSpinGraph(m.sites, m.bonds, nil).spinSums(false); ok || z != 0 {
			t.Errorf("%v: ln Z is %g, %t", shape, z, ok)
		}
	}
	m := latticeModel([]int{4, 1024}, func(int, int) float64 { return 0.3 })
	want := torusLogZ(4, 1024, 1/0.3)
	if z, _, ok := newSpinGraph(m.sites, m.bonds, nil).spinSums(false); !ok || !(math.Abs(z-want) < 1e-9) {
		t.Errorf("4×1024: ln Z is %.15g, %t, want %.15g", z, ok, want)
	}
}

// In three and more dimensions, ln Z and ⟨m²⟩ are those of an enumeration, and NaN and no
// result where they would take too long.
func TestIsingDimensions(t *testing.T) {
	for _, shape := range [][]int{{2, 2, 2}, {2, 3, 2}, {4, 2, 2}, {2, 2, 2, 2}} {
		for _, T := range []float64{1, 4.5, 20} {
			m, states := isingOf(t, shape, T, byRule), allIsingStates(shape, T)
			k, logs := denseCirculant(shape, T, 0), make([]float64, len(states.spins))
			for i, s := range states.spins {
				logs[i] = 0.5 * mat.Inner(s, k, s)
			}
			checkRelative(t, fmt.Sprint("ln Z of ", shape), m.SpinLogZ(), floats.LogSumExp(logs), 1e-13)
			m2, ok := m.ExactStructureFactor()
			checkRelative(t, fmt.Sprint("⟨m²⟩ of ", shape), m2, states.m2, 1e-12)
			if _, _, energy := m.ExactEnergy(); !ok || energy {
				t.Errorf("%v: ⟨m²⟩ %t, energy %t", shape, ok, energy)
			}
		}
	}
	m := isingOf(t, []int{5, 5, 5}, 4, byRule)
	if m2, ok := m.ExactStructureFactor(); ok || m2 != 0 || !math.IsNaN(m.SpinLogZ()) || !math.IsNaN(m.LogZ()) {
		t.Errorf("5×5×5: ⟨m²⟩ is %g, %t, ln Z %g", m2, ok, m.LogZ())
	}
}
