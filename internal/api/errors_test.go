package api

import (
	"errors"
	"math"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/mi"
	"github.com/neuralrg/neuralrg/target"
)

// An error of one package is recognised by its name in any other.
func TestErrorsAreShared(t *testing.T) {
	_, noSource := hmc.New(hmc.Func(1, nil), mat.NewDense(1, 1, nil), nil)
	_, noSamples := mi.Estimate(t.Context(), nil, nil, nil)
	_, fewSamples := mi.Estimate(t.Context(), mat.NewDense(1, 1, nil), mat.NewDense(1, 1, nil), nil)
	_, notFinite := mi.Gaussian(mat.NewSymDense(2, []float64{math.NaN(), 0, 0, 1}))
	_, temperature := target.NewIsing([]int{4}, -1)
	_, rotation := bijector.NewOrthogonal(2, nil)
	_, file := flow.Load(strings.NewReader("nothing that Save writes"))
	shape := []error{bijector.ErrShape, target.ErrShape, flow.ErrShape, hmc.ErrShape, mi.ErrShape}
	finite := []error{target.ErrNotFinite, flow.ErrNotFinite, hmc.ErrNotFinite, mi.ErrNotFinite}
	settings := []error{bijector.ErrSettings, target.ErrSettings, flow.ErrSettings, hmc.ErrSettings, mi.ErrSettings}
	for _, c := range []struct {
		what string
		err  error
		want []error
	}{
		{"hmc.New without a source", noSource, settings},
		{"mi.Estimate without samples", noSamples, shape},
		{"mi.Estimate of one sample", fewSamples, settings},
		{"mi.Gaussian of NaN", notFinite, finite},
		{"target.NewIsing at T < 0", temperature, settings},
		{"bijector.NewOrthogonal without a source", rotation, settings},
		{"flow.Load of another file", file, []error{flow.ErrCheckpoint, hmc.ErrCheckpoint}},
	} {
		for i, want := range c.want {
			if !errors.Is(c.err, want) {
				t.Errorf("%s: error %v is not sentinel %d of %q", c.what, c.err, i, want)
			}
		}
	}
}
