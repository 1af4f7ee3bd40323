package flow

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/target"
)

// LogProb returns the node ln q(x), (rows), for the node x, (rows, Dim): eq. 1 of the
// paper, or D.1 for a symmetrised model. LogProbs computes the same from numbers.
func (m *Model) LogProb(x *gorgonia.Node) (*gorgonia.Node, error) {
	return m.logProb(x, nil)
}

// logProb is LogProb over some of the images, or over all if o is nil.
func (m *Model) logProb(x *gorgonia.Node, o *orbit) (*gorgonia.Node, error) {
	_, logq, err := m.inferred(x)
	if err != nil {
		return nil, err
	}
	return m.average(logq, x, o)
}

// generate maps z to x = g(z) and ln q(x). Without symmetrisation it takes no inverse
// pass. ln q is the mean over some of the images, or over all if o is nil.
func (m *Model) generate(z *gorgonia.Node, o *orbit) (x, logq *gorgonia.Node, err error) {
	logp, err := graph.LogProb(m.prior, z)
	if err != nil {
		return nil, nil, err
	}
	return m.push(z, logp, o)
}

// push is generate, given ln p(z).
func (m *Model) push(z, logp *gorgonia.Node, o *orbit) (x, logq *gorgonia.Node, err error) {
	if x, logq, err = m.generated(z, logp); err != nil {
		return nil, nil, err
	}
	logq, err = m.average(logq, x, o)
	return x, logq, err
}

// generated returns x = g(z) and ln q(x) of the bijector alone, given ln p(z).
func (m *Model) generated(z, logp *gorgonia.Node) (x, logq *gorgonia.Node, err error) {
	x, logDet, err := graph.Forward(m.b, z)
	if err != nil {
		return nil, nil, err
	}
	logq, err = graph.Combine(0, []float64{1, -1}, logp, logDet)
	return x, logq, err
}

// distill maps z to x = g(z), ln q(x) and ln π(x). ln q is the mean over some of the
// images, or over all if o is nil.
func (m *Model) distill(z *gorgonia.Node, t target.Density, o *orbit) (x, logq, logpi *gorgonia.Node, err error) {
	x, logq, err = m.generate(z, o)
	if err != nil {
		return nil, nil, nil, err
	}
	logpi, err = graph.LogProb(t, x)
	return x, logq, logpi, err
}

// inferred returns z = g⁻¹(x) and ln q(x) of the bijector alone, by an inverse pass.
func (m *Model) inferred(x *gorgonia.Node) (z, logq *gorgonia.Node, err error) {
	z, logDet, err := graph.Inverse(m.b, x)
	if err != nil {
		return nil, nil, err
	}
	logp, err := graph.LogProb(m.prior, z)
	if err != nil {
		return nil, nil, err
	}
	logq, err = graph.Combine(0, []float64{1, 1}, logp, logDet)
	return z, logq, err
}

// average returns ln q(x) of the model, given that of the bijector alone: the logarithm of
// the mean of q(ηx) over the group or, unless o is nil, over some of its elements.
func (m *Model) average(logq, x *gorgonia.Node, o *orbit) (*gorgonia.Node, error) {
	if m.group == nil {
		return logq, nil
	}
	if o == nil && len(m.group) > maxCopies {
		o = &orbit{images: allImages(m)}
		if rows, n := x.Shape()[0], m.Dim(); rows > maxImages/(o.N*n) {
			return nil, fmt.Errorf("flow: %w: the images of %d rows under %d elements are more than %d values:"+
				" take fewer rows or, in training and Evaluate, Images", ErrSymmetry, rows, len(m.group), maxImages)
		}
	}
	if o != nil {
		return o.average(m, logq, x)
	}
	for _, g := range m.group[1:] {
		y, err := g.node(x)
		if err != nil {
			return nil, err
		}
		_, other, err := m.inferred(y)
		if err != nil {
			return nil, err
		}
		if logq, err = graph.LogAddExp(logq, other); err != nil {
			return nil, err
		}
	}
	return graph.Combine(-math.Log(float64(len(m.group))), []float64{1}, logq)
}
