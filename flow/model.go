package flow

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/target"
)

// Model is a normalizing flow: a prior carried along by a bijector, made
// symmetric by Symmetrize. It is a target.Density, normalised. It is safe for
// concurrent use, except while its parameters are being trained.
type Model struct {
	prior target.Prior
	b     bijector.Bijector
	group []Symmetry // nil, or the whole group with the identity first
	gens  []Symmetry // generators of the group
	dtype tensor.Dtype

	sample, density, encode, decode *graph.Program
	infer, gradient                 *graph.Program // in float64

	latents sync.Pool // *[]float64, those of a call of Sample
}

// New returns the model of x = b.Forward(z), z drawn from p, in float64. It
// fails with ErrShape if the dimensions differ, and with ErrSettings if one of the two, or
// a piece that it is made of, is nil.
func New(p target.Prior, b bijector.Bijector) (*Model, error) {
	if p == nil || b == nil {
		return nil, fmt.Errorf("flow: %w: a model needs a prior and a bijector", ErrSettings)
	}
	dims, err := dimensions(p, b)
	if err != nil {
		return nil, fmt.Errorf("flow: %w: prior or bijector: %w", ErrSettings, err)
	}
	if dims[0] != dims[1] || dims[1] < 1 {
		return nil, fmt.Errorf("flow: %w: prior of dimension %d, bijector of dimension %d", ErrShape, dims[0], dims[1])
	}
	if err := graph.Guard(func() error { b.Params(); return nil }); err != nil {
		return nil, fmt.Errorf("flow: %w: parameters of the bijector: %w", ErrSettings, err)
	}
	return newModel(&Model{prior: p, b: b, dtype: tensor.Float64}), nil
}

// newModel adds the programs to a model.
func newModel(m *Model) *Model {
	x, z := []graph.Input{{Name: "x", Cols: m.Dim()}}, []graph.Input{{Name: "z", Cols: m.Dim()}}
	toX := []string{"x", "ln |det ∂x/∂z|"}
	toZ := []string{"z", "ln |det ∂z/∂x|"}
	m.sample = graph.NewProgram(m.dtype, z, []string{"x", "ln q"}, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		x, logq, err := m.generate(in[0], nil)
		return []*gorgonia.Node{x, logq}, err
	})
	m.density = graph.NewProgram(m.dtype, x, []string{"ln q"}, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		logq, err := m.LogProb(in[0])
		return []*gorgonia.Node{logq}, err
	})
	m.encode = graph.NewProgram(m.dtype, x, toZ, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		z, d, err := graph.Inverse(m.b, in[0])
		return []*gorgonia.Node{z, d}, err
	})
	m.decode = graph.NewProgram(m.dtype, z, toX, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		x, d, err := graph.Forward(m.b, in[0])
		return []*gorgonia.Node{x, d}, err
	})
	m.infer = graph.NewProgram(tensor.Float64, x, []string{"z", "ln q"}, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		z, logq, err := m.inferred(in[0])
		return []*gorgonia.Node{z, logq}, err
	})
	weighted := append(x[:1:1], graph.Input{Name: "weights of z", Cols: m.Dim()})
	m.gradient = graph.NewProgram(tensor.Float64, weighted, []string{"gradient of z"}, m.latentGradient)
	return m
}

// Float32 returns a view of the model with its arithmetic in float32. The two share
// their parameters, which stay float64: training one trains the other. Densities
// built by LogProb follow the graph they are built in.
func (m *Model) Float32() *Model { return m.as(tensor.Float32) }

// Float64 returns a view of the model with its arithmetic in float64. The two share
// their parameters.
func (m *Model) Float64() *Model { return m.as(tensor.Float64) }

func (m *Model) as(dt tensor.Dtype) *Model {
	return newModel(&Model{prior: m.prior, b: m.b, group: m.group, gens: m.gens, dtype: dt})
}

// Bits returns the precision of the model's arithmetic, 32 or 64.
func (m *Model) Bits() int { return 8 * int(m.dtype.Size()) }

// Dim returns the number of values per row.
func (m *Model) Dim() int { return m.b.Dim() }

// Prior returns the density of the latent variables.
func (m *Model) Prior() target.Prior { return m.prior }

// Bijector returns the map from latent to physical variables.
func (m *Model) Bijector() bijector.Bijector { return m.b }

// Params returns the parameters of the bijector.
func (m *Model) Params() []*bijector.Param { return m.b.Params() }

// LogProb maps x, (rows, Dim), to ln q(x), (rows): eq. 1, or D.1 for a
// symmetrised model.
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

// generate maps z to x = g(z) and ln q(x), which without symmetrisation takes
// no inverse pass. ln q is over some of the images, or over all if o is nil.
func (m *Model) generate(z *gorgonia.Node, o *orbit) (x, logq *gorgonia.Node, err error) {
	logp, err := graph.LogProb(m.prior, z)
	if err != nil {
		return nil, nil, err
	}
	return m.push(z, logp, o)
}

// push is generate, given ln p(z).
func (m *Model) push(z, logp *gorgonia.Node, o *orbit) (x, logq *gorgonia.Node, err error) {
	x, logDet, err := graph.Forward(m.b, z)
	if err != nil {
		return nil, nil, err
	}
	if logq, err = graph.Combine(0, []float64{1, -1}, logp, logDet); err != nil {
		return nil, nil, err
	}
	logq, err = m.average(logq, x, o)
	return x, logq, err
}

// inferred is z = g⁻¹(x) and the bijector's ln q(x), by an inverse pass.
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

// average turns the bijector's ln q(x) into the model's: the logarithm of the
// mean of q(ηx) over the group or, unless o is nil, some of its elements.
func (m *Model) average(logq, x *gorgonia.Node, o *orbit) (*gorgonia.Node, error) {
	if m.group == nil {
		return logq, nil
	}
	if o == nil && len(m.group) > maxCopies {
		o = &orbit{images: allImages(m)}
		if rows, n := x.Shape()[0], m.Dim(); rows > maxImages/(o.N*n) {
			return nil, fmt.Errorf("flow: %w: the images of %d rows under %d elements are more than %d values: take fewer rows or, in training and Evaluate, Images",
				ErrSymmetry, rows, len(m.group), maxImages)
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

// Sample fills x, (rows, Dim), with draws and logq, (rows) or nil, with their
// ln q; without that it takes no inverse pass. It fails with ErrShape if the extents do not fit and with ErrSettings
// for a nil source.
func (m *Model) Sample(x *mat.Dense, logq []float64, src rand.Source) error {
	rows, err := m.rows("Sample", logq, x)
	if err != nil {
		return err
	}
	if missing(src) {
		return fmt.Errorf("flow: Sample: %w: nil source", ErrSettings)
	}
	rnd := rand.New(src)
	z, ok := m.latents.Get().(*[]float64)
	if !ok || cap(*z) < rows*m.Dim() {
		buf := make([]float64, rows*m.Dim())
		z = &buf
	}
	defer m.latents.Put(z)
	*z = (*z)[:rows*m.Dim()]
	m.draw(*z, rnd)
	out := graph.Contiguous(x)
	p := m.sample
	if logq == nil { // no need of images
		p = m.decode
	}
	if err := p.Run(rows, [][]float64{*z}, [][]float64{out, logq}); err != nil {
		return fmt.Errorf("flow: Sample: %w", err)
	}
	graph.Restore(x, out)
	m.randomImages(x, (*z)[:m.Dim()], rnd)
	return nil
}

// RandomImages replaces every row of x, (rows, Dim), by its image under a
// random element of the symmetry group. It turns configurations g(z) of
// latent samples (Decode) of a symmetrised model into samples of the target,
// and leaves those of other models alone. It fails with ErrShape if the
// extents do not fit and with ErrSettings for a nil source.
func (m *Model) RandomImages(x *mat.Dense, src rand.Source) error {
	if _, err := m.rows("RandomImages", nil, x); err != nil {
		return err
	}
	if missing(src) {
		return fmt.Errorf("flow: RandomImages: %w: nil source", ErrSettings)
	}
	m.randomImages(x, make([]float64, m.Dim()), rand.New(src))
	return nil
}

// randomImages makes q_sym, the density of ηg(z) with a random η of the group,
// of the density of g(z). copied is room for a row.
func (m *Model) randomImages(x *mat.Dense, copied []float64, rnd *rand.Rand) {
	if m.group == nil {
		return
	}
	rows, _ := x.Dims()
	for r := range rows {
		y := x.RawRowView(r)
		copy(copied, y)
		m.group[rnd.IntN(len(m.group))].apply(y, copied)
	}
}

// draw fills z with rows drawn from the prior.
func (m *Model) draw(z []float64, rnd *rand.Rand) {
	n := m.Dim()
	for ; len(z) > 0; z = z[n:] {
		m.prior.Rand(z[:n], rnd)
	}
}

// LogProbs stores ln q of every row of x, (rows, Dim), in logq, (rows). It
// fails with ErrShape if the extents do not fit.
func (m *Model) LogProbs(logq []float64, x *mat.Dense) error {
	rows, err := m.rows("LogProbs", logq, x)
	if err != nil {
		return err
	}
	if err := m.density.Run(rows, [][]float64{graph.Contiguous(x)}, [][]float64{logq}); err != nil {
		return fmt.Errorf("flow: LogProbs: %w", err)
	}
	return nil
}

// Encode stores z = g⁻¹(x), the latent variables of every row of x, in z, both
// (rows, Dim), and ln |det ∂z/∂x| in logDet, (rows) or nil. It is the map of the
// bijector alone, without symmetrisation. It fails with ErrShape if the extents
// do not fit.
func (m *Model) Encode(z *mat.Dense, logDet []float64, x *mat.Dense) error {
	return m.transform("Encode", m.encode, z, logDet, x)
}

// Decode stores x = g(z), the configurations of every row of z, in x, both
// (rows, Dim), and ln |det ∂x/∂z| in logDet, (rows) or nil. It is the map of the
// bijector alone; RandomImages adds the symmetry. It fails with ErrShape if the
// extents do not fit.
func (m *Model) Decode(x *mat.Dense, logDet []float64, z *mat.Dense) error {
	return m.transform("Decode", m.decode, x, logDet, z)
}

func (m *Model) transform(name string, p *graph.Program, dst *mat.Dense, logDet []float64, src *mat.Dense) error {
	rows, err := m.rows(name, logDet, src)
	if err != nil {
		return err
	}
	if _, err := m.rows(name, nil, dst); err != nil {
		return err
	}
	if r, _ := dst.Dims(); r != rows {
		return fmt.Errorf("flow: %s: %w: from %d rows to %d", name, ErrShape, rows, r)
	}
	out := graph.Contiguous(dst)
	if err := p.Run(rows, [][]float64{graph.Contiguous(src)}, [][]float64{out, logDet}); err != nil {
		return fmt.Errorf("flow: %s: %w", name, err)
	}
	graph.Restore(dst, out)
	return nil
}

// rows checks a matrix of configurations and a quantity per row, nil if there
// is none.
func (m *Model) rows(name string, perRow []float64, x *mat.Dense) (int, error) {
	if x == nil {
		return 0, fmt.Errorf("flow: %s: %w: nil matrix, want (rows, %d)", name, ErrShape, m.Dim())
	}
	rows, cols := x.Dims()
	if cols != m.Dim() || rows == 0 {
		return 0, fmt.Errorf("flow: %s: %w: matrix (%d, %d), want (rows, %d)", name, ErrShape, rows, cols, m.Dim())
	}
	if perRow != nil && len(perRow) != rows {
		return 0, fmt.Errorf("flow: %s: %w: %d numbers for %d rows", name, ErrShape, len(perRow), rows)
	}
	return rows, nil
}
