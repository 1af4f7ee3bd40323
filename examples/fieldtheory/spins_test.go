package main

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// options of a run.
func mustParse(t *testing.T, args string) *options {
	t.Helper()
	o, err := parse(strings.Fields(args))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// Every plaquette of the Villain model has an odd number of negative bonds.
func TestVillainIsFrustrated(t *testing.T) {
	for _, shape := range []string{"4x4", "3x6", "8x8"} {
		o := mustParse(t, "-theory villain -beta 0.7 -shape "+shape)
		bonds, err := o.villainBonds()
		if err != nil {
			t.Fatal(err)
		}
		sign := map[[2]int]float64{}
		for _, b := range bonds {
			s := math.Copysign(1, b.K)
			sign[[2]int{b.I, b.J}], sign[[2]int{b.J, b.I}] = s, s
		}
		h, w := o.shape[0], o.shape[1]
		at := func(x, y int) int { return x%h*w + y%w }
		for x := range h {
			for y := range w {
				a, b, c, d := at(x, y), at(x, y+1), at(x+1, y+1), at(x+1, y)
				p := sign[[2]int{a, b}] * sign[[2]int{b, c}] * sign[[2]int{c, d}] * sign[[2]int{d, a}]
				if p != -1 {
					t.Errorf("%s: plaquette (%d, %d) has the product %g", shape, x, y, p)
				}
			}
		}
	}
}

// Ground states, their number and correlations of bonds, against the sum over all states.
func TestGlassExact(t *testing.T) {
	for seed := range uint64(3) {
		o := mustParse(t, "-theory glass -shape 3x4 -beta 0.8")
		o.couplings = seed
		bonds := o.glassBonds()
		const n = 12
		least, states, z := math.Inf(1), 0.0, 0.0
		corr := make([]float64, len(bonds))
		s := make([]float64, n)
		for state := range 1 << n {
			for i := range s {
				s[i] = float64(2*(state>>i&1) - 1)
			}
			e := spinEnergy(s, bonds)
			switch {
			case e < least-1e-9:
				least, states = e, 1
			case e < least+1e-9:
				states++
			}
			z += math.Exp(-e)
			for k, b := range bonds {
				corr[k] += math.Exp(-e) * s[b.I] * s[b.J]
			}
		}
		ground, energy := groundState(n, bonds, 1)
		if math.Abs(energy-least) > 1e-9 || math.Abs(spinEnergy(ground, bonds)-least) > 1e-9 {
			t.Errorf("seed %d: energy %g of state %v, want %g", seed, energy, ground, least)
		}
		ising, err := target.NewIsingGraph(n, bonds, nil)
		if err != nil {
			t.Fatal(err)
		}
		m := &modes{ising, bonds, energy, 1}
		if got, err := m.groundStates(); err != nil || got != states {
			t.Errorf("seed %d: %g ground states, %v, want %g", seed, got, err, states)
		}
		excited := &modes{ising, bonds, energy + 4*o.beta, 1}
		if _, err := excited.groundStates(); err == nil {
			t.Errorf("seed %d: no error for an excited state", seed)
		}
		for k := range bonds {
			if got, err := m.bond(k, math.Log(z)); err != nil || math.Abs(got-corr[k]/z) > 1e-9 {
				t.Errorf("seed %d: bond %d: %g, %v, want %g", seed, k, got, err, corr[k]/z)
			}
		}
	}
}

// The order of the sites is a permutation that ends with the odd sites, and the whitening is
// a root.
func TestSiteBySite(t *testing.T) {
	for _, shape := range [][]int{{8, 8}, {4, 6}, {5}, {2, 4, 4}} {
		n := 1
		for _, extent := range shape {
			n *= extent
		}
		order := coarseFirst(shape)
		for k, site := range order[1:] {
			if fineness(shape, site) > fineness(shape, order[k]) {
				t.Errorf("%v: site %d after %d", shape, site, order[k])
			}
		}
		slices.Sort(order)
		for k, site := range order {
			if k != site {
				t.Fatalf("%v: no permutation: %v", shape, order)
			}
		}
	}
	if got := coarseFirst([]int{4, 4})[:4]; !slices.Equal(got, []int{0, 10, 2, 8}) {
		t.Errorf("4 × 4 begins with %v", got)
	}
	o := mustParse(t, "-theory glass -shape 4x4 -beta 0.8")
	bonds := o.glassBonds()
	root, err := couplingRoot(16, bonds, 4)
	if err != nil {
		t.Fatal(err)
	}
	var square mat.Dense
	square.Mul(root, root)
	for i := range 16 {
		square.Set(i, i, square.At(i, i)-4)
	}
	for _, b := range bonds {
		square.Set(b.I, b.J, square.At(b.I, b.J)-b.K)
		square.Set(b.J, b.I, square.At(b.J, b.I)-b.K)
	}
	if off := mat.Norm(&square, 1); off > 1e-12 {
		t.Errorf("R² − K − αI has the norm %g", off)
	}
}

// The error of a weighted mean is that of repeated draws.
func TestWeightedMean(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	const rows, times = 400, 600
	var sum, square, claimed float64
	for range times {
		values, weights := make([]float64, rows), make([]float64, rows)
		for i := range values {
			values[i] = rnd.NormFloat64()
			weights[i] = math.Exp(0.5 * values[i]) // the weighted mean is ½
		}
		mean, err := weightedMean(func(row int) float64 { return values[row] }, weights)
		sum, square, claimed = sum+mean/times, square+mean*mean/times, claimed+err/times
	}
	spread := math.Sqrt(square - sum*sum)
	if math.Abs(claimed/spread-1) > 0.15 || math.Abs(sum-0.5) > 6*spread/math.Sqrt(times)+0.003 {
		t.Errorf("mean %g, spread %g, claimed %g", sum, spread, claimed)
	}
}

// Exact samples agree with the exact sums. Samples that lack the states between two modes do not.
func TestCompare(t *testing.T) {
	o := mustParse(t, "-theory glass -shape 3x4 -beta 0.6")
	bonds := o.glassBonds()
	const n, rows = 12, 20000
	ground, energy := groundState(n, bonds, 1)
	for i, b := range bonds {
		bonds[i].K *= ground[b.I] * ground[b.J]
	}
	ising, err := target.NewIsingGraph(n, bonds, nil)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(3, 3))
	draw := drawSpins(n, bonds, rnd)
	for _, lost := range []bool{false, true} {
		x := mat.NewDense(rows, n, nil)
		for row := range rows {
			s := x.RawRowView(row)
			for draw(s); lost && math.Abs(sum(s)) < 4; draw(s) {
			}
		}
		if err := ising.FieldsGivenSpins(x, x, rnd); err != nil {
			t.Fatal(err)
		}
		a := &flow.AISResult{X: x, LogWeights: make([]float64, rows)}
		all, err := (&modes{ising, bonds, energy, 1}).compare(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		if want := 2 + 24; len(all) != want {
			t.Fatalf("%d comparisons, want %d", len(all), want)
		}
		worst := 0.0
		for _, c := range all {
			worst = max(worst, math.Abs(c.off()))
		}
		if lost == (worst < 4.5) {
			t.Errorf("lost states %t: the largest deviation is %g errors:\n%s", lost, worst, printComparisons(all))
		}
	}
}

// drawSpins returns a function that draws states of n spins from their distribution.
func drawSpins(n int, bonds []target.Bond, rnd *rand.Rand) func(s []float64) {
	total := make([]float64, 1<<n) // of the weights up to each state
	set := func(s []float64, state int) {
		for i := range s {
			s[i] = float64(2*(state>>i&1) - 1)
		}
	}
	s, z := make([]float64, n), 0.0
	for state := range total {
		set(s, state)
		z += math.Exp(-spinEnergy(s, bonds))
		total[state] = z
	}
	return func(s []float64) {
		state, _ := slices.BinarySearch(total, z*rnd.Float64())
		set(s, state)
	}
}

func sum(s []float64) (m float64) {
	for _, v := range s {
		m += v
	}
	return m
}

// A run of every theory of spins makes all numbers.
func TestSpinStudies(t *testing.T) {
	if testing.Short() {
		t.Skip("trains flows")
	}
	for _, args := range []string{
		"-theory ising -shape 2x2x2 -beta 0.2", "-theory glass -shape 3x3 -beta 0.5",
		"-theory villain -shape 2x4 -beta 0.5",
	} {
		o := mustParse(t, args+" -budget 4s -batch 32 -samples 200 -relerr 0.1 -rungs 3")
		o.out = t.TempDir()
		o.json = filepath.Join(o.out, "r.json")
		if err := run(o); err != nil {
			t.Fatalf("%s: %v", args, err)
		}
		text, err := os.ReadFile(o.json)
		if err != nil || !strings.Contains(string(text), "log_z_exact") {
			t.Errorf("%s: %s, %v", args, text, err)
		}
	}
}
