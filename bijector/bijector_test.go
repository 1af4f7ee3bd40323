package bijector_test

import (
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/bijector/bijectortest"
)

// The bijectors of every constructor obey the laws that bijectortest checks.
func TestConformance(t *testing.T) {
	small := bijector.RealNVPSettings{Couplings: 3, Hidden: []int{5, 3}}
	twoByTwo := must(bijector.Tiles([]int{4, 4}, 2, 1, 1))
	on := func(l *bijector.Layer, n int) bijector.Bijector { return must(l.On(n)) }
	shared := block(4, 9, small)
	given := [][]int{{0, 5, 1, 2}, {5, 0, 3, 4}, {0, 0, 6, 7}} // positions 0 and 1 are the context
	conditional := func(b bijector.Bijector, n int, tiles [][]int, context ...int) bijector.Bijector {
		return on(must(bijector.ConditionalDecimator(b, tiles, context...)), n)
	}
	chain := func(bs ...bijector.Bijector) bijector.Bijector { return must(bijector.NewChain(bs...)) }
	twoCouplings := bijector.RealNVPSettings{Keep: [][]int{{0, 3}, {1, 0, 3}}, Hidden: []int{4}}
	half := must(bijector.NewParam("a", []float64{0.5}, 1, 1))
	embedded := struct{ bijector.Bijector }{coupling(4, []int{1, 0}, 14)}
	for name, b := range map[string]bijector.Bijector{
		"RealNVP":              block(4, 1, small),
		"RealNVP of 2":         block(2, 2, bijector.RealNVPSettings{Couplings: 2, Hidden: []int{4}}),
		"RealNVP of 5, linear": block(5, 3, bijector.RealNVPSettings{Couplings: 4, Hidden: []int{}}),
		"RealNVP, uneven": block(4, 4, bijector.RealNVPSettings{Keep: [][]int{{3}, {2, 0, 1}, {1, 3}},
			Hidden: []int{4}}),
		"Coupling":        coupling(4, []int{2, 0}, 5),
		"Coupling of one": coupling(3, []int{1}, 6),
		"Coupling to one": coupling(3, []int{2, 1}, 6),
		"Chain": chain(coupling(4, []int{0, 1}, 7), shared,
			must(bijector.NewPermutation([]int{2, 0, 3, 1})), shared),
		"Invert":               bijector.Invert(block(4, 8, small)),
		"Invert of Chain":      bijector.Invert(must(bijector.NewChain(shared, coupling(4, []int{3}, 10)))),
		"Permutation":          must(bijector.NewPermutation([]int{2, 0, 1})),
		"Disentangler":         on(must(bijector.Disentangler(shared, twoByTwo)), 16),
		"Disentangler, nodes":  on(must(bijector.Disentangler(coupling(4, []int{1, 2}, 11), twoByTwo)), 16),
		"Disentangler, partly": on(must(bijector.Disentangler(coupling(2, []int{1}, 11), [][]int{{4, 0}, {1, 3}})), 6),
		"Decimator":            on(must(bijector.Decimator(shared, must(bijector.Tiles([]int{4, 4}, 2, 2, 0)), 0)), 16),
		"Decimator, chain": on(must(bijector.Decimator(must(bijector.NewChain(shared, shared)), twoByTwo, 3, 1)),
			16),
		"Conditional":         conditional(block(4, 13, twoCouplings), 8, pick(given, 0, 2, 3, 1), 0, 3),
		"Conditional, nodes":  conditional(coupling(4, []int{1, 0}, 14), 8, pick(given, 0, 1, 2, 3), 0, 1),
		"Conditional, user's": conditional(embedded, 8, pick(given, 0, 1, 2, 3), 0, 1),
		"Conditional, chain": conditional(chain(bijector.Invert(coupling(3, []int{2}, 15)),
			coupling(3, []int{2, 0}, 16)), 9, pick(given, 2, 3, 0), 2),
		"Coupling, user's":   must(bijector.NewCoupling(2, []int{1}, linear{half})),
		"user's, in a chain": must(bijector.NewChain(sinh{2}, coupling(2, []int{0}, 12), sinh{2})),
		"user's, in a layer": on(must(bijector.Disentangler(sinh{2}, [][]int{{4, 0}, {1, 3}})), 6),
		"user's":             sinh{2},
	} {
		t.Run(name, func(t *testing.T) { bijectortest.Check(t, b) })
	}
}

// pick returns tiles of the sites at the given positions of other tiles.
func pick(tiles [][]int, positions ...int) [][]int {
	var picked [][]int
	for _, t := range tiles {
		var sites []int
		for _, j := range positions {
			sites = append(sites, t[j])
		}
		picked = append(picked, sites)
	}
	return picked
}

// sinh is a user's bijector, x_i = sinh z_i, made of built-in nodes only.
type sinh struct{ dim int }

func (c sinh) Dim() int                  { return c.dim }
func (c sinh) Params() []*bijector.Param { return nil }

func (c sinh) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	up := gorgonia.Must(gorgonia.Exp(z))
	down := gorgonia.Must(gorgonia.Exp(gorgonia.Must(gorgonia.Neg(z))))
	half := gorgonia.NewConstant(0.5)
	if z.Dtype() == tensor.Float32 {
		half = gorgonia.NewConstant(float32(0.5))
	}
	x = gorgonia.Must(gorgonia.Mul(half, gorgonia.Must(gorgonia.Sub(up, down))))
	cosh := gorgonia.Must(gorgonia.Mul(half, gorgonia.Must(gorgonia.Add(up, down))))
	logDet = gorgonia.Must(gorgonia.Sum(gorgonia.Must(gorgonia.Log(cosh)), 1))
	return x, logDet, nil
}

func (c sinh) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) {
	one := gorgonia.NewConstant(1.0)
	if x.Dtype() == tensor.Float32 {
		one = gorgonia.NewConstant(float32(1))
	}
	root := gorgonia.Must(gorgonia.Sqrt(gorgonia.Must(gorgonia.Add(gorgonia.Must(gorgonia.Square(x)), one))))
	z = gorgonia.Must(gorgonia.Log(gorgonia.Must(gorgonia.Add(x, root))))
	logDet = gorgonia.Must(gorgonia.Sum(gorgonia.Must(gorgonia.Neg(gorgonia.Must(gorgonia.Log(root)))), 1))
	return z, logDet, nil
}
