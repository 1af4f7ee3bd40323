package bijector_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/neuralrg/neuralrg/bijector"
)

// A map that does not fit into memory is refused before anything is allocated. The error
// says its size.
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
	checkRefusals(t, map[string]refusal{
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
	})
}
