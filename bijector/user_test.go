package bijector_test

import (
	"errors"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/graph"
)

// user is a bijector of a user. Both directions call build.
type user struct {
	dim   int
	build buildFunc
}

type (
	node = *gorgonia.Node

	// buildFunc returns the image of x and the log-determinants.
	buildFunc = func(x node) (y, logDet node, err error)
)

func (u user) Dim() int                  { return u.dim }
func (u user) Params() []*bijector.Param { return nil }

func (u user) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) { return u.build(z) }
func (u user) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) { return u.build(x) }

// conditioner is a conditioner of a user.
type conditioner func(kept *gorgonia.Node) (s, t *gorgonia.Node, err error)

func (c conditioner) Params() []*bijector.Param { return nil }

func (c conditioner) Condition(kept *gorgonia.Node) (s, t *gorgonia.Node, err error) { return c(kept) }

var errUser = errors.New("the user's mistake")

// columns returns n columns of x.
func columns(x *gorgonia.Node, n int) *gorgonia.Node {
	sites := make([]int, n)
	for i := range sites {
		sites[i] = i % x.Shape()[1]
	}
	return must(graph.Gather(x, [][]int{sites}))
}

// sums returns the sums of rows.
func sums(x *gorgonia.Node) *gorgonia.Node {
	return must(graph.SumTiles(must(graph.Flatten(x)), x.Shape()[1]))
}

// single returns x in float32.
func single(x *gorgonia.Node) *gorgonia.Node { return must(graph.Cast(x, tensor.Float32)) }

// checkRefused checks that b fails in both directions, built directly and as
// a program.
func checkRefused(t *testing.T, b bijector.Bijector, sentinel error, text string) {
	t.Helper()
	for _, inverse := range []bool{false, true} {
		g := gorgonia.NewGraph()
		x := gorgonia.NewMatrix(g, tensor.Float64, gorgonia.WithShape(3, b.Dim()), gorgonia.WithName("x"))
		_, _, err := apply(b, x, inverse)
		expect(t, err, sentinel, text)
		x3, y, d := make([]float64, 3*b.Dim()), make([]float64, 3*b.Dim()), make([]float64, 3)
		err = imageOf(b, tensor.Float64, inverse).Run(3, [][]float64{x3}, [][]float64{y, d})
		expect(t, err, sentinel, text)
	}
}

// A fault of a user's bijector while a graph is built is an error that names the user's type,
// also if the bijector is part of a larger one.
func TestUserBijectorErrors(t *testing.T) {
	const (
		of       = "bijector_test.user: "
		logDet   = of + "log-determinant: wrong shape: "
		image    = of + "wrong shape: image must have"
		noMatrix = of + "image: wrong shape: node of shape"
	)
	gives := func(y, logDet func(x node) node) buildFunc {
		return func(x node) (node, node, error) { return y(x), logDet(x), nil }
	}
	none := func(node) node { return nil }
	same := func(x node) node { return x }
	column := func(x node) node { return columns(x, 1) }
	twoRows := func(x node) node { return must(graph.Gather(x, [][]int{{0, 1}, {1, 0}})) }
	flat := func(x node) node { return must(graph.Flatten(x)) }
	square := func(x node) node { return gorgonia.Must(gorgonia.Mul(x, x)) } // no matrix product: it panics
	outside := func(x node) node { return []node{x}[x.Shape()[1]] }
	for name, c := range map[string]struct {
		build    buildFunc
		sentinel error // nil: any
		text     string
	}{
		"nil image":                    {gives(none, sums), bijector.ErrShape, of + "image: wrong shape: nil node"},
		"columns":                      {gives(column, sums), bijector.ErrShape, noMatrix},
		"rows":                         {gives(twoRows, sums), bijector.ErrShape, image},
		"vector":                       {gives(sums, sums), bijector.ErrShape, noMatrix},
		"no log-determinant":           {gives(same, none), bijector.ErrShape, logDet},
		"log-determinants in a column": {gives(same, column), bijector.ErrShape, logDet},
		"too many log-determinants":    {gives(same, flat), bijector.ErrShape, logDet},
		"precision of the image":       {gives(single, sums), bijector.ErrShape, image},
		"precision of the log-determinants": {
			gives(same, func(x node) node { return single(sums(x)) }), bijector.ErrShape, logDet},
		"error": {func(x node) (node, node, error) { return x, sums(x), errUser }, errUser,
			errUser.Error()},
		"panic": {func(node) (node, node, error) { panic(errUser) }, errUser,
			of + "panic: " + errUser.Error()},
		"panic of Gorgonia":  {gives(square, sums), nil, of + "panic: "},
		"index out of range": {gives(outside, sums), nil, of + "panic: runtime error: index out of range"},
	} {
		t.Run(name, func(t *testing.T) {
			u := user{2, c.build}
			pair := coupling(2, []int{0}, 1)
			fused := block(2, 1, bijector.RealNVPSettings{Couplings: 2})
			for _, b := range []bijector.Bijector{
				must(bijector.NewChain(u)),
				must(bijector.NewChain(pair, u, pair)),
				must(bijector.NewChain(fused, must(bijector.NewChain(fused, u)), fused)),
				must(must(bijector.Disentangler(u, [][]int{{0, 1}, {3, 2}})).On(5)),
				must(must(bijector.Decimator(must(bijector.NewChain(u, pair)), [][]int{{0, 1}, {3, 2}}, 1)).On(4)),
				bijector.Invert(must(bijector.NewChain(u, fused))),
			} {
				checkRefused(t, b, c.sentinel, c.text)
			}
		})
	}
}

// A fault of a user's conditioner is an error that names its type, too.
func TestUserConditionerErrors(t *testing.T) {
	const shape = "bijector_test.conditioner: wrong shape: s and t must be"
	gives := func(s, t func(kept node) node) conditioner {
		return func(kept node) (node, node, error) { return s(kept), t(kept), nil }
	}
	none := func(node) node { return nil }
	one := func(x node) node { return columns(x, 1) }
	two := func(x node) node { return columns(x, 2) }
	twoRows := func(x node) node { return must(graph.Gather(x, [][]int{{0, 1}, {1, 0}})) }
	for name, c := range map[string]struct {
		build    conditioner
		sentinel error // nil: any
		text     string
	}{
		"nil s":     {gives(none, two), bijector.ErrShape, shape},
		"nil t":     {gives(two, none), bijector.ErrShape, shape},
		"columns":   {gives(two, one), bijector.ErrShape, shape},
		"rows":      {gives(twoRows, twoRows), bijector.ErrShape, shape},
		"vector":    {gives(sums, sums), bijector.ErrShape, shape},
		"precision": {gives(two, func(x node) node { return single(two(x)) }), bijector.ErrShape, shape},
		"error":     {func(x node) (node, node, error) { return two(x), two(x), errUser }, errUser, errUser.Error()},
		"panic": {func(node) (node, node, error) { panic(errUser) }, errUser,
			"bijector_test.conditioner: panic: " + errUser.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			one := must(bijector.NewCoupling(4, []int{0, 2}, c.build))
			for _, b := range []bijector.Bijector{
				one,
				bijector.Invert(one),
				must(bijector.NewChain(one, coupling(4, []int{0}, 1))),
				must(must(bijector.Disentangler(one, [][]int{{0, 1, 6, 5}, {3, 2, 7, 4}})).On(9)),
			} {
				checkRefused(t, b, c.sentinel, c.text)
			}
		})
	}
}

// A program returns a panic of a bijector as an error.
func TestUserBijectorPanicsInProgram(t *testing.T) {
	u := user{1, func(*gorgonia.Node) (y, logDet *gorgonia.Node, err error) { panic(errUser) }}
	err := imageOf(u, tensor.Float64, false).Run(1, [][]float64{{0}}, [][]float64{nil, nil})
	expect(t, err, errUser, "panic: the user's mistake")
}

// halves is a bijector of a user. Each direction is that of another bijector.
type halves struct{ forward, inverse bijector.Bijector }

func (h halves) Dim() int { return h.forward.Dim() }

func (h halves) Params() []*bijector.Param { return nil }

func (h halves) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	return h.forward.Forward(z)
}

func (h halves) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) {
	return h.inverse.Inverse(x)
}

// A block that changes its context in either direction cannot be conditional.
func TestConditionalPassesBothWays(t *testing.T) {
	tiles := [][]int{{0, 1, 2}}
	passes, moves := coupling(3, []int{0}, 1), sinh{3}
	for _, b := range []bijector.Bijector{
		halves{passes, moves},
		halves{moves, passes},
		bijector.Invert(halves{passes, moves}),
	} {
		_, err := bijector.ConditionalDecimator(b, tiles, 0)
		expect(t, err, bijector.ErrPartition, "position 0")
	}
	if _, err := bijector.ConditionalDecimator(halves{passes, passes}, tiles, 0); err != nil {
		t.Error(err)
	}
}
