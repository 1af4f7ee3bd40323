package bijectortest_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/bijector/bijectortest"
	"github.com/neuralrg/neuralrg/internal/graph"
)

// must panics for an error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// recorder is a bijectortest.TB that keeps the reports of Check.
type recorder struct{ reports []string }

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.reports = append(r.reports, fmt.Sprintf(format, args...))
}

// count returns the number of reports that contain text.
func (r *recorder) count(text string) (n int) {
	for _, s := range r.reports {
		if strings.Contains(s, text) {
			n++
		}
	}
	return n
}

// CheckAngles passes a map of angles, whose inputs come back modulo 2π, and reports a wrong
// inverse.
func TestCheckAngles(t *testing.T) {
	src := rand.NewPCG(1, 2)
	b := must(bijector.NewCircularSpline(4, &bijector.CircularSettings{Bins: 5, Hidden: []int{5}, Src: src}))
	bijectortest.CheckAngles(t, withNormalParams(b, 0.5, 1))
	wrong, r := newScaling(), &recorder{}
	wrong.image = inverseOff
	bijectortest.CheckAngles(r, wrong)
	if r.count("comes back as") == 0 || r.count("comes back as") != len(r.reports) {
		t.Errorf("reports of a wrong inverse: %q", r.reports)
	}
}

// Correct bijectors pass and keep their parameters.
func TestCheckPasses(t *testing.T) {
	src := rand.NewPCG(1, 2)
	for name, b := range map[string]bijector.Bijector{
		"RealNVP":       must(bijector.NewRealNVP(4, &bijector.RealNVPSettings{Src: src})),
		"RealNVP, wide": must(bijector.NewRealNVP(3, &bijector.RealNVPSettings{Hidden: []int{64, 64}, Src: src})),
		"Coupling":      must(bijector.NewCoupling(4, []int{0, 1}, must(bijector.NewMLP(2, []int{64}, 2, src)))),
		"scaling":       newScaling(),
	} {
		t.Run(name, func(t *testing.T) {
			keep := values(b)
			bijectortest.Check(t, b)
			if !slices.Equal(values(b), keep) {
				t.Error("parameters are not restored")
			}
		})
	}
}

// Correct blocks of every kind pass, for any weights.
func TestCheckPassesForManySeeds(t *testing.T) {
	seeds := 4
	if testing.Short() {
		seeds = 1
	}
	for seed := range uint64(seeds) {
		src := rand.NewPCG(seed, 11)
		newSpline := func() bijector.Bijector {
			return must(bijector.NewSpline(4, &bijector.SplineSettings{Couplings: 2, Hidden: []int{6}, Src: src}))
		}
		newNVP := func() bijector.Bijector {
			return must(bijector.NewRealNVP(4, &bijector.RealNVPSettings{Couplings: 4, Hidden: []int{8}, Src: src}))
		}
		tiles := must(bijector.Tiles([]int{8, 8}, 2, 1, 1))
		for name, b := range map[string]bijector.Bijector{
			"Spline, large weights": withNormalParams(newSpline(), 0.25, seed),
			"Spline of many bins": must(bijector.NewSpline(3,
				&bijector.SplineSettings{Couplings: 2, Hidden: []int{4}, Bins: 64, Src: src})),
			"Spline on many tiles":   must(must(bijector.Disentangler(newSpline(), tiles)).On(64)),
			"RealNVP, large weights": withNormalParams(newNVP(), 0.5, seed),
			"RealNVP on many tiles":  must(must(bijector.Decimator(newNVP(), tiles, 0)).On(64)),
			"Coupling": must(bijector.NewCoupling(4, []int{0, 1},
				must(bijector.NewMLP(2, []int{16}, 2, src)))),
			"Orthogonal": must(bijector.NewOrthogonal(5, src)),
			"Linear":     must(bijector.NewLinear(5, src)),
			"ActNorm":    must(bijector.NewActNorm(5)),
			"Spectral":   must(bijector.NewSpectral([]int{2, 2}, []float64{4, 0.01, 1, 0.3})),
			"Chain, with its inverse": must(bijector.NewChain(newSpline(), bijector.Invert(newNVP()),
				must(bijector.NewPermutation([]int{2, 0, 1, 3})))),
		} {
			t.Run(fmt.Sprint(name, " ", seed), func(t *testing.T) { bijectortest.Check(t, b) })
		}
	}
}

// withNormalParams sets all parameters of b to normal deviates of the given size.
func withNormalParams(b bijector.Bijector, size float64, seed uint64) bijector.Bijector {
	rnd := rand.New(rand.NewPCG(seed, 12))
	for _, p := range b.Params() {
		v := p.Value().Float64s()
		for i := range v {
			v[i] = size * rnd.NormFloat64()
		}
	}
	return b
}

// Check reports every broken law. It reports nothing else if the fault breaks only one law.
// The faults of values and gradients are a few times the tolerance of Check.
func TestCheckReports(t *testing.T) {
	for name, c := range map[string]struct {
		fault func(s *scaling)
		text  string
		also  bool // other laws are broken as well
	}{
		"sign of the log-determinant": {func(s *scaling) {
			s.logDet = func(_ bool, d node) node { return must(graph.Combine(0, []float64{-1}, d)) }
		}, "of the numerical Jacobian", false},
		"log-determinant lacks a value":    {func(s *scaling) { s.counted = 2 }, "of the numerical Jacobian", false},
		"log-determinant of one direction": {func(s *scaling) { s.logDet = inverseOff }, "of the way back", false},
		"inverse is a little off":          {func(s *scaling) { s.image = inverseOff }, "comes back as", false},
		"rows are mixed":                   {func(s *scaling) { s.mixesRows = true }, "when it is alone", false},
		"gradient of the input":            {func(s *scaling) { s.dx = 1 + 1e-4 }, "gradient of input", false},
		"gradient of the parameter":        {func(s *scaling) { s.da = 1 + 1e-4 }, "gradient of parameter a ", false},
		"gradient adds up": {func(s *scaling) { s.addsUp = true },
			"run 1: gradient of parameter a ", false},
		"changes the parameter":      {func(s *scaling) { s.change = 1e-14 }, "parameter a changed", true},
		"changes the input":          {func(s *scaling) { s.writesInput = true }, "input 0 changed", true},
		"image in float32":           {func(s *scaling) { s.image = offInSingle }, "in float32", false},
		"log-determinant in float32": {func(s *scaling) { s.logDet = offInSingle }, "in float32", false},
		"NaN":                        {func(s *scaling) { s.image = nan }, "NaN", true},
		"NaN in the log-determinant": {func(s *scaling) { s.logDet = nan }, "NaN", true},
		"error":                      {func(s *scaling) { s.err = errors.New("not today") }, "not today", false},
		"panic": {func(s *scaling) { s.image = func(bool, node) node { panic("not today") } },
			"not today", false},
		"shape of the image": {func(s *scaling) {
			s.image = func(_ bool, y node) node { return must(graph.Gather(y, [][]int{{0}, {1}, {2}})) }
		}, "image", false},
		"shape of the log-determinant": {func(s *scaling) {
			s.logDet = func(_ bool, d node) node { return must(graph.Part(d, 0, tensor.Shape{d.Shape()[0], 1})) }
		}, "log-determinant", false},
		"no image": {func(s *scaling) { s.image = func(bool, node) node { return nil } }, "image", false},
		"no log-determinant": {func(s *scaling) { s.logDet = func(bool, node) node { return nil } },
			"log-determinant", false},
		"parameter twice": {func(s *scaling) { s.params = append(s.params, s.params[0]) },
			"parameter a listed twice", false},
		"parameter not used": {func(s *scaling) { s.params = append(s.params, newParam("b", 1)) }, "takes no part",
			false},
		"not differentiable": {func(s *scaling) { s.noGradient = true }, "gradient: ", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScaling()
			c.fault(s)
			keep := values(s)
			r := &recorder{}
			bijectortest.Check(r, s)
			if n := r.count(c.text); n == 0 || !c.also && n < len(r.reports) {
				t.Errorf("%d of %d reports say %q: %q", n, len(r.reports), c.text, r.reports)
			}
			if !slices.Equal(values(s), keep) {
				t.Error("parameters are not restored")
			}
		})
	}
}

// A fault of one direction is reported with the name of the direction.
func TestCheckNamesDirection(t *testing.T) {
	for _, faulty := range []bool{false, true} {
		s := newScaling()
		s.image = func(inverse bool, y node) node {
			if inverse == faulty {
				return nan(inverse, y)
			}
			return y
		}
		r := &recorder{}
		bijectortest.Check(r, s)
		name := "scaling.Forward: value 0"
		if faulty {
			name = "scaling.Inverse: value 0"
		}
		if r.count(name) == 0 {
			t.Errorf("no report of %q in %q", name, r.reports)
		}
	}
}

// values returns the values of all parameters.
func values(b bijector.Bijector) (v []float64) {
	for _, p := range b.Params() {
		v = append(v, p.Value().Float64s()...)
	}
	return v
}

func newParam(name string, values ...float64) *bijector.Param {
	return must(bijector.NewParam(name, values, len(values)))
}

type node = *gorgonia.Node

// inverseOff adds 1e-9 in the inverse direction only.
func inverseOff(inverse bool, x node) node {
	if inverse {
		return must(graph.Combine(1e-9, []float64{1}, x))
	}
	return x
}

// offInSingle adds 0.01 in float32 only.
func offInSingle(_ bool, x node) node {
	if x.Dtype() == tensor.Float32 {
		return must(graph.Combine(0.01, []float64{1}, x))
	}
	return x
}

func nan(_ bool, x node) node { return must(graph.Combine(math.NaN(), []float64{1}, x)) }
