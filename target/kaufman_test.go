package target

import (
	"fmt"
	"math"
	"testing"

	"github.com/neuralrg/neuralrg/internal/lattice"
)

// criticalT is 2/ln(1+√2).
const criticalT = 2.269185314213022

// isingLevels holds the energy levels E = −Σ_bonds s_i s_j of a small lattice. Element i
// of count and m2 belongs to E = i − bonds: the number of states with this energy, and
// their sum of (Σ s_i)².
type isingLevels struct {
	sites, bonds int
	count, m2    []float64
}

// enumerateIsing counts the levels by enumeration of all 2^N states.
func enumerateIsing(shape []int) isingLevels {
	sites, err := lattice.Size(shape)
	if err != nil {
		panic(err)
	}
	pairs := latticeBonds(shape)
	l := isingLevels{
		sites: sites, bonds: len(pairs),
		count: make([]float64, 2*len(pairs)+1),
		m2:    make([]float64, 2*len(pairs)+1),
	}
	for state := range 1 << sites {
		energy, m := 0, 0
		for i := range sites {
			m += 2*(state>>i&1) - 1
		}
		for _, p := range pairs {
			energy += 2*((state>>p[0]^state>>p[1])&1) - 1
		}
		l.count[energy+l.bonds]++
		l.m2[energy+l.bonds] += float64(m * m)
	}
	return l
}

// at returns ln Z, ⟨m²⟩ and ⟨E⟩ at temperature T.
func (l isingLevels) at(T float64) (logZ, m2, energy float64) {
	var z float64
	for i, g := range l.count {
		w := math.Exp(-float64(i) / T)
		z += g * w
		m2 += l.m2[i] * w
		energy += g * w * float64(i-l.bonds)
	}
	return math.Log(z) + float64(l.bonds)/T, m2 / (z * float64(l.sites*l.sites)), energy / z
}

var (
	smallTori  = [][]int{{2, 2}, {2, 3}, {3, 2}, {3, 3}, {2, 4}, {4, 2}, {3, 4}, {4, 3}, {2, 8}, {3, 5}, {4, 4}}
	smallRings = [][]int{{2}, {3}, {5}, {16}}
	someTs     = []float64{1e-6, 0.05, 0.5, 1, 1.7, 2.2, criticalT, 2.3, 3, 5, 10, 100, 1e4, 1e6}
)

// checkRelative fails if the relative error of got is more than tol.
func checkRelative(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol*math.Abs(want)) {
		t.Errorf("%s: got %.16g, want %.16g (relative error %.1e)", what, got, want, got/want-1)
	}
}

// The numbers of states of the 4×4 lattice are the known ones.
func TestEnumeratedLevels4x4(t *testing.T) {
	want := map[int]float64{32: 2, 24: 32, 20: 64, 16: 424, 12: 1728, 8: 6688, 4: 13568, 0: 20524}
	l := enumerateIsing([]int{4, 4})
	z := 0.0 // from the table, at T_c
	for i, g := range l.count {
		e := i - l.bonds
		if g != want[max(e, -e)] {
			t.Errorf("g(%d) = %v, want %v", e, g, want[max(e, -e)])
		}
		z += want[max(e, -e)] * math.Exp(-float64(e)/criticalT)
	}
	checkRelative(t, "ln Z of the table", torusLogZ(4, 4, criticalT), math.Log(z), 1e-14)
}

// ln Z of small lattices is that of the enumeration.
func TestLogZAgainstEnumeration(t *testing.T) {
	for _, shape := range smallTori {
		l := enumerateIsing(shape)
		for _, T := range someTs {
			want, _, _ := l.at(T)
			checkRelative(t, fmt.Sprint("torus ", shape, " T=", T), torusLogZ(shape[0], shape[1], T), want, 2e-15)
		}
	}
	for _, shape := range smallRings {
		l := enumerateIsing(shape)
		for _, T := range someTs {
			want, _, _ := l.at(T)
			checkRelative(t, fmt.Sprint("ring ", shape, " T=", T), ringLogZ(shape[0], T), want, 2e-15)
		}
	}
}

// The reference values are Kaufman's formula in arithmetic of 200 digits.
func TestTorusLogZKeepsAllDigits(t *testing.T) {
	for _, c := range []struct {
		rows, cols int
		T, want    float64
	}{
		{5, 7, 0.05, 1400.6931471805598676},
		{5, 7, 0.5, 140.69315112193565115},
		{5, 7, 2.2, 33.948393974766995256},
		{5, 7, criticalT, 33.198258151198782177},
		{5, 7, 2.27, 33.189887922890741579},
		{5, 7, 3, 28.684247786184878088},
		{5, 7, 100, 24.263651611990981207},
		{5, 7, 1e4, 24.260151669598088746},
		{16, 16, 0.05, 10240.693147180559377},
		{16, 16, 0.5, 1024.6931760089079645},
		{16, 16, 2.2, 243.9756979903574586},
		{16, 16, criticalT, 238.64225663513288035},
		{16, 16, 2.27, 238.58344859151503982},
		{16, 16, 3, 208.86732516136140542},
		{16, 16, 100, 177.47128035686142017},
		{16, 16, 1e4, 177.44568078334602054},
		{3, 40, 0.05, 4800.6931471805596789},
		{3, 40, 0.5, 480.69316072340824969},
		{3, 40, 2.2, 117.73473913204398796},
		{3, 40, criticalT, 115.3407357378742111},
		{3, 40, 2.27, 115.3139006202145334},
		{3, 40, 3, 99.915474904431671797},
		{3, 40, 100, 83.189702687257426671},
		{3, 40, 1e4, 83.177662867233447132},
		{64, 64, 0.05, 163840.69314718055085},
		{64, 64, 0.5, 16384.693608434128252},
		{64, 64, 2.2, 3893.2823751465614333},
		{64, 64, criticalT, 3808.6722834198091424},
		{64, 64, 2.27, 3807.7504068961076434},
		{64, 64, 3, 3341.8556696892270207},
		{64, 64, 100, 2839.5404857097827228},
		{64, 64, 1e4, 2839.1308925335363287},
	} {
		checkRelative(t, fmt.Sprint(c), torusLogZ(c.rows, c.cols, c.T), c.want, 2e-15)
		checkRelative(t, fmt.Sprint(c, " turned"), torusLogZ(c.cols, c.rows, c.T), c.want, 2e-15)
	}
}

func TestKnownLogZ(t *testing.T) {
	for _, c := range []struct {
		size    int
		T, want float64
	}{
		{4, criticalT, 15.521915458755},
		{8, criticalT, 60.141780789069},
		{16, criticalT, 238.642256635133},
		{32, criticalT, 952.648079548542},
		{64, criticalT, 3808.672283419808},
		{16, 2.3, 236.481168314819},
		{8, 3.0, 52.261409659555},
	} {
		checkRelative(t, fmt.Sprint(c), torusLogZ(c.size, c.size, c.T), c.want, 1e-13)
	}
	checkRelative(t, "ring of 16", ringLogZ(16, 2), 13.012191325754, 1e-13)
}

// ln Z tends to that of two ground states as T → 0, and to N ln 2 as T → ∞.
func TestLogZLimits(t *testing.T) {
	for _, n := range [][2]int{{2, 2}, {3, 4}, {16, 16}, {5, 64}, {2, 3000}} {
		sites := float64(n[0] * n[1])
		for _, T := range []float64{1e-300, 1e-5, 1e-3, 1e-2} {
			checkRelative(t, fmt.Sprint(n, T), torusLogZ(n[0], n[1], T), 2*sites/T+math.Ln2, 1e-15)
		}
		for _, T := range []float64{1e9, 1e20, 1e300} {
			checkRelative(t, fmt.Sprint(n, T), torusLogZ(n[0], n[1], T), sites*math.Ln2, 1e-15)
		}
	}
	checkRelative(t, "cold ring", ringLogZ(7, 1e-5), 7e5+math.Ln2, 1e-15)
	checkRelative(t, "hot ring", ringLogZ(7, 1e20), 7*math.Ln2, 1e-15)
}

// ln Z is smooth at T_c: its second difference falls as h². With a wrong sign of γ_0 above
// T_c it would have a kink there, and fall as h.
func TestTorusLogZSmoothAtCriticality(t *testing.T) {
	second := func(size int, h float64) float64 {
		at := func(beta float64) float64 { return torusLogZ(size, size, 1/beta) }
		beta := 1 / criticalT
		return at(beta+h) - 2*at(beta) + at(beta-h)
	}
	for _, size := range []int{2, 3, 4, 8, 16} {
		h := 1e-3
		checkRelative(t, fmt.Sprint("size ", size), second(size, h)/second(size, h/2), 4, 1e-2)
	}
}

// −∂ ln Z/∂β is the mean energy.
func TestTorusLogZDerivativeIsEnergy(t *testing.T) {
	for _, shape := range [][]int{{2, 3}, {3, 4}, {4, 4}} {
		l := enumerateIsing(shape)
		for _, T := range []float64{1, 2, 2.25, criticalT, 2.29, 3, 10} {
			_, _, want := l.at(T)
			at := func(h float64) float64 { return torusLogZ(shape[0], shape[1], 1/(1/T+h)) }
			const h = 1e-3 // of a stencil of order h⁴
			slope := (8*(at(h)-at(-h)) - (at(2*h) - at(-2*h))) / (12 * h)
			checkRelative(t, fmt.Sprint(shape, T), -slope, want, 1e-8)
		}
	}
}
