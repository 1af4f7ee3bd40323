package bijector_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
)

// described returns a bijector of every kind that describes itself, on four values.
func described() map[string]bijector.Bijector {
	src := rand.NewPCG(3, 4)
	shared := block(2, 1, bijector.RealNVPSettings{Couplings: 3, Hidden: []int{3}})
	pairs := [][]int{{0, 1}, {2, 3}}
	reflection := mat.NewDense(4, 4, []float64{0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1})
	spline := must(bijector.NewSpline(4, &bijector.SplineSettings{Couplings: 2, Hidden: []int{3}, Bins: 3, Src: src}))
	conditional := block(3, 2, bijector.RealNVPSettings{Keep: [][]int{{0, 1}, {0, 1}}, Hidden: []int{}})
	chain := must(bijector.NewChain(spline, must(bijector.NewPermutation([]int{2, 0, 3, 1})), spline))
	return map[string]bijector.Bijector{
		"RealNVP":         block(4, 1, bijector.RealNVPSettings{Couplings: 3, Hidden: []int{3, 2}}),
		"linear networks": block(4, 1, bijector.RealNVPSettings{Couplings: 2, Hidden: []int{}}),
		"spline":          spline,
		"pure spline": must(bijector.NewSpline(4,
			&bijector.SplineSettings{Couplings: 3, Hidden: []int{3}, Pure: true, Src: src})),
		"rotation":   must(bijector.NewOrthogonal(4, src)),
		"reflection": must(bijector.OrthogonalFrom(reflection)),
		"linear":     must(bijector.NewLinear(4, src)),
		"linear, pivots": must(bijector.LinearFrom(mat.NewDense(4, 4, []float64{
			0, -2, 1, 0, 1, 0.5, 0, 0, 0.25, 0, -3, 1, 0, 0, 1, 1,
		}))),
		"normalisation": must(bijector.NewActNorm(4)),
		"permutation":   must(bijector.NewPermutation([]int{2, 0, 3, 1})),
		"spectral":      must(bijector.NewSpectral([]int{2, 2}, []float64{1, 2, 3, 4})),
		"chain":         chain,
		"inverse":       bijector.Invert(chain),
		"hierarchy": must(bijector.NewHierarchy(4,
			must(bijector.Disentangler(shared, pairs)),
			must(bijector.ConditionalDecimator(conditional, [][]int{{0, 2, 1}, {2, 0, 3}}, 0, 1)),
			must(bijector.Decimator(shared, [][]int{{0, 2}}, 0)))),
	}
}

// A copy is the same map, to the bit, with parameters of its own.
func TestCopy(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for name, b := range described() {
		randomise(b, 0.3, rnd)
		c, err := bijector.Copy(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, want := fmt.Sprintf("%T", c), fmt.Sprintf("%T", b); got != want {
			t.Errorf("%s: the copy is a %s, want %s", name, got, want)
		}
		if got, want := arrayText(c), arrayText(b); got != want {
			t.Errorf("%s: the copy describes itself as %s, want %s", name, got, want)
		}
		for k, p := range b.Params() {
			if c.Params()[k] == p {
				t.Errorf("%s: parameter %d is shared", name, k)
			}
		}
		x := normal(12, 1, rnd)
		for _, dt := range []tensor.Dtype{tensor.Float64, tensor.Float32} {
			for _, inverse := range []bool{false, true} {
				y, d := image(t, b, dt, inverse, x)
				y2, d2 := image(t, c, dt, inverse, x)
				if !slices.Equal(y, y2) || !slices.Equal(d, d2) {
					t.Errorf("%s, %v, %s: another image", name, dt, direction(inverse))
				}
			}
		}
		if len(b.Params()) > 0 {
			randomise(c, 1, rnd)
			y, _ := image(t, b, tensor.Float64, false, x)
			if y2, _ := image(t, c, tensor.Float64, false, x); slices.Equal(y, y2) {
				t.Errorf("%s: other parameters give the same image", name)
			}
		}
	}
}

// arrayText is the description of a bijector but for its parts.
func arrayText(b bijector.Bijector) string {
	d := must(bijector.Describe(b))
	text := fmt.Sprintf("%s %s, %d parts", d.Kind, must(json.Marshal(d.Config)), len(d.Parts))
	if d.Arrays != nil {
		text += fmt.Sprint(d.Arrays())
	}
	return text
}

// What parts share, their copies share.
func TestCopyShares(t *testing.T) {
	h := must(bijector.Copy(described()["hierarchy"])).(*bijector.Hierarchy)
	if l := h.Layers(); l[0].Block() != l[2].Block() || l[0].Block() == l[1].Block() {
		t.Error("other layers share a block than did")
	}
	if len(h.Params()) != 2 {
		t.Errorf("%d parameters", len(h.Params()))
	}
}

// The steps of a bijector are the bijector, and share its parameters.
func TestSteps(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	for name, b := range described() {
		s, ok := b.(bijector.Stepper)
		if !ok {
			continue
		}
		randomise(b, 0.3, rnd)
		x := normal(12, 1, rnd)
		want, wantD := image(t, b, tensor.Float64, false, x)
		y, sum := x, make([]float64, 3)
		for _, step := range s.Steps() {
			var d []float64
			y, d = image(t, step.Map, tensor.Float64, false, y)
			for i, v := range d {
				sum[i] += v
			}
		}
		agree(t, name, y, want, 1e-12)
		agree(t, name+": log-determinants", sum, wantD, 1e-12)
		// A parameter of a step shares its values with the whole.
		for k, p := range s.Steps()[0].Map.Params() {
			v := p.Value().Float64s()
			v[0] = 0.125 // unlike any other value
			changed := func(p *bijector.Param) bool { return slices.Contains(p.Value().Float64s(), 0.125) }
			if !slices.ContainsFunc(b.Params(), changed) {
				t.Errorf("%s: parameter %d of the first step is a copy", name, k)
			}
		}
	}
}

// impostor is a user's bijector with any description.
type impostor struct {
	user
	d func() *bijector.Description
}

func (i impostor) Describe() *bijector.Description { return i.d() }

// wrapped changes a bijector of the library that it embeds.
type wrapped struct{ *bijector.ActNorm }

// Describe refuses a wrong description, and returns nil for a bijector without one. Copy
// refuses both.
func TestDescribeRefuses(t *testing.T) {
	for name, d := range map[string]func() *bijector.Description{
		"none":      func() *bijector.Description { return nil },
		"no name":   func() *bijector.Description { return &bijector.Description{} },
		"no word":   func() *bijector.Description { return &bijector.Description{Kind: "my block"} },
		"not yours": func() *bijector.Description { return &bijector.Description{Kind: "realnvp"} },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := bijector.Describe(impostor{d: d})
			expect(t, err, bijector.ErrKind, "bijector_test.impostor")
			_, err = bijector.Copy(impostor{d: d})
			expect(t, err, bijector.ErrKind)
		})
	}
	_, err := bijector.Describe(impostor{d: func() *bijector.Description { panic(errUser) }})
	expect(t, err, errUser, "description of bijector_test.impostor")
	for _, b := range []bijector.Bijector{user{dim: 2}, wrapped{must(bijector.NewActNorm(2))}} {
		if d, err := bijector.Describe(b); d != nil || err != nil {
			t.Errorf("%T: %v, %v", b, d, err)
		}
		_, err := bijector.Copy(b)
		expect(t, err, bijector.ErrKind, "does not describe itself")
	}
	_, err = bijector.Copy(nil)
	expect(t, err, bijector.ErrShape, "nil")
}

// Kinds of a program that do not work are refused, whatever is built.
func TestKindsRefuse(t *testing.T) {
	mine := func(dim int) bijector.Bijector {
		return impostor{user{dim: dim}, func() *bijector.Description { return &bijector.Description{Kind: "mine"} }}
	}
	norm := must(bijector.NewActNorm(2))
	build := func(bijector.Stored) (bijector.Bijector, error) { return norm, nil }
	for name, kinds := range map[string][]bijector.Kind{
		"no function":   {{Name: "mine"}},
		"no name":       {{Build: build}},
		"no word":       {{Name: "my block", Build: build}},
		"name twice":    {{Name: "mine", Build: build}, {Name: "mine", Build: build}},
		"library's":     {{Name: "actnorm", Build: build}},
		"nobody's name": {},
	} {
		_, err := bijector.Copy(mine(2), kinds...)
		if !errors.Is(err, bijector.ErrKind) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := bijector.Copy(mine(3), bijector.Kind{Name: "mine", Build: build})
	expect(t, err, bijector.ErrShape, "dimension 2, described as 3")
	_, err = bijector.Copy(mine(2), bijector.Kind{Name: "mine", Build: build})
	expect(t, err, bijector.ErrKind, "other parameters")
	panics := func(bijector.Stored) (bijector.Bijector, error) { panic(errUser) }
	_, err = bijector.Copy(mine(2), bijector.Kind{Name: "mine", Build: panics})
	expect(t, err, errUser, "kind \"mine\"")
	if errors.Is(err, bijector.ErrKind) {
		t.Error("a panic is no unknown kind")
	}
}
