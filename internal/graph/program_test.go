package graph

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/neuralrg/neuralrg/internal/errs"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// A program of all kinds of inputs: f·x and the images of x that are chosen.
func chosenImages(dt tensor.Dtype) *Program {
	s := &Images{N: 2, Element: reordered.Element}
	in := []Input{{Name: "x", Cols: 4}, {Name: "factor", Cols: 1, Once: true}, {Name: "chosen", Cols: 2, Below: 3}}
	return NewProgram(dt, in, []string{"scaled", "images"}, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		scaled, err := Scale(in[1], in[0])
		if err != nil {
			return nil, err
		}
		images, err := s.Of(in[0], in[2])
		return []*gorgonia.Node{scaled, images}, err
	})
}

// Every run sees its own inputs, whatever their kind.
func TestProgramInputs(t *testing.T) {
	x := []float64{1, 2, 3, 4}
	for _, dt := range []tensor.Dtype{tensor.Float64, tensor.Float32} {
		p := chosenImages(dt)
		for _, c := range []struct {
			factor         float64
			chosen, images []float64
		}{
			{3, []float64{0, 1}, []float64{3, -1, -4, 2, -1, -2, -3, -4}},
			{-2, []float64{2, 0}, []float64{2, 1, 3, -4, 3, -1, -4, 2}},
			{0, []float64{1, 1}, []float64{-1, -2, -3, -4, -1, -2, -3, -4}},
		} {
			scaled, images := make([]float64, 4), make([]float64, 8)
			err := p.Run(1, [][]float64{x, {c.factor}, c.chosen}, [][]float64{scaled, images})
			if err != nil || !slices.Equal(images, c.images) {
				t.Errorf("images %v: %v, %v, want %v", c.chosen, images, err, c.images)
			}
			for i, v := range scaled {
				if v != c.factor*x[i] {
					t.Errorf("%g times %v is %v", c.factor, x, scaled)
				}
			}
		}
	}
}

// An error names the input or the output that it is about.
func TestProgramNames(t *testing.T) {
	p := chosenImages(tensor.Float64)
	x, out := make([]float64, 8), [][]float64{make([]float64, 8), make([]float64, 16)}
	ok := []float64{0, 1, 2, 0}
	for name, c := range map[string]struct {
		in, out [][]float64
	}{
		`input "x": `:                            {[][]float64{x[:7], {1}, ok}, out},
		`input "factor": `:                       {[][]float64{x, {1, 1}, ok}, out},
		`input "chosen": `:                       {[][]float64{x, {1}, ok[:2]}, out},
		`value 3 is 3, want an index below 3`:    {[][]float64{x, {1}, {0, 1, 2, 3}}, out},
		`value 0 is -1, want an index below 3`:   {[][]float64{x, {1}, {-1, 1, 2, 0}}, out},
		`value 1 is 0.5, want an index below 3`:  {[][]float64{x, {1}, {0, 0.5, 2, 0}}, out},
		`value 2 is NaN, want an index below 3`:  {[][]float64{x, {1}, {0, 1, math.NaN(), 0}}, out},
		`value 2 is +Inf, want an index below 3`: {[][]float64{x, {1}, {0, 1, math.Inf(1), 0}}, out},
		`output "images": `:                      {[][]float64{x, {1}, ok}, [][]float64{out[0], out[0]}},
		`1 outputs, want 2`:                      {[][]float64{x, {1}, ok}, out[:1]},
		`2 inputs, want 3`:                       {[][]float64{x, {1}}, out},
	} {
		if err := p.Run(2, c.in, c.out); !errors.Is(err, errs.ErrShape) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if err := p.Run(2, [][]float64{x, {1}, ok}, out); err != nil {
		t.Error(err)
	}
	fewer := NewProgram(tensor.Float64, []Input{{Name: "x", Cols: 1}}, []string{"x", "y"},
		func(in []*gorgonia.Node) ([]*gorgonia.Node, error) { return in, nil })
	if err := fewer.Run(1, [][]float64{{1}}, [][]float64{nil, nil}); !errors.Is(err, errs.ErrShape) {
		t.Errorf("one output of two: %v", err)
	}
}

// inner maps x and a factor f to f·Σx_i³, Σx_i, and the gradient of the first.
func inner(dt tensor.Dtype) *Program {
	in := []Input{{Name: "x", Cols: 2}, {Name: "factor", Cols: 1, Once: true}}
	return NewProgram(dt, in, []string{"cubes", "sum", "gradient"},
		func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
			cubes := gorgonia.Must(gorgonia.Sum(gorgonia.Must(gorgonia.Cube(in[0])), 1))
			scaled, err := Scale(in[1], cubes)
			if err != nil {
				return nil, err
			}
			total, err := Total(1, scaled)
			if err != nil {
				return nil, err
			}
			d, err := Grad(total, in[0])
			return append([]*gorgonia.Node{scaled, gorgonia.Must(gorgonia.Sum(in[0], 1))}, d...), err
		})
}

// A program inside another one gives its outputs, and its gradient to whoever
// differentiates.
func TestCall(t *testing.T) {
	for _, dt := range []tensor.Dtype{tensor.Float64, tensor.Float32} {
		p := inner(dt)
		in := []Input{{Name: "z", Cols: 2}, {Name: "factor", Cols: 1, Once: true}}
		outer := NewProgram(dt, in, nil, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
			x := gorgonia.Must(gorgonia.Square(in[0]))
			values, err := Call("inner", p, x, in[1])
			if err != nil {
				return nil, err
			}
			cost, err := Dot(values[0], []float64{1, 10})
			if err != nil {
				return nil, err
			}
			d, err := Grad(cost, in[0])
			return append(values, d...), err
		})
		z := []float64{1, 2, -1, 0.5}
		for _, f := range []float64{2, -0.5} {
			cubes, sum, grad := make([]float64, 2), make([]float64, 2), make([]float64, 4)
			if err := outer.Run(2, [][]float64{z, {f}}, [][]float64{cubes, sum, grad}); err != nil {
				t.Fatal(err)
			}
			for r, w := range []float64{1, 10} {
				a, b := z[2*r], z[2*r+1]
				if cubes[r] != f*(math.Pow(a, 6)+math.Pow(b, 6)) || sum[r] != a*a+b*b {
					t.Errorf("%v, factor %g, row %d: %g and %g", dt, f, r, cubes[r], sum[r])
				}
				if d := grad[2*r:]; d[0] != w*f*6*math.Pow(a, 5) || d[1] != w*f*6*math.Pow(b, 5) {
					t.Errorf("%v, factor %g, row %d: gradient %v", dt, f, r, d[:2])
				}
			}
		}
	}
}
