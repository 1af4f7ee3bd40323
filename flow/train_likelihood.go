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
	mean     float64 // of ln q, in the last call of add, or of a whole batch in parts
}

// newLikelihood returns the likelihood of batches of configurations, which add takes in parts
// of some rows.
func newLikelihood(m *Model, s *DataSettings, batch, rows int, images *images) *likelihood {
	l := &likelihood{
		m: m, s: s, images: images.drawer(), x: mat.NewDense(batch, m.Dim(), nil), row: make([]float64, m.Dim()),
		logq: make([]float64, rows), in: make([][]float64, 0, 2),
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

// next takes the next configurations.
func (l *likelihood) next() error { return next(l.s.Source, l.x) }

// add takes the configurations from a row on, as many as a part has. It changes the gradient
// of the objective to the gradient of the sum in DataSettings.
func (l *likelihood) add(gradient []float64, from int, rnd *rand.Rand) error {
	rows := len(l.logq)
	x := l.x.Slice(from, from+rows, 0, l.m.Dim()).(*mat.Dense)
	if l.images.random() {
		l.m.randomImages(x, l.row, rnd)
	}
	in := l.images.draw(rows, rnd, append(l.in, x.RawMatrix().Data))
	if err := l.program.Run(rows, in, l.out); err != nil {
		return err
	}
	l.mean = floats.Sum(l.logq) / float64(rows)
	floats.Scale(1-l.s.Weight, gradient)
	floats.AddScaled(gradient, -l.s.Weight, l.gradient)
	return nil
}
