package bijectortest_test

import (
	"math"
	"testing"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/bijector/bijectortest"
	"github.com/neuralrg/neuralrg/internal/graph"
)

// kinked is a correct bijector of three values with many kinks: x = g(z + a). The slope of
// g is 1 for half a period and 2 for the other half, so that x has kinks. With smooth, the
// slope rises linearly from 1 to 2 and falls back to 1 in every period, so that the
// log-determinant has kinks. Fields give the results faults.
type kinked struct {
	a          *bijector.Param
	period     float64
	smooth     bool
	dx, da, dd float64 // factors of the gradients of input, parameter and log-determinant
	logDet     float64 // factor of the log-determinant
}

func newKinked(period float64, smooth bool) *kinked {
	return &kinked{newParam("a", 0.1, -0.2, 0.3), period, smooth, 1, 1, 1, 1}
}

func (z *kinked) Dim() int                  { return 3 }
func (z *kinked) Params() []*bijector.Param { return []*bijector.Param{z.a} }

func (z *kinked) Forward(x *gorgonia.Node) (y, logDet *gorgonia.Node, err error) {
	return z.build(x, false)
}

func (z *kinked) Inverse(x *gorgonia.Node) (y, logDet *gorgonia.Node, err error) {
	return z.build(x, true)
}

// at returns g(v), its slope, and the derivative of the logarithm of the slope.
func (z *kinked) at(v float64) (y, slope, bend float64) {
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

// back returns the argument at which g is y.
func (z *kinked) back(y float64) float64 {
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

func (z *kinked) build(x node, inverse bool) (y, logDet node, err error) {
	if _, err := graph.Rows(x, 3); err != nil {
		return nil, nil, err
	}
	a := z.a.Node(x)
	// of returns the argument of g for value i of the input, and the image of the value.
	of := func(in [][]float64, i int) (arg, image float64) {
		if inverse {
			arg = z.back(in[0][i])
			return arg, arg - in[1][i%3]
		}
		arg = in[0][i] + in[1][i%3]
		image, _, _ = z.at(arg)
		return arg, image
	}
	image := graph.Spec{Name: "kinked", Shape: x.Shape(), Run: run(func(y []float64, in [][]float64) {
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

// slopeFunc returns what value i of the input adds to the gradients of itself and of
// the component of a that belongs to it. in holds the input, a and the gradient of the
// result.
type slopeFunc func(in [][]float64, i int) (dx, da float64)

// gradient returns the gradients of the input and of a: of says what every value adds.
func (z *kinked) gradient(in gorgonia.Nodes, grad node, of slopeFunc) (gorgonia.Nodes, error) {
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

// A correct map passes although most differences reach a kink. A gradient or a
// log-determinant that is wrong by a thousandth is reported.
func TestCheckAtKinks(t *testing.T) {
	for k := range 6 {
		for _, smooth := range []bool{false, true} {
			z := newKinked(2e-3*(1+0.09*float64(k)), smooth)
			bijectortest.Check(t, z)
			for what, fault := range map[string]func(z *kinked){
				"input":           func(z *kinked) { z.dx = 1.001 },
				"parameter":       func(z *kinked) { z.da = 1.001 },
				"log-determinant": func(z *kinked) { z.logDet = 1.001 },
				"gradient of the log-determinant": func(z *kinked) {
					if z.dd = 1.001; !z.smooth { // it has none
						z.dx = 0.999
					}
				},
			} {
				z, r := newKinked(z.period, smooth), &recorder{}
				fault(z)
				if bijectortest.Check(r, z); len(r.reports) == 0 {
					t.Errorf("period %g, smooth %v: nothing is said of the %s", z.period, smooth, what)
				}
			}
		}
	}
}
