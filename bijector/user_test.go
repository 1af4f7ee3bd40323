package bijector_test

import (
	"errors"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/graph"
)

type node = *gorgonia.Node

// user is a user's bijector whose directions are both the function build.
type user struct {
	dim   int
	build func(x *gorgonia.Node) (y, logDet *gorgonia.Node, err error)
}

func (u user) Dim() int                  { return u.dim }
func (u user) Params() []*bijector.Param { return nil }

func (u user) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) { return u.build(z) }
func (u user) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) { return u.build(x) }

// conditioner is a user's conditioner.
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
func checkRefused(t *testing.T, b bijector.Bijector, sentinel error, texts ...string) {
	t.Helper()
	for _, inverse := range []bool{false, true} {
		g := gorgonia.NewGraph()
		x := gorgonia.NewMatrix(g, tensor.Float64, gorgonia.WithShape(3, b.Dim()), gorgonia.WithName("x"))
		_, _, err := apply(b, x, inverse)
		expect(t, err, sentinel, texts...)
		x3, y, d := make([]float64, 3*b.Dim()), make([]float64, 3*b.Dim()), make([]float64, 3)
		err = imageOf(b, tensor.Float64, inverse).Run(3, [][]float64{x3}, [][]float64{y, d})
		expect(t, err, sentinel, texts...)
	}
}

// A fault of a user's bijector while a graph is built is an error that names the
// user's type, also if the bijector is a part of another one.
func TestUserBijectorErrors(t *testing.T) {
	const who = "bijector_test.user: "
	for name, c := range map[string]struct {
		build    func(x node) (node, node, error)
		sentinel error // nil: any
		text     string
	}{
		"nil image": {
			func(x node) (node, node, error) { return nil, sums(x), nil }, errShape,
			who + "image: wrong shape: nil node",
		},
		"columns": {
			func(x node) (node, node, error) { return columns(x, 1), sums(x), nil }, errShape,
			who + "image: wrong shape: node of shape",
		},
		"rows": {
			func(x node) (node, node, error) { return must(graph.Gather(x, [][]int{{0, 1}, {1, 0}})), sums(x), nil },
			errShape, who + "wrong shape: image must have",
		},
		"vector": {
			func(x node) (node, node, error) { return sums(x), sums(x), nil }, errShape,
			who + "image: wrong shape: node of shape",
		},
		"no log-determinant": {
			func(x node) (node, node, error) { return x, nil, nil }, errShape, who + "wrong shape: log-determinant",
		},
		"log-determinants in a column": {
			func(x node) (node, node, error) { return x, columns(x, 1), nil }, errShape,
			who + "wrong shape: log-determinant",
		},
		"too many log-determinants": {
			func(x node) (node, node, error) { return x, must(graph.Flatten(x)), nil }, errShape,
			who + "wrong shape: log-determinant",
		},
		"precision of the image": {
			func(x node) (node, node, error) { return single(x), sums(x), nil }, errShape,
			who + "wrong shape: image must have",
		},
		"precision of the log-determinants": {
			func(x node) (node, node, error) { return x, single(sums(x)), nil }, errShape,
			who + "wrong shape: log-determinant",
		},
		"error": {
			func(x node) (node, node, error) { return x, sums(x), errUser }, errUser, "the user's mistake",
		},
		"panic": {
			func(node) (node, node, error) { panic(errUser) }, errUser, who + "panic: the user's mistake",
		},
		"panic of Gorgonia": {
			func(x node) (node, node, error) { return gorgonia.Must(gorgonia.Mul(x, x)), sums(x), nil }, nil,
			who + "panic: ",
		},
		"index out of range": {
			func(x node) (node, node, error) { return []node{x}[x.Shape()[1]], sums(x), nil }, nil,
			who + "panic: runtime error: index out of range",
		},
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

// A fault of a user's conditioner is such an error, too.
func TestUserConditionerErrors(t *testing.T) {
	const who = "bijector_test.conditioner: "
	const shapes = who + "wrong shape: s and t must be"
	for name, c := range map[string]struct {
		build    conditioner
		sentinel error // nil: any
		text     string
	}{
		"nil s":   {func(x node) (node, node, error) { return nil, columns(x, 2), nil }, errShape, shapes},
		"nil t":   {func(x node) (node, node, error) { return columns(x, 2), nil, nil }, errShape, shapes},
		"columns": {func(x node) (node, node, error) { return columns(x, 2), columns(x, 1), nil }, errShape, shapes},
		"rows": {func(x node) (node, node, error) {
			y := must(graph.Gather(x, [][]int{{0, 1}, {1, 0}}))
			return y, y, nil
		}, errShape, shapes},
		"vector": {func(x node) (node, node, error) { return sums(x), sums(x), nil }, errShape, shapes},
		"precision": {
			func(x node) (node, node, error) { return columns(x, 2), single(columns(x, 2)), nil }, errShape, shapes,
		},
		"error": {
			func(x node) (node, node, error) { return columns(x, 2), columns(x, 2), errUser }, errUser,
			"the user's mistake",
		},
		"panic": {func(node) (node, node, error) { panic(errUser) }, errUser, who + "panic: the user's mistake"},
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

// A program turns a panic of a user's bijector into an error.
func TestUserBijectorPanicsInProgram(t *testing.T) {
	u := user{1, func(*gorgonia.Node) (y, logDet *gorgonia.Node, err error) { panic(errUser) }}
	err := imageOf(u, tensor.Float64, false).Run(1, [][]float64{{0}}, [][]float64{nil, nil})
	expect(t, err, errUser, "panic: the user's mistake")
}
