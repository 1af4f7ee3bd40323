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

// Constructors refuse sizes that do not fit into memory, before they allocate
// anything, and name the size.
func TestSizesAreRefused(t *testing.T) {
	const large = 1 << 31
	src := rand.NewPCG(1, 2)
	realNVP := func(dim, couplings int, hidden []int, keep ...[]int) error {
		s := &bijector.RealNVPSettings{Couplings: couplings, Hidden: hidden, Keep: keep, Src: src}
		return errOf(bijector.NewRealNVP(dim, s))
	}
	spline := func(dim, couplings int, hidden ...int) error {
		s := &bijector.SplineSettings{Couplings: couplings, Hidden: hidden, Src: src}
		return errOf(bijector.NewSpline(dim, s))
	}
	mlp := func(kept int, hidden []int, moved int) error { return errOf(bijector.NewMLP(kept, hidden, moved, src)) }
	orthogonal := func(dim int) error { return errOf(bijector.NewOrthogonal(dim, src)) }
	linear := func(dim int) error { return errOf(bijector.NewLinear(dim, src)) }
	one := must(bijector.NewMLP(1, nil, 1, src))
	layer := must(bijector.Disentangler(must(bijector.NewActNorm(2)), [][]int{{0, 1}}))
	expectAll(t, map[string]errorCase{
		"RealNVP, hidden": {
			realNVP(4, 0, []int{huge}), errSettings, texts{"RealNVP", "GB", "[4611686018427387904]"},
		},
		"RealNVP, hidden that wrap": {realNVP(4, 1, []int{1 << 32, 1 << 32}), errSettings, texts{"e+19 values"}},
		"RealNVP, couplings":        {realNVP(4, huge, nil), errSettings, texts{"couplings", "4611686018427387904"}},
		"RealNVP, dimension": {
			realNVP(math.MaxInt, 2, []int{1}), errSettings, texts{"dimension 9223372036854775807"},
		},
		"RealNVP, dimension with keep": {realNVP(huge, 0, []int{1}, []int{0}), errSettings, texts{"GB"}},
		"RealNVP, keep none of many":   {realNVP(huge, 0, []int{1}, []int{}), errSettings, texts{"GB"}},
		"Spline, hidden":               {spline(4, 0, huge), errSettings, texts{"Spline", "GB"}},
		"Spline, dimension":            {spline(huge, 0, 1), errSettings, texts{"Spline", "GB"}},
		"Spline, couplings":            {spline(4, huge), errSettings, texts{"couplings"}},
		"MLP, hidden":                  {mlp(2, []int{huge}, 2), errSettings, texts{"MLP 2", "GB"}},
		"MLP, moved":                   {mlp(2, nil, huge), errSettings, texts{"MLP 2", "GB"}},
		"MLP, kept and moved":          {mlp(1<<32, nil, 1<<32), errSettings, texts{"GB"}},
		"Linear":                       {linear(1 << 32), errShape, texts{"Linear of dimension 4294967296", "GB"}},
		"Linear, large":                {linear(large), errShape, texts{"GB"}},
		"Orthogonal": {
			orthogonal(1 << 32), errShape, texts{"Orthogonal of dimension 4294967296", "GB"},
		},
		"Orthogonal, huge": {orthogonal(math.MaxInt), errShape, texts{"GB"}},
		"ActNorm": {
			errOf(bijector.NewActNorm(huge)), errShape, texts{"ActNorm of dimension 4611686018427387904"},
		},
		"Spectral": {
			errOf(bijector.NewSpectral([]int{1 << 32, 1 << 32}, nil)), errShape, texts{"[4294967296 4294967296]"},
		},
		"Coupling": {
			errOf(bijector.NewCoupling(huge, []int{0}, one)), errShape, texts{"4611686018427387904"},
		},
		"Param whose shape wraps": {
			errOf(bijector.NewParam("w", make([]float64, 4), 1<<62+1, 4)), errShape, texts{`"w"`, "4 values"},
		},
		"Layer": {errOf(layer.On(huge)), errShape, texts{"4611686018427387904 sites"}},
	})
}

// Parts that are nil or nil pointers are errors. They do not panic.
func TestNilParts(t *testing.T) {
	if b := bijector.Invert(nil); b != nil {
		t.Errorf("the inverse of nil is %v", b)
	}
	none := (*bijector.RealNVP)(nil)
	pair := must(bijector.NewActNorm(2))
	expectAll(t, map[string]errorCase{
		"chain of nil": {errOf(bijector.NewChain(nil)), errShape, texts{"nil chain element 0"}},
		"chain of nil pointers": {
			errOf(bijector.NewChain(pair, none)), errShape, texts{"element 1 *bijector.RealNVP"},
		},
		"chain of inverted nil": {
			errOf(bijector.NewChain(pair, bijector.Invert(nil))), errShape, texts{"nil chain element 1"},
		},
		"chain of no dimension": {errOf(bijector.NewChain(sinh{-1})), errShape, texts{"dimension -1"}},
		"disentangler": {
			errOf(bijector.Disentangler(none, [][]int{{0, 1}})), errShape, texts{"block *bijector.RealNVP"},
		},
		"decimator": {
			errOf(bijector.Decimator(bijector.Invert(none), [][]int{{0, 1}}, 0)), errShape, texts{"no dimension"},
		},
		"conditional": {
			errOf(bijector.ConditionalDecimator(none, [][]int{{0, 1}}, 0)), errShape, texts{"no dimension"},
		},
		"linear of nil pointer":  {errOf(bijector.LinearFrom((*mat.Dense)(nil))), errShape, texts{"*mat.Dense"}},
		"linear of empty matrix": {errOf(bijector.LinearFrom(&mat.Dense{})), errShape, texts{"(0, 0)"}},
		"orthogonal": {
			errOf(bijector.OrthogonalFrom((*mat.TriDense)(nil))), errShape, texts{"*mat.TriDense"},
		},
	})
}

// The name of a parameter is UTF-8 and not empty, so that a file can hold it.
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

// The scales of rows and columns do not decide whether a matrix is singular, and do
// not change its map except for rounding.
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
	// LinearFrom balances rows and columns: without that, the elimination would lose the
	// small row beside the large element.
	m := mat.NewDense(2, 2, []float64{1, 1e20, 1, 1})
	if got := must(bijector.LinearFrom(m)).Matrix(); !mat.EqualApprox(got, m, 1e-15) {
		t.Errorf("matrix\n%g\nwant\n%g", mat.Formatted(got), mat.Formatted(m))
	}
	b := must(bijector.LinearFrom(mat.NewDense(2, 2, []float64{1e-8, 0, 0, 1e8})))
	if v := b.Params()[0].Value().Float64s(); math.Abs(v[0]+v[3]) > 1e-14 {
		t.Error("the log-determinant of diag(1e-8, 1e8) is not zero")
	}
	from := func(v ...float64) error { return errOf(bijector.LinearFrom(mat.NewDense(2, 2, v))) }
	expectAll(t, map[string]errorCase{
		"row of zeros":    {from(0, 0, 1, 2), errSettings, texts{"singular", "row 0"}},
		"column of zeros": {from(0, 1, 0, 2), errSettings, texts{"singular", "column 0"}},
		"all zeros":       {from(0, 0, 0, 0), errSettings, texts{"singular", "row 0"}},
		"tiny element":    {from(1e-320, 0, 0, 1), errSettings, texts{"exceed float64"}},
	})
}

// halves is a user's bijector: each direction is that of another bijector.
type halves struct{ forward, inverse bijector.Bijector }

func (h halves) Dim() int                  { return h.forward.Dim() }
func (h halves) Params() []*bijector.Param { return nil }

func (h halves) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	return h.forward.Forward(z)
}

func (h halves) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) {
	return h.inverse.Inverse(x)
}

// A user's block that moves its context in only one direction, Forward or Inverse,
// cannot be conditional.
func TestConditionalPassesBothWays(t *testing.T) {
	tiles := [][]int{{0, 1, 2}}
	passes, moves := coupling(3, []int{0}, 1), sinh{3}
	for _, b := range []bijector.Bijector{halves{passes, moves}, halves{moves, passes},
		bijector.Invert(halves{passes, moves})} {
		_, err := bijector.ConditionalDecimator(b, tiles, 0)
		expect(t, err, bijector.ErrPartition, "position 0")
	}
	if _, err := bijector.ConditionalDecimator(halves{passes, passes}, tiles, 0); err != nil {
		t.Error(err)
	}
}
