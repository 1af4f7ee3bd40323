package target

import (
	"fmt"
	"math"
	"testing"
)

// exactEnergy returns energy and specific heat per site.
func exactEnergy(t *testing.T, shape []int, T float64) (energy, heat float64) {
	t.Helper()
	energy, heat, ok := isingOf(t, shape, T, byRule).ExactEnergy()
	if !ok {
		t.Errorf("%v: no exact energy", shape)
	}
	return energy, heat
}

// Energy and specific heat of small lattices are those of the enumeration.
func TestEnergyAgainstEnumeration(t *testing.T) {
	for _, shape := range append(smallTori, smallRings...) {
		l := enumerateIsing(shape)
		n := float64(l.sites)
		for _, T := range someTs {
			_, _, e := l.at(T)
			var z, square float64
			for i, g := range l.count {
				w := g * math.Exp(-float64(i)/T)
				z += w
				square += w * (float64(i-l.bonds) - e) * (float64(i-l.bonds) - e)
			}
			energy, heat := exactEnergy(t, shape, T)
			what := fmt.Sprint(shape, " T=", T)
			checkWithin(t, what+": energy", energy, e/n, 1e-14)
			checkWithin(t, what+": specific heat", heat, square/z/(n*T*T), 1e-13)
		}
	}
}

// checkWithin fails if got differs from want by more than tol, or by more than tol·|want|.
func checkWithin(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol*max(1, math.Abs(want))) {
		t.Errorf("%s: got %.16g, want %.16g (difference %.1e)", what, got, want, got-want)
	}
}

// The reference values are numerical derivatives of Kaufman's formula in arithmetic of 80
// digits.
func TestEnergyKeepsAllDigits(t *testing.T) {
	for _, c := range []struct {
		rows, cols      int
		T, energy, heat float64
	}{
		{4, 4, 0.5, -1.9999990988115043, 2.8852562510341234e-5},
		{4, 4, 1, -1.9971584402557671, 0.023409397456874509},
		{4, 4, 2, -1.7553802887774352, 0.60553265721005505},
		{4, 4, 2.2, -1.6187428214319255, 0.75050831119727703},
		{4, 4, criticalT, -1.5656237876383185, 0.78326682592890945},
		{4, 4, 2.27, -1.5649855403917147, 0.78358791016736169},
		{4, 4, 2.3, -1.5413114924550867, 0.79432974929843069},
		{4, 4, 3, -1.0170696269550955, 0.60313471425350592},
		{4, 4, 100, -0.020005336961802444, 0.00020016018145949484},
		{4, 4, 10000, -0.0002000000053333337, 2.0000001600000181e-8},
		{5, 7, 0.5, -1.9999990988116571, 2.8852552720387594e-5},
		{5, 7, 1, -1.9971601576433292, 0.023380600386832744},
		{5, 7, 2, -1.7440408005580029, 0.69715710382728845},
		{5, 7, 2.2, -1.5792315188517583, 0.93683881882167929},
		{5, 7, criticalT, -1.5124834184704142, 0.98885391171160751},
		{5, 7, 2.27, -1.5116776214122543, 0.98932426232122329},
		{5, 7, 2.3, -1.4817630082878995, 1.0041766456438706},
		{5, 7, 3, -0.89466352920352769, 0.55279965970189137},
		{5, 7, 100, -0.020003343786816651, 0.00020010042294398331},
		{5, 7, 10000, -0.00020000000333343338, 2.0000001000040021e-8},
		{16, 16, 0.5, -1.9999990988116571, 2.8852552716246463e-5},
		{16, 16, 1, -1.9971602041122511, 0.023379564686542134},
		{16, 16, 2, -1.7455306689909191, 0.72550876773656415},
		{16, 16, 2.2, -1.5501059978502154, 1.2905355140697176},
		{16, 16, criticalT, -1.4530648528134769, 1.4987049594000263},
		{16, 16, 2.27, -1.4518431782981657, 1.5004215285875123},
		{16, 16, 2.3, -1.4060679255998633, 1.544920987597194},
		{16, 16, 3, -0.81768936786955453, 0.40433257416530136},
		{16, 16, 100, -0.020003333760134961, 0.00020010002134278142},
		{16, 16, 10000, -0.00020000000333333338, 2.0000001000000021e-8},
		{32, 32, 0.5, -1.9999990988116571, 2.8852552716246463e-5},
		{32, 32, 1, -1.9971602041122511, 0.023379564686542134},
		{32, 32, 2, -1.7455645270345736, 0.72487397819868378},
		{32, 32, 2.2, -1.5465862811081834, 1.401073600516473},
		{32, 32, criticalT, -1.4336584661462481, 1.8467675900395593},
		{32, 32, 2.27, -1.4321524746924625, 1.8503263228765353},
		{32, 32, 2.3, -1.3754658051866563, 1.9008166133448047},
		{32, 32, 3, -0.81730973893417224, 0.40138194750395229},
		{32, 32, 100, -0.020003333760134961, 0.00020010002134278142},
		{32, 32, 10000, -0.00020000000333333338, 2.0000001000000021e-8},
		{64, 64, 0.5, -1.9999990988116571, 2.8852552716246463e-5},
		{64, 64, 1, -1.9971602041122511, 0.023379564686542134},
		{64, 64, 2, -1.7455645753125222, 0.72487144860516335},
		{64, 64, 2.2, -1.5464791530815079, 1.4148932005626768},
		{64, 64, criticalT, -1.4239383898330107, 2.1922113931405718},
		{64, 64, 2.27, -1.4221494739667716, 2.1993953681606272},
		{64, 64, 2.3, -1.3555903705362917, 2.1250491111956537},
		{64, 64, 3, -0.81730959250245259, 0.40137957589700367},
		{64, 64, 100, -0.020003333760134961, 0.00020010002134278142},
		{64, 64, 10000, -0.00020000000333333338, 2.0000001000000021e-8},
		{3, 40, 0.5, -1.9999990958518313, 2.899486827232302e-5},
		{3, 40, 1, -1.9965370277193277, 0.031452874641739504},
		{3, 40, 2, -1.609299942090478, 0.71003118734226359},
		{3, 40, 2.2, -1.4644125671865002, 0.72854910691278316},
		{3, 40, criticalT, -1.4142238414455154, 0.72124631706295218},
		{3, 40, 2.27, -1.4136363022459574, 0.72112362242216393},
		{3, 40, 2.3, -1.3920759636591746, 0.71605663690680201},
		{3, 40, 3, -0.97142021697940794, 0.46860093854035145},
		{3, 40, 100, -0.020103416985462446, 0.00020210334919182213},
		{3, 40, 10000, -0.0002000100033341667, 2.000200100033335e-8},
	} {
		for _, shape := range [][]int{{c.rows, c.cols}, {c.cols, c.rows}} {
			energy, heat := exactEnergy(t, shape, c.T)
			checkRelative(t, fmt.Sprint(c, shape, " energy"), energy, c.energy, 1e-14)
			tol := 2e-12
			if c.T < 1 { // excitations of the ground state cancel
				tol = 1e-10
			}
			checkRelative(t, fmt.Sprint(c, shape, " specific heat"), heat, c.heat, tol)
		}
	}
}

// Energy and specific heat are derivatives of SpinLogZ, by a stencil of order h⁶, on both
// sides of T_c and at it. The tolerance allows for the rounding of ln Z.
func TestEnergyIsDerivative(t *testing.T) {
	for _, size := range []int{3, 16, 32} {
		for _, T := range []float64{1.5, 2, 2.26, criticalT, 2.28, 2.6, 4} {
			n, beta := float64(size*size), 1/T
			at := func(h float64) float64 { return torusLogZ(size, size, 1/(beta+h)) }
			const h = 1e-3
			first := (45*(at(h)-at(-h)) - 9*(at(2*h)-at(-2*h)) + at(3*h) - at(-3*h)) / (60 * h)
			second := (2*(at(3*h)+at(-3*h)) - 27*(at(2*h)+at(-2*h)) + 270*(at(h)+at(-h)) - 490*at(0)) / (180 * h * h)
			energy, heat := exactEnergy(t, []int{size, size}, T)
			checkWithin(t, fmt.Sprint(size, " T=", T, " energy"), energy, -first/n, 1e-8)
			checkWithin(t, fmt.Sprint(size, " T=", T, " specific heat"), heat, beta*beta*second/n, 1e-6)
		}
	}
}

// The limits of T: ground states, and spins with a correlation of 1/T along every bond.
// The specific heat is never negative. At T_c, the energy of a large lattice tends to −√2.
func TestEnergyLimits(t *testing.T) {
	for _, shape := range [][]int{{7}, {2, 3000}, {3, 4}, {16, 16}, {64, 64}} {
		d := float64(len(shape))
		for _, T := range []float64{2e-300, 1e-100, 1e-5, 1e-3, 0.01, 0.05} {
			energy, heat := exactEnergy(t, shape, T)
			checkWithin(t, fmt.Sprint(shape, T, " energy"), energy, -d, 1e-15)
			if !(heat >= 0 && heat < 1e-25) {
				t.Errorf("%v at %g: specific heat %g", shape, T, heat)
			}
		}
		for _, T := range []float64{1e9, 1e20, 1e100, 1e300, math.MaxFloat64} {
			energy, heat := exactEnergy(t, shape, T)
			want := -d / T
			if shape[0] == 2 { // a double bond has twice the correlation 1/T
				want = -3 / T
			}
			checkWithin(t, fmt.Sprint(shape, T, " energy"), energy, want, 1e-17)
			if T < 1e150 { // the squares of 1/T do not underflow
				checkRelative(t, fmt.Sprint(shape, T, " energy"), energy, want, 2e-9)
				checkRelative(t, fmt.Sprint(shape, T, " specific heat"), T*heat, -want, 2e-9)
			}
		}
	}
	energy, _ := exactEnergy(t, []int{2048, 2048}, criticalT)
	checkWithin(t, "large lattice", energy, -math.Sqrt2*(1+0.44/2048), 1e-4)
}

// Energy and specific heat do not jump at T_c, where γ_0 changes its sign.
func TestEnergySmoothAtCriticality(t *testing.T) {
	for _, size := range []int{2, 4, 16, 64} {
		e0, c0 := exactEnergy(t, []int{size, size}, criticalT)
		for _, d := range []float64{1e-15, 1e-12, 1e-9} {
			for _, T := range []float64{criticalT * (1 - d), criticalT * (1 + d)} {
				e, c := exactEnergy(t, []int{size, size}, T)
				checkWithin(t, fmt.Sprint(size, T), e, e0, 1e-13+10*d)
				checkWithin(t, fmt.Sprint(size, T), c, c0, 1e-11+float64(10*size)*d)
			}
		}
	}
}
