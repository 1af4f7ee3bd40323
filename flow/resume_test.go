package flow

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/target"
)

// numberedData draws configurations that depend on how often it was asked alone,
// and can be told how often that was.
type numberedData struct{ calls int }

func (d *numberedData) Sample(x *mat.Dense) error {
	d.calls++
	x.Copy(randn(uint64(d.calls), x.RawMatrix().Rows, x.RawMatrix().Cols))
	return nil
}

// fussy is a normal density that is NaN where a coordinate is large: whether a
// batch fails depends on the batch alone.
func fussy(n int, bound float64) target.Density {
	return target.Func(n, func(grad, x []float64) float64 {
		sum := 0.0
		for i, v := range x {
			sum -= 0.5 * v * v
			if grad != nil {
				grad[i] = -v
			}
		}
		if math.Abs(x[0]) > bound {
			return math.NaN()
		}
		return sum
	})
}

// Whatever the settings are, a trainer that is restored goes on as if it had
// never stopped: with path gradients, with data, with the penalty, after faults.
func TestResumeLaw(t *testing.T) {
	const steps = 12
	for name, c := range map[string]struct {
		s         Settings
		symmetric bool
		target    target.Density
		faults    bool
	}{
		"path gradient":               {Settings{PathGradient: true}, true, ising(t, 4), false},
		"data":                        {Settings{Data: &numberedData{}, DataWeight: 0.3}, true, ising(t, 4), false},
		"path gradient and data":      {Settings{PathGradient: true, Data: &numberedData{}}, true, ising(t, 4), false},
		"penalty":                     {Settings{InversionKL: 0.7}, false, ising(t, 4), false},
		"images":                      {Settings{Images: 3}, true, ising(t, 4), false},
		"images along the path":       {Settings{Images: 5, PathGradient: true, Data: &numberedData{}}, true, ising(t, 4), false},
		"images and faults":           {Settings{Images: 2, OnFault: FaultSkip}, true, fussy(16, 1.8), true},
		"shrinking":                   {Settings{OnFault: FaultShrink}, true, fussy(16, 1.8), true},
		"skipping, with everything":   {Settings{OnFault: FaultSkip, PathGradient: true, ClipNorm: 5, MaxScale: 0.9}, false, fussy(16, 1.8), true},
		"shrinking, with the penalty": {Settings{OnFault: FaultShrink, InversionKL: 0.2, ClipNorm: 5}, false, fussy(16, 1.8), true},
	} {
		t.Run(name, func(t *testing.T) {
			make := func(seed uint64) (*Model, *Trainer) {
				m := model(t, must(NewMERA([]int{4, 4}, blocks(4, 3, 5, 4), nil)))
				scramble(m, seed, 0.1)
				if c.s.Images > 0 {
					m = symmetrize(t, m, Inversion(16), translation(4, 0, 1))
				} else if c.symmetric {
					m = symmetrize(t, m, Inversion(16))
				}
				s := c.s
				s.Batch, s.LearnRate, s.Window, s.Src = 8, 3e-3, 5, rand.NewPCG(seed, 4)
				if s.Data != nil {
					s.Data = &numberedData{}
				}
				tr, err := NewTrainer(m, c.target, &s)
				if err != nil {
					t.Fatal(err)
				}
				return m, tr
			}
			m, tr := make(1)
			files, faults := map[int][]byte{}, map[int]int{}
			for k := range steps {
				var b bytes.Buffer
				if err := tr.Save(&b); err != nil {
					t.Fatal(err)
				}
				files[k], faults[k] = b.Bytes(), tr.Result().Faults
				if _, err := tr.Step(); err != nil {
					t.Fatal(err)
				}
			}
			want, result := params(m), *tr.Result()
			if c.faults != (result.Faults > 0) || c.faults && faults[steps/2] == 0 {
				t.Errorf("%d faults, %d of them in the first half", result.Faults, faults[steps/2])
			}
			for _, k := range []int{0, 1, steps / 2, steps - 1} {
				m, tr := make(2)
				if err := tr.Run(context.Background(), 2); err != nil {
					t.Fatal(err)
				}
				if err := tr.Restore(bytes.NewReader(files[k])); err != nil {
					t.Fatal(err)
				}
				if d, ok := tr.s.Data.(*numberedData); ok {
					d.calls = k
				}
				if err := tr.Run(context.Background(), steps-k); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(params(m), want) || *tr.Result() != result {
					t.Errorf("from step %d: %+v, want %+v, or other parameters", k, *tr.Result(), result)
				}
			}
		})
	}
}
