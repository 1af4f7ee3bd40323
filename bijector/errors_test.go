package bijector_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
)

// expect checks that an error wraps a sentinel, unless the sentinel is nil, and
// contains all texts.
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

// Short names for tables of errors.
var (
	errShape     = bijector.ErrShape
	errSettings  = bijector.ErrSettings
	errPartition = bijector.ErrPartition
	errTiles     = bijector.ErrTiles
)

// errOf is the error of a constructor.
func errOf(_ any, err error) error { return err }

// texts are what an error must say.
type texts []string

// errorCase is an error, the sentinel that it must wrap and what it must say.
type errorCase struct {
	err      error
	sentinel error
	texts    texts
}

// expectAll checks a table of errors.
func expectAll(t *testing.T, cases map[string]errorCase) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { expect(t, c.err, c.sentinel, c.texts...) })
	}
}

// huge is a number that overflows when it is multiplied.
const huge = 1 << 62

// NewRealNVP refuses bad settings and bipartitions, and names them.
func TestRealNVPErrors(t *testing.T) {
	type settings = bijector.RealNVPSettings
	src := rand.NewPCG(1, 2)
	realNVP := func(dim int, s *settings) error { return errOf(bijector.NewRealNVP(dim, s)) }
	keep := func(keep ...[]int) error { return realNVP(4, &settings{Keep: keep, Src: src}) }
	expectAll(t, map[string]errorCase{
		"RealNVP, no settings":      {realNVP(4, nil), errSettings, texts{"RealNVP", "source"}},
		"RealNVP, no source":        {realNVP(4, &settings{}), errSettings, texts{"RealNVP", "source"}},
		"RealNVP of one":            {realNVP(1, &settings{Src: src}), errShape, texts{"dimension 1"}},
		"RealNVP of less than none": {realNVP(-3, &settings{Src: src}), errShape, texts{"dimension -3"}},
		"RealNVP, hidden 0": {
			realNVP(4, &settings{Src: src, Hidden: []int{8, 0}}), errSettings, texts{"hidden layer 1", "0 units"},
		},
		"RealNVP, hidden below 0": {
			realNVP(4, &settings{Src: src, Hidden: []int{-8}}), errSettings, texts{"hidden layer 0", "-8 units"},
		},
		"RealNVP, couplings below 0": {
			realNVP(4, &settings{Src: src, Couplings: -2}), errSettings, texts{"-2 couplings"},
		},
		"RealNVP, couplings and keep": {
			realNVP(4, &settings{Src: src, Couplings: 3, Keep: [][]int{{0}}}), errSettings,
			texts{"3 couplings with 1 bipartitions"},
		},
		"RealNVP, no couplings": {
			realNVP(4, &settings{Src: src, Keep: [][]int{}}), errSettings, texts{"no couplings"},
		},
		"RealNVP, keeps all": {
			keep([]int{0, 1}, []int{3, 1, 0, 2}), errPartition, texts{"coupling 1", "keeps 4 of 4"},
		},
		"RealNVP, keeps none": {
			keep([]int{0}, []int{2}, []int{}), errPartition, texts{"coupling 2", "keeps 0 of 4"},
		},
		"RealNVP, keeps one twice":   {keep([]int{2, 0, 2}), errPartition, texts{"coupling 0", "[2 0 2]"}},
		"RealNVP, keeps one outside": {keep([]int{0}, []int{4}), errPartition, texts{"coupling 1", "[4] of 4"}},
		"RealNVP, keeps one below":   {keep([]int{0}, []int{1, -1}), errPartition, texts{"coupling 1", "[1 -1] of 4"}},
	})
}

// NewCoupling and NewMLP refuse bad sizes and positions, and name them.
func TestCouplingErrors(t *testing.T) {
	src := rand.NewPCG(1, 2)
	mlp := func(kept int, hidden []int, moved int, src rand.Source) error {
		return errOf(bijector.NewMLP(kept, hidden, moved, src))
	}
	newCoupling := func(dim int, keep ...int) error {
		return errOf(bijector.NewCoupling(dim, keep, must(bijector.NewMLP(2, nil, 2, src))))
	}
	expectAll(t, map[string]errorCase{
		"Coupling, no conditioner": {
			errOf(bijector.NewCoupling(4, []int{0, 1}, nil)), errSettings, texts{"conditioner"},
		},
		"Coupling, keeps all":         {newCoupling(2, 0, 1), errPartition, texts{"coupling", "keeps 2 of 2"}},
		"Coupling, keeps none":        {newCoupling(2), errPartition, texts{"coupling", "keeps 0 of 2"}},
		"Coupling, keeps one twice":   {newCoupling(4, 1, 1), errPartition, texts{"coupling", "[1 1]"}},
		"Coupling, keeps one outside": {newCoupling(4, 0, 4), errPartition, texts{"coupling", "[0 4] of 4"}},
		"Coupling of none":            {newCoupling(0), errPartition, texts{"coupling"}},
		"Coupling of less than none":  {newCoupling(-1), errPartition, texts{"coupling"}},
		"MLP, no source":              {mlp(2, []int{4}, 2, nil), errSettings, texts{"MLP", "source"}},
		"MLP, nothing kept":           {mlp(0, []int{4}, 2, src), errSettings, texts{"MLP 0 → [4] → 2"}},
		"MLP, hidden 0":               {mlp(1, []int{4, 0}, 2, src), errSettings, texts{"MLP 1 → [4 0] → 2"}},
		"MLP, moved below 0":          {mlp(1, nil, -2, src), errSettings, texts{"MLP 1 → [] → -2"}},
	})
}

// NewParam, NewChain and NewPermutation refuse parts that do not fit, and name them.
func TestPartsErrors(t *testing.T) {
	param := func(n int, shape ...int) error { return errOf(bijector.NewParam("w", make([]float64, n), shape...)) }
	chain := func(bs ...bijector.Bijector) error { return errOf(bijector.NewChain(bs...)) }
	permutation := func(perm ...int) error { return errOf(bijector.NewPermutation(perm)) }
	pair := block(2, 1, bijector.RealNVPSettings{Couplings: 2})
	expectAll(t, map[string]errorCase{
		"Param, too few":           {param(5, 2, 3), errShape, texts{`"w"`, "5 values", "[2 3]"}},
		"Param, too many":          {param(7, 2, 3), errShape, texts{`"w"`, "7 values", "[2 3]"}},
		"Param, no shape":          {param(1), errShape, texts{`"w"`}},
		"Param, empty":             {param(0, 0), errShape, texts{`"w"`, "[0]"}},
		"Param, extent below":      {param(6, -2, -3), errShape, texts{`"w"`, "[-2 -3]"}},
		"Chain of none":            {chain(), errShape, texts{"empty chain"}},
		"Chain, nil element":       {chain(pair, nil), errShape, texts{"element 1", "nil"}},
		"Chain, nil first element": {chain(nil, pair), errShape, texts{"element 0", "nil"}},
		"Chain, dimensions":        {chain(pair, pair, sinh{3}), errShape, texts{"element 2", "dimension 3", "has 2"}},
		"Permutation of none":      {permutation(), errPartition, texts{"empty"}},
		"Permutation, repeated":    {permutation(0, 1, 1), errPartition, texts{"[0 1 1]", "entry 2"}},
		"Permutation, outside":     {permutation(0, 3, 1), errPartition, texts{"[0 3 1]", "entry 1"}},
		"Permutation, below":       {permutation(-1, 0), errPartition, texts{"entry 0"}},
	})
}

// Tiles and Boxes refuse lattices that they cannot cut, and name the axis.
func TestTilesErrors(t *testing.T) {
	tiles := func(shape []int, size, step, offset int) error {
		return errOf(bijector.Tiles(shape, size, step, offset))
	}
	boxes := func(shape, size, step, offset []int) error { return errOf(bijector.Boxes(shape, size, step, offset)) }
	expectAll(t, map[string]errorCase{
		"Tiles, odd extent":               {tiles([]int{4, 7}, 2, 1, 0), errTiles, texts{"extent 7", "[4 7]"}},
		"Tiles, extent no multiple":       {tiles([]int{6}, 2, 2, 0), errTiles, texts{"extent 6", "2·2"}},
		"Tiles, extent 0":                 {tiles([]int{0}, 2, 1, 0), errTiles, texts{"extent 0"}},
		"Tiles, extent below 0":           {tiles([]int{-4}, 2, 1, 0), errTiles, texts{"extent -4"}},
		"Tiles, size 0":                   {tiles([]int{4}, 0, 1, 0), errTiles, texts{"size 0"}},
		"Tiles, step 0":                   {tiles([]int{4}, 2, 0, 0), errTiles, texts{"step 0"}},
		"Tiles, offset below 0":           {tiles([]int{4}, 2, 1, -1), errTiles, texts{"offset -1"}},
		"Tiles, no axes":                  {tiles(nil, 2, 1, 0), errTiles, texts{"shape []"}},
		"Tiles, larger than any lattice":  {tiles([]int{4}, huge, 4, 0), errTiles, texts{"extent 4"}},
		"Tiles, further than any lattice": {tiles([]int{4}, 4, huge, 0), errTiles, texts{"extent 4"}},
		"Tiles, 2^64 sites": {
			tiles([]int{1 << 32, 1 << 32}, 2, 1, 0), errTiles, texts{"[4294967296 4294967296]", "sites"},
		},
		"Tiles, 2^40 sites": {tiles([]int{1 << 40}, 2, 1, 0), errTiles, texts{"sites"}},
		"Boxes, a size too few": {
			boxes([]int{4, 4}, []int{2}, []int{1, 1}, []int{0, 0}), errTiles, texts{"size [2]"},
		},
		"Boxes, a step too many": {
			boxes([]int{4}, []int{2}, []int{1, 1}, []int{0}), errTiles, texts{"step [1 1]"},
		},
		"Boxes, no offsets": {boxes([]int{4}, []int{2}, []int{1}, nil), errTiles, texts{"offset []"}},
		"Boxes, size 0": {
			boxes([]int{4, 4}, []int{2, 0}, []int{1, 1}, []int{0, 0}), errTiles, texts{"axis 1", "size 0"},
		},
		"Boxes, extent no multiple": {
			boxes([]int{4, 6}, []int{2, 2}, []int{2, 2}, []int{0, 0}), errTiles, texts{"extent 6", "2·2"},
		},
		"Boxes, 2^62 sites": {
			boxes([]int{1 << 62, 3}, []int{1, 3}, []int{1, 1}, []int{0, 0}), errTiles, texts{"sites"},
		},
	})
}

// Layers refuse tiles that do not fit, and name the tile and the site.
func TestLayerErrors(t *testing.T) {
	pair := block(2, 1, bijector.RealNVPSettings{Couplings: 2})
	disentangler := func(b bijector.Bijector, tiles ...[]int) error { return errOf(bijector.Disentangler(b, tiles)) }
	decimator := func(keep ...int) error {
		b := block(3, 1, bijector.RealNVPSettings{Couplings: 2})
		l, err := bijector.Decimator(b, [][]int{{0, 1, 2}}, keep...)
		if l != nil {
			return fmt.Errorf("a layer beside the error %w", errUser)
		}
		return err
	}
	on := func(n int, tiles ...[]int) error { return errOf(must(bijector.Disentangler(pair, tiles)).On(n)) }
	expectAll(t, map[string]errorCase{
		"Disentangler, no block": {disentangler(nil, []int{0, 1}), errShape, texts{"nil block"}},
		"Disentangler, no tiles": {disentangler(pair), errTiles, texts{"no tiles"}},
		"Disentangler, tile too large": {
			disentangler(pair, []int{0, 1}, []int{2, 3, 4}), errTiles, texts{"tile 1", "3 sites", "dimension 2"},
		},
		"Disentangler, tile too small": {
			disentangler(pair, []int{0}), errTiles, texts{"tile 0", "1 sites", "dimension 2"},
		},
		"Disentangler, empty tile": {disentangler(sinh{0}, []int{}), errTiles, texts{"dimension 0"}},
		"Disentangler, site below 0": {
			disentangler(pair, []int{0, 1}, []int{2, -3}), errTiles, texts{"tile 1", "site -3"},
		},
		"Disentangler, repeated": {
			disentangler(pair, []int{0, 1}, []int{17, 17}), errTiles, texts{"tile 1", "site 17 repeated"},
		},
		"Disentangler, overlap": {
			disentangler(pair, []int{0, 1}, []int{2, 3}, []int{4, 1}), errTiles, texts{"tile 2", "site 1", "tile 0"},
		},
		"Decimator, keeps none":        {decimator(), errTiles, texts{"3 sites", "[]"}},
		"Decimator, keeps all":         {decimator(2, 0, 1), errTiles, texts{"3 sites", "[2 0 1]"}},
		"Decimator, keeps one twice":   {decimator(1, 1), errTiles, texts{"[1 1]"}},
		"Decimator, keeps one outside": {decimator(0, 3), errTiles, texts{"[0 3]"}},
		"Decimator, keeps one below":   {decimator(-1), errTiles, texts{"[-1]"}},
		"Decimator, no block": {
			errOf(bijector.Decimator(nil, [][]int{{0, 1}}, 0)), errShape, texts{"nil block"},
		},
		"Layer off the lattice": {
			on(6, []int{0, 1}, []int{3, 5}, []int{2, 6}), errTiles, texts{"tile 2", "site 6", "6 sites"},
		},
		"Layer on less than no lattice": {on(-1, []int{0, 1}), errTiles, texts{"tile 0", "site 0", "-1 sites"}},
		"Layer far off the lattice":     {on(6, []int{0, huge}), errTiles, texts{"tile 0"}},
	})
}

// ConditionalDecimator refuses blocks that move their context, and tiles that do not fit.
func TestConditionalErrors(t *testing.T) {
	src := rand.NewPCG(1, 2)
	conditional := func(b bijector.Bijector, context []int, tiles ...[]int) error {
		return errOf(bijector.ConditionalDecimator(b, tiles, context...))
	}
	given := block(3, 1, bijector.RealNVPSettings{Keep: [][]int{{0, 2}, {2}}})
	pair := block(2, 1, bijector.RealNVPSettings{Couplings: 2})
	// layer is a layer of b on sites 2 and 0 of three.
	layer := func(b bijector.Bijector) bijector.Bijector {
		return must(must(bijector.Disentangler(b, [][]int{{2, 0}})).On(3))
	}
	chain := func(bs ...bijector.Bijector) bijector.Bijector { return must(bijector.NewChain(bs...)) }
	expectAll(t, map[string]errorCase{
		"Conditional, no block": {conditional(nil, []int{0}, []int{0, 1}), errShape, texts{"nil block"}},
		"Conditional, no context": {
			conditional(given, nil, []int{0, 1, 2}), errTiles, texts{"3 sites", "context []"},
		},
		"Conditional, nothing moves": {
			conditional(given, []int{0, 1, 2}, []int{0, 1, 2}), errTiles, texts{"[0 1 2]"},
		},
		"Conditional, context outside": {conditional(given, []int{3}, []int{0, 1, 2}), errTiles, texts{"[3]"}},
		"Conditional, moved twice": {
			conditional(given, []int{2}, []int{0, 1, 2}, []int{3, 1, 2}), errTiles,
			texts{"tile 1", "site 1", "tile 0"},
		},
		"Conditional, context moved": {
			conditional(given, []int{2}, []int{0, 1, 2}, []int{3, 2, 4}), errTiles,
			texts{"tile 0", "site 2", "tile 1 moves"},
		},
		"Conditional, site below 0": {
			conditional(given, []int{2}, []int{0, 1, -1}), errTiles, texts{"tile 0", "site -1"},
		},
		"Conditional, RealNVP": {
			conditional(given, []int{0}, []int{0, 1, 2}), errPartition, texts{"RealNVP", "position 0"},
		},
		"Conditional, Spline": {
			conditional(must(bijector.NewSpline(2, &bijector.SplineSettings{Src: src})), []int{0}, []int{0, 1}),
			errPartition, texts{"Spline", "position 0"},
		},
		"Conditional, Coupling": {
			conditional(coupling(3, []int{1}, 1), []int{1, 2}, []int{0, 1, 2}), errPartition,
			texts{"Coupling", "position 2"},
		},
		"Conditional, Chain": {
			conditional(chain(given, bijector.Invert(coupling(3, []int{0}, 1))), []int{2}, []int{0, 1, 2}),
			errPartition, texts{"Chain", "position 2"},
		},
		"Conditional, Permutation": {
			conditional(must(bijector.NewPermutation([]int{0, 2, 1})), []int{2}, []int{0, 1, 2}), errPartition,
			texts{"Permutation", "position 2"},
		},
		"Conditional, layer": {
			conditional(layer(pair), []int{2}, []int{0, 1, 2}), errPartition, texts{"position 2"},
		},
		"Conditional, layer of nodes": {
			conditional(layer(coupling(2, []int{0}, 1)), []int{2}, []int{0, 1, 2}), errPartition, texts{"position 2"},
		},
		"Conditional, ActNorm": {
			conditional(must(bijector.NewActNorm(2)), []int{1}, []int{0, 1}), errPartition,
			texts{"ActNorm", "position 1"},
		},
		"Conditional, embedded": {
			conditional(struct{ *bijector.RealNVP }{given}, []int{0}, []int{0, 1, 2}), errPartition,
			texts{"position 0"},
		},
		"Conditional, user's": {
			conditional(sinh{2}, []int{1}, []int{0, 1}), errPartition, texts{"sinh", "position 1"},
		},
		"Conditional, user's in a chain": {
			conditional(chain(given, sinh{3}), []int{2}, []int{0, 1, 2}), errPartition, texts{"Chain", "position 2"},
		},
		"Conditional, Orthogonal": {
			conditional(must(bijector.NewOrthogonal(2, src)), []int{1}, []int{0, 1}), errPartition,
			texts{"Orthogonal", "position 1"},
		},
	})
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
			"vector": {
				gorgonia.NewVector(g, tensor.Float64, gorgonia.WithShape(4), gorgonia.WithName("v")), "(4)",
			},
			"scalar": {gorgonia.NewScalar(g, tensor.Float64, gorgonia.WithName("s")), "()"},
			"three axes": {
				gorgonia.NewTensor(g, tensor.Float64, 3, gorgonia.WithShape(2, 4, 1), gorgonia.WithName("t")),
				"(2, 4, 1)",
			},
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
