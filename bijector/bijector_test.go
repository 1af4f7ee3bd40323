package bijector_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/bijector/bijectortest"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func block(dim int, seed uint64, s bijector.RealNVPSettings) *bijector.RealNVP {
	s.Src = rand.NewPCG(seed, 1)
	return must(bijector.NewRealNVP(dim, &s))
}

func coupling(dim int, keep []int, seed uint64) *bijector.Coupling {
	return must(bijector.NewCoupling(dim, keep,
		must(bijector.NewMLP(len(keep), []int{5, 4}, dim-len(keep), rand.NewPCG(seed, 2)))))
}

// The map of every constructor obeys the laws of a bijector.
func TestConformance(t *testing.T) {
	small := bijector.RealNVPSettings{Couplings: 3, Hidden: []int{5, 3}}
	twoByTwo := must(bijector.Tiles([]int{4, 4}, 2, 1, 1))
	on := func(l *bijector.Layer, n int) bijector.Bijector { return must(l.On(n)) }
	conditional := func(b bijector.Bijector, tiles [][]int, context ...int) *bijector.Layer {
		return must(bijector.ConditionalDecimator(b, tiles, context...))
	}
	type user struct{ bijector.Bijector } // hides what the library knows of a block
	shared := block(4, 9, small)
	twice := must(bijector.NewChain(shared, shared))
	// blocks that leave positions 0 and 3, or position 2, as they are
	passes := block(4, 13, bijector.RealNVPSettings{Keep: [][]int{{0, 3}, {1, 0, 3}}, Hidden: []int{4}})
	passesLast := must(bijector.NewChain(bijector.Invert(coupling(3, []int{2}, 15)), coupling(3, []int{2, 0}, 16)))
	given := [][]int{{0, 5, 1, 2}, {5, 0, 3, 4}, {0, 0, 6, 7}} // the first two are the context
	for name, b := range map[string]bijector.Bijector{
		"RealNVP":              block(4, 1, small),
		"RealNVP of 2":         block(2, 2, bijector.RealNVPSettings{Couplings: 2, Hidden: []int{4}}),
		"RealNVP of 5, linear": block(5, 3, bijector.RealNVPSettings{Couplings: 4, Hidden: []int{}}),
		"RealNVP, uneven": block(4, 4,
			bijector.RealNVPSettings{Keep: [][]int{{3}, {2, 0, 1}, {1, 3}}, Hidden: []int{4}}),
		"Coupling":        coupling(4, []int{2, 0}, 5),
		"Coupling of one": coupling(3, []int{1}, 6),
		"Coupling to one": coupling(3, []int{2, 1}, 6),
		"Chain": must(bijector.NewChain(coupling(4, []int{0, 1}, 7), shared,
			must(bijector.NewPermutation([]int{2, 0, 3, 1})), shared)),
		"Invert":               bijector.Invert(block(4, 8, small)),
		"Invert of Chain":      bijector.Invert(must(bijector.NewChain(shared, coupling(4, []int{3}, 10)))),
		"Permutation":          must(bijector.NewPermutation([]int{2, 0, 1})),
		"Disentangler":         on(must(bijector.Disentangler(shared, twoByTwo)), 16),
		"Disentangler, nodes":  on(must(bijector.Disentangler(coupling(4, []int{1, 2}, 11), twoByTwo)), 16),
		"Disentangler, partly": on(must(bijector.Disentangler(coupling(2, []int{1}, 11), [][]int{{4, 0}, {1, 3}})), 6),
		"Decimator":            on(must(bijector.Decimator(shared, must(bijector.Tiles([]int{4, 4}, 2, 2, 0)), 0)), 16),
		"Decimator, chain":     on(must(bijector.Decimator(twice, twoByTwo, 3, 1)), 16),
		"Conditional":          on(conditional(passes, pick(given, 0, 2, 3, 1), 0, 3), 8),
		"Conditional, nodes":   on(conditional(coupling(4, []int{1, 0}, 14), pick(given, 0, 1, 2, 3), 0, 1), 8),
		"Conditional, user's":  on(conditional(user{coupling(4, []int{1, 0}, 14)}, pick(given, 0, 1, 2, 3), 0, 1), 8),
		"Conditional, chain":   on(conditional(passesLast, pick(given, 2, 3, 0), 2), 9),
		"Coupling, user's": must(bijector.NewCoupling(2, []int{1},
			linear{must(bijector.NewParam("a", []float64{0.5}, 1, 1))})),
		"user's, in a chain": must(bijector.NewChain(sinh{2}, coupling(2, []int{0}, 12), sinh{2})),
		"user's, in a layer": on(must(bijector.Disentangler(sinh{2}, [][]int{{4, 0}, {1, 3}})), 6),
		"user's":             sinh{2},
	} {
		t.Run(name, func(t *testing.T) { bijectortest.Check(t, b) })
	}
}

// pick returns tiles of the given positions of others.
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

// sinh is what a user may write: x_i = sinh z_i with built-in nodes only.
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

// farOut returns a chain that hands b values 50 times as large as its input, in both directions.
func farOut(b bijector.Bijector) bijector.Bijector {
	wide := must(bijector.NewActNorm(b.Dim()))
	v := wide.Params()[0].Value().Float64s()
	for i := range b.Dim() {
		v[i] = math.Log(50)
	}
	return must(bijector.NewChain(wide, b, bijector.Invert(wide)))
}

// Every map obeys the laws of a bijector also at inputs of size 50. For a spline these lie mostly
// beyond its box.
func TestConformanceFarOut(t *testing.T) {
	src := rand.NewPCG(1, 2)
	tiles := must(bijector.Tiles([]int{4, 4}, 2, 1, 1))
	shape := []int{3, 4}
	for name, b := range map[string]bijector.Bijector{
		"RealNVP": block(4, 1, bijector.RealNVPSettings{Couplings: 2, Hidden: []int{5, 3}}),
		"Spline":  spline(t, 4, 0.1, bijector.SplineSettings{Couplings: 2, Hidden: []int{5}}),
		"Spline, pure": spline(t, 3, 0.1,
			bijector.SplineSettings{Couplings: 2, Hidden: []int{5}, Bins: 3, Pure: true}),
		"Linear":        must(bijector.NewLinear(4, src)),
		"Linear, given": must(bijector.LinearFrom(random(3, 9))),
		"Orthogonal":    must(bijector.NewOrthogonal(5, src)),
		"reflection":    must(bijector.OrthogonalFrom(orthogonal(4, 2, -1))),
		"Spectral":      must(bijector.NewSpectral(shape, dispersion(shape))),
		"ActNorm":       actNorm(4, 1),
		"ActNorm layer": must(must(bijector.Disentangler(actNorm(4, 1), tiles)).On(16)),
	} {
		t.Run(name, func(t *testing.T) { bijectortest.Check(t, farOut(b)) })
	}
}
