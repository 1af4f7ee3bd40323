package flow

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/bijector/bijectortest"
)

// boardRecipe is small, on checkerboards; lambda is that of exact sites, 0 for none.
func boardRecipe(lambda float64) *Recipe {
	r := BestRecipe()
	r.Couplings, r.Hidden, r.Network.Repeat = 1, []int{3}, 1
	if lambda != 0 {
		r.Exact = &QuarticAction{Quartic: lambda, Coupling: 2}
	}
	return r
}

// The best recipe makes a checkerboard on lattices of one and two axes with even extents,
// and a MERA on others.
func TestBoardModel(t *testing.T) {
	src := rand.NewPCG(1, 1)
	for _, c := range []struct {
		shape        []int
		layers, size int // number of layers, and of sites in the last tile
	}{
		{[]int{8}, 3 * 5, 5}, {[]int{8, 8}, 6 * 5, 13}, {[]int{14, 14}, 2*5 + 1, 49}, {[]int{4, 8}, 4*5 + 1, 2},
		{[]int{7, 7}, 4, 49}, {[]int{3, 4}, 9, 2}, {[]int{2, 2, 2}, 5, 9 + 18 + 7}, {[]int{1, 4}, 9, 2},
	} {
		h := must(BestRecipe().Model(c.shape, nil, src)).Bijector().(*bijector.Hierarchy)
		layers := h.Layers()
		if last := layers[len(layers)-1].Block(); len(layers) != c.layers || last.Dim() != c.size {
			t.Errorf("%v: %d layers, the last one on %d sites", c.shape, len(layers), last.Dim())
		}
		if board := layers[0].Context() != nil; board != BestRecipe().onBoard(c.shape) {
			t.Errorf("%v: a checkerboard: %t", c.shape, board)
		}
	}
	// Hidden layers, and the couplings at the top.
	blocks := func(r *Recipe) (first, last bijector.SplineSettings) {
		l := must(r.Model([]int{6, 6}, nil, src)).Bijector().(*bijector.Hierarchy).Layers()
		return l[0].Block().(*bijector.Spline).Settings(), l[len(l)-1].Block().(*bijector.Spline).Settings()
	}
	first, last := blocks(BestRecipe())
	twelve, more := []int{12, 12}, []int{22, 22, 22}
	if !slices.Equal(first.Hidden, twelve) || !slices.Equal(last.Hidden, more) || len(last.Keep) != 8 {
		t.Errorf("%+v, %+v", first, last)
	}
	first, last = blocks(&Recipe{Checkerboard: true, Spline: true, Hidden: []int{5}, Couplings: 3})
	if !slices.Equal(first.Hidden, []int{5}) || !slices.Equal(last.Hidden, []int{5}) || len(last.Keep) != 6 {
		t.Errorf("%+v, %+v", first, last)
	}
}

// Models of checkerboards are bijectors, with all kinds of blocks.
func TestBoardModelsAreBijectors(t *testing.T) {
	affine := &Recipe{Checkerboard: true, Couplings: 1, Hidden: []int{2}}
	affine.Network = bijector.NetworkSettings{Depth: 1, Repeat: 1}
	for _, shape := range [][]int{{6}, {4, 4}, {6, 4}} {
		for _, r := range []*Recipe{boardRecipe(0), boardRecipe(1.5), affine} {
			m := must(r.Model(shape, nil, rand.NewPCG(3, 4)))
			scramble(m, 5, 0.2)
			bijectortest.Check(t, m.Bijector())
		}
	}
}

// What would be too large is refused before it is made.
func TestBoardPrice(t *testing.T) {
	src := rand.NewPCG(1, 1)
	board := func(r Recipe) *Recipe { r.Checkerboard = true; return &r }
	network := func(depth, repeat int) *Recipe {
		return board(Recipe{Network: bijector.NetworkSettings{Depth: depth, Repeat: repeat}})
	}
	for name, c := range map[string]struct {
		r     *Recipe
		shape []int
		want  error
		says  string
	}{
		"large rest":    {board(Recipe{Spline: true}), []int{82, 82}, ErrSettings, "1681 sites that remain"},
		"deep":          {network(1, 0), []int{512, 512}, ErrSettings, "131072 sites"},
		"hidden":        {board(Recipe{Hidden: []int{1 << 62, 1 << 62}}), []int{4}, ErrSettings, "given 4"},
		"couplings":     {board(Recipe{Couplings: 1 << 62}), []int{6, 6}, ErrSettings, "9 sites"},
		"negative":      {board(Recipe{Couplings: -1}), []int{4, 4}, ErrSettings, "-1"},
		"repeat":        {network(0, -1), []int{4, 4}, ErrSettings, "Repeat -1"},
		"too deep":      {network(5, 0), []int{4, 4}, bijector.ErrTiles, "4 scales"},
		"huge":          {board(Recipe{}), []int{1 << 62, 1 << 62}, bijector.ErrTiles, ""},
		"no sites":      {board(Recipe{}), []int{0, 4}, bijector.ErrTiles, "0"},
		"exact and odd": {boardRecipe(1), []int{3, 4}, bijector.ErrTiles, "[3 4]"},
	} {
		_, err := c.r.Model(c.shape, nil, src)
		wantError(t, name, err, c.want, c.says)
	}
	// The price of a block is the number of its parameters.
	r := board(Recipe{Spline: true})
	layers := must(r.Model([]int{6, 6}, nil, src)).Bijector().(*bijector.Hierarchy).Layers()
	got, want := r.onColours().givenParams(12, 1), float64(layers[0].Block().Params()[0].Value().DataSize())
	if got != want {
		t.Errorf("a layer is priced at %g parameters, has %g", got, want)
	}
}

// A grown checkerboard begins as the finest and the coarsest scales of the small one, and in
// between as scales of the same parity. Its samples are finite, and its density is that of
// a bijection.
func TestGrowBoard(t *testing.T) {
	for _, c := range []struct {
		from, to []int
		exact    bool
		scales   []int // of the small model, fine to coarse
	}{
		{[]int{2, 2}, []int{8, 8}, false, []int{0, 1, 0, 1, 0, 1}},
		{[]int{4, 4}, []int{8, 8}, false, []int{0, 1, 0, 1, 2, 3}},
		{[]int{8, 8}, []int{16, 16}, false, []int{0, 1, 2, 3, 2, 3, 4, 5}},
		{[]int{16, 16}, []int{32, 32}, false, []int{0, 1, 2, 3, 4, 5, 4, 5, 6, 7}},
		{[]int{8, 8}, []int{8, 8}, false, []int{0, 1, 2, 3, 4, 5}},
		{[]int{8, 8}, []int{4, 4}, false, []int{0, 1, 4, 5}},
		{[]int{4, 8}, []int{8, 16}, false, []int{0, 1, 0, 1, 2, 3}},
		{[]int{6, 6}, []int{12, 12}, false, []int{0, 1, 0, 1}},
		{[]int{8}, []int{16}, false, []int{0, 1, 1, 2}},
		{[]int{2}, []int{8}, false, []int{0, 0, 0}},
		{[]int{4, 4}, []int{8, 8}, true, []int{0, 1, 2, 1, 2, 3}},
		{[]int{8, 8}, []int{16, 16}, true, []int{0, 1, 2, 3, 2, 3, 4, 5}},
		{[]int{8}, []int{16}, true, []int{0, 1, 1, 2}},
	} {
		name := fmt.Sprintf("%v to %v, exact: %t", c.from, c.to, c.exact)
		r, per := boardRecipe(0), 3
		if c.exact {
			r = boardRecipe(1.5)
		}
		small := must(r.Model(c.from, flat(r, c.from), rand.NewPCG(1, 1)))
		scramble(small, 2, 0.3)
		m, err := r.Grow(symmetrize(t, small, Inversion(small.Dim())), c.to, flat(r, c.to))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		olds, news := must(r.networkOf(small, !c.exact)).Layers(), must(r.networkOf(m, !c.exact)).Layers()
		var want []*bijector.Layer
		for _, s := range c.scales {
			switch {
			case !c.exact:
				want = append(want, olds[s*per:(s+1)*per]...)
			case s == 0:
				want = append(want, olds[0])
			default:
				want = append(want, olds[1+(s-1)*per:1+s*per]...)
			}
		}
		if last := olds[len(olds)-1]; last.Context() == nil {
			want = append(want, last)
		}
		wantCopies(t, name, news, want)
		wantDensity(t, name, m)
	}
}

// flat is a spectrum, if the recipe can use one.
func flat(r *Recipe, shape []int) []float64 {
	if r.Exact != nil {
		return nil
	}
	n := 1
	for _, l := range shape {
		n *= l
	}
	return slices.Repeat([]float64{2}, n)
}

// wantCopies checks that layers have copies of blocks, with parameters of their own.
func wantCopies(t *testing.T, name string, got, want []*bijector.Layer) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d layers, want %d", name, len(got), len(want))
	}
	owned := map[*bijector.Param]bool{}
	for k, l := range got {
		ps, qs := l.Block().Params(), want[k].Block().Params()
		if len(ps) != len(qs) || l.Block().Dim() != want[k].Block().Dim() {
			t.Errorf("%s, layer %d: another block", name, k)
			continue
		}
		for i, p := range ps {
			if owned[p] || p == qs[i] {
				t.Errorf("%s, layer %d: a parameter is shared", name, k)
			}
			if owned[p] = true; !slices.Equal(p.Value().Float64s(), qs[i].Value().Float64s()) {
				t.Errorf("%s, layer %d: not a copy", name, k)
			}
		}
	}
}

// wantDensity checks that samples are finite, that their density is that of a round trip and
// that a file keeps it to the bit.
func wantDensity(t *testing.T, name string, m *Model) {
	t.Helper()
	const rows = 4
	x, logq, again := mat.NewDense(rows, m.Dim(), nil), make([]float64, rows), make([]float64, rows)
	if err := m.Sample(x, logq, rand.NewPCG(5, 5)); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if err := m.LogProbs(again, x); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for i, v := range logq {
		if !(math.Abs(v-again[i]) < 1e-6*(1+math.Abs(v))) {
			t.Errorf("%s: ln q of sample %d is %g, by the inverse %g", name, i, v, again[i])
		}
	}
	var file bytes.Buffer
	if err := m.Save(&file); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	back, err := Load(&file)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	loaded := make([]float64, rows)
	if err := back.LogProbs(loaded, x); err != nil || !slices.Equal(loaded, again) {
		t.Errorf("%s: ln q of a loaded model is %v, %v, want %v", name, loaded, err, again)
	}
}

func TestGrowBoardFails(t *testing.T) {
	src := rand.NewPCG(1, 1)
	r := boardRecipe(0)
	r.Whiten = false
	small := must(r.Model([]int{4, 4}, nil, src))
	MERA := must(FastRecipe().Model([]int{4, 4}, nil, src))
	exact := boardRecipe(1)
	exact2, exact4 := must(exact.Model([]int{2, 2}, nil, src)), must(exact.Model([]int{4, 4}, nil, src))
	deep := *r
	deep.Network.Depth = 1
	other := *r
	other.Network.Repeat = 2
	for name, c := range map[string]struct {
		r     *Recipe
		m     *Model
		shape []int
		want  error
		says  string
	}{
		"nil":          {r, nil, []int{8, 8}, ErrSettings, "nil"},
		"dimension":    {r, small, []int{8}, bijector.ErrHierarchy, "layer 0"},
		"top":          {r, small, []int{12, 12}, bijector.ErrHierarchy, "9 sites remain"},
		"shape":        {r, small, []int{8, 4}, bijector.ErrHierarchy, "2 sites remain"},
		"to a MERA":    {r, small, []int{7, 7}, bijector.ErrHierarchy, "conditional disentangler"},
		"three axes":   {r, small, []int{2, 2, 2}, bijector.ErrHierarchy, "conditional disentangler"},
		"of a MERA":    {r, MERA, []int{8, 8}, bijector.ErrHierarchy, "layer 0"},
		"other Repeat": {&other, small, []int{8, 8}, bijector.ErrHierarchy, "5 layers"},
		"MERA recipe":  {&Recipe{Spline: true}, small, []int{8, 8}, bijector.ErrHierarchy, "layer 0"},
		"to exact":     {exact, small, []int{8, 8}, bijector.ErrHierarchy, "given 4"},
		"of exact":     {r, exact4, []int{8, 8}, bijector.ErrHierarchy, "given 12"},
		"one scale":    {exact, exact2, []int{4, 4}, bijector.ErrHierarchy, "scale 2"},
		"exact MERA":   {exact, exact4, []int{3, 3}, ErrSettings, "Exact"},
		"deeper":       {&deep, small, []int{4, 4}, bijector.ErrHierarchy, "8 sites remain"},
	} {
		_, err := c.r.Grow(c.m, c.shape, nil)
		wantError(t, name, err, c.want, c.says)
	}
	_, err := exact.Grow(small, []int{2, 2}, []float64{1, 1, 1, 1})
	wantError(t, "whitened", err, ErrSettings, "Whiten")
}
