package flow

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/target"
)

// ownBlock multiplies by a parameter: what a user may write.
type ownBlock struct{ factor *bijector.Param }

func (b ownBlock) Dim() int                  { return 4 }
func (b ownBlock) Params() []*bijector.Param { return []*bijector.Param{b.factor} }

func (b ownBlock) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	return b.times(z, b.factor.Value().Float64s()[0])
}

func (b ownBlock) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) {
	return b.times(x, 1/b.factor.Value().Float64s()[0])
}

func (b ownBlock) times(z *gorgonia.Node, f float64) (x, logDet *gorgonia.Node, err error) {
	if x, err = graph.Combine(0, []float64{f}, z); err != nil {
		return nil, nil, err
	}
	first, err := graph.LogProb(target.NewNormal(4), z)
	if err != nil {
		return nil, nil, err
	}
	logDet, err = graph.Combine(4*math.Log(math.Abs(f)), []float64{0}, first)
	return x, logDet, err
}

// The message of a fault ends in the place where it began, for every kind of
// model.
func TestFaultNamesPlace(t *testing.T) {
	realnvp := func(seed uint64, couplings int) *bijector.RealNVP {
		return must(bijector.NewRealNVP(4,
			&bijector.RealNVPSettings{Couplings: couplings, Hidden: []int{3}, Src: rand.NewPCG(seed, 1)}))
	}
	bad := realnvp(1, 3)
	c := bad.Couplings()[1]
	c.S[len(c.S)-1].B.SetVec(0, 20)
	c.Scale.SetVec(0, 1e4)
	own := ownBlock{must(bijector.NewParam("factor", []float64{1e308}, 1))}
	norm := must(bijector.NewActNorm(4))
	floats.AddConst(1e9, norm.Params()[0].Value().Float64s())
	good := realnvp(2, 2)
	layers := func(b bijector.Bijector) bijector.Bijector {
		return must(bijector.NewMERA([]int{2, 2}, func(int) (bijector.Bijector, error) { return b, nil }, nil))
	}
	for name, c := range map[string]struct {
		b    bijector.Bijector
		want string
	}{
		"one block":            {bad, "; not finite from coupling 1 of *bijector.RealNVP"},
		"block without parts":  {norm, "; not finite from *bijector.ActNorm"},
		"the user's own block": {own, "; not finite from flow.ownBlock"},
		"an inverse":           {bijector.Invert(norm2()), "; not finite from the inverse of *bijector.ActNorm"},
		"chain": {must(bijector.NewChain(good, bad)),
			"; not finite from element 1, coupling 1 of *bijector.RealNVP"},
		"chain in a chain": {must(bijector.NewChain(good, must(bijector.NewChain(norm, good)))),
			"; not finite from element 1, element 0, *bijector.ActNorm"},
		"hierarchy":            {layers(bad), ", coupling 1 of *bijector.RealNVP"},
		"of the user's blocks": {layers(own), ", flow.ownBlock"},
		"hierarchy in a chain": {must(bijector.NewChain(good, layers(norm))), ", *bijector.ActNorm"},
	} {
		m := model(t, c.b)
		tr, err := NewTrainer(m, target.NewNormal(4), &Settings{Batch: 8, Src: rand.NewPCG(1, 1)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = tr.Step()
		wantError(t, name, err, ErrNotFinite, "step 1", c.want)
		if err != nil && !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("%s: %q does not end in %q", name, err, c.want)
		}
	}
}

// norm2 is a normalisation whose inverse overflows.
func norm2() bijector.Bijector {
	b := must(bijector.NewActNorm(4))
	floats.AddConst(-1e9, b.Params()[0].Value().Float64s())
	return b
}

// A component of the gradient has a name in every kind of model.
func TestOwnerNamesPlace(t *testing.T) {
	a, b := blocks(4, 1, 3), blocks(4, 2, 3)
	first, second := must(a(4)), must(b(4))
	size := first.Params()[0].Value().DataSize()
	own := ownBlock{must(bijector.NewParam("factor", []float64{1}, 1))}
	for name, c := range map[string]struct {
		b         bijector.Bijector
		component int
		want      string
	}{
		"one block": {first, 0, ` of parameter "realnvp", coupling 0`},
		"chain": {must(bijector.NewChain(first, second)), 2*size - 1,
			` of parameter "realnvp", coupling 1, element 1`},
		"own": {own, 0, ` of parameter "factor"`},
	} {
		if got := model(t, c.b).owner(c.component); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
