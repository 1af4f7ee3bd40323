package bijector_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
)

// expect checks that an error wraps a sentinel, unless that is nil, and says
// every one of texts.
func expect(t *testing.T, err, sentinel error, texts ...string) {
	t.Helper()
	if err == nil || sentinel != nil && !errors.Is(err, sentinel) {
		t.Fatalf("error %v, want one that wraps %v", err, sentinel)
	}
	for _, s := range texts {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("error %q does not say %q", err, s)
		}
	}
}

// refusal is a call that must fail: its error wraps sentinel and says all texts.
type refusal struct {
	f        func() error
	sentinel error // nil: any
	texts    []string
}

// checkRefusals checks every call of a table.
func checkRefusals(t *testing.T, table map[string]refusal) {
	t.Helper()
	for name, c := range table {
		t.Run(name, func(t *testing.T) { expect(t, c.f(), c.sentinel, c.texts...) })
	}
}

// Every constructor of a block refuses wrong arguments. Its error wraps the right sentinel
// and names the argument.
func TestBlockConstructorErrors(t *testing.T) {
	type settings = bijector.RealNVPSettings
	src := rand.NewPCG(1, 2)
	realNVP := func(dim int, s *settings) func() error {
		return func() error { _, err := bijector.NewRealNVP(dim, s); return err }
	}
	keep := func(keep ...[]int) func() error { return realNVP(4, &settings{Keep: keep, Src: src}) }
	mlp := func(kept int, hidden []int, moved int, src rand.Source) func() error {
		return func() error { _, err := bijector.NewMLP(kept, hidden, moved, src); return err }
	}
	newCoupling := func(dim int, keep ...int) func() error {
		c := must(bijector.NewMLP(2, nil, 2, src))
		return func() error { _, err := bijector.NewCoupling(dim, keep, c); return err }
	}
	param := func(n int, shape ...int) func() error {
		return func() error { _, err := bijector.NewParam("w", make([]float64, n), shape...); return err }
	}
	chain := func(bs ...bijector.Bijector) func() error {
		return func() error { _, err := bijector.NewChain(bs...); return err }
	}
	permutation := func(perm ...int) func() error {
		return func() error { _, err := bijector.NewPermutation(perm); return err }
	}
	pair := block(2, 1, settings{Couplings: 2})
	checkRefusals(t, map[string]refusal{
		"RealNVP, no settings":      {realNVP(4, nil), bijector.ErrSettings, []string{"RealNVP", "source"}},
		"RealNVP, no source":        {realNVP(4, &settings{}), bijector.ErrSettings, []string{"RealNVP", "source"}},
		"RealNVP of one":            {realNVP(1, &settings{Src: src}), bijector.ErrShape, []string{"dimension 1"}},
		"RealNVP of less than none": {realNVP(-3, &settings{Src: src}), bijector.ErrShape, []string{"dimension -3"}},
		"RealNVP, hidden 0": {realNVP(4, &settings{Src: src, Hidden: []int{8, 0}}), bijector.ErrSettings,
			[]string{"hidden layer 1", "0 units"}},
		"RealNVP, hidden below 0": {realNVP(4, &settings{Src: src, Hidden: []int{-8}}), bijector.ErrSettings,
			[]string{"hidden layer 0", "-8 units"}},
		"RealNVP, couplings below 0": {realNVP(4, &settings{Src: src, Couplings: -2}), bijector.ErrSettings,
			[]string{"-2 couplings"}},
		"RealNVP, couplings and keep": {realNVP(4, &settings{Src: src, Couplings: 3, Keep: [][]int{{0}}}),
			bijector.ErrSettings, []string{"3 couplings with 1 bipartitions"}},
		"RealNVP, no couplings": {realNVP(4, &settings{Src: src, Keep: [][]int{}}), bijector.ErrSettings,
			[]string{"no couplings"}},
		"RealNVP, keeps all": {keep([]int{0, 1}, []int{3, 1, 0, 2}), bijector.ErrPartition,
			[]string{"coupling 1", "keeps 4 of 4"}},
		"RealNVP, keeps none": {keep([]int{0}, []int{2}, []int{}), bijector.ErrPartition,
			[]string{"coupling 2", "keeps 0 of 4"}},
		"RealNVP, keeps one twice": {keep([]int{2, 0, 2}), bijector.ErrPartition, []string{"coupling 0", "[2 0 2]"}},
		"RealNVP, keeps one outside": {keep([]int{0}, []int{4}), bijector.ErrPartition,
			[]string{"coupling 1", "[4] of 4"}},
		"RealNVP, keeps one below": {keep([]int{0}, []int{1, -1}), bijector.ErrPartition,
			[]string{"coupling 1", "[1 -1] of 4"}},

		"Coupling, no conditioner": {func() error {
			_, err := bijector.NewCoupling(4, []int{0, 1}, nil)
			return err
		}, bijector.ErrSettings, []string{"conditioner"}},
		"Coupling, keeps all": {newCoupling(2, 0, 1), bijector.ErrPartition,
			[]string{"coupling", "keeps 2 of 2"}},
		"Coupling, keeps none":      {newCoupling(2), bijector.ErrPartition, []string{"coupling", "keeps 0 of 2"}},
		"Coupling, keeps one twice": {newCoupling(4, 1, 1), bijector.ErrPartition, []string{"coupling", "[1 1]"}},
		"Coupling, keeps one outside": {newCoupling(4, 0, 4), bijector.ErrPartition,
			[]string{"coupling", "[0 4] of 4"}},
		"Coupling of none":           {newCoupling(0), bijector.ErrPartition, []string{"coupling"}},
		"Coupling of less than none": {newCoupling(-1), bijector.ErrPartition, []string{"coupling"}},

		"MLP, no source":      {mlp(2, []int{4}, 2, nil), bijector.ErrSettings, []string{"MLP", "source"}},
		"MLP, nothing kept":   {mlp(0, []int{4}, 2, src), bijector.ErrSettings, []string{"MLP 0 → [4] → 2"}},
		"MLP, hidden 0":       {mlp(1, []int{4, 0}, 2, src), bijector.ErrSettings, []string{"MLP 1 → [4 0] → 2"}},
		"MLP, moved below 0":  {mlp(1, nil, -2, src), bijector.ErrSettings, []string{"MLP 1 → [] → -2"}},
		"Param, too few":      {param(5, 2, 3), bijector.ErrShape, []string{`"w"`, "5 values", "[2 3]"}},
		"Param, too many":     {param(7, 2, 3), bijector.ErrShape, []string{`"w"`, "7 values", "[2 3]"}},
		"Param, no shape":     {param(1), bijector.ErrShape, []string{`"w"`}},
		"Param, empty":        {param(0, 0), bijector.ErrShape, []string{`"w"`, "[0]"}},
		"Param, extent below": {param(6, -2, -3), bijector.ErrShape, []string{`"w"`, "[-2 -3]"}},

		"Chain of none":            {chain(), bijector.ErrShape, []string{"empty chain"}},
		"Chain, nil element":       {chain(pair, nil), bijector.ErrShape, []string{"element 1", "nil"}},
		"Chain, nil first element": {chain(nil, pair), bijector.ErrShape, []string{"element 0", "nil"}},
		"Chain, dimensions": {chain(pair, pair, sinh{3}), bijector.ErrShape,
			[]string{"element 2", "dimension 3", "has 2"}},
		"Permutation of none": {permutation(), bijector.ErrPartition, []string{"empty"}},
		"Permutation, repeated": {permutation(0, 1, 1), bijector.ErrPartition,
			[]string{"[0 1 1]", "entry 2"}},
		"Permutation, outside": {permutation(0, 3, 1), bijector.ErrPartition,
			[]string{"[0 3 1]", "entry 1"}},
		"Permutation, below": {permutation(-1, 0), bijector.ErrPartition, []string{"entry 0"}},
	})
}

// Every constructor of tiles or layers refuses wrong arguments, too.
func TestLayerConstructorErrors(t *testing.T) {
	type settings = bijector.RealNVPSettings
	src := rand.NewPCG(1, 2)
	tiles := func(shape []int, size, step, offset int) func() error {
		return func() error { _, err := bijector.Tiles(shape, size, step, offset); return err }
	}
	boxes := func(shape, size, step, offset []int) func() error {
		return func() error { _, err := bijector.Boxes(shape, size, step, offset); return err }
	}
	pair := block(2, 1, settings{Couplings: 2})
	disentangler := func(b bijector.Bijector, tiles ...[]int) func() error {
		return func() error { _, err := bijector.Disentangler(b, tiles); return err }
	}
	decimator := func(keep ...int) func() error {
		b := block(3, 1, settings{Couplings: 2})
		return func() error {
			l, err := bijector.Decimator(b, [][]int{{0, 1, 2}}, keep...)
			if l != nil {
				return fmt.Errorf("a layer beside the error %w", errUser)
			}
			return err
		}
	}
	conditional := func(b bijector.Bijector, context []int, tiles ...[]int) func() error {
		return func() error { _, err := bijector.ConditionalDecimator(b, tiles, context...); return err }
	}
	given := block(3, 1, settings{Keep: [][]int{{0, 2}, {2}}})
	on := func(n int, tiles ...[]int) func() error {
		l := must(bijector.Disentangler(pair, tiles))
		return func() error { _, err := l.On(n); return err }
	}
	spline := must(bijector.NewSpline(2, &bijector.SplineSettings{Src: src}))
	moving := must(bijector.NewChain(given, bijector.Invert(coupling(3, []int{0}, 1))))
	layer := func(b bijector.Bijector) bijector.Bijector {
		return must(must(bijector.Disentangler(b, [][]int{{2, 0}})).On(3))
	}
	const huge = 1 << 62

	checkRefusals(t, map[string]refusal{
		"Tiles, odd extent": {tiles([]int{4, 7}, 2, 1, 0), bijector.ErrTiles,
			[]string{"extent 7", "[4 7]"}},
		"Tiles, extent no multiple":       {tiles([]int{6}, 2, 2, 0), bijector.ErrTiles, []string{"extent 6", "2·2"}},
		"Tiles, extent 0":                 {tiles([]int{0}, 2, 1, 0), bijector.ErrTiles, []string{"extent 0"}},
		"Tiles, extent below 0":           {tiles([]int{-4}, 2, 1, 0), bijector.ErrTiles, []string{"extent -4"}},
		"Tiles, size 0":                   {tiles([]int{4}, 0, 1, 0), bijector.ErrTiles, []string{"size 0"}},
		"Tiles, step 0":                   {tiles([]int{4}, 2, 0, 0), bijector.ErrTiles, []string{"step 0"}},
		"Tiles, offset below 0":           {tiles([]int{4}, 2, 1, -1), bijector.ErrTiles, []string{"offset -1"}},
		"Tiles, no axes":                  {tiles(nil, 2, 1, 0), bijector.ErrTiles, []string{"shape []"}},
		"Tiles, larger than any lattice":  {tiles([]int{4}, huge, 4, 0), bijector.ErrTiles, []string{"extent 4"}},
		"Tiles, further than any lattice": {tiles([]int{4}, 4, huge, 0), bijector.ErrTiles, []string{"extent 4"}},
		"Tiles, 2^64 sites": {tiles([]int{1 << 32, 1 << 32}, 2, 1, 0), bijector.ErrTiles,
			[]string{"[4294967296 4294967296]", "sites"}},
		"Tiles, 2^40 sites": {tiles([]int{1 << 40}, 2, 1, 0), bijector.ErrTiles, []string{"sites"}},
		"Boxes, a size too few": {boxes([]int{4, 4}, []int{2}, []int{1, 1}, []int{0, 0}),
			bijector.ErrTiles, []string{"size [2]"}},
		"Boxes, a step too many": {boxes([]int{4}, []int{2}, []int{1, 1}, []int{0}), bijector.ErrTiles,
			[]string{"step [1 1]"}},
		"Boxes, no offsets": {boxes([]int{4}, []int{2}, []int{1}, nil), bijector.ErrTiles,
			[]string{"offset []"}},
		"Boxes, size 0": {boxes([]int{4, 4}, []int{2, 0}, []int{1, 1}, []int{0, 0}),
			bijector.ErrTiles, []string{"axis 1", "size 0"}},
		"Boxes, extent no multiple": {boxes([]int{4, 6}, []int{2, 2}, []int{2, 2}, []int{0, 0}),
			bijector.ErrTiles, []string{"extent 6", "2·2"}},
		"Boxes, 2^62 sites": {boxes([]int{1 << 62, 3}, []int{1, 3}, []int{1, 1}, []int{0, 0}),
			bijector.ErrTiles, []string{"sites"}},
		"Disentangler, no block": {disentangler(nil, []int{0, 1}), bijector.ErrShape, []string{"nil block"}},
		"Disentangler, no tiles": {disentangler(pair), bijector.ErrTiles, []string{"no tiles"}},
		"Disentangler, tile too large": {disentangler(pair, []int{0, 1}, []int{2, 3, 4}), bijector.ErrTiles,
			[]string{"tile 1", "3 sites", "dimension 2"}},
		"Disentangler, tile too small": {disentangler(pair, []int{0}), bijector.ErrTiles,
			[]string{"tile 0", "1 sites", "dimension 2"}},
		"Disentangler, empty tile": {disentangler(sinh{0}, []int{}), bijector.ErrTiles, []string{"dimension 0"}},
		"Disentangler, site below 0": {disentangler(pair, []int{0, 1}, []int{2, -3}), bijector.ErrTiles,
			[]string{"tile 1", "site -3"}},
		"Disentangler, repeated": {disentangler(pair, []int{0, 1}, []int{17, 17}), bijector.ErrTiles,
			[]string{"tile 1", "site 17 repeated"}},
		"Disentangler, overlap": {disentangler(pair, []int{0, 1}, []int{2, 3}, []int{4, 1}),
			bijector.ErrTiles, []string{"tile 2", "site 1", "tile 0"}},
		"Decimator, keeps none":        {decimator(), bijector.ErrTiles, []string{"3 sites", "[]"}},
		"Decimator, keeps all":         {decimator(2, 0, 1), bijector.ErrTiles, []string{"3 sites", "[2 0 1]"}},
		"Decimator, keeps one twice":   {decimator(1, 1), bijector.ErrTiles, []string{"[1 1]"}},
		"Decimator, keeps one outside": {decimator(0, 3), bijector.ErrTiles, []string{"[0 3]"}},
		"Decimator, keeps one below":   {decimator(-1), bijector.ErrTiles, []string{"[-1]"}},
		"Decimator, no block": {func() error {
			_, err := bijector.Decimator(nil, [][]int{{0, 1}}, 0)
			return err
		}, bijector.ErrShape, []string{"nil block"}},
		"Conditional, no block": {conditional(nil, []int{0}, []int{0, 1}), bijector.ErrShape,
			[]string{"nil block"}},
		"Conditional, no context": {conditional(given, nil, []int{0, 1, 2}), bijector.ErrTiles,
			[]string{"3 sites", "context []"}},
		"Conditional, nothing moves": {conditional(given, []int{0, 1, 2}, []int{0, 1, 2}), bijector.ErrTiles,
			[]string{"[0 1 2]"}},
		"Conditional, context outside": {conditional(given, []int{3}, []int{0, 1, 2}), bijector.ErrTiles,
			[]string{"[3]"}},
		"Conditional, moved twice": {conditional(given, []int{2}, []int{0, 1, 2}, []int{3, 1, 2}),
			bijector.ErrTiles, []string{"tile 1", "site 1", "tile 0"}},
		"Conditional, context moved": {conditional(given, []int{2}, []int{0, 1, 2}, []int{3, 2, 4}),
			bijector.ErrTiles, []string{"tile 0", "site 2", "tile 1 moves"}},
		"Conditional, site below 0": {conditional(given, []int{2}, []int{0, 1, -1}), bijector.ErrTiles,
			[]string{"tile 0", "site -1"}},
		"Conditional, RealNVP": {conditional(given, []int{0}, []int{0, 1, 2}), bijector.ErrPartition,
			[]string{"RealNVP", "position 0"}},
		"Conditional, Spline": {conditional(spline, []int{0}, []int{0, 1}), bijector.ErrPartition,
			[]string{"Spline", "position 0"}},
		"Conditional, Coupling": {conditional(coupling(3, []int{1}, 1), []int{1, 2}, []int{0, 1, 2}),
			bijector.ErrPartition, []string{"Coupling", "position 2"}},
		"Conditional, Chain": {conditional(moving, []int{2}, []int{0, 1, 2}), bijector.ErrPartition,
			[]string{"Chain", "position 2"}},
		"Conditional, Permutation": {conditional(must(bijector.NewPermutation([]int{0, 2, 1})), []int{2},
			[]int{0, 1, 2}), bijector.ErrPartition, []string{"Permutation", "position 2"}},
		"Conditional, layer": {conditional(layer(pair), []int{2}, []int{0, 1, 2}),
			bijector.ErrPartition, []string{"position 2"}},
		"Conditional, layer of nodes": {conditional(layer(coupling(2, []int{0}, 1)), []int{2}, []int{0, 1, 2}),
			bijector.ErrPartition, []string{"position 2"}},
		"Conditional, ActNorm": {conditional(must(bijector.NewActNorm(2)), []int{1}, []int{0, 1}),
			bijector.ErrPartition, []string{"ActNorm", "position 1"}},
		"Conditional, embedded": {conditional(struct{ *bijector.RealNVP }{given}, []int{0},
			[]int{0, 1, 2}), bijector.ErrPartition, []string{"position 0"}},
		"Conditional, user's": {conditional(sinh{2}, []int{1}, []int{0, 1}), bijector.ErrPartition,
			[]string{"sinh", "position 1"}},
		"Conditional, user's in a chain": {conditional(must(bijector.NewChain(given, sinh{3})), []int{2},
			[]int{0, 1, 2}), bijector.ErrPartition, []string{"Chain", "position 2"}},
		"Conditional, Orthogonal": {conditional(must(bijector.NewOrthogonal(2, src)), []int{1},
			[]int{0, 1}), bijector.ErrPartition, []string{"Orthogonal", "position 1"}},
		"Layer off the lattice": {on(6, []int{0, 1}, []int{3, 5}, []int{2, 6}), bijector.ErrTiles,
			[]string{"tile 2", "site 6", "6 sites"}},
		"Layer on less than no lattice": {on(-1, []int{0, 1}), bijector.ErrTiles,
			[]string{"tile 0", "site 0", "-1 sites"}},
		"Layer far off the lattice": {on(6, []int{0, huge}), bijector.ErrTiles, []string{"tile 0"}},
	})
}

// everyKind returns a bijector of each kind on four values.
func everyKind() map[string]bijector.Bijector {
	b := block(4, 1, bijector.RealNVPSettings{Couplings: 2, Hidden: []int{3}})
	pair := coupling(2, []int{0}, 3)
	chain := must(bijector.NewChain(b, coupling(4, []int{0, 1}, 2), b))
	return map[string]bijector.Bijector{
		"RealNVP":      b,
		"Coupling":     coupling(4, []int{1}, 4),
		"Chain":        chain,
		"Chain, nodes": must(bijector.NewChain(coupling(4, []int{0, 1}, 2), chain)),
		"Invert":       bijector.Invert(b),
		"Permutation":  must(bijector.NewPermutation([]int{3, 1, 0, 2})),
		"ActNorm":      must(bijector.NewActNorm(4)),
		"Linear":       must(bijector.NewLinear(4, rand.NewPCG(5, 5))),
		"Orthogonal":   must(bijector.NewOrthogonal(4, rand.NewPCG(5, 6))),
		"Spline": must(bijector.NewSpline(4,
			&bijector.SplineSettings{Couplings: 2, Hidden: []int{3}, Bins: 3, Src: rand.NewPCG(5, 7)})),
		"Disentangler": must(must(bijector.Disentangler(b, [][]int{{2, 1, 0, 3}})).On(4)),
		"Conditional": must(must(bijector.ConditionalDecimator(block(2, 1,
			bijector.RealNVPSettings{Keep: [][]int{{0}}}), [][]int{{1, 0}, {1, 3}}, 0)).On(4)),
		"Disentangler, nodes": must(must(bijector.Disentangler(pair, [][]int{{2, 1}})).On(4)),
	}
}

// Forward and Inverse refuse anything but (rows, Dim) nodes of floats.
func TestNodeErrors(t *testing.T) {
	g := gorgonia.NewGraph()
	matrix := func(dt tensor.Dtype, rows, cols int) *gorgonia.Node {
		return gorgonia.NewMatrix(g, dt, gorgonia.WithShape(rows, cols), gorgonia.WithName("x"))
	}
	for name, b := range everyKind() {
		for what, c := range map[string]struct {
			x    *gorgonia.Node
			text string
		}{
			"nil":           {nil, "nil node"},
			"more columns":  {matrix(tensor.Float64, 2, 5), "(2, 5)"},
			"fewer columns": {matrix(tensor.Float32, 2, 3), "(2, 3)"},
			"vector": {gorgonia.NewVector(g, tensor.Float64, gorgonia.WithShape(4),
				gorgonia.WithName("v")), "(4)"},
			"scalar": {gorgonia.NewScalar(g, tensor.Float64, gorgonia.WithName("s")), "()"},
			"three axes": {gorgonia.NewTensor(g, tensor.Float64, 3, gorgonia.WithShape(2, 4, 1),
				gorgonia.WithName("t")), "(2, 4, 1)"},
			"without a shape": {gorgonia.NewMatrix(g, tensor.Float64, gorgonia.WithName("m")), "()"},
			"integers":        {matrix(tensor.Int, 2, 4), "int"},
		} {
			for _, inverse := range []bool{false, true} {
				t.Run(name+"/"+what+"/"+direction(inverse), func(t *testing.T) {
					_, _, err := apply(b, c.x, inverse)
					expect(t, err, bijector.ErrShape, c.text)
				})
			}
		}
	}
}

// nil parts and nil pointers are errors, not panics.
func TestNilParts(t *testing.T) {
	if b := bijector.Invert(nil); b != nil {
		t.Errorf("the inverse of nil is %v", b)
	}
	none := (*bijector.RealNVP)(nil)
	pair := must(bijector.NewActNorm(2))
	for name, c := range map[string]struct {
		f    func() error
		text string
	}{
		"chain of nil": {func() error { _, err := bijector.NewChain(nil); return err },
			"nil chain element 0"},
		"chain of nil pointers": {func() error { _, err := bijector.NewChain(pair, none); return err },
			"element 1 *bijector.RealNVP"},
		"chain of inverted nil": {func() error {
			_, err := bijector.NewChain(pair, bijector.Invert(nil))
			return err
		}, "nil chain element 1"},
		"chain of no dimension": {func() error { _, err := bijector.NewChain(sinh{-1}); return err }, "dimension -1"},
		"disentangler": {func() error {
			_, err := bijector.Disentangler(none, [][]int{{0, 1}})
			return err
		}, "block *bijector.RealNVP"},
		"decimator": {func() error {
			_, err := bijector.Decimator(bijector.Invert(none), [][]int{{0, 1}}, 0)
			return err
		}, "no dimension"},
		"conditional": {func() error {
			_, err := bijector.ConditionalDecimator(none, [][]int{{0, 1}}, 0)
			return err
		}, "no dimension"},
		"linear of nil pointer": {func() error { _, err := bijector.LinearFrom((*mat.Dense)(nil)); return err },
			"*mat.Dense"},
		"linear of empty matrix": {func() error { _, err := bijector.LinearFrom(&mat.Dense{}); return err }, "(0, 0)"},
		"orthogonal": {func() error {
			_, err := bijector.OrthogonalFrom((*mat.TriDense)(nil))
			return err
		}, "*mat.TriDense"},
	} {
		t.Run(name, func(t *testing.T) { expect(t, c.f(), bijector.ErrShape, c.text) })
	}
}
