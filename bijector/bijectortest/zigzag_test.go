package bijectortest_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/bijector/bijectortest"
	"github.com/neuralrg/neuralrg/internal/graph"
)

// zigzag is a correct bijector of three values with many kinks: x = g(z + a). The
// slope of g is 1 for half a period, then 2 for half a period, and so on. With smooth,
// the slope rises linearly from 1 to 2 and falls back, and the log-determinant has
// the kinks. The factors make faults.
type zigzag struct {
	a      *bijector.Param
	period float64
	smooth bool
	dx, da float64 // factors of the gradients of the input and of a
	dd     float64 // factor of the gradient of the log-determinant
	logDet float64 // factor of the log-determinant
}

func newZigzag(period float64, smooth bool) *zigzag {
	return &zigzag{newParam("a", 0.1, -0.2, 0.3), period, smooth, 1, 1, 1, 1}
}

func (z *zigzag) Dim() int                  { return 3 }
func (z *zigzag) Params() []*bijector.Param { return []*bijector.Param{z.a} }

func (z *zigzag) Forward(x *gorgonia.Node) (y, logDet *gorgonia.Node, err error) {
	return z.build(x, false)
}

func (z *zigzag) Inverse(x *gorgonia.Node) (y, logDet *gorgonia.Node, err error) {
	return z.build(x, true)
}

// at returns g, its slope, and the derivative of the logarithm of the slope.
func (z *zigzag) at(v float64) (y, slope, bend float64) {
	n, half := math.Floor(v/z.period), z.period/2
	r := v - n*z.period
	if !z.smooth {
		if r < half {
			return 1.5*z.period*n + r, 1, 0
		}
		return 1.5*z.period*n + half + 2*(r-half), 2, 0
	}
	if r < half {
		slope = 1 + r/half
		return 1.5*z.period*n + r + r*r/z.period, slope, 1 / (half * slope)
	}
	r -= half
	slope = 2 - r/half
	return 1.5*z.period*n + 1.5*half + 2*r - r*r/z.period, slope, -1 / (half * slope)
}

// back returns the argument of g whose value is y.
func (z *zigzag) back(y float64) float64 {
	n := math.Floor(y / (1.5 * z.period))
	low, high := n*z.period, (n+1)*z.period
	for m := (low + high) / 2; m > low && m < high; m = (low + high) / 2 { // by bisection
		if g, _, _ := z.at(m); g < y {
			low = m
		} else {
			high = m
		}
	}
	return high
}

func (z *zigzag) build(x node, inverse bool) (y, logDet node, err error) {
	if _, err := graph.Rows(x, 3); err != nil {
		return nil, nil, err
	}
	a := z.a.Node(x)
	// of returns the argument of g for value i of the input, and the value of the image.
	of := func(in [][]float64, i int) (arg, image float64) {
		if inverse {
			arg = z.back(in[0][i])
			return arg, arg - in[1][i%3]
		}
		arg = in[0][i] + in[1][i%3]
		image, _, _ = z.at(arg)
		return arg, image
	}
	image := graph.Spec{Name: "zigzag", Shape: x.Shape(), Run: run(func(y []float64, in [][]float64) {
		for i := range y {
			_, y[i] = of(in, i)
		}
	})}
	image.Diff = func(in gorgonia.Nodes, _, grad node) (gorgonia.Nodes, error) {
		return z.gradient(in, grad, func(in [][]float64, i int) (dx, da float64) {
			arg, _ := of(in, i)
			_, slope, _ := z.at(arg)
			if inverse {
				return in[2][i] / slope, -in[2][i]
			}
			return in[2][i] * slope, in[2][i] * slope
		})
	}
	if y, err = graph.Apply(image, x, a); err != nil {
		return nil, nil, err
	}
	ld := graph.Spec{Name: "log-determinant", Shape: []int{x.Shape()[0]}, Run: run(func(d []float64, in [][]float64) {
		clear(d)
		for i := range in[0] {
			arg, _ := of(in, i)
			_, slope, _ := z.at(arg)
			if inverse {
				slope = 1 / slope
			}
			d[i/3] += z.logDet * math.Log(slope)
		}
	})}
	ld.Diff = func(in gorgonia.Nodes, _, grad node) (gorgonia.Nodes, error) {
		return z.gradient(in, grad, func(in [][]float64, i int) (dx, da float64) {
			arg, _ := of(in, i)
			_, slope, bend := z.at(arg)
			d := in[2][i/3] * z.dd * z.logDet * bend
			if inverse {
				return -d / slope, 0
			}
			return d, d
		})
	}
	logDet, err = graph.Apply(ld, x, a)
	return y, logDet, err
}

// gradient builds the gradients of the input and of a. of returns the contributions of
// one value.
func (z *zigzag) gradient(in gorgonia.Nodes, grad node,
	of func(in [][]float64, i int) (dx, da float64)) (gorgonia.Nodes, error) {
	x, a := in[0], in[1]
	dx, err := graph.Apply(graph.Spec{Name: "gradient of input", Shape: x.Shape(),
		Run: run(func(d []float64, in [][]float64) {
			for i := range d {
				v, _ := of(in, i)
				d[i] = z.dx * v
			}
		})}, x, a, grad)
	if err != nil {
		return nil, err
	}
	da, err := graph.Apply(graph.Spec{Name: "gradient of parameter", Shape: a.Shape(),
		Run: run(func(d []float64, in [][]float64) {
			clear(d)
			for i := range in[0] {
				_, v := of(in, i)
				d[i%3] += z.da * v
			}
		})}, x, a, grad)
	return gorgonia.Nodes{dx, da}, err
}

// Correct maps pass though most differences cross a kink. Maps whose gradients or
// log-determinants are wrong by a thousandth do not pass.
func TestCheckAtKinks(t *testing.T) {
	for k := range 6 {
		for _, smooth := range []bool{false, true} {
			z := newZigzag(2e-3*(1+0.09*float64(k)), smooth)
			bijectortest.Check(t, z)
			for what, fault := range map[string]func(z *zigzag){
				"input":           func(z *zigzag) { z.dx = 1.001 },
				"parameter":       func(z *zigzag) { z.da = 1.001 },
				"log-determinant": func(z *zigzag) { z.logDet = 1.001 },
				"gradient of the log-determinant": func(z *zigzag) {
					if z.dd = 1.001; !z.smooth { // this gradient is zero: take another one
						z.dx = 0.999
					}
				},
			} {
				z, r := newZigzag(z.period, smooth), &recorder{}
				fault(z)
				if bijectortest.Check(r, z); len(r.reports) == 0 {
					t.Errorf("period %g, smooth %v: no report of the %s", z.period, smooth, what)
				}
			}
		}
	}
}

// Correct blocks of every kind pass, for many weights.
func TestCheckOfManySeeds(t *testing.T) {
	seeds := 4
	if testing.Short() {
		seeds = 1
	}
	for seed := range uint64(seeds) {
		src := rand.NewPCG(seed, 11)
		newSpline := func() bijector.Bijector {
			return must(bijector.NewSpline(4, &bijector.SplineSettings{Couplings: 2, Hidden: []int{6}, Src: src}))
		}
		newNVP := func() bijector.Bijector {
			return must(bijector.NewRealNVP(4, &bijector.RealNVPSettings{Couplings: 4, Hidden: []int{8}, Src: src}))
		}
		tiles := must(bijector.Tiles([]int{8, 8}, 2, 1, 1))
		for name, b := range map[string]bijector.Bijector{
			"Spline, wild": wild(newSpline(), 0.25, seed),
			"Spline of many bins": must(bijector.NewSpline(3,
				&bijector.SplineSettings{Couplings: 2, Hidden: []int{4}, Bins: 64, Src: src})),
			"Spline on many tiles":  must(must(bijector.Disentangler(newSpline(), tiles)).On(64)),
			"RealNVP, wild":         wild(newNVP(), 0.5, seed),
			"RealNVP on many tiles": must(must(bijector.Decimator(newNVP(), tiles, 0)).On(64)),
			"Coupling": must(bijector.NewCoupling(4, []int{0, 1},
				must(bijector.NewMLP(2, []int{16}, 2, src)))),
			"Orthogonal": must(bijector.NewOrthogonal(5, src)),
			"Linear":     must(bijector.NewLinear(5, src)),
			"ActNorm":    must(bijector.NewActNorm(5)),
			"Spectral":   must(bijector.NewSpectral([]int{2, 2}, []float64{4, 0.01, 1, 0.3})),
			"Chain, with its inverse": must(bijector.NewChain(newSpline(), bijector.Invert(newNVP()),
				must(bijector.NewPermutation([]int{2, 0, 1, 3})))),
		} {
			t.Run(fmt.Sprint(name, " ", seed), func(t *testing.T) { bijectortest.Check(t, b) })
		}
	}
}

// wild replaces all parameters of b by normal deviates of the given size.
func wild(b bijector.Bijector, size float64, seed uint64) bijector.Bijector {
	rnd := rand.New(rand.NewPCG(seed, 12))
	for _, p := range b.Params() {
		v := p.Value().Float64s()
		for i := range v {
			v[i] = size * rnd.NormFloat64()
		}
	}
	return b
}
