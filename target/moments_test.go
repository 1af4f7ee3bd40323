package target

import (
	"fmt"
	"math"
	"testing"
)

// ⟨m²⟩ of small lattices is that of the enumeration.
func TestM2AgainstEnumeration(t *testing.T) {
	for _, shape := range smallTori {
		l := enumerateIsing(shape)
		for _, T := range someTs {
			_, want, _ := l.at(T)
			got, ok := torusM2(shape[0], shape[1], T)
			if !ok {
				t.Fatalf("torus %v refused", shape)
			}
			checkRelative(t, fmt.Sprint("torus ", shape, " T=", T), got, want, 1e-14)
		}
	}
	for _, shape := range smallRings {
		l := enumerateIsing(shape)
		for _, T := range someTs {
			_, want, _ := l.at(T)
			checkRelative(t, fmt.Sprint("ring ", shape, " T=", T), ringM2(shape[0], T), want, 1e-14)
		}
	}
}

func TestKnownM2(t *testing.T) {
	for _, c := range []struct {
		size    int
		T, want float64
	}{
		{4, criticalT, 0.761358908569},
		{8, criticalT, 0.646911574994},
		{8, 3.0, 0.170312209010796},
	} {
		got, _ := torusM2(c.size, c.size, c.T)
		checkRelative(t, fmt.Sprint(c), got, c.want, 1e-12)
	}
}

// ⟨m²⟩ tends to 1 as T → 0 and to 1/N as T → ∞, also on long strips, whose sums over 2^N
// states must neither overflow nor underflow.
func TestM2Limits(t *testing.T) {
	for _, shape := range [][2]int{{2, 2}, {3, 8}, {8, 8}, {700, 2}, {4, 500}, {7, 200}} {
		sites := float64(shape[0] * shape[1])
		for _, T := range []float64{1e-300, 1e-3, 0.1} {
			got, _ := torusM2(shape[0], shape[1], T)
			checkRelative(t, fmt.Sprint(shape, T), got, 1, 1e-13)
		}
		got, _ := torusM2(shape[0], shape[1], 1e17)
		checkRelative(t, fmt.Sprint(shape, " hot"), got, 1/sites, 1e-13)
	}
	checkRelative(t, "cold ring", ringM2(100, 1e-3), 1, 1e-15)
	checkRelative(t, "hot ring", ringM2(100, 1e20), 0.01, 1e-15)
}

// The transfer matrix gives Kaufman's partition sum, also where the strip is too long to
// enumerate.
func TestTransferMatrixGivesLogZ(t *testing.T) {
	for _, shape := range [][2]int{{2, 9}, {3, 30}, {5, 5}, {6, 7}} {
		for _, T := range []float64{0.5, 2, criticalT, 2.5, 10} {
			strip := newIsingStrip(shape[0], shape[1], T)
			sum := 0.0
			for b := range uint(1) << shape[0] {
				z, _ := strip.sum(b)
				sum += z
			}
			checkRelative(t, fmt.Sprint(shape, T), sum, 1, 1e-12)
		}
	}
}

func TestRowClassesCoverAllStates(t *testing.T) {
	for width := 2; width <= maxTransferWidth; width++ {
		members := make(map[uint]int)
		for b := range uint(1) << width {
			first, size := rowClass(b, width)
			if again, n := rowClass(first, width); again != first || n != size {
				t.Fatalf("width %d: the class of %b is not that of its first, %b", width, b, first)
			}
			members[first]++
		}
		for first, n := range members {
			if _, size := rowClass(first, width); size != n {
				t.Errorf("width %d: class of %b has %d states, not %d", width, first, n, size)
			}
		}
	}
}

// A strip may be built along either axis of the lattice. Strips that are wider than long
// test the large widths.
func TestWideStripsAgainstNarrowOnes(t *testing.T) {
	for _, c := range []struct{ width, length int }{
		{9, 4}, {10, 5}, {11, 3}, {12, 2}, {13, 2},
	} {
		for _, T := range []float64{1.5, 4} {
			strip := newIsingStrip(c.width, c.length, T)
			var z, m float64
			for b := range uint(1) << c.width {
				if first, size := rowClass(b, c.width); first == b {
					zb, mb := strip.sum(b)
					z += float64(size) * zb
					m += float64(size) * float64(rowSum(b, c.width)) * mb
				}
			}
			got := m / (z * float64(c.width*c.width*c.length))
			want, _ := torusM2(c.width, c.length, T)
			checkRelative(t, fmt.Sprint(c, T), got, want, 1e-12)
			checkRelative(t, fmt.Sprint(c, T, " sum of weights"), z, 1, 1e-12)
		}
	}
}

func TestTorusM2RefusesWideLattices(t *testing.T) {
	for _, shape := range [][2]int{{17, 17}, {17, 40}, {64, 64}, {16, 33}, {1 << 22, 8}, {9, 1 << 25}} {
		if _, ok := torusM2(shape[0], shape[1], 2); ok {
			t.Errorf("%v accepted", shape)
		}
	}
	for _, T := range []float64{1.5, 3} {
		a, ok := torusM2(8, 20, T)
		b, ok2 := torusM2(20, 8, T)
		if !ok || !ok2 || a != b || !(a > 0 && a < 1) {
			t.Errorf("T=%v: 8×20 gives %v (%v), 20×8 gives %v (%v)", T, a, ok, b, ok2)
		}
	}
}

// On lattices too wide to enumerate, up to the widest accepted, known laws hold. At high T
// the susceptibility N⟨m²⟩ depends on the width L only by terms of order exp(−L/ξ), where ξ
// is the correlation length. At T_c, ⟨m²⟩ falls as L^(−1/4) with corrections of order
// L^(−2).
func TestTorusM2OfWideLattices(t *testing.T) {
	at := func(size int, T float64) float64 {
		m2, ok := torusM2(size, size, T)
		if !ok {
			t.Fatalf("%d×%d refused", size, size)
		}
		return m2
	}
	checkRelative(t, "susceptibility at T=8", 100*at(10, 8), 64*at(8, 8), 1e-5)
	checkRelative(t, "12×12 at criticality", at(12, criticalT)/at(6, criticalT), math.Pow(2, -0.25), 5e-3)
}

func BenchmarkTorusM2(b *testing.B) {
	for b.Loop() {
		torusM2(8, 8, criticalT)
	}
}
