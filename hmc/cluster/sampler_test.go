package cluster

import (
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// checkError fails unless err wraps want and contains the text.
func checkError(t *testing.T, err, want error, text string) {
	t.Helper()
	if !errors.Is(err, want) || !strings.Contains(err.Error(), text) || !strings.HasPrefix(err.Error(), "cluster: ") {
		t.Errorf("error %v, want %v with %q", err, want, text)
	}
}

func TestNewErrors(t *testing.T) {
	src := rand.NewPCG(1, 2)
	for _, c := range []struct {
		sites  int
		bonds  []Bond
		chains int
		src    rand.Source
		want   error
		text   string
	}{
		{0, nil, 1, src, ErrSettings, "0 sites"},
		{-3, nil, 1, src, ErrSettings, "-3 sites"},
		{1<<26 + 1, nil, 1, src, ErrSettings, "67108865 sites"},
		{3, []Bond{{0, 1, 1}, {1, 3, 1}}, 1, src, ErrSettings, "bond 1 joins sites 1 and 3, want sites from 0 to 2"},
		{3, []Bond{{-1, 1, 1}}, 1, src, ErrSettings, "bond 0 joins sites -1 and 1"},
		{3, []Bond{{0, 1, 1}, {2, 2, 1}}, 1, src, ErrSettings, "bond 1 joins site 2 to itself"},
		{3, []Bond{{0, 1, math.NaN()}}, 1, src, ErrNotFinite, "bond 0 is NaN"},
		{3, []Bond{{0, 1, math.Inf(-1)}}, 1, src, ErrNotFinite, "bond 0 is -Inf"},
		{3, []Bond{{0, 1, 1e308}, {1, 2, -1e308}}, 1, src, ErrNotFinite, "sum of |K| up to bond 1"},
		{3, nil, 0, src, ErrSettings, "0 chains"},
		{1 << 20, nil, 1025, src, ErrSettings, "want between 1 and 1024"},
		{3, nil, 1, nil, ErrSettings, "nil source"},
		{3, nil, 1, (*rand.PCG)(nil), ErrSettings, "nil source"},
	} {
		s, err := New(c.sites, c.bonds, c.chains, c.src)
		checkError(t, err, c.want, c.text)
		if s != nil {
			t.Error("a sampler with an error")
		}
	}
}

func TestLattice(t *testing.T) {
	for _, shape := range [][]int{nil, {}, {1, 4}, {4, 0}, {-2}, {1 << 14, 1 << 14}} {
		_, err := Lattice(shape, 1)
		checkError(t, err, ErrShape, "lattice")
	}
	got, err := Lattice([]int{2, 3}, 0.5)
	want := []Bond{
		{0, 3, 0.5}, {0, 1, 0.5}, {1, 4, 0.5}, {1, 2, 0.5}, {2, 5, 0.5}, {2, 0, 0.5},
		{3, 0, 0.5}, {3, 4, 0.5}, {4, 1, 0.5}, {4, 5, 0.5}, {5, 2, 0.5}, {5, 3, 0.5},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestUpdateErrors(t *testing.T) {
	s, err := New(3, nil, 2, rand.NewPCG(1, 2))
	if err != nil {
		t.Fatal(err)
	}
	before := s.Spins()
	checkError(t, s.Wolff(make([]float64, 3), 1), ErrShape, "3 estimates of m² of 2 chains")
	checkError(t, s.Wolff(nil, 0), ErrSettings, "0 clusters")
	checkError(t, s.SwendsenWang(make([]float64, 1)), ErrShape, "1 estimates of m² of 2 chains")
	checkError(t, s.Energies(nil), ErrShape, "0 energies of 2 chains")
	if !mat.Equal(before, s.Spins()) {
		t.Error("spins changed")
	}
}

// Spins is a copy, and no update changes the bonds that were passed in.
func TestCopies(t *testing.T) {
	m := square(t, 3, 0.3)
	bonds := m.bonds
	s := sampler(t, m, 2, 1, updates["Wolff"])
	spins := s.Spins()
	again := mat.DenseCopyOf(spins)
	if err := s.SwendsenWang(nil); err != nil {
		t.Fatal(err)
	}
	if !mat.Equal(spins, again) {
		t.Error("an update changes an earlier copy")
	}
	spins.Zero()
	for i, b := range bonds {
		bonds[i].K = math.NaN()
		if b.K != 0.3 {
			t.Error("bonds changed")
		}
	}
	energy := make([]float64, 2)
	if err := s.Energies(energy); err != nil || math.IsNaN(energy[0]+energy[1]) {
		t.Error("the sampler keeps the slice of bonds")
	}
}

// The result depends neither on GOMAXPROCS nor, for one chain, on the number of chains.
func TestSameForAnyProcessors(t *testing.T) {
	bonds, err := Lattice([]int{6, 5}, 0.4)
	if err != nil {
		t.Fatal(err)
	}
	trace := func(chains, procs int) *mat.Dense {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		s, err := New(30, bonds, chains, rand.NewPCG(8, 9))
		if err != nil {
			t.Fatal(err)
		}
		all := mat.NewDense(40, chains, nil)
		for k := range 20 {
			if err := errors.Join(s.Wolff(all.RawRowView(2*k), 2), s.SwendsenWang(all.RawRowView(2*k+1))); err != nil {
				t.Fatal(err)
			}
		}
		return all
	}
	one := trace(7, 1)
	for _, procs := range []int{2, 3, 16} {
		if !mat.Equal(one, trace(7, procs)) {
			t.Errorf("%d processors give other numbers", procs)
		}
	}
	if !mat.Equal(one.Slice(0, 40, 0, 3), trace(3, 2)) {
		t.Error("the first chains depend on the number of chains")
	}
	if mat.Equal(one.Slice(0, 40, 0, 1), one.Slice(0, 40, 1, 2)) {
		t.Error("two chains are equal")
	}
}

// Bonds so strong that 1 − exp(−2|K|) rounds to 1 are always active, and the largest
// couplings do not overflow.
func TestStrongBonds(t *testing.T) {
	for _, K := range []float64{30, 1e300} {
		s := sampler(t, model{3, []Bond{{0, 1, K}, {1, 2, -K}}}, 8, 3, updates["Swendsen-Wang"])
		m2 := make([]float64, 8)
		for name, update := range updates {
			if err := update(s, m2); err != nil {
				t.Fatal(err)
			}
			for c, v := range m2 {
				if math.Abs(v-1./9) > 1e-15 {
					t.Errorf("%s: m² of chain %d is %g", name, c, v)
				}
			}
		}
	}
}

// A sweep allocates nothing per chain.
func TestNoAllocation(t *testing.T) {
	s := sampler(t, square(t, 8, 0.4), 50, 1, updates["Wolff"])
	m2 := make([]float64, 50)
	if n := testing.AllocsPerRun(20, func() {
		if errors.Join(s.SwendsenWang(m2), s.Wolff(m2, 5), s.Energies(m2)) != nil {
			t.Error("failed")
		}
	}); n > 40 {
		t.Errorf("%g allocations", n)
	}
}
