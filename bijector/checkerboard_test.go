package bijector_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/bijector/bijectortest"
	"github.com/neuralrg/neuralrg/internal/num"
)

// angleBlocks returns functions that make circular splines for a checkerboard.
func angleBlocks(src rand.Source) (bijector.BlockFunc, bijector.ContextBlockFunc) {
	settings := bijector.CircularSettings{Bins: 4, Hidden: []int{3}, Relative: true, Src: src}
	return func(sites int) (bijector.Bijector, error) {
			s := settings
			s.Couplings = 2
			return bijector.NewCircularSpline(sites, &s)
		}, func(context, moved int) (bijector.Bijector, error) {
			s := settings
			s.Keep = [][]int{num.UpTo(context)}
			return bijector.NewCircularSpline(context+moved, &s)
		}
}

// checkerboard returns the network with random weights of size sigma.
func checkerboard(shape []int, sigma float64, s bijector.NetworkSettings) *bijector.Hierarchy {
	top, given := angleBlocks(rand.NewPCG(5, 6))
	s.ContextBlock = given
	b := must(bijector.NewCheckerboard(shape, top, &s))
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, p := range b.Params() {
		for i := range p.Value().Float64s() {
			p.Value().Float64s()[i] = sigma * rnd.NormFloat64()
		}
	}
	return b
}

// Checkerboards obey the laws of a bijector on lattices of many shapes.
func TestCheckerboardConformance(t *testing.T) {
	for _, shape := range [][]int{{6}, {8}, {2, 2}, {4, 4}, {2, 6}, {3, 3}, {1, 4}} {
		t.Run(fmt.Sprint(shape), func(t *testing.T) {
			bijectortest.CheckAngles(t, checkerboard(shape, 0.3, bijector.NetworkSettings{}))
		})
	}
}

// A checkerboard has the layers that its doc says. Every tile moves one site, and its
// context is of the other colour and as far away as promised.
func TestCheckerboardTiles(t *testing.T) {
	for _, c := range []struct {
		shape  []int
		s      bijector.NetworkSettings
		moved  []int // number of sites moved by every layer, fine to coarse
		square []int // squared distances to the nearest and second nearest sites at the finest scale
	}{
		{[]int{8, 8}, bijector.NetworkSettings{},
			[]int{32, 32, 32, 16, 16, 16, 8, 8, 8, 4, 4, 4, 2, 2, 2, 1, 1, 1}, []int{1, 5}},
		{[]int{8, 8}, bijector.NetworkSettings{Depth: 1}, []int{32, 32, 32, 32}, []int{1, 5}},
		{[]int{6, 6}, bijector.NetworkSettings{}, []int{18, 18, 18, 9, 9, 9, 9}, []int{1, 5}},
		{[]int{12}, bijector.NetworkSettings{Repeat: 2}, []int{6, 6, 6, 6, 6, 3, 3, 3, 3, 3, 3}, []int{1, 9}},
		{[]int{5}, bijector.NetworkSettings{}, []int{5}, nil},
	} {
		layers := checkerboard(c.shape, 0, c.s).Layers()
		var moved []int
		for k, l := range layers {
			if l.Context() == nil { // the block on all sites that remain
				moved = append(moved, len(l.Tiles()[0]))
				continue
			}
			moved = append(moved, len(l.Tiles()))
			if k == 0 {
				checkDistances(t, c.shape, l, c.square)
			}
			per := 2*max(1, c.s.Repeat) + 1
			if k%per != 0 && slices.Contains(movedBy(l), movedBy(layers[k-1])[0]) {
				t.Errorf("%v: layers %d and %d move the same colour", c.shape, k-1, k)
			}
			if last := k%per == per-1; last != (l.Keep() != nil) {
				t.Errorf("%v: layer %d decimates: %t", c.shape, k, !last)
			}
		}
		if !slices.Equal(moved, c.moved) {
			t.Errorf("%v, %+v: layers move %v sites, want %v", c.shape, c.s, moved, c.moved)
		}
	}
}

// movedBy returns the last site of every tile.
func movedBy(l *bijector.Layer) (sites []int) {
	for _, tile := range l.Tiles() {
		sites = append(sites, tile[len(tile)-1])
	}
	return sites
}

// checkDistances checks how far the context of every tile is from the moved site.
func checkDistances(t *testing.T, shape []int, l *bijector.Layer, square []int) {
	t.Helper()
	near := 2 * len(shape)
	for _, tile := range l.Tiles() {
		site := tile[len(tile)-1]
		for i, other := range tile[:len(tile)-1] {
			sum, a, b := 0, site, other
			for axis := len(shape) - 1; axis >= 0; axis-- {
				n := shape[axis]
				d := ((a%n-b%n)%n + n) % n
				d = min(d, n-d)
				sum, a, b = sum+d*d, a/n, b/n
			}
			want := square[0]
			if i >= near {
				want = square[1]
			}
			if sum != want {
				t.Fatalf("%v: context %d of site %d is site %d, at squared distance %d, want %d",
					shape, i, site, other, sum, want)
			}
		}
	}
}

func TestCheckerboardErrors(t *testing.T) {
	top, given := angleBlocks(rand.NewPCG(1, 1))
	fails := errors.New("no block")
	with := func(depth, repeat int) *bijector.NetworkSettings {
		return &bijector.NetworkSettings{ContextBlock: given, Depth: depth, Repeat: repeat}
	}
	for name, c := range map[string]struct {
		shape []int
		top   bijector.BlockFunc
		s     *bijector.NetworkSettings
		want  error
	}{
		"nil settings":     {[]int{4}, top, nil, bijector.ErrSettings},
		"no context block": {[]int{4}, top, &bijector.NetworkSettings{}, bijector.ErrSettings},
		"no top":           {[]int{6}, nil, with(0, 0), bijector.ErrSettings},
		"no sites":         {[]int{4, 0}, top, with(0, 0), bijector.ErrTiles},
		"cubic":            {[]int{2, 2, 2}, top, with(0, 0), bijector.ErrTiles},
		"too deep":         {[]int{6}, top, with(2, 0), bijector.ErrTiles},
		"negative":         {[]int{6}, top, with(0, -1), bijector.ErrSettings},
		"too large":        {[]int{8192, 8192}, top, with(0, 0), bijector.ErrSettings},
		"too many layers":  {[]int{8}, top, with(0, 1<<20), bijector.ErrSettings},
		"largest Repeat":   {[]int{8}, top, with(0, 1<<63-1), bijector.ErrSettings},
		"block fails": {[]int{8}, top, &bijector.NetworkSettings{
			ContextBlock: func(int, int) (bijector.Bijector, error) { return nil, fails }}, fails},
		"top fails": {[]int{6}, func(int) (bijector.Bijector, error) { return nil, fails }, with(0, 0), fails},
		"wrong block": {[]int{8}, top, &bijector.NetworkSettings{
			ContextBlock: func(c, m int) (bijector.Bijector, error) { return top(c) }}, bijector.ErrTiles},
	} {
		if _, err := bijector.NewCheckerboard(c.shape, c.top, c.s); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if b, err := bijector.NewCheckerboard([]int{4, 4}, nil, with(0, 0)); err != nil || b.Dim() != 16 {
		t.Errorf("one site remains and needs no block: %v", err)
	}
}

// A flow of angles on a ring: every second angle given its neighbours, at all scales.
func ExampleNewCheckerboard() {
	src := rand.NewPCG(1, 2)
	b := must(bijector.NewCheckerboard([]int{8}, nil, &bijector.NetworkSettings{
		ContextBlock: func(context, moved int) (bijector.Bijector, error) {
			return bijector.NewCircularSpline(context+moved, &bijector.CircularSettings{
				Relative: true, Keep: [][]int{num.UpTo(context)}, Src: src})
		},
	}))
	fmt.Println(len(b.Layers()), "layers; the finest variables are those of the sites", b.Latents(0))
	fmt.Println("a tile, the moved site at its end:", b.Layers()[0].Tiles()[0])
	// Output:
	// 9 layers; the finest variables are those of the sites [1 3 5 7]
	// a tile, the moved site at its end: [2 0 4 6 1]
}
