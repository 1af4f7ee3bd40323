package bijector_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/bijector/bijectortest"
	"github.com/neuralrg/neuralrg/internal/num"
)

// smoothBoard returns a checkerboard of conditional smooth splines with a block on the
// sites that remain. Its finest scale is exact for a φ⁴ theory if odd is true.
func smoothBoard(shape []int, repeat int, odd bool) *bijector.Hierarchy {
	src := rand.NewPCG(7, 8)
	s := &bijector.NetworkSettings{Repeat: repeat, ContextBlock: func(context, moved int) (bijector.Bijector, error) {
		return bijector.NewSmoothSpline(context+moved,
			&bijector.SplineSettings{Keep: [][]int{num.UpTo(context)}, Hidden: []int{4}, Src: src})
	}}
	if odd {
		s.OddBlock = func(context, moved int) (bijector.Bijector, error) {
			return bijector.NewQuartic(&bijector.QuarticSettings{
				Quadratic: -0.5, Quartic: 1, Coupling: slices.Repeat([]float64{0.5}, context)})
		}
	}
	top := func(sites int) (bijector.Bijector, error) {
		return bijector.NewRealNVP(sites, &bijector.RealNVPSettings{Couplings: 2, Hidden: []int{3}, Src: src})
	}
	return must(bijector.NewCheckerboard(shape, top, s))
}

// Checkerboards of splines and with exact sites obey the laws of a bijector.
func TestCheckerboardLaws(t *testing.T) {
	for _, shape := range [][]int{{4, 4}, {6, 4}, {6}, {2, 2}} {
		for _, odd := range []bool{false, true} {
			bijectortest.Check(t, smoothBoard(shape, 1, odd))
		}
	}
}

// A checkerboard has the values of the chain of its layers, each in a hierarchy of its own,
// to the bit.
func TestCheckerboardIsTheChainOfItsLayers(t *testing.T) {
	h := smoothBoard([]int{6, 4}, 2, false)
	randomise(h, 0.3, rand.New(rand.NewPCG(3, 4)))
	var alone []bijector.Bijector
	for _, l := range slices.Backward(h.Layers()) {
		if l.Context() != nil {
			l = must(bijector.ConditionalDecimator(l.Block(), l.Tiles(), l.Context()...))
		}
		alone = append(alone, must(bijector.NewHierarchy(h.Dim(), l)))
	}
	c := must(bijector.NewChain(alone...))
	if !slices.Equal(h.Params(), c.Params()) {
		t.Error("the parameters are in another order")
	}
	in := normal(5*h.Dim(), 1, rand.New(rand.NewPCG(5, 6)))
	for _, dt := range []tensor.Dtype{tensor.Float64, tensor.Float32} {
		for _, inverse := range []bool{false, true} {
			got, gotDet := image(t, h, dt, inverse, in)
			want, wantDet := image(t, c, dt, inverse, in)
			if !slices.Equal(got, want) || !slices.Equal(gotDet, wantDet) {
				t.Errorf("%v, inverse %t: %v, %v, want %v, %v", dt, inverse, got, gotDet, want, wantDet)
			}
		}
	}
}

// Every scale is a level: it has the latent variables of the white sites. Cells grow from
// pairs of nearest neighbours by a factor of two per scale.
func TestCheckerboardLevels(t *testing.T) {
	for _, odd := range []bool{false, true} {
		h := smoothBoard([]int{8, 8}, 1, odd)
		var sizes []int
		for level := range h.Levels() {
			sizes = append(sizes, len(h.Latents(level)))
		}
		if want := []int{32, 16, 8, 4, 2, 1, 1}; !slices.Equal(sizes, want) {
			t.Errorf("levels of %v sites, want %v", sizes, want)
		}
		for site := range h.Dim() {
			if white := (site/8+site%8)%2 == 1; white != (h.Level(site) == 0) {
				t.Errorf("site %d is of level %d", site, h.Level(site))
			}
		}
		for level := range h.Levels() - 1 {
			cells := h.Cells(level)
			for _, c := range cells {
				if len(c) != 2<<level {
					t.Errorf("level %d: a cell %v", level, c)
				}
				if dr, dc := gap(c[0]/8, c[1]/8), gap(c[0]%8, c[1]%8); level == 0 && dr+dc != 1 {
					t.Errorf("cell %v is no pair of neighbours", c)
				}
			}
		}
		if got := len(h.Independent()); got != 1 {
			t.Errorf("%d independent groups", got)
		}
		if h := smoothBoard([]int{6, 6}, 1, odd); len(h.Latents(h.Levels()-1)) != 9 || len(h.Independent()) != 1 {
			t.Errorf("at the top of 6 × 6 sites: %v", h.Latents(h.Levels()-1))
		}
	}
}

// gap is the distance of two sites on a ring of eight.
func gap(a, b int) int { d := (a - b + 8) % 8; return min(d, 8-d) }

// With OddBlock, the finest scale is one layer that moves the white sites, each given its
// nearest neighbours, and the other scales are as without.
func TestCheckerboardOddBlock(t *testing.T) {
	for _, shape := range [][]int{{8}, {8, 4}, {6, 6}, {2, 2}} {
		plain, odd := smoothBoard(shape, 2, false), smoothBoard(shape, 2, true)
		l, near := odd.Layers()[0], 2*len(shape)
		if !slices.Equal(l.Keep(), num.UpTo(near)) || !slices.Equal(movedBy(l), movedBy(plain.Layers()[0])) {
			t.Errorf("%v: the first layer keeps %v and moves %v", shape, l.Keep(), movedBy(l))
		}
		if len(l.Block().Params()) != 0 {
			t.Errorf("%v: the first layer has parameters", shape)
		}
		checkDistances(t, shape, l, []int{1, math.MaxInt})
		rest := odd.Layers()[1:]
		if len(rest) != len(plain.Layers())-5 {
			t.Fatalf("%v: %d layers follow, of %d without OddBlock", shape, len(rest), len(plain.Layers()))
		}
		for k, l := range rest {
			if !reflect.DeepEqual(l.Tiles(), plain.Layers()[k+5].Tiles()) {
				t.Errorf("%v: layer %d has other tiles", shape, k+1)
			}
		}
	}
}

func TestCheckerboardOddBlockErrors(t *testing.T) {
	_, given := angleBlocks(rand.NewPCG(1, 1))
	top := func(sites int) (bijector.Bijector, error) { return bijector.NewActNorm(sites) }
	fails := errors.New("no block")
	settings := bijector.NetworkSettings{ContextBlock: given, OddBlock: given}
	failing := func(int, int) (bijector.Bijector, error) { return nil, fails }
	for name, c := range map[string]struct {
		shape []int
		s     bijector.NetworkSettings
		want  error
		says  string
	}{
		"odd extent":  {[]int{4, 5}, settings, bijector.ErrTiles, "[4 5]"},
		"odd ring":    {[]int{5}, settings, bijector.ErrTiles, "even"},
		"no context":  {[]int{4}, bijector.NetworkSettings{OddBlock: given}, bijector.ErrSettings, "ContextBlock"},
		"block fails": {[]int{4}, bijector.NetworkSettings{ContextBlock: given, OddBlock: failing}, fails, "layer 0"},
		"too deep": {[]int{6}, bijector.NetworkSettings{ContextBlock: given, OddBlock: given, Depth: 2},
			bijector.ErrTiles, "1 scales"},
	} {
		_, err := bijector.NewCheckerboard(c.shape, top, &c.s)
		if !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
