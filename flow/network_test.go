package flow

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/bijector/bijectortest"
)

type constructor = func(shape []int, block bijector.BlockFunc, s *bijector.NetworkSettings) (*bijector.Hierarchy, error)

// layout describes a layer: its tiles, and whether it decimates.
type layout struct {
	step, offset int
	decimates    bool
}

func dis(step, offset int) layout { return layout{step, offset, false} }
func dec(step int) layout         { return layout{step, 0, true} }

// The constructors stack the layers of the paper, which leave latent variables
// behind level by level.
func TestNetworks(t *testing.T) {
	for _, c := range []struct {
		name    string
		build   constructor
		shape   []int
		s       *bijector.NetworkSettings
		layers  []layout
		latents []int // how many at each level
	}{
		{"MERA 4×4", bijector.NewMERA, []int{4, 4}, nil,
			[]layout{dis(1, 1), dec(1), dis(2, 2), dec(2)}, []int{12, 3, 1}},
		{"MERA 8×8", bijector.NewMERA, []int{8, 8}, &bijector.NetworkSettings{},
			[]layout{dis(1, 1), dec(1), dis(2, 2), dec(2), dis(4, 4), dec(4)}, []int{48, 12, 3, 1}},
		{"MERA 8×4", bijector.NewMERA, []int{8, 4}, nil,
			[]layout{dis(1, 1), dec(1), dis(2, 2), dec(2)}, []int{24, 6, 2}},
		{"MERA 2×2", bijector.NewMERA, []int{2, 2}, nil,
			[]layout{dis(1, 1), dec(1)}, []int{3, 1}},
		{"MERA 6×6 has one scale", bijector.NewMERA, []int{6, 6}, nil,
			[]layout{dis(1, 1), dec(1)}, []int{27, 9}},
		{"MERA, chain of 8", bijector.NewMERA, []int{8}, nil,
			[]layout{dis(1, 1), dec(1), dis(2, 2), dec(2), dis(4, 4), dec(4)}, []int{4, 2, 1, 1}},
		{"MERA 4×4×4", bijector.NewMERA, []int{4, 4, 4}, nil,
			[]layout{dis(1, 1), dec(1), dis(2, 2), dec(2)}, []int{56, 7, 1}},
		{"MERA 9×9, blocks of 3×3", bijector.NewMERA, []int{9, 9}, &bijector.NetworkSettings{Size: 3},
			[]layout{dis(1, 1), dec(1), dis(3, 3), dec(3)}, []int{72, 8, 1}},
		{"MERA 4×4, blocks of 4×4", bijector.NewMERA, []int{4, 4}, &bijector.NetworkSettings{Size: 4},
			[]layout{dis(1, 1), dec(1)}, []int{15, 1}},
		{"MERA 8×8, one scale", bijector.NewMERA, []int{8, 8}, &bijector.NetworkSettings{Depth: 1},
			[]layout{dis(1, 1), dec(1)}, []int{48, 16}},
		{"MERA 8×8, two scales", bijector.NewMERA, []int{8, 8}, &bijector.NetworkSettings{Depth: 2},
			[]layout{dis(1, 1), dec(1), dis(2, 2), dec(2)}, []int{48, 12, 4}},
		{"MERA 4×4, repeated", bijector.NewMERA, []int{4, 4}, &bijector.NetworkSettings{Repeat: 2},
			[]layout{dis(1, 1), dis(1, 0), dis(1, 1), dec(1), dis(2, 2), dis(2, 0), dis(2, 2), dec(2)},
			[]int{12, 3, 1}},
		{"tree 4×4", bijector.NewTree, []int{4, 4}, nil,
			[]layout{dec(1), dec(2)}, []int{12, 3, 1}},
		{"tree 8×8, two scales", bijector.NewTree, []int{8, 8}, &bijector.NetworkSettings{Depth: 2, Repeat: 3},
			[]layout{dec(1), dec(2)}, []int{48, 12, 4}},
		{"tree 9×9, blocks of 3×3", bijector.NewTree, []int{9, 9}, &bijector.NetworkSettings{Size: 3},
			[]layout{dec(1), dec(3)}, []int{72, 8, 1}},
		{"TEBD 4×4", bijector.NewTEBD, []int{4, 4}, nil,
			[]layout{dis(1, 0), dis(1, 1)}, []int{16}},
		{"TEBD 8×8, deep and repeated", bijector.NewTEBD, []int{8, 8}, &bijector.NetworkSettings{Depth: 2, Repeat: 2},
			slices.Repeat([]layout{dis(1, 0), dis(1, 1)}, 4), []int{64}},
		{"TEBD, chain of 6, repeated", bijector.NewTEBD, []int{6}, &bijector.NetworkSettings{Repeat: 2},
			[]layout{dis(1, 0), dis(1, 1), dis(1, 0), dis(1, 1)}, []int{6}},
		{"TEBD 9×9, blocks of 3×3", bijector.NewTEBD, []int{9, 9}, &bijector.NetworkSettings{Size: 3},
			[]layout{dis(1, 0), dis(1, 1)}, []int{81}},
	} {
		t.Run(c.name, func(t *testing.T) {
			size, sites := 2, 1
			if c.s != nil && c.s.Size != 0 {
				size = c.s.Size
			}
			for _, extent := range c.shape {
				sites *= extent
			}
			h, err := c.build(c.shape, blocks(power(size, len(c.shape)), 1, 3), c.s)
			if err != nil {
				t.Fatal(err)
			}
			if h.Dim() != sites {
				t.Errorf("dimension %d, want %d", h.Dim(), sites)
			}
			if got := len(h.Params()); got != len(c.layers) {
				t.Errorf("%d parameters, want one for each of %d layers", got, len(c.layers))
			}
			layers := h.Layers()
			if len(layers) != len(c.layers) {
				t.Fatalf("%d layers, want %d", len(layers), len(c.layers))
			}
			level, decimated := slices.Repeat([]int{len(c.latents) - 1}, sites), 0
			for k, want := range c.layers {
				tiles := must(bijector.Tiles(c.shape, size, want.step, want.offset))
				if !slices.EqualFunc(layers[k].Tiles(), tiles, slices.Equal) {
					t.Errorf("layer %d: tiles %v, want %v", k, layers[k].Tiles(), tiles)
				}
				var lost []int // all but the first site of every tile
				if want.decimates {
					for _, tile := range tiles {
						for _, site := range tile[1:] {
							lost, level[site] = append(lost, site), decimated
						}
					}
					decimated++
				}
				if !slices.Equal(layers[k].Decimated(), lost) {
					t.Errorf("layer %d: decimates %v, want %v", k, layers[k].Decimated(), lost)
				}
			}
			wantLevels(t, h, level, c.latents)
		})
	}
}

// wantLevels checks the level of every site and the sites of every level.
func wantLevels(t *testing.T, h *bijector.Hierarchy, level, count []int) {
	t.Helper()
	if h.Levels() != len(count) {
		t.Errorf("%d levels, want %d", h.Levels(), len(count))
	}
	for site, want := range level {
		if got := h.Level(site); got != want {
			t.Errorf("z_%d is on level %d, want %d", site, got, want)
		}
	}
	for l, n := range count {
		sites := h.Latents(l)
		if len(sites) != n || !slices.IsSorted(sites) {
			t.Errorf("level %d: %d latent variables %v, want %d", l, len(sites), sites, n)
		}
		for _, site := range sites {
			if level[site] != l {
				t.Errorf("level %d: z_%d is on level %d", l, site, level[site])
			}
		}
	}
	for _, l := range []int{-1, len(count)} {
		if sites := h.Latents(l); sites != nil {
			t.Errorf("level %d: latent variables %v, want none", l, sites)
		}
	}
}

// With conditional decimators, the sites that live on are those of the coarse
// lattice, and each cell reads its own and those around it.
func TestConditionalNetworks(t *testing.T) {
	for _, c := range []struct {
		name    string
		build   constructor
		shape   []int
		s       bijector.NetworkSettings
		per     int   // layers of a scale
		around  []int // sites that the first cell of the finest scale reads
		latents []int
	}{
		{"MERA 8×8", bijector.NewMERA, []int{8, 8}, bijector.NetworkSettings{}, 3,
			[]int{54, 48, 50, 6, 0, 2, 22, 16, 18}, []int{48, 12, 3, 1}},
		{"MERA 4×6, repeated", bijector.NewMERA, []int{4, 6}, bijector.NetworkSettings{Repeat: 2}, 5,
			[]int{16, 12, 14, 4, 0, 2, 16, 12, 14}, []int{18, 6}},
		{"tree 9", bijector.NewTree, []int{9}, bijector.NetworkSettings{Size: 3}, 2, []int{6, 0, 3}, []int{6, 2, 1}},
		{"MERA 2×2×2", bijector.NewMERA, []int{2, 2, 2}, bijector.NetworkSettings{}, 3, make([]int, 27), []int{7, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			size := max(2, c.s.Size)
			c.s.ContextBlock = conditional(3, 2)
			h := must(c.build(c.shape, blocks(power(size, len(c.shape)), 1, 3), &c.s))
			level := make([]int, h.Dim())
			step := 1
			for k, l := range h.Layers() {
				last := k%c.per == c.per-1
				if (l.Context() != nil) != last || (l.Keep() != nil) != last {
					t.Fatalf("layer %d: conditional %t, keeps %v", k, (l.Context() != nil), l.Keep())
				}
				if !last {
					continue
				}
				if got := l.Tiles()[0]; k < c.per && !slices.Equal(got[:len(c.around)], c.around) {
					t.Errorf("the first cell reads %v, want %v", got[:len(c.around)], c.around)
				}
				cells := must(bijector.Tiles(c.shape, size, step, 0))
				for i, cell := range cells {
					own, others := l.Tiles()[i], cell[1:]
					if got := own[len(own)-len(others):]; !slices.Equal(got, others) {
						t.Errorf("layer %d, cell %d: moves %v, want %v", k, i, got, others)
					}
					if got := own[(len(own)-len(others))/2]; got != cell[0] {
						t.Errorf("layer %d, cell %d: reads %d in the middle, want %d", k, i, got, cell[0])
					}
				}
				step *= size
			}
			for site := range level {
				for l := range c.latents {
					if slices.Contains(h.Latents(l), site) {
						level[site] = l
					}
				}
			}
			wantLevels(t, h, level, c.latents)
			if h.Dim() <= 9 {
				bijectortest.Check(t, h)
			}
		})
	}
	broken := errors.New("broken")
	_, err := bijector.NewMERA([]int{4, 4}, blocks(4, 1, 3),
		&bijector.NetworkSettings{ContextBlock: func(_, _ int) (bijector.Bijector, error) { return nil, broken }})
	wantError(t, "error of a conditional block", err, broken, "bijector: block of layer 2: broken")
	_, err = bijector.NewMERA([]int{4, 4}, blocks(4, 1, 3),
		&bijector.NetworkSettings{ContextBlock: func(context, moved int) (bijector.Bijector, error) {
			return blocks(context+moved, 1, 3)(0)
		}})
	wantError(t, "a block that moves its context", err, bijector.ErrPartition, "bijector: layer 2")
}

func TestNetworkBijectors(t *testing.T) {
	for _, c := range []struct {
		name  string
		build constructor
		shape []int
		s     *bijector.NetworkSettings
	}{
		{"MERA 4×4", bijector.NewMERA, []int{4, 4}, nil},
		{"MERA 4×4, repeated", bijector.NewMERA, []int{4, 4}, &bijector.NetworkSettings{Repeat: 2, Depth: 1}},
		{"MERA, chain of 8", bijector.NewMERA, []int{8}, nil},
		{"MERA 4×4, conditional", bijector.NewMERA, []int{4, 4},
			&bijector.NetworkSettings{Depth: 1, ContextBlock: conditional(4, 3)}},
		{"tree, chain of 8, conditional", bijector.NewTree, []int{8},
			&bijector.NetworkSettings{ContextBlock: conditional(4, 3)}},
		{"tree 4×4", bijector.NewTree, []int{4, 4}, nil},
		{"TEBD 4×4", bijector.NewTEBD, []int{4, 4}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			bijectortest.Check(t, must(c.build(c.shape, blocks(power(2, len(c.shape)), 2, 3), c.s)))
		})
	}
}

// The layers of a network share a block that is returned again, and its
// parameter.
func TestNetworkSharedBlock(t *testing.T) {
	b := must(blocks(4, 3, 3)(0))
	h, err := bijector.NewMERA([]int{4, 4}, func(int) (bijector.Bijector, error) { return b, nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if ps := h.Params(); len(ps) != 1 || ps[0] != b.Params()[0] {
		t.Errorf("parameters %v, want the block's", ps)
	}
	bijectortest.Check(t, h)
}

// Layers composed by hand are the network of the constructor.
func TestHierarchyByHandIsMERA(t *testing.T) {
	shape := []int{8, 8}
	block := blocks(4, 5, 4)
	var layers []*bijector.Layer // fine to coarse
	for step := 1; step < 8; step *= 2 {
		layers = append(layers,
			must(bijector.Disentangler(must(block(4)), must(bijector.Tiles(shape, 2, step, step)))),
			must(bijector.Decimator(must(block(4)), must(bijector.Tiles(shape, 2, step, 0)), 0)))
	}
	hand := must(bijector.NewHierarchy(64, layers...))
	mera := must(bijector.NewMERA(shape, blocks(4, 5, 4), nil))
	wantSame(t, "parameters", params(hand), params(mera))

	a, logqA := sample(t, model(t, hand), 5, 1)
	b, logqB := sample(t, model(t, mera), 5, 1)
	wantSame(t, "samples", a.RawMatrix().Data, b.RawMatrix().Data)
	wantSame(t, "ln q", logqA, logqB)
}

func TestNetworkErrors(t *testing.T) {
	broken := errors.New("broken")
	good := blocks(4, 1, 3)
	calls := 0
	for _, c := range []struct {
		name  string
		shape []int
		block bijector.BlockFunc
		s     *bijector.NetworkSettings
		is    error
		texts []string
		tebd  bool // fails there too
	}{
		{"odd extents", []int{5, 5}, good, nil, bijector.ErrTiles,
			[]string{"bijector: layer 0", "extent 5 of lattice [5 5]"}, true},
		{"one odd extent", []int{4, 7}, good, nil, bijector.ErrTiles, []string{"extent 7 of lattice [4 7]"}, true},
		{"extent of 1", []int{1, 4}, good, nil, bijector.ErrTiles, []string{"extent 1"}, true},
		{"extent of 0", []int{0, 4}, good, nil, bijector.ErrTiles, []string{"extent 0"}, true},
		{"no sites", []int{0}, good, nil, bijector.ErrTiles, []string{"extent 0"}, true},
		{"negative extent", []int{4, -4}, good, nil, bijector.ErrTiles, []string{"extent -4"}, true},
		{"no extents", nil, good, nil, bijector.ErrTiles, []string{"shape []"}, true},
		{"too deep", []int{6, 6}, good, &bijector.NetworkSettings{Depth: 2}, bijector.ErrTiles,
			[]string{"extent 6", "2·2"}, false},
		{"far too deep", []int{4, 4}, good, &bijector.NetworkSettings{Depth: 200}, bijector.ErrTiles,
			[]string{"extent 4"}, false},
		{"blocks of 3×3", []int{4, 4}, good, &bijector.NetworkSettings{Size: 3}, bijector.ErrTiles,
			[]string{"extent 4"}, true},
		{"size of 1", []int{4, 4}, good, &bijector.NetworkSettings{Size: 1}, ErrSettings, nil, true},
		{"negative size", []int{4, 4}, good, &bijector.NetworkSettings{Size: -2}, ErrSettings, nil, true},
		{"negative depth", []int{4, 4}, good, &bijector.NetworkSettings{Depth: -1}, ErrSettings, nil, true},
		{"negative repeat", []int{4, 4}, good, &bijector.NetworkSettings{Repeat: -1}, ErrSettings, nil, true},
		{"nil block function", []int{4, 4}, nil, nil, ErrSettings, []string{"nil block"}, true},
		{"error of a block", []int{4, 4}, func(int) (bijector.Bijector, error) {
			if calls++; calls%2 == 0 {
				return nil, broken
			}
			return good(4)
		}, nil, broken, []string{"bijector: block of layer 1: broken"}, true},
		{"nil block", []int{4, 4}, func(int) (bijector.Bijector, error) { return nil, nil }, nil, bijector.ErrShape,
			[]string{"bijector: layer 0", "nil block"}, true},
		{"block of another dimension", []int{4, 4}, blocks(3, 1, 3), nil, bijector.ErrTiles,
			[]string{"bijector: layer 0", "4 sites for a block of dimension 3"}, true},
	} {
		constructors := []constructor{bijector.NewMERA, bijector.NewTree}
		if c.tebd {
			constructors = append(constructors, bijector.NewTEBD)
		}
		for k, build := range constructors {
			calls = 0
			name := []string{"MERA", "tree", "TEBD"}[k] + ", " + c.name
			h, err := build(c.shape, c.block, c.s)
			wantError(t, name, err, c.is, c.texts...)
			if h != nil {
				t.Errorf("%s: a hierarchy beside the error", name)
			}
		}
	}
}

// The errors of a block's own constructor come through.
func TestNetworkBlockSettings(t *testing.T) {
	_, err := bijector.NewMERA([]int{4, 4}, func(int) (bijector.Bijector, error) {
		return bijector.NewRealNVP(4, &bijector.RealNVPSettings{Hidden: []int{-1}, Src: rand.NewPCG(1, 2)})
	}, nil)
	wantError(t, "hidden units", err, bijector.ErrSettings, "block of layer 0", "-1 units")
}
