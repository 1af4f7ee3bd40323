package flow

import (
	"fmt"
	"sync"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/target"
)

// Model is a normalizing flow: the density q(x) of x = g(z), where z is drawn from a prior
// and g is a bijector. Symmetrize gives it a symmetry. A Model is a target.Density and is
// normalised. It is safe for concurrent use, except while its parameters are trained.
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

// New returns the model of x = b.Forward(z) with z drawn from p. Its arithmetic is
// float64. New fails with ErrShape if the dimensions differ, and with ErrSettings if p, b
// or a part of them is nil.
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
	m.infer = graph.NewProgram(tensor.Float64, x, []string{"z", "ln q"},
		func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
			z, logq, err := m.inferred(in[0])
			return []*gorgonia.Node{z, logq}, err
		})
	weighted := append(x[:1:1], graph.Input{Name: "weights of z", Cols: m.Dim()})
	m.gradient = graph.NewProgram(tensor.Float64, weighted, []string{"gradient of z"}, m.latentGradient)
	return m
}

// Float32 returns a view of the model with float32 arithmetic. Model and view share their
// parameters, which stay float64: training one trains the other. LogProb is not affected:
// its nodes have the precision of their graph.
func (m *Model) Float32() *Model { return m.as(tensor.Float32) }

// Float64 returns a view of the model with float64 arithmetic. Model and view share their
// parameters.
func (m *Model) Float64() *Model { return m.as(tensor.Float64) }

func (m *Model) as(dt tensor.Dtype) *Model {
	return newModel(&Model{prior: m.prior, b: m.b, group: m.group, gens: m.gens, dtype: dt})
}

// Copy returns a copy of the model with parameters of its own, which have the same values.
// own lists the kinds of your own bijectors. Copy fails with bijector.ErrKind as
// bijector.Copy does.
func (m *Model) Copy(own ...bijector.Kind) (*Model, error) {
	b, err := bijector.Copy(m.b, own...)
	if err != nil {
		return nil, fmt.Errorf("flow: %w", err)
	}
	return newModel(&Model{prior: m.prior, b: b, group: m.group, gens: m.gens, dtype: m.dtype}), nil
}

// Bits returns the precision of the model's arithmetic, 32 or 64.
func (m *Model) Bits() int { return 8 * int(m.dtype.Size()) }

// Dim returns the number of values per row.
func (m *Model) Dim() int { return m.b.Dim() }

// Prior returns the density of the latent variables.
func (m *Model) Prior() target.Prior { return m.prior }

// Bijector returns the map from latent variables to configurations.
func (m *Model) Bijector() bijector.Bijector { return m.b }

// Params returns the parameters of the bijector.
func (m *Model) Params() []*bijector.Param { return m.b.Params() }
