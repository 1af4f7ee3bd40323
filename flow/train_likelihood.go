package flow

import (
	"math/rand/v2"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
)

// likelihood computes the gradient of E_data[ln q]. If the images are drawn, it is the
// gradient of a lower bound: every configuration x is first replaced by a random image, so
// that the images of this one are a random set of images of x. On average the logarithm
// of the mean over them is at most ln q_sym(x).
type likelihood struct {
	m        *Model
	s        *DataSettings
	program  *graph.Program
	images   *drawer
	x        *mat.Dense
	row      []float64 // buffer for one row
	logq     []float64
	gradient []float64
	in, out  [][]float64
	mean     float64 // of ln q, in the last call of add
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

// add takes the next configurations. It changes the gradient of the objective to the
// gradient of the sum in DataSettings.
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
