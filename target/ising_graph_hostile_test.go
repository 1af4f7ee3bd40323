package target

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// Bad arguments are refused, and the error names them.
func TestIsingGraphRejects(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	ring := []Bond{{0, 1, 1}, {1, 2, 1}, {2, 0, 1}}
	for _, c := range []struct {
		m     spinModel
		alpha float64
		is    error
		text  string
	}{
		{spinModel{0, nil, nil}, 0, ErrSettings, "0 sites, want between 1 and 4096"},
		{spinModel{-1, nil, nil}, 0, ErrSettings, "-1 sites"},
		{spinModel{4097, nil, nil}, 0, ErrSettings, "4097 sites"},
		{spinModel{math.MaxInt, nil, nil}, 0, ErrSettings, "sites"},
		{spinModel{3, []Bond{{0, 1, 1}, {1, 3, 1}}, nil}, 0, ErrSettings, "bond 1 joins sites 1 and 3"},
		{spinModel{3, []Bond{{-1, 1, 1}}, nil}, 0, ErrSettings, "bond 0 joins sites -1 and 1"},
		{spinModel{3, []Bond{{2, 2, 1}}, nil}, 0, ErrSettings, "bond 0 joins site 2 to itself"},
		{spinModel{3, []Bond{{0, 1, nan}}, nil}, 0, ErrNotFinite, "coupling of bond 0 is NaN"},
		{spinModel{3, []Bond{{0, 1, -inf}}, nil}, 0, ErrNotFinite, "coupling of bond 0 is -Inf"},
		{spinModel{3, []Bond{{0, 1, 1e308}, {0, 1, -1e308}}, nil}, 0, ErrNotFinite, "sum of |K|"},
		{spinModel{3, ring, []float64{1, 2}}, 0, ErrShape, "2 fields of 3 sites"},
		{spinModel{3, ring, []float64{1, nan, 0}}, 0, ErrNotFinite, "field of site 1 is NaN"},
		{spinModel{3, ring, []float64{1e308, 0, 1e308}}, 0, ErrNotFinite, "field of site 2"},
		{spinModel{3, ring, nil}, nan, ErrNotFinite, "alpha is NaN"},
		{spinModel{3, ring, nil}, inf, ErrNotFinite, "alpha is +Inf"},
		{spinModel{3, ring, nil}, 1e301, ErrSettings, "at most 1e+300"},
		{spinModel{3, ring, nil}, 1, ErrSettings, "alpha is 1, want K+αI to be positive definite"},
		{spinModel{3, ring, nil}, -3, ErrSettings, "positive definite"},
		{spinModel{3, nil, nil}, 1e-310, ErrSettings, "alpha is 1e-310"},
		{spinModel{3, []Bond{{0, 1, 1e9}}, nil}, 0, ErrSettings, "condition number"},
	} {
		g, err := NewIsingGraph(c.m.sites, c.m.bonds, &IsingGraphSettings{c.m.fields, c.alpha})
		if g != nil || !errors.Is(err, c.is) || !strings.Contains(fmt.Sprint(err), c.text) {
			t.Errorf("%v, α = %g: %v, want an error with %q", c.m, c.alpha, err, c.text)
		}
	}
	if g, err := NewIsingGraph(3, ring, nil); err != nil || g.Dim() != 3 {
		t.Errorf("nil settings: %v", err)
	}
}

// For any graph nothing panics. A call fails with an error of the package, or the exact
// results are finite and ln π of finite configurations is neither NaN nor +Inf.
func FuzzIsingGraph(f *testing.F) {
	minimizeBriefly()
	f.Add(3, []byte{0, 1, 9, 1, 2, 9, 2, 0, 200}, 0.1, 0.5, 0.0, 1.0)
	f.Add(1, []byte{}, 1.0, math.NaN(), 1.0, 1e300)
	f.Add(9, []byte{1, 1, 1}, 1e300, 1e308, 1e-300, -1.0)
	f.Add(-4, []byte{7, 250, 3}, 1e-320, -1e-320, 1e-320, 1e-320)
	f.Add(4, []byte{0, 1, 3, 0, 1, 253}, 1e7, 1e3, 1e300, 1e200)
	f.Fuzz(func(t *testing.T, sites int, code []byte, k, field, alpha, value float64) {
		if len(code) > 60 || sites > 40 && sites <= maxGraphSites {
			return
		}
		s := &IsingGraphSettings{Alpha: alpha}
		var bonds []Bond
		for ; len(code) >= 3; code = code[3:] {
			bonds = append(bonds, Bond{int(int8(code[0])), int(int8(code[1])), k * float64(int8(code[2]))})
			s.Fields = append(s.Fields, field*float64(int8(code[2])))
		}
		if len(s.Fields) > sites && sites > 0 {
			s.Fields = s.Fields[:sites]
		} else if sites > 0 && sites < 41 {
			s.Fields = append(s.Fields, make([]float64, sites-len(s.Fields))...)
		}
		g, err := NewIsingGraph(sites, bonds, s)
		if err != nil {
			known(t, "graph", err)
			return
		}
		what := fmt.Sprintf("%d sites, %v, %v", sites, bonds, s)
		allFinite(t, what, g.LogZOffset(), g.Alpha())
		if z, ok := g.SpinLogZ(); ok {
			allFinite(t, what+": ln Z", z)
			m2, _ := g.ExactStructureFactor()
			if !(m2 >= 0 && m2 <= 1+1e-9) {
				t.Errorf("%s: ⟨m²⟩ is %g", what, m2)
			}
		}
		h := &hostile{rows: 3, value: value}
		h.density(t, g)
		x, src := h.matrix(sites), rand.NewPCG(1, 1)
		known(t, what, g.Gibbs(x, rand.New(src)))
		known(t, what, g.FieldsGivenSpins(x, x, src))
		known(t, what, g.Spins(nil, x, src))
		known(t, what, g.Gibbs(x, nil))
		h.density(t, (*IsingGraph)(nil))
	})
}
