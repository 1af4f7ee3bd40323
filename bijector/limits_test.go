package bijector_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
)

// What cannot be held in memory is refused before anything is made, with its size.
func TestSizesAreRefused(t *testing.T) {
	const huge, large = 1 << 62, 1 << 31
	src := rand.NewPCG(1, 2)
	realNVP := func(dim, couplings int, hidden []int, keep ...[]int) func() error {
		return func() error {
			_, err := bijector.NewRealNVP(dim,
				&bijector.RealNVPSettings{Couplings: couplings, Hidden: hidden, Keep: keep, Src: src})
			return err
		}
	}
	spline := func(dim, couplings int, hidden ...int) func() error {
		return func() error {
			_, err := bijector.NewSpline(dim, &bijector.SplineSettings{Couplings: couplings, Hidden: hidden, Src: src})
			return err
		}
	}
	mlp := func(kept int, hidden []int, moved int) func() error {
		return func() error { _, err := bijector.NewMLP(kept, hidden, moved, src); return err }
	}
	orthogonal := func(dim int) func() error {
		return func() error { _, err := bijector.NewOrthogonal(dim, src); return err }
	}
	linear := func(dim int) func() error {
		return func() error { _, err := bijector.NewLinear(dim, src); return err }
	}
	for name, c := range map[string]struct {
		f        func() error
		sentinel error
		texts    []string
	}{
		"RealNVP, hidden": {realNVP(4, 0, []int{huge}), bijector.ErrSettings,
			[]string{"RealNVP", "GB", "[4611686018427387904]"}},
		"RealNVP, hidden that wrap": {realNVP(4, 1, []int{1 << 32, 1 << 32}), bijector.ErrSettings,
			[]string{"e+19 values"}},
		"RealNVP, couplings": {realNVP(4, huge, nil), bijector.ErrSettings,
			[]string{"couplings", "4611686018427387904"}},
		"RealNVP, dimension": {realNVP(math.MaxInt, 2, []int{1}), bijector.ErrSettings,
			[]string{"dimension 9223372036854775807"}},
		"RealNVP, dimension with keep": {realNVP(huge, 0, []int{1}, []int{0}), bijector.ErrSettings, []string{"GB"}},
		"RealNVP, keep none of many":   {realNVP(huge, 0, []int{1}, []int{}), bijector.ErrSettings, []string{"GB"}},
		"Spline, hidden":               {spline(4, 0, huge), bijector.ErrSettings, []string{"Spline", "GB"}},
		"Spline, dimension":            {spline(huge, 0, 1), bijector.ErrSettings, []string{"Spline", "GB"}},
		"Spline, couplings":            {spline(4, huge), bijector.ErrSettings, []string{"couplings"}},
		"MLP, hidden":                  {mlp(2, []int{huge}, 2), bijector.ErrSettings, []string{"MLP 2", "GB"}},
		"MLP, moved":                   {mlp(2, nil, huge), bijector.ErrSettings, []string{"MLP 2", "GB"}},
		"MLP, kept and moved":          {mlp(1<<32, nil, 1<<32), bijector.ErrSettings, []string{"GB"}},
		"Linear": {linear(1 << 32), bijector.ErrShape,
			[]string{"Linear of dimension 4294967296", "GB"}},
		"Linear, large": {linear(large), bijector.ErrShape, []string{"GB"}},
		"Orthogonal": {orthogonal(1 << 32), bijector.ErrShape,
			[]string{"Orthogonal of dimension 4294967296", "GB"}},
		"Orthogonal, huge": {orthogonal(math.MaxInt), bijector.ErrShape, []string{"GB"}},
		"ActNorm": {func() error { _, err := bijector.NewActNorm(huge); return err },
			bijector.ErrShape, []string{"ActNorm of dimension 4611686018427387904"}},
		"Coupling": {func() error {
			_, err := bijector.NewCoupling(huge, []int{0}, must(bijector.NewMLP(1, nil, 1, src)))
			return err
		}, bijector.ErrShape, []string{"4611686018427387904"}},
		"Spectral": {func() error { _, err := bijector.NewSpectral([]int{1 << 32, 1 << 32}, nil); return err },
			bijector.ErrShape, []string{"[4294967296 4294967296]"}},
		"Param whose shape wraps": {func() error {
			_, err := bijector.NewParam("w", make([]float64, 4), 1<<62+1, 4)
			return err
		}, bijector.ErrShape,
			[]string{`"w"`, "4 values"}},
		"Layer": {func() error {
			_, err := must(bijector.Disentangler(must(bijector.NewActNorm(2)), [][]int{{0, 1}})).On(huge)
			return err
		}, bijector.ErrShape, []string{"4611686018427387904 sites"}},
	} {
		t.Run(name, func(t *testing.T) { expect(t, c.f(), c.sentinel, c.texts...) })
	}
}

// Nothing that is nil, or a nil pointer, panics.
func TestNilParts(t *testing.T) {
	if b := bijector.Invert(nil); b != nil {
		t.Errorf("the inverse of nil is %v", b)
	}
	none := (*bijector.RealNVP)(nil)
	pair := must(bijector.NewActNorm(2))
	for name, c := range map[string]struct {
		f    func() error
		text string
	}{
		"chain of nil": {func() error { _, err := bijector.NewChain(nil); return err },
			"nil chain element 0"},
		"chain of nil pointers": {func() error { _, err := bijector.NewChain(pair, none); return err },
			"element 1 *bijector.RealNVP"},
		"chain of inverted nil": {func() error {
			_, err := bijector.NewChain(pair, bijector.Invert(nil))
			return err
		}, "nil chain element 1"},
		"chain of no dimension": {func() error { _, err := bijector.NewChain(sinh{-1}); return err }, "dimension -1"},
		"disentangler": {func() error {
			_, err := bijector.Disentangler(none, [][]int{{0, 1}})
			return err
		}, "block *bijector.RealNVP"},
		"decimator": {func() error {
			_, err := bijector.Decimator(bijector.Invert(none), [][]int{{0, 1}}, 0)
			return err
		}, "no dimension"},
		"conditional": {func() error {
			_, err := bijector.ConditionalDecimator(none, [][]int{{0, 1}}, 0)
			return err
		}, "no dimension"},
		"linear of nil pointer": {func() error { _, err := bijector.LinearFrom((*mat.Dense)(nil)); return err },
			"*mat.Dense"},
		"linear of empty matrix": {func() error { _, err := bijector.LinearFrom(&mat.Dense{}); return err }, "(0, 0)"},
		"orthogonal": {func() error {
			_, err := bijector.OrthogonalFrom((*mat.TriDense)(nil))
			return err
		}, "*mat.TriDense"},
	} {
		t.Run(name, func(t *testing.T) { expect(t, c.f(), bijector.ErrShape, c.text) })
	}
}

// A name is one that a file can hold as it is.
func TestParamNames(t *testing.T) {
	for _, name := range []string{"", "\xff", "\xfe", "a\xc3", "\xed\xa0\x80"} {
		_, err := bijector.NewParam(name, []float64{1}, 1)
		expect(t, err, bijector.ErrSettings, "name")
	}
	for _, name := range []string{"w", "s.0.weight", "ü", "\x00\n\u2028", "\ufffd", " "} {
		if p, err := bijector.NewParam(name, []float64{1}, 1); err != nil || p.Name() != name {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// Whether a matrix is singular does not depend on the scales of its rows and
// columns, nor does what its map is but for rounding.
func TestLinearOfAnyScale(t *testing.T) {
	scales := [][]float64{{1, 1, 1}, {1e-8, 1, 1e8}, {1e100, 1e-100, 1}, {1e-60, 1e-60, 1e-60}, {3, 1e80, 1e-80}}
	singular := mat.NewDense(3, 3, []float64{1, 2, 3, 4, 5, 6, 7, 8, 9})
	scaled := func(m *mat.Dense, rows, cols []float64) *mat.Dense {
		s := mat.DenseCopyOf(m)
		s.Apply(func(i, j int, v float64) float64 { return v * rows[i] * cols[j] }, s)
		return s
	}
	for _, rows := range scales {
		for _, cols := range scales {
			for seed := range uint64(5) {
				m := scaled(random(3, 100+seed), rows, cols)
				b, err := bijector.LinearFrom(m)
				if err != nil {
					t.Fatalf("rows %g, columns %g: %v", rows, cols, err)
				}
				// Errors are those of a matrix with rows and columns of one scale.
				got := b.Matrix()
				for i := range 3 {
					for j := range 3 {
						if d := math.Abs(got.At(i, j)-m.At(i, j)) / (rows[i] * cols[j]); !(d <= 1e-13) {
							t.Errorf("rows %g, columns %g: element (%d, %d) is %g, want %g",
								rows, cols, i, j, got.At(i, j), m.At(i, j))
						}
					}
				}
				want, _ := mat.LogDet(random(3, 100+seed))
				for i := range 3 {
					want += math.Log(rows[i]) + math.Log(cols[i])
				}
				_, d := image(t, b, tensor.Float64, false, []float64{0, 0, 0})
				agree(t, "log-determinant", d, []float64{want}, 1e-12)
			}
			_, err := bijector.LinearFrom(scaled(singular, rows, cols))
			expect(t, err, bijector.ErrSettings, "singular")
		}
	}
	// What the balance of rows and columns is for: the elimination must not lose the
	// small row beside the large element.
	m := mat.NewDense(2, 2, []float64{1, 1e20, 1, 1})
	if got := must(bijector.LinearFrom(m)).Matrix(); !mat.EqualApprox(got, m, 1e-15) {
		t.Errorf("matrix\n%g\nwant\n%g", mat.Formatted(got), mat.Formatted(m))
	}
	diagonal := must(bijector.LinearFrom(mat.NewDense(2, 2, []float64{1e-8, 0, 0, 1e8})))
	if w := diagonal.Params()[0].Value().Float64s(); math.Abs(w[0]+w[3]) > 1e-14 {
		t.Error("the log-determinant of diag(1e-8, 1e8) is not zero")
	}
	for name, v := range map[string][]float64{"row": {0, 0, 1, 2}, "column": {0, 1, 0, 2}, "all": {0, 0, 0, 0}} {
		_, err := bijector.LinearFrom(mat.NewDense(2, 2, v))
		expect(t, err, bijector.ErrSettings, "singular",
			map[string]string{"row": "row 0", "column": "column 0", "all": "row 0"}[name])
	}
	_, err := bijector.LinearFrom(mat.NewDense(2, 2, []float64{1e-320, 0, 0, 1}))
	expect(t, err, bijector.ErrSettings, "exceed float64")
}

// halves is a bijector of a user whose directions are those of two others.
type halves struct{ forward, inverse bijector.Bijector }

func (h halves) Dim() int                  { return h.forward.Dim() }
func (h halves) Params() []*bijector.Param { return nil }

func (h halves) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	return h.forward.Forward(z)
}

func (h halves) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) {
	return h.inverse.Inverse(x)
}

// A block of a user that moves its context in one direction alone, whichever it is,
// cannot be conditional.
func TestConditionalPassesBothWays(t *testing.T) {
	tiles := [][]int{{0, 1, 2}}
	passes, moves := coupling(3, []int{0}, 1), sinh{3}
	for _, b := range []bijector.Bijector{
		halves{passes, moves},
		halves{moves, passes},
		bijector.Invert(halves{passes, moves}),
	} {
		_, err := bijector.ConditionalDecimator(b, tiles, 0)
		expect(t, err, bijector.ErrPartition, "position 0")
	}
	if _, err := bijector.ConditionalDecimator(halves{passes, passes}, tiles, 0); err != nil {
		t.Error(err)
	}
}
