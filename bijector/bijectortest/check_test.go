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

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// recorder records what Check reports.
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

// Correct bijectors of ordinary size pass: built-in ones and stretch.
func TestCheckPasses(t *testing.T) {
	src := rand.NewPCG(1, 2)
	for name, b := range map[string]bijector.Bijector{
		"RealNVP":       must(bijector.NewRealNVP(4, &bijector.RealNVPSettings{Src: src})),
		"RealNVP, wide": must(bijector.NewRealNVP(3, &bijector.RealNVPSettings{Hidden: []int{64, 64}, Src: src})),
		"Coupling":      must(bijector.NewCoupling(4, []int{0, 1}, must(bijector.NewMLP(2, []int{64}, 2, src)))),
		"stretch":       newStretch(),
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

// Check reports every broken law. If a fault breaks one law only, it reports nothing
// else. Faults of values and gradients are a few times what Check allows.
func TestCheckReports(t *testing.T) {
	for name, c := range map[string]struct {
		fault func(s *stretch)
		text  string
		also  bool // other laws are broken as well
	}{
		"sign of the log-determinant": {func(s *stretch) {
			s.logDet = func(_ bool, d node) node { return must(graph.Combine(0, []float64{-1}, d)) }
		}, "of the numerical Jacobian", false},
		"log-determinant lacks a value":    {func(s *stretch) { s.counted = 2 }, "of the numerical Jacobian", false},
		"log-determinant of one direction": {func(s *stretch) { s.logDet = inverseOff }, "of the way back", false},
		"inverse is a little off":          {func(s *stretch) { s.image = inverseOff }, "comes back as", false},
		"rows are mixed":                   {func(s *stretch) { s.mixed = true }, "when it is alone", false},
		"gradient of the input":            {func(s *stretch) { s.dx = 1 + 1e-4 }, "gradient of input", false},
		"gradient of the parameter":        {func(s *stretch) { s.da = 1 + 1e-4 }, "gradient of parameter a ", false},
		"gradient piles up": {
			func(s *stretch) { s.pileUp = true }, "run 1: gradient of parameter a ", false,
		},
		"changes the parameter":      {func(s *stretch) { s.change = 1e-14 }, "parameter a changed", true},
		"changes the input":          {func(s *stretch) { s.scribble = true }, "input 0 changed", true},
		"image in float32":           {func(s *stretch) { s.image = offInSingle }, "in float32", false},
		"log-determinant in float32": {func(s *stretch) { s.logDet = offInSingle }, "in float32", false},
		"NaN":                        {func(s *stretch) { s.image = nan }, "NaN", true},
		"NaN in the log-determinant": {func(s *stretch) { s.logDet = nan }, "NaN", true},
		"error":                      {func(s *stretch) { s.err = errors.New("not today") }, "not today", false},
		"panic": {
			func(s *stretch) { s.image = func(bool, node) node { panic("not today") } }, "not today", false,
		},
		"shape of the image": {func(s *stretch) {
			s.image = func(_ bool, y node) node { return must(graph.Gather(y, [][]int{{0}, {1}, {2}})) }
		}, "image", false},
		"shape of the log-determinant": {func(s *stretch) {
			s.logDet = func(_ bool, d node) node { return must(graph.Part(d, 0, tensor.Shape{d.Shape()[0], 1})) }
		}, "log-determinant", false},
		"no image": {func(s *stretch) { s.image = func(bool, node) node { return nil } }, "image", false},
		"no log-determinant": {
			func(s *stretch) { s.logDet = func(bool, node) node { return nil } }, "log-determinant", false,
		},
		"parameter twice": {
			func(s *stretch) { s.params = append(s.params, s.params[0]) }, "parameter a listed twice", false,
		},
		"parameter not used": {
			func(s *stretch) { s.params = append(s.params, newParam("b", 1)) }, "takes no part", false,
		},
		"not differentiable": {func(s *stretch) { s.noGradient = true }, "gradient: ", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStretch()
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

// Check finds a fault of one direction, and names the direction.
func TestCheckNamesDirection(t *testing.T) {
	for _, faulty := range []bool{false, true} {
		s := newStretch()
		s.image = func(inverse bool, y node) node {
			if inverse == faulty {
				return nan(inverse, y)
			}
			return y
		}
		r := &recorder{}
		bijectortest.Check(r, s)
		name := "stretch.Forward: value 0"
		if faulty {
			name = "stretch.Inverse: value 0"
		}
		if r.count(name) == 0 {
			t.Errorf("no report of %q in %q", name, r.reports)
		}
	}
}

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
