package bijector_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/bijector/bijectortest"
)

// A Quartic is a bijector for wells of every kind, alone and on tiles that share a context.
func TestQuarticIsBijector(t *testing.T) {
	for _, s := range []*bijector.QuarticSettings{
		{Quartic: 6.975, Coupling: []float64{2, 2, 2, 2}},
		{Quadratic: 4, Quartic: .01, Coupling: []float64{1}, Field: .3},
		{Quadratic: -3, Quartic: 1, Coupling: []float64{.5, -1}},
		{Quadratic: -6, Quartic: 1, Coupling: []float64{.5, -1}},
		{Quadratic: 1, Quartic: 1e-12, Coupling: []float64{2, 0, 1}},
	} {
		b := must(bijector.NewQuartic(s))
		bijectortest.Check(t, b)
		n := len(s.Coupling)
		tile := make([]int, n+1)
		for j := range tile {
			tile[j] = j
		}
		other := slices.Clone(tile)
		slices.Reverse(other[:n])
		other[n]++
		l := must(bijector.ConditionalDecimator(b, [][]int{tile, other}, tile[:n]...))
		bijectortest.Check(t, must(l.On(n+2)))
	}
}

// phi4 is ln π of a φ⁴ theory on a periodic lattice.
func phi4(shape []int, a, lambda, coupling float64, phi []float64) float64 {
	sum := 0.0
	for i, v := range phi {
		near := 0.0
		stride := len(phi)
		for _, n := range shape {
			stride /= n
			at := i / stride % n
			near += phi[i+((at+1)%n-at)*stride] + phi[i+((at+n-1)%n-at)*stride]
		}
		sum += v*(coupling/2*near-a*v) - lambda*v*v*v*v
	}
	return sum
}

// The layer of DecimateOdd has the exact density of the odd sites given the even ones: for
// given even sites, ln π − ln q does not depend on the odd ones.
func TestDecimateOddIsExact(t *testing.T) {
	rnd := rand.New(rand.NewPCG(8, 1))
	const a, lambda, coupling, rows = -.5, .7, 1.3, 6
	for _, shape := range [][]int{{6}, {4, 4}, {2, 6}, {4, 2, 2}} {
		s := bijector.NewStack(shape...)
		s.DecimateOdd(func(context, moved int) (bijector.Bijector, error) {
			if context != 2*len(shape) || moved != 1 {
				t.Errorf("%v: context %d, moved %d", shape, context, moved)
			}
			return bijector.NewQuartic(&bijector.QuarticSettings{Quadratic: a, Quartic: lambda,
				Coupling: slices.Repeat([]float64{coupling}, context)})
		})
		h := must(s.Hierarchy())
		n := h.Dim()
		if s.Sites() != n/2 || len(h.Latents(0)) != n/2 {
			t.Errorf("%v: %d sites live on, level 0 has %v", shape, s.Sites(), h.Latents(0))
		}
		x, z, d := make([]float64, rows*n), make([]float64, rows*n), make([]float64, rows)
		for i := range x {
			x[i] = 0.6 * rnd.NormFloat64() // with |z| < 8
			if r := i / n; r > 0 && !slices.Contains(h.Latents(0), i%n) {
				x[i] = x[i%n] // even sites are those of the first row
			}
		}
		p := imageOf(h, tensor.Float64, true)
		for range 2 {
			if err := p.Run(rows, [][]float64{x}, [][]float64{z, d}); err != nil {
				t.Fatal(err)
			}
			var first float64
			for r := range rows {
				diff := phi4(shape, a, lambda, coupling, x[r*n:(r+1)*n]) - d[r]
				for _, v := range z[r*n : (r+1)*n] {
					diff += v * v / 2
				}
				for i, v := range x[r*n : (r+1)*n] {
					if !slices.Contains(h.Latents(0), i) {
						diff -= v * v / 2
					}
				}
				if r == 0 {
					first = diff
				}
				if !(math.Abs(diff-first) < 1e-7) {
					t.Errorf("%v, row %d: ln π − ln q is %g, in the first row %g", shape, r, diff, first)
				}
			}
		}
	}
}

// given makes a conditional block of random weights.
func givenBlock(src rand.Source) bijector.ContextBlockFunc {
	return func(context, moved int) (bijector.Bijector, error) {
		keep := make([][]int, moved)
		for k := range keep {
			for j := range context + moved {
				if j != context+k {
					keep[k] = append(keep[k], j)
				}
			}
		}
		return bijector.NewSmoothSpline(context+moved, &bijector.SplineSettings{Keep: keep, Hidden: []int{3}, Src: src})
	}
}

func quarticBlock(context, _ int) (bijector.Bijector, error) {
	return bijector.NewQuartic(&bijector.QuarticSettings{Quartic: 1, Coupling: slices.Repeat([]float64{.5}, context)})
}

// A network with OddBlock is a bijector in any dimension, moves all sites at every update,
// and lets every site depend on the top.
func TestOddNetworks(t *testing.T) {
	src := rand.NewPCG(5, 5)
	block := func(sites int) (bijector.Bijector, error) {
		if sites == 1 {
			return bijector.NewActNorm(1)
		}
		return bijector.NewSmoothSpline(sites, &bijector.SplineSettings{Couplings: 2, Hidden: []int{3}, Src: src})
	}
	for _, c := range []struct {
		shape  []int
		layers int
	}{
		{[]int{6}, 1 + 2}, {[]int{4, 4}, 1 + 2*2 + 1 + 3}, {[]int{2, 6}, 1 + 2*2 + 1 + 2},
		{[]int{2, 2, 4}, 1 + 2*4 + 1 + 2},
	} {
		h, err := bijector.NewMERA(c.shape, block, &bijector.NetworkSettings{Join: true,
			ContextBlock: givenBlock(src), OddBlock: quarticBlock, EvenRepeat: 2})
		if err != nil {
			t.Errorf("%v: %v", c.shape, err)
			continue
		}
		if n := len(h.Layers()); n != c.layers {
			t.Errorf("%v: %d layers, want %d", c.shape, n, c.layers)
		}
		if g := h.Independent(); len(g) != 1 {
			t.Errorf("%v: %d groups", c.shape, len(g))
		}
		bijectortest.Check(t, h)
		clone := must(bijector.Copy(h)).(*bijector.Hierarchy)
		for k, l := range clone.Layers() {
			old := h.Layers()[k]
			if !slices.Equal(l.Context(), old.Context()) || !slices.Equal(l.Keep(), old.Keep()) ||
				!slices.EqualFunc(l.Tiles(), old.Tiles(), slices.Equal) {
				t.Errorf("%v: layer %d is copied as %v", c.shape, k, l)
			}
		}
	}
}

// The tiles of the layers of even sites on 4 × 4.
func TestEvenTiles(t *testing.T) {
	s := bijector.NewStack(4, 4)
	pair := func(sites int) (bijector.Bijector, error) { return bijector.NewActNorm(sites) }
	s.DecimateOdd(quarticBlock).DisentangleGiven(givenBlock(rand.NewPCG(1, 1)))
	s.Disentangle(pair).DisentangleAt(pair, []int{0, 1}).Top(pair).Decimate(pair)
	if s.Sites() != 4 || !slices.Equal(s.Shape(), []int{2, 2}) {
		t.Errorf("%d sites of %v live on", s.Sites(), s.Shape())
	}
	var got []string
	for _, l := range must(s.Hierarchy()).Layers() {
		got = append(got, fmt.Sprint(l.Tiles()[0]))
	}
	want := []string{
		"[13 0 2 5 1]", "[0 2 8 10 5]", "[15 13 7 5 0]", "[5 10]", "[2 5]", "[0 2 5 7 8 10 13 15]", "[0 5]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("tiles %q, want %q", got, want)
	}
}

// What makes no sense is refused, with the reason.
func TestQuarticErrors(t *testing.T) {
	one := []float64{1}
	nan, inf := math.NaN(), math.Inf(1)
	for text, s := range map[string]*bijector.QuarticSettings{
		"needs settings":     nil,
		"λ = 0":              {Coupling: one},
		"λ = -1":             {Quartic: -1, Coupling: one},
		"λ = NaN":            {Quartic: nan, Coupling: one},
		"λ = +Inf":           {Quartic: inf, Coupling: one},
		"a/√λ from -6":       {Quartic: 4, Quadratic: -12.1, Coupling: one},
		"a = NaN":            {Quartic: 1, Quadratic: nan, Coupling: one},
		"Field = NaN":        {Quartic: 1, Field: nan, Coupling: one},
		"Coupling[1] = NaN":  {Quartic: 1, Coupling: []float64{0, nan}},
		"Coupling[0] = -Inf": {Quartic: 1, Coupling: []float64{-inf}},
	} {
		_, err := bijector.NewQuartic(s)
		expect(t, err, bijector.ErrSettings, text)
	}
	_, err := bijector.NewQuartic(&bijector.QuarticSettings{Quartic: 1})
	expect(t, err, bijector.ErrPartition, "no couplings")

	given := givenBlock(rand.NewPCG(1, 1))
	for text, s := range map[string]*bijector.Stack{
		"lattice [3 4], want even extents": bijector.NewStack(3, 4).DecimateOdd(quarticBlock),
		"have been decimated already": bijector.NewStack(4, 4).
			DecimateOdd(quarticBlock).DecimateOdd(quarticBlock),
		"lattice [6 3], want even": bijector.NewStack(6, 3).DisentangleGiven(given),
		"[2 3] after DecimateOdd, want even": bijector.NewStack(6, 6).
			DecimateOdd(quarticBlock).DecimateGiven(given, 2, 3),
		"of even sites, want an even size": bijector.NewStack(6, 6).DecimateOdd(quarticBlock).
			Disentangle(func(int) (bijector.Bijector, error) { return nil, errors.New("called") }, 3),
	} {
		_, err := s.Hierarchy()
		expect(t, err, bijector.ErrTiles, text)
	}
	_, err = bijector.NewStack(4, 4).DecimateOdd(nil).Hierarchy()
	expect(t, err, bijector.ErrSettings, "nil block function")
	block := func(sites int) (bijector.Bijector, error) { return bijector.NewActNorm(sites) }
	for text, n := range map[string]*bijector.NetworkSettings{
		"nil ContextBlock: true": {OddBlock: quarticBlock},
		"EvenRepeat -1":          {OddBlock: quarticBlock, ContextBlock: given, EvenRepeat: -1},
		"of even sites, at most": {OddBlock: quarticBlock, ContextBlock: given, EvenRepeat: 4000},
	} {
		_, err := bijector.NewMERA([]int{4, 4}, block, n)
		expect(t, err, bijector.ErrSettings, text)
	}
	odd := &bijector.NetworkSettings{OddBlock: quarticBlock, ContextBlock: given}
	_, err = bijector.NewMERA([]int{4, 5}, block, odd)
	expect(t, err, bijector.ErrTiles, "[4 5]")
	_, err = bijector.ConditionalDisentangler(must(block(3)), [][]int{{0, 1, 2}}, 0)
	expect(t, err, bijector.ErrPartition, "conditional disentangler", "position 0")
}
