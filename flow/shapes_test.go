package flow

import (
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/bijector/bijectortest"
)

// hierarchyOf returns the network of a recipe's model.
func hierarchyOf(t *testing.T, m *Model) *bijector.Hierarchy {
	t.Helper()
	h, ok := m.Bijector().(*bijector.Hierarchy)
	if !ok {
		t.Fatalf("a %T, want a hierarchy", m.Bijector())
	}
	return h
}

// On a lattice of any extents the network of a recipe moves every site, joins all
// latent variables of the top level, and lets every physical variable depend on all of
// them.
func TestRecipeJoinsAnyShape(t *testing.T) {
	shapes := [][]int{
		{1}, {2}, {3}, {5}, {8}, {12}, {45}, {101},
		{1, 1}, {1, 4}, {4, 4}, {5, 5}, {6, 6}, {7, 7}, {8, 4}, {4, 8}, {2, 16}, {12, 3}, {3, 5}, {2, 7}, {6, 10},
		{9, 9}, {10, 10}, {12, 12}, {14, 14}, {13, 4}, {11, 13}, {15, 10}, {20, 20},
		{1, 1, 1}, {2, 2, 2}, {2, 3, 4}, {3, 3, 3}, {1, 5, 1}, {6, 2, 6}, {5, 3, 7}, {4, 1, 1, 3},
	}
	for name, r := range map[string]*Recipe{
		"affine":      {Couplings: 1, Hidden: []int{2}},
		"conditional": {Couplings: 1, Hidden: []int{2}, ConditionalDecimators: true},
		"spline, repeated, blocks of 3": {Couplings: 1, Hidden: []int{2}, Spline: true,
			Network: bijector.NetworkSettings{Repeat: 2, Size: 3}},
	} {
		for _, shape := range shapes {
			m, err := r.Model(shape, nil, rand.NewPCG(1, 2))
			if err != nil {
				t.Errorf("%s, %v: %v", name, shape, err)
				continue
			}
			h := hierarchyOf(t, m)
			if got := h.Independent(); len(got) != 1 {
				t.Errorf("%s, %v: latent variables in groups %v, want one", name, shape, got)
			}
			top := h.Latents(h.Levels() - 1)
			for site := range h.Dim() {
				cone := h.Cone(site)
				for _, z := range top {
					if _, ok := slices.BinarySearch(cone, z); !ok {
						t.Fatalf("%s, %v: x_%d does not depend on z_%d of the top level", name, shape, site, z)
					}
				}
			}
			moved := make([]bool, h.Dim())
			for _, l := range h.Layers() {
				if l.Context() != nil {
					continue
				}
				for _, site := range slices.Concat(l.Tiles()...) {
					moved[site] = true
				}
			}
			if slices.Contains(moved, false) {
				t.Errorf("%s, %v: moves sites %v", name, shape, moved)
			}
		}
	}
}

// Such networks are bijectors.
func TestRecipeOddShapesAreBijectors(t *testing.T) {
	for _, shape := range [][]int{{1}, {3}, {1, 4}, {3, 3}, {2, 6}, {6, 1, 1}} {
		m := must((&Recipe{Couplings: 2, Hidden: []int{3}, ConditionalDecimators: true}).Model(shape, nil,
			rand.NewPCG(3, 4)))
		bijectortest.Check(t, m.Bijector())
	}
}

// Where Size divides all extents down to one site, the network is that without Join,
// to the bit.
func TestJoinKeepsRegularNetworks(t *testing.T) {
	for _, shape := range [][]int{{2, 2}, {8, 8}, {16}, {4, 4, 4}} {
		r := pairsRecipe()
		r.Hidden = []int{3}
		joined := must(r.Model(shape, nil, rand.NewPCG(5, 6)))
		src := rand.NewPCG(5, 6)
		s := r.network(shape, src)
		s.Join = false
		block := func(sites int) (bijector.Bijector, error) { return r.block(sites, len(shape), src) }
		h := must(bijector.NewMERA(shape, block, s))
		wantSame(t, "parameters", params(joined), params(h))
		for k, l := range hierarchyOf(t, joined).Layers() {
			if !slices.EqualFunc(l.Tiles(), h.Layers()[k].Tiles(), slices.Equal) {
				t.Errorf("%v, layer %d: tiles %v, want %v", shape, k, l.Tiles(), h.Layers()[k].Tiles())
			}
		}
	}
}

// The tiles of lattices with unequal or odd extents, scale by scale.
func TestJoinTiles(t *testing.T) {
	for _, c := range []struct {
		shape []int
		size  int
		sites []int // of the tiles of each scale
		count []int // of tiles
	}{
		{[]int{14, 14}, 2, []int{4, 49}, []int{49, 1}},
		{[]int{12, 12}, 2, []int{4, 4, 9}, []int{36, 9, 1}},
		{[]int{2, 16}, 2, []int{4, 2, 2, 2}, []int{8, 4, 2, 1}},
		{[]int{12, 3}, 2, []int{6, 2, 3}, []int{6, 3, 1}},
		{[]int{8, 4}, 2, []int{4, 4, 2}, []int{8, 2, 1}},
		{[]int{9, 9}, 2, []int{9, 9}, []int{9, 1}},
		{[]int{8, 8}, 4, []int{16, 4}, []int{4, 1}},
		{[]int{7}, 2, []int{7}, []int{1}},
		{[]int{1, 1}, 2, []int{1}, []int{1}},
	} {
		var sites, count []int
		block := func(sites int) (bijector.Bijector, error) { return bijector.NewActNorm(sites) }
		h := must(bijector.NewTree(c.shape, block, &bijector.NetworkSettings{Size: c.size, Join: true}))
		for _, l := range h.Layers() {
			sites, count = append(sites, l.Block().Dim()), append(count, len(l.Tiles()))
		}
		if !slices.Equal(sites, c.sites) || !slices.Equal(count, c.count) {
			t.Errorf("%v: tiles of %v sites, %v of them, want %v and %v", c.shape, sites, count, c.sites, c.count)
		}
	}
}

// Latent variables that no layer joins after the last decimator are told apart.
func TestIndependent(t *testing.T) {
	block := blocks(4, 1, 3)
	mera := func(L int, s *bijector.NetworkSettings) *bijector.Hierarchy {
		return must(bijector.NewMERA([]int{L, L}, block, s))
	}
	apart := func(sites ...int) (g [][]int) {
		for _, site := range sites {
			g = append(g, []int{site})
		}
		return g
	}
	pair := must(blocks(2, 1, 3)(0))
	for _, c := range []struct {
		name string
		h    *bijector.Hierarchy
		want [][]int
	}{
		{"8 × 8", mera(8, nil), apart(0)},
		{"6 × 6, 3 × 3 of which live on", mera(6, nil), apart(0, 2, 4, 12, 14, 16, 24, 26, 28)},
		{"one scale of 4 × 4", mera(4, &bijector.NetworkSettings{Depth: 1}), apart(0, 2, 8, 10)},
		{"conditional decimators read, but do not join",
			mera(4, &bijector.NetworkSettings{Depth: 1, ContextBlock: conditional(1, 3)}), apart(0, 2, 8, 10)},
		{"TEBD", must(bijector.NewTEBD([]int{6}, blocks(2, 1, 3), nil)), [][]int{{0, 1, 2, 3, 4, 5}}},
		{"disentanglers on one half of a ring", must(bijector.NewHierarchy(6,
			must(bijector.Disentangler(pair, [][]int{{5, 1}, {0, 3}})),
			must(bijector.Disentangler(pair, [][]int{{3, 5}})))), [][]int{{0, 1, 3, 5}, {2}, {4}}},
		{"joined before the decimator only", must(bijector.NewHierarchy(4,
			must(bijector.Disentangler(pair, [][]int{{0, 3}, {1, 2}})),
			must(bijector.Decimator(pair, [][]int{{0, 1}}, 0)), must(bijector.Disentangler(pair, [][]int{{3, 2}})))),
			[][]int{{0}, {2, 3}}},
	} {
		if got := c.h.Independent(); !slices.EqualFunc(got, c.want, slices.Equal) {
			t.Errorf("%s: groups %v, want %v", c.name, got, c.want)
		}
	}
}

// The price of a block is the number of its parameters.
func TestRecipePrice(t *testing.T) {
	src := rand.NewPCG(1, 2)
	for _, r := range []*Recipe{
		PaperRecipe(), FastRecipe(), {Spline: true, Couplings: 3, Hidden: []int{}}, {Couplings: 2, Hidden: []int{7}},
		{Spline: true, Rational: true}, {Rational: true},
	} {
		for _, sites := range []int{2, 4, 10, 50} { // half of which are kept
			got := r.params(float64(sites), r.hidden(sites, 2))
			if want := must(r.block(sites, 2, src)).Params()[0].Value().DataSize(); got != float64(want) {
				t.Errorf("%+v: %d sites are priced at %g parameters, have %d", r, sites, got, want)
			}
		}
	}
	for _, r := range []*Recipe{{Hidden: []int{6, 5}}, {}, {Spline: true}, {Spline: true, Rational: true}} {
		for _, c := range [][2]int{{3, 1}, {9, 3}, {27, 7}} {
			context, moved := c[0], c[1]
			got := r.givenParams(float64(context), float64(moved))
			if want := must(r.given(context, moved, src)).Params()[0].Value().DataSize(); got != float64(want) {
				t.Errorf("%+v: a conditional decimator of %d sites given %d is priced at %g parameters, has %d",
					r, moved, context, got, want)
			}
		}
	}
}

// What cannot be made is refused with an error, before much is allocated.
func TestHostileNetworks(t *testing.T) {
	src := rand.NewPCG(1, 2)
	many := 1 << 40
	models := map[string]func(shape []int, s bijector.NetworkSettings) error{
		"MERA": func(shape []int, s bijector.NetworkSettings) error {
			_, err := bijector.NewMERA(shape, blocks(4, 1, 3), &s)
			return err
		},
		"tree": func(shape []int, s bijector.NetworkSettings) error {
			_, err := bijector.NewTree(shape, blocks(4, 1, 3), &s)
			return err
		},
		"TEBD": func(shape []int, s bijector.NetworkSettings) error {
			_, err := bijector.NewTEBD(shape, blocks(4, 1, 3), &s)
			return err
		},
		"recipe": func(shape []int, s bijector.NetworkSettings) error {
			r := FastRecipe()
			r.Network = s
			_, err := r.Model(shape, nil, src)
			return err
		},
		"grown": func(shape []int, s bijector.NetworkSettings) error {
			r := FastRecipe()
			m := must(r.Model([]int{4, 4}, nil, src))
			r.Network = s
			_, err := r.Grow(m, shape, nil)
			return err
		},
	}
	for _, c := range []struct {
		name  string
		shape []int
		s     bijector.NetworkSettings
		but   string // who can do it
	}{
		{"no extents", nil, bijector.NetworkSettings{}, ""},
		{"no sites", []int{4, 0}, bijector.NetworkSettings{}, ""},
		{"negative extents", []int{-4, -4}, bijector.NetworkSettings{}, ""},
		{"product 0 in 64 bits", []int{1 << 32, 1 << 32}, bijector.NetworkSettings{}, ""},
		{"product 0 in 64 bits, one huge", []int{1 << 62, 4}, bijector.NetworkSettings{}, ""},
		{"2^40 sites", []int{1 << 40}, bijector.NetworkSettings{}, ""},
		{"the largest integers", []int{math.MaxInt, math.MaxInt}, bijector.NetworkSettings{}, ""},
		{"many axes", slices.Repeat([]int{2}, 70), bijector.NetworkSettings{}, ""},
		{"depth", []int{4, 4}, bijector.NetworkSettings{Depth: many}, ""},
		{"repeat", []int{4, 4}, bijector.NetworkSettings{Repeat: many}, "tree"},
		{"repeat and depth", []int{4, 4}, bijector.NetworkSettings{Repeat: 1 << 32, Depth: 1 << 32}, ""},
		{"size", []int{4, 4}, bijector.NetworkSettings{Size: 1 << 62, Depth: 1}, ""},
		{"negative size", []int{4, 4}, bijector.NetworkSettings{Size: math.MinInt}, ""},
		{"negative depth", []int{4, 4}, bijector.NetworkSettings{Depth: math.MinInt}, ""},
		{"negative repeat", []int{4, 4}, bijector.NetworkSettings{Repeat: math.MinInt}, ""},
	} {
		for name, build := range models {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := build(c.shape, c.s)
			runtime.ReadMemStats(&after)
			if name == c.but {
				continue
			}
			if !errors.Is(err, ErrSettings) && !errors.Is(err, bijector.ErrHierarchy) &&
				!errors.Is(err, bijector.ErrTiles) && !errors.Is(err, ErrShape) {
				t.Errorf("%s, %s: error %v", name, c.name, err)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20 {
				t.Errorf("%s, %s: %d bytes are allocated", name, c.name, n)
			}
		}
	}
	large := &bijector.NetworkSettings{Repeat: 50}
	_, err := bijector.NewMERA([]int{1 << 26}, blocks(2, 1, 3), large)
	wantError(t, "MERA, many layers on many sites", err, ErrSettings, "[67108864]", "100 layers at each of 26 scales")
	_, err = bijector.NewTEBD([]int{1 << 26}, blocks(2, 1, 3), large)
	wantError(t, "TEBD, many layers on many sites", err, ErrSettings, "[67108864]", "100 layers")
	_, err = FastRecipe().Model([]int{101, 101}, nil, src)
	wantError(t, "a prime extent", err, ErrSettings, "lattice [101 101]", "tiles [101 101]", "10201 sites",
		"2.53e+07 parameters")
	_, err = FastRecipe().Model(slices.Repeat([]int{2}, 26), nil, src)
	wantError(t, "many axes", err, ErrSettings, "6.7108864e+07 sites")
	_, err = (&Recipe{ConditionalDecimators: true}).Model([]int{961, 31}, nil, src)
	wantError(t, "conditional decimators", err, ErrSettings, "lattice [961 31]",
		"conditional decimator of 960 variables given 9")
	for _, r := range []*Recipe{{Hidden: []int{1 << 62}}, {Hidden: []int{1 << 31, 1 << 31}}, {Couplings: 1 << 40}} {
		_, err := r.Model([]int{4, 4}, nil, src)
		wantError(t, "hostile couplings", err, ErrSettings, "lattice [4 4]")
	}
	two := hierarchyOf(t, must(PaperRecipe().Model([]int{2}, nil, src)))
	if _, err := bijector.NewHierarchy(1<<62, two.Layers()...); !errors.Is(err, bijector.ErrHierarchy) {
		t.Errorf("2^62 sites: %v", err)
	}
}

// A model of a lattice with an odd coarse lattice grows by powers of two.
func TestGrowOddLattice(t *testing.T) {
	r := &Recipe{Couplings: 1, Hidden: []int{2}, ConditionalDecimators: true}
	src := rand.NewPCG(1, 2)
	small := must(r.Model([]int{6, 10}, nil, src))
	scramble(small, 1, 0.3)
	large, err := r.Grow(small, []int{12, 20}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, b := hierarchyOf(t, small).Layers(), hierarchyOf(t, large).Layers()
	if len(b) != len(a)+3 {
		t.Fatalf("%d layers from %d", len(b), len(a))
	}
	for k, from := range []int{0, 1, 2, 0, 1, 2, 3, 4} {
		wantSame(t, "parameters", params(b[k].Block()), params(a[from].Block()))
	}
	if n := len(hierarchyOf(t, large).Independent()); n != 1 {
		t.Errorf("%d groups", n)
	}
	for _, shape := range [][]int{{8, 8}, {10, 10}, {24, 10}} {
		_, err := r.Grow(small, shape, nil)
		wantError(t, "other tiles", err, bijector.ErrHierarchy, "scale ")
	}
	single := must(r.Model([]int{7, 7}, nil, src))
	_, err = r.Grow(single, []int{14, 14}, nil)
	wantError(t, "a model of one block", err, bijector.ErrHierarchy, "scale 0 of lattice [14 14] has tiles of 4 sites")
}
