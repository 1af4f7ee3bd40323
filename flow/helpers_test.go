package flow

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/target"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// indices returns 0 … n−1.
func indices(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// blocks is a BlockFunc of small Real NVP blocks of the given dimension, drawn
// one after the other from one source.
func blocks(dim int, seed uint64, hidden ...int) bijector.BlockFunc {
	src := rand.NewPCG(seed, 0)
	return func(int) (bijector.Bijector, error) {
		return bijector.NewRealNVP(dim, &bijector.RealNVPSettings{Couplings: 2, Hidden: hidden, Src: src})
	}
}

// conditional makes blocks of conditional decimators, one coupling each.
func conditional(seed uint64, hidden ...int) func(context, moved int) (bijector.Bijector, error) {
	src := rand.NewPCG(seed, 0)
	return func(context, moved int) (bijector.Bijector, error) {
		return bijector.NewRealNVP(context+moved,
			&bijector.RealNVPSettings{Keep: [][]int{indices(context)}, Hidden: hidden, Src: src})
	}
}

// scramble draws new parameters, normal of the given standard deviation: a
// fresh block is so near the identity that much would pass unseen.
func scramble(m interface{ Params() []*bijector.Param }, seed uint64, sigma float64) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	for _, p := range m.Params() {
		v := p.Value().Float64s()
		for i := range v {
			v[i] = sigma * rnd.NormFloat64()
		}
	}
}

// mera is a scrambled model on an L×L lattice.
func mera(t testing.TB, L int, seed uint64) *Model {
	t.Helper()
	h, err := bijector.NewMERA([]int{L, L}, blocks(4, seed, 5, 4), nil)
	if err != nil {
		t.Fatal(err)
	}
	m := model(t, h)
	scramble(m, seed, 0.35)
	return m
}

func model(t testing.TB, b bijector.Bijector) *Model {
	t.Helper()
	m, err := New(target.NewNormal(b.Dim()), b)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func symmetrize(t testing.TB, m *Model, g ...Symmetry) *Model {
	t.Helper()
	s, err := Symmetrize(m, g...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ising(t testing.TB, L int) *target.Ising {
	t.Helper()
	d, err := target.NewIsing([]int{L, L}, target.CriticalTemperature())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func randn(seed uint64, rows, cols int) *mat.Dense {
	rnd := rand.New(rand.NewPCG(seed, 2))
	m := mat.NewDense(rows, cols, nil)
	m.Apply(func(_, _ int, _ float64) float64 { return rnd.NormFloat64() }, m)
	return m
}

// params copies all parameter values.
func params(m interface{ Params() []*bijector.Param }) []float64 {
	var all []float64
	for _, p := range m.Params() {
		all = append(all, p.Value().Float64s()...)
	}
	return all
}

// sample draws rows and their ln q.
func sample(t testing.TB, m *Model, rows int, seed uint64) (*mat.Dense, []float64) {
	t.Helper()
	x, logq := mat.NewDense(rows, m.Dim(), nil), make([]float64, rows)
	if err := m.Sample(x, logq, rand.NewPCG(seed, 3)); err != nil {
		t.Fatal(err)
	}
	return x, logq
}

func logProbs(t testing.TB, m *Model, x *mat.Dense) []float64 {
	t.Helper()
	rows, _ := x.Dims()
	logq := make([]float64, rows)
	if err := m.LogProbs(logq, x); err != nil {
		t.Fatal(err)
	}
	return logq
}

// wantClose compares slices, relative beyond 1.
func wantClose(t testing.TB, what string, got, want []float64, tol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range want {
		if !(math.Abs(got[i]-want[i]) <= tol*(1+math.Abs(want[i]))) {
			t.Errorf("%s: value %d is %g, want %g (off by %.2g)", what, i, got[i], want[i], got[i]-want[i])
			return
		}
	}
}

// wantSame compares slices bit by bit.
func wantSame(t testing.TB, what string, got, want []float64) {
	t.Helper()
	if !slices.EqualFunc(got, want, func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }) {
		t.Errorf("%s: not the same bits", what)
	}
}

// wantError checks the sentinel of an error and what its text says.
func wantError(t testing.TB, what string, err, is error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", what)
		return
	}
	if is != nil && !errors.Is(err, is) {
		t.Errorf("%s: error %q does not wrap %q", what, err, is)
	}
	for _, s := range texts {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%s: error %q does not say %q", what, err, s)
		}
	}
}

// shifted is a density with a constant added to its logarithm.
type shifted struct {
	target.Density
	by float64
}

func (s shifted) LogProb(x *gorgonia.Node) (*gorgonia.Node, error) {
	p, err := s.Density.LogProb(x)
	if err != nil {
		return nil, err
	}
	return graph.Combine(s.by, []float64{1}, p)
}

// gaussian is the density exp(−x²/2σ²), not normalised; gaussianLogZ is the
// logarithm of its integral.
func gaussian(dim int, sigma float64) target.Density { return target.Func(dim, gaussianFunc(sigma)) }

func gaussianFunc(sigma float64) func(grad, x []float64) float64 {
	return func(grad, x []float64) float64 {
		sum := 0.0
		for i, v := range x {
			sum -= v * v / (2 * sigma * sigma)
			if grad != nil {
				grad[i] = -v / (sigma * sigma)
			}
		}
		return sum
	}
}

func gaussianLogZ(dim int, sigma float64) float64 {
	return float64(dim) / 2 * math.Log(2*math.Pi*sigma*sigma)
}

// power is base^exponent.
func power(base, exponent int) int {
	p := 1
	for range exponent {
		p *= base
	}
	return p
}
