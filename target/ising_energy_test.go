package target

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// SpinEnergy is the mean over all spin states, with the weights that x gives them: on
// chains and square lattices, with double bonds, for weak and strong fields.
func TestSpinEnergyAgainstEnumeration(t *testing.T) {
	rnd := rand.New(rand.NewPCG(11, 12))
	for _, shape := range [][]int{{2}, {3}, {4}, {7}, {2, 2}, {2, 3}, {3, 2}, {3, 3}, {2, 5}, {3, 4}, {4, 4}} {
		m := isingOf(t, shape, 1+2*rnd.Float64(), byRule)
		n := m.Dim()
		bonds := denseCirculant(shape, 1, 0)
		fields := [][]float64{make([]float64, n)}
		for _, scale := range []float64{0.3, 1, 3, 30} {
			x := make([]float64, n)
			for i := range x {
				x[i] = scale * rnd.NormFloat64()
			}
			fields = append(fields, x)
		}
		state := mat.NewVecDense(n, nil)
		want, squares := make([]float64, len(fields)), make([]float64, len(fields))
		for bits := range 1 << n {
			for i := range n {
				state.SetVec(i, float64(2*(bits>>i&1)-1))
			}
			e := -0.5 * mat.Inner(state, bonds, state) / float64(n)
			for k, x := range fields {
				p := 1.0
				for i, v := range x {
					p /= 1 + math.Exp(-2*v*state.AtVec(i))
				}
				want[k] += p * e
				squares[k] += p * e * e
			}
		}
		for k, x := range fields {
			e, square := m.SpinEnergy(x)
			what := fmt.Sprint(shape, ", field ", k)
			checkWithin(t, what+": energy", e, want[k], 1e-13)
			checkWithin(t, what+": square", square, squares[k], 1e-13)
		}
	}
}

// The means over exact configurations are the exact energy per site and its square.
func TestSpinEnergyOfExactDraws(t *testing.T) {
	const rows = 40000
	for i, shape := range [][]int{{6}, {3, 3}, {3, 4}} {
		m := isingOf(t, shape, criticalT, 0.1-couplingMin(shape, criticalT))
		rnd := rand.New(rand.NewPCG(8, uint64(i)))
		x := allIsingStates(shape, criticalT).sampleDual(denseCirculant(shape, criticalT, m.Alpha()), rows, rnd)
		e, squares := make([]float64, rows), make([]float64, rows)
		for r := range rows {
			e[r], squares[r] = m.SpinEnergy(x.RawRowView(r))
		}
		energy, heat, _ := m.ExactEnergy()
		checkMean(t, fmt.Sprint(shape, ": energy"), e, energy)
		checkMean(t, fmt.Sprint(shape, ": square"), squares, energy*energy+heat*criticalT*criticalT/float64(m.Dim()))
	}
}

// Infinite fields fix the spins, NaN gives NaN, and another length panics.
func TestSpinEnergyOfHostileFields(t *testing.T) {
	m := isingOf(t, []int{4, 4}, criticalT, 3)
	x := make([]float64, 16)
	for i := range x {
		x[i] = math.Inf(1 - 2*((i+i/4)%2))
	}
	if e, square := m.SpinEnergy(x); e != 2 || square != 4 {
		t.Errorf("energy %v, square %v of alternating spins, want 2 and 4", e, square)
	}
	x[3] = math.NaN()
	if e, square := m.SpinEnergy(x); !math.IsNaN(e) || !math.IsNaN(square) {
		t.Errorf("energy %v, square %v with NaN", e, square)
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic for another length")
		}
	}()
	m.SpinEnergy(x[:15])
}
