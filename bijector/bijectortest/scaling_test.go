package bijectortest_test

import (
	"errors"
	"math"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/graph"
)

// scaling is the bijector x_i = exp(a_i) z_i of three values. Its fields give it faults.
type scaling struct {
	params        []*bijector.Param
	image, logDet func(inverse bool, n node) node // change the image and the log-determinants
	counted       int                             // number of values in the log-determinant
	dx, da        float64                         // factors of the gradients of input and parameter
	addsUp        bool                            // adds gradients to those of the last run
	change        float64                         // is added to the parameter at each run
	writesInput   bool                            // changes the input
	mixesRows     bool                            // calls mixRows after the scaling
	noGradient    bool                            // cannot be differentiated
	err           error                           // of both directions
}

func newScaling() *scaling {
	keep := func(_ bool, n node) node { return n }
	return &scaling{
		params: []*bijector.Param{newParam("a", 0.3, -0.2, 0.1)},
		image:  keep, logDet: keep, counted: 3, dx: 1, da: 1,
	}
}

func (s *scaling) Dim() int                  { return 3 }
func (s *scaling) Params() []*bijector.Param { return s.params }

func (s *scaling) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	return s.build(z, false)
}

func (s *scaling) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) {
	return s.build(x, true)
}

func (s *scaling) build(x node, inverse bool) (y, logDet node, err error) {
	if s.err != nil {
		return nil, nil, s.err
	}
	if _, err := graph.Rows(x, 3); err != nil {
		return nil, nil, err
	}
	a, sign := s.params[0].Node(x), 1.0
	if inverse {
		sign = -1
		if s.mixesRows {
			if x, err = mixRows(x, -1); err != nil {
				return nil, nil, err
			}
		}
	}
	scaled := graph.Spec{Name: "scaled", Shape: x.Shape(), Run: run(func(y []float64, in [][]float64) {
		for i, v := range in[0] {
			y[i] = v * math.Exp(sign*in[1][i%3])
		}
		if s.writesInput {
			in[0][0]++
		}
		if s.change != 0 {
			for i := range s.params[0].Value().Float64s() {
				s.params[0].Value().Float64s()[i] += s.change
			}
		}
	})}
	if !s.noGradient {
		scaled.Diff = func(in gorgonia.Nodes, out, grad node) (gorgonia.Nodes, error) {
			return s.gradient(in[0], in[1], out, grad, sign)
		}
	}
	if y, err = graph.Apply(scaled, x, a); err != nil {
		return nil, nil, err
	}
	rows := x.Shape()[0]
	logDet, err = graph.Apply(graph.Spec{
		Name: "log-determinant", Shape: []int{rows}, Fixed: []int{0}, // x: only for the number of rows
		Run: run(func(d []float64, in [][]float64) {
			for r := range d {
				d[r] = 0
				for _, v := range in[1][:s.counted] {
					d[r] += sign * v
				}
			}
		}),
		Diff: func(in gorgonia.Nodes, out, grad node) (gorgonia.Nodes, error) {
			d, err := graph.Apply(graph.Spec{
				Name: "gradient of log-determinant", Shape: a.Shape(),
				Run: run(func(da []float64, in [][]float64) {
					clear(da)
					for i := range s.counted {
						for _, v := range in[0] {
							da[i] += sign * v
						}
					}
				}),
			}, grad)
			return gorgonia.Nodes{nil, d}, err
		},
	}, x, a)
	if err != nil {
		return nil, nil, err
	}
	if s.mixesRows && !inverse {
		if y, err = mixRows(y, 1); err != nil {
			return nil, nil, err
		}
	}
	return s.image(inverse, y), s.logDet(inverse, logDet), nil
}

// gradient returns the gradients of the image with respect to the input and to a.
func (s *scaling) gradient(x, a, y, grad node, sign float64) (gorgonia.Nodes, error) {
	dx, err := graph.Apply(graph.Spec{
		Name: "gradient of input", Shape: x.Shape(),
		Run: run(func(dx []float64, in [][]float64) {
			for i, d := range in[0] {
				dx[i] = s.dx * d * math.Exp(sign*in[1][i%3])
			}
		}),
	}, grad, a)
	if err != nil {
		return nil, err
	}
	sums := make([]float64, 3)
	da, err := graph.Apply(graph.Spec{
		Name: "gradient of parameter", Shape: a.Shape(),
		Run: run(func(da []float64, in [][]float64) {
			if !s.addsUp {
				clear(sums)
			}
			for i, d := range in[0] {
				sums[i%3] += s.da * sign * d * in[1][i]
			}
			copy(da, sums)
		}),
	}, grad, y)
	return gorgonia.Nodes{dx, da}, err
}

// mixRows adds sign times the mean of column 0 over the rows to column 1. It obeys every law
// except that a row must not depend on other rows.
func mixRows(x node, sign float64) (node, error) {
	mixed := func(from, to int) func(y []float64, in [][]float64) {
		return func(y []float64, in [][]float64) {
			copy(y, in[0])
			mean := 0.0
			for i := 0; i < len(y); i += 3 {
				mean += in[0][i+from] * 3 / float64(len(y))
			}
			for i := 0; i < len(y); i += 3 {
				y[i+to] += sign * mean
			}
		}
	}
	return graph.Apply(graph.Spec{
		Name: "mixed rows", Shape: x.Shape(), Run: run(mixed(0, 1)),
		Diff: func(in gorgonia.Nodes, out, grad node) (gorgonia.Nodes, error) {
			d, err := graph.Apply(graph.Spec{Name: "gradient of mixed rows", Shape: x.Shape(),
				Run: run(mixed(1, 0))}, grad)
			return gorgonia.Nodes{d}, err
		},
	}, x)
}

// run lifts a function of float64 slices to both precisions.
func run(f func(out []float64, in [][]float64)) func(any, []any) error {
	return graph.Generic(
		func(out []float64, in [][]float64) error { f(out, in); return nil },
		func(out []float32, in [][]float32) error {
			if len(in) == 0 {
				return errors.New("no input")
			}
			wide := make([][]float64, len(in))
			for k, x := range in {
				wide[k] = make([]float64, len(x))
				for i, v := range x {
					wide[k][i] = float64(v)
				}
			}
			y := make([]float64, len(out))
			f(y, wide)
			for i, v := range y {
				out[i] = float32(v)
			}
			return nil
		})
}
