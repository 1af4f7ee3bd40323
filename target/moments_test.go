package target

import (
	"fmt"
	"math"
	"testing"
)

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

// A long strip has 2^N states with N in the thousands: the sums must neither
// overflow nor vanish, and the limits hold.
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

// The partition sum that comes with the moments must be Kaufman's, which fixes it
// for strips too long to enumerate.
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

func TestTorusM2RefusesWideLattices(t *testing.T) {
	if _, ok := torusM2(9, 9, 2); ok {
		t.Error("9×9 accepted")
	}
	for _, T := range []float64{1.5, 3} {
		a, ok := torusM2(8, 20, T)
		b, ok2 := torusM2(20, 8, T)
		if !ok || !ok2 || a != b || math.IsNaN(a) {
			t.Errorf("T=%v: 8×20 gives %v (%v), 20×8 gives %v (%v)", T, a, ok, b, ok2)
		}
	}
}

func BenchmarkTorusM2(b *testing.B) {
	for b.Loop() {
		torusM2(8, 8, criticalT)
	}
}
