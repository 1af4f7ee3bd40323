package diag

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/neuralrg/neuralrg/internal/num"
)

func TestMeanStdErr(t *testing.T) {
	if mean, stdErr := MeanStdErr([]float64{1, 2, 3, 6}); mean != 3 || math.Abs(stdErr-math.Sqrt(14./12)) > 1e-15 {
		t.Errorf("got %v ± %v, want 3 ± %v", mean, stdErr, math.Sqrt(14./12))
	}
	if mean, stdErr := MeanStdErr([]float64{5}); mean != 5 || !math.IsNaN(stdErr) {
		t.Errorf("one chain: got %v ± %v, want 5 ± NaN", mean, stdErr)
	}
	for _, scale := range []float64{1e160, 1e307, -1e307, 1e-170, 1e-307} {
		mean, stdErr := MeanStdErr([]float64{1 * scale, 2 * scale, 3 * scale, 6 * scale})
		if math.Abs(mean/scale-3) > 1e-12 || math.Abs(stdErr/math.Abs(scale)-math.Sqrt(14./12)) > 1e-12 {
			t.Errorf("scale %g: got %v ± %v", scale, mean, stdErr)
		}
	}
	if mean, stdErr := MeanStdErr([]float64{1, math.Inf(1)}); num.Finite(mean) || num.Finite(stdErr) {
		t.Errorf("an infinite average: %v ± %v", mean, stdErr)
	}
	if mean, stdErr := MeanStdErr(nil); !math.IsNaN(mean) || !math.IsNaN(stdErr) {
		t.Errorf("no chain: got %v ± %v, want NaN ± NaN", mean, stdErr)
	}
}

// For any number of chains the interval covers at its level, and the standard
// error as often as its doc says.
func TestMeanInterval(t *testing.T) {
	const runs = 1500
	for chains, within := range map[int]float64{2: 0.500, 4: 0.609, 10: 0.657, 200: 0.682} {
		rnd := rand.New(rand.NewPCG(uint64(chains), 1))
		means := make([]float64, chains)
		one, levels := 0, map[float64]int{0.5: 0, 0.95: 0, 0.99: 0}
		for range runs {
			for i := range means {
				means[i] = 3 + 2*rnd.NormFloat64()
			}
			mean, stdErr := MeanStdErr(means)
			if math.Abs(mean-3) < stdErr {
				one++
			}
			for level := range levels {
				if m, half, err := MeanInterval(means, level); err != nil || m != mean {
					t.Fatalf("%v, mean %v, want %v", err, m, mean)
				} else if math.Abs(m-3) < half {
					levels[level]++
				}
			}
		}
		levels[within] = one
		for level, n := range levels {
			got := float64(n) / runs
			if math.Abs(got-level) > sigmas*math.Sqrt(level*(1-level)/runs) {
				t.Errorf("%d chains: %.4f covered, want %.4f", chains, got, level)
			}
		}
	}
	_, half, err := MeanInterval([]float64{-1, 1}, 0.95)
	if err != nil || math.Abs(half-12.7062) > 1e-4 {
		t.Errorf("two chains: %v, %v", half, err)
	}
	for _, c := range []struct {
		means []float64
		level float64
		is    error
		text  string
	}{
		{nil, 0.95, ErrShape, "0 chains"},
		{[]float64{1}, 0.95, ErrShape, "1 chains"},
		{[]float64{1, 2, math.NaN()}, 0.95, ErrNotFinite, "chain 2 is NaN"},
		{[]float64{1, 2}, 0, ErrSettings, "level 0"},
		{[]float64{1, 2}, 1, ErrSettings, "level 1"},
		{[]float64{1, 2}, 95, ErrSettings, "level 95"},
		{[]float64{1, 2}, math.NaN(), ErrSettings, "level NaN"},
	} {
		_, _, err := MeanInterval(c.means, c.level)
		wantError(t, "MeanInterval", err, c.is, c.text)
	}
}
