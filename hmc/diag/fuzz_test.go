package diag

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/neuralrg/neuralrg/internal/num"
	"gonum.org/v1/gonum/mat"
)

// isOurs reports whether an error wraps one of the package's own.
func isOurs(err error) bool {
	for _, is := range []error{ErrShape, ErrNotFinite, ErrSettings, ErrWindow} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
}

// For any measurements, estimates are errors or finite and positive, and do not
// depend on the unit.
func FuzzEstimates(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, uint8(1), false, 0.9)
	f.Add([]byte("0101010101010101010101010101010101010101010101010101010101010101"), uint8(2), false, 0.95)
	noise := make([]byte, 600)
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(rnd.Uint32())
	}
	f.Add(noise, uint8(3), false, 0.5)
	f.Add(noise, uint8(3), true, math.NaN())
	f.Add(noise, uint8(23), false, 0.5)
	f.Fuzz(func(t *testing.T, data []byte, chains uint8, bits bool, level float64) {
		var values []float64
		if bits {
			for ; len(data) >= 8; data = data[8:] {
				values = append(values, math.Float64frombits(binary.LittleEndian.Uint64(data)))
			}
		} else {
			for _, b := range data {
				values = append(values, float64(int8(b)))
			}
		}
		mean, half, err := MeanInterval(values, level)
		if err != nil && !isOurs(err) || err == nil && !(num.Finite(mean) && half >= 0) {
			t.Errorf("MeanInterval: %v ± %v, %v", mean, half, err)
		}
		columns := int(chains)%40 + 1
		if len(values) < columns {
			return
		}
		steps := len(values) / columns
		x := mat.NewDense(steps, columns, values[:steps*columns])
		g, err := Gamma(x)
		if err != nil && !isOurs(err) || err == nil && !(g.Tau > 0 && num.Finite(g.StdErr, g.TauError, g.StdErrError)) {
			t.Errorf("Gamma: %+v, %v", g, err)
		}
		tau, stdErr, err := AutocorrTime(x)
		if err != nil {
			if !isOurs(err) || tau != 0 || stdErr != 0 {
				t.Errorf("%v ± %v, %v", tau, stdErr, err)
			}
			return
		}
		if !(tau > 0 && stdErr > 0 && num.Finite(tau) && num.Finite(stdErr)) {
			t.Errorf("%v ± %v", tau, stdErr)
		}
		if bits {
			return
		}
		x.Apply(func(_, _ int, v float64) float64 { return math.Ldexp(v, -900) }, x)
		if again, _, err := AutocorrTime(x); err != nil || again != tau {
			t.Errorf("%v, times 2^−900 %v, %v", tau, again, err)
		}
	})
}
