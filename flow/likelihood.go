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
// of that make a random set of elements of the mean over it, whose logarithm is
// ln q_sym(x) at most, on average.
type likelihood struct {
	program  *graph.Program
	x        *mat.Dense
	logq     []float64
	gradient []float64
	in, out  [][]float64
	images   *drawer
	row      []float64
	mean     float64 // of ln q, the last time
}

func newLikelihood(m *Model, batch int, s *images) *likelihood {
	l := &likelihood{images: s.drawer(), row: make([]float64, m.Dim()), x: mat.NewDense(batch, m.Dim(), nil), logq: make([]float64, batch), in: make([][]float64, 0, 2)}
	l.out = append(l.out, l.logq)
	total := 0
	for _, p := range m.Params() {
		total += p.Value().DataSize()
	}
	l.gradient = make([]float64, total)
	at := 0
	for _, p := range m.Params() {
		n := p.Value().DataSize()
		l.out = append(l.out, l.gradient[at:at+n])
		at += n
	}
	in := append([]graph.Input{{Name: "x", Cols: m.Dim()}}, s.inputs()...)
	l.program = graph.NewProgram(m.dtype, in, append([]string{"ln q"}, gradientNames(m)...), func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		logq, err := m.logProb(in[0], s.among(in))
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

// add draws configurations and makes of a gradient that of the mixed loss.
func (l *likelihood) add(gradient []float64, m *Model, data DataSource, weight float64, rnd *rand.Rand) error {
	if err := next(data, l.x); err != nil {
		return err
	}
	if l.images.random() {
		m.randomImages(l.x, l.row, rnd)
	}
	in := l.images.draw(len(l.logq), rnd, append(l.in[:0], l.x.RawMatrix().Data))
	if err := l.program.Run(len(l.logq), in, l.out); err != nil {
		return err
	}
	l.mean = floats.Sum(l.logq) / float64(len(l.logq))
	floats.Scale(1-weight, gradient)
	floats.AddScaled(gradient, -weight, l.gradient)
	return nil
}
