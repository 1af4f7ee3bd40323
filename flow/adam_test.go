package flow

import (
	"slices"
	"testing"
)

// Three steps at rate 0.1, worked out in decimal arithmetic from Algorithm 1
// of Kingma and Ba. The third parameter has gradients that epsilon matters to.
func TestAdam(t *testing.T) {
	params := [][]float64{{1, -2}, {0.25}, {7}}
	a := newAdam(0.1, params)
	for k, step := range []struct{ grads, want [][]float64 }{
		{[][]float64{{0.5, 0}, {1e-9}, {0}}, [][]float64{{0.90000000199999997, -2}, {0.24090909090909091}, {7}}},
		{[][]float64{{-1, 3}, {-2e-9}, {0}}, [][]float64{{0.9366103542405656, -2.0744136820059969},
			{0.24590804235781855}, {7}}},
		{[][]float64{{2, -0.01}, {5e-9}, {0}}, [][]float64{{0.89464479271810482, -2.131722310696504},
			{0.23466711136531654}, {7}}},
	} {
		grads := [][]float64{slices.Clone(step.grads[0]), slices.Clone(step.grads[1]), slices.Clone(step.grads[2])}
		if err := a.update(params, grads, 1); err != nil {
			t.Fatal(err)
		}
		for i := range params {
			wantClose(t, "parameters", params[i], step.want[i], 1e-15)
			wantSame(t, "gradients after the update", grads[i], step.grads[i])
		}
		if a.step != k+1 {
			t.Errorf("step %d, want %d", a.step, k+1)
		}
	}
}
