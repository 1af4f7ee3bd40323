package flow_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

func ExampleCosine() {
	s := flow.Cosine(10, 2)
	for step := 1; step <= 11; step++ {
		fmt.Printf("%.3f ", s(step))
	}
	// Output: 0.500 1.000 1.000 0.962 0.854 0.691 0.500 0.309 0.146 0.038 0.000
}

// A step moves the parameters in proportion to the factor, which is checked.
func TestSchedule(t *testing.T) {
	moved := func(factor float64) (float64, error) {
		m := benchModel(2, []int{4})
		var before, after []float64
		for _, p := range m.Params() {
			before = append(before, p.Value().Float64s()...)
		}
		before = slices.Clone(before)
		tr := must(flow.NewTrainer(m, must(target.NewIsing([]int{2, 2}, 2)), &flow.Settings{
			Batch: 8,
			Src:   rand.NewPCG(1, 1),
			Optimizer: flow.OptimizerSettings{Schedule: func(step int) float64 {
				if step != 1 {
					t.Errorf("step %d", step)
				}
				return factor
			}},
		}))
		_, err := tr.Step()
		for _, p := range m.Params() {
			after = append(after, p.Value().Float64s()...)
		}
		d := 0.0
		for i, v := range after {
			d += math.Abs(v - before[i])
		}
		return d, err
	}
	one, err := moved(1)
	if err != nil {
		t.Fatal(err)
	}
	half, err := moved(0.5)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(half/one-0.5) > 1e-6 {
		t.Errorf("half the rate moves %g of the way", half/one)
	}
	for _, bad := range []float64{-1, math.NaN(), math.Inf(1)} {
		if d, err := moved(bad); !errors.Is(err, flow.ErrSettings) || d != 0 {
			t.Errorf("factor %g: moved %g, error %v", bad, d, err)
		}
	}
}
