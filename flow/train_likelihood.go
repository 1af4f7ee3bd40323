package flow

import (
	"math/rand/v2"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
)

// likelihood is the gradient of E_data[ln q] or, over some of the images, of a
// bound: every configuration x is taken to a random image first, and the images
// of that make a random set of elements of the mean over it. The logarithm of
// the mean is ln q_sym(x) at most, on average.
type likelihood struct {
	m        *Model
	s        *DataSettings
	program  *graph.Program
	images   *drawer
	x        *mat.Dense
	row      []float64 // room for one
	logq     []float64
	gradient []float64
	in, out  [][]float64
	mean     float64 // of ln q, the last time
}

func newLikelihood(m *Model, s *DataSettings, batch int, images *images) *likelihood {
	l := &likelihood{
		m: m, s: s, images: images.drawer(), x: mat.NewDense(batch, m.Dim(), nil), row: make([]float64, m.Dim()),
		logq: make([]float64, batch), in: make([][]float64, 0, 2),
	}
	var parts [][]float64
	l.gradient, parts = endToEnd(m)
	l.out = append([][]float64{l.logq}, parts...)
	in := append([]graph.Input{{Name: "x", Cols: m.Dim()}}, images.inputs()...)
	out := append([]string{"ln q"}, gradientNames(m)...)
	l.program = graph.NewProgram(m.dtype, in, out, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		logq, err := m.logProb(in[0], images.among(in))
		if err != nil {
			return nil, err
		}
		mean, err := graph.Total(1/float64(in[0].Shape()[0]), logq)
		if err != nil {
			return nil, err
		}
		grads, err := m.paramGrads(mean, in[0])
		return append([]*gorgonia.Node{logq}, grads...), err
	})
	return l
}

// add takes the next configurations and turns the gradient of the objective into
// that of its sum with the likelihood.
func (l *likelihood) add(gradient []float64, rnd *rand.Rand) error {
	if err := next(l.s.Source, l.x); err != nil {
		return err
	}
	if l.images.random() {
		l.m.randomImages(l.x, l.row, rnd)
	}
	in := l.images.draw(len(l.logq), rnd, append(l.in, l.x.RawMatrix().Data))
	if err := l.program.Run(len(l.logq), in, l.out); err != nil {
		return err
	}
	l.mean = floats.Sum(l.logq) / float64(len(l.logq))
	floats.Scale(1-l.s.Weight, gradient)
	floats.AddScaled(gradient, -l.s.Weight, l.gradient)
	return nil
}
