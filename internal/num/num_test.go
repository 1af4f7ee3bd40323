package num

import (
	"math"
	"slices"
	"testing"
)

func TestFinite(t *testing.T) {
	for v, want := range map[float64]bool{
		0: true, -1: true, math.MaxFloat64: true, -math.MaxFloat64: true, math.SmallestNonzeroFloat64: true,
		math.NaN(): false, math.Inf(1): false, math.Inf(-1): false,
	} {
		if Finite(v) != want {
			t.Errorf("Finite(%g) is %v", v, !want)
		}
		if Finite(1, v, 2) != want {
			t.Errorf("Finite(1, %g, 2) is %v", v, !want)
		}
	}
}

func TestUpTo(t *testing.T) {
	if got := UpTo(3); !slices.Equal(got, []int{0, 1, 2}) {
		t.Errorf("UpTo(3) = %v", got)
	}
	if got := UpTo(0); len(got) != 0 {
		t.Errorf("UpTo(0) = %v", got)
	}
}
