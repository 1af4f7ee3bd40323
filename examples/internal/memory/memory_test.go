package memory

import (
	"errors"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	parts := []Part{{"crumbs", 1e6}, {"the parameters (-couplings)", 7e12}, {"the chains", 2e12}}
	err := Check(8, parts...)
	if !errors.Is(err, ErrLimit) {
		t.Fatal(err)
	}
	want := "9 TB of memory, 7 TB for the parameters (-couplings), 2 TB for the chains; -memory allows 8 GB"
	if !strings.HasSuffix(err.Error(), want) {
		t.Errorf("%v, want …%s", err, want)
	}
	if err := Check(9001, parts...); err != nil {
		t.Errorf("%v", err)
	}
}

// Parameters are as many as the models of flow's recipes have. Networks of any size
// have a cost, without overflow.
func TestNetwork(t *testing.T) {
	hidden := []int{10, 10, 10}
	for _, c := range []struct {
		n              Network
		params, layers float64
	}{
		{Network{L: 4, Size: 2, Hidden: hidden}, 21840, 4},
		{Network{L: 4, Size: 2, Hidden: hidden, Spline: true, Conditional: true}, 24846, 6},
		{Network{L: 4, Size: 2, Repeat: 2, Hidden: hidden, Spline: true, Conditional: true}, 42510, 10},
		{Network{L: 8, Size: 2, Hidden: hidden, Spline: true, Rational: true, Conditional: true}, 43902, 9},
		{Network{L: 16, Size: 2, Hidden: hidden}, 43680, 8},
		{Network{L: 5, Size: 2, Hidden: hidden, Spline: true, Conditional: true}, 26220, 2},
		{Network{L: 4, Size: 3, Hidden: hidden, Spline: true, Conditional: true}, 21255, 5},
		{Network{L: 16, Size: 2, Depth: 1, Hidden: hidden}, 10920, 2},
		{Network{L: 8, Size: 2, Repeat: 2, Hidden: []int{12, 12}, Spline: true, Checkerboard: true}, 34350, 30},
		{Network{L: 5, Size: 2, Hidden: hidden, Spline: true, Conditional: true, Checkerboard: true}, 26220, 2},
		{Network{L: 4, Size: 2, Couplings: 1e9, Hidden: hidden}, 2.184e12, 4},
	} {
		if p, l := c.n.Cost(); p != c.params || l != c.layers {
			t.Errorf("%+v: %g parameters in %g layers, want %g in %g", c.n, p, l, c.params, c.layers)
		}
	}
	if p, _ := (Network{L: 1 << 62, Size: 1 << 31, Hidden: []int{1 << 62, 1 << 62}}).Cost(); !(p > 1e37) {
		t.Errorf("%g parameters", p)
	}
	if Size(999) != "999 B" || Size(1.5e9) != "1.5 GB" || Size(2e20) != "2e+05 PB" {
		t.Error(Size(999), Size(1.5e9), Size(2e20))
	}
}
