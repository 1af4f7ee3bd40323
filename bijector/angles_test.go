package bijector_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/bijector/bijectortest"
)

// Angles obeys the laws of a bijector in both directions.
func TestAnglesConformance(t *testing.T) {
	a := must(bijector.NewAngles(3))
	bijectortest.Check(t, a)
	bijectortest.CheckAngles(t, bijector.Invert(a))
	if again, ok := must(bijector.Copy(a)).(*bijector.Angles); !ok || again.Dim() != 3 {
		t.Errorf("the copy is %v", again)
	}
}

// Standard normal values become uniform: the probability below z is the one below x.
// Inverse does not depend on turns and is finite at π; NaN stays NaN.
func TestAnglesIsUniform(t *testing.T) {
	a := must(bijector.NewAngles(1))
	for z := -6.0; z <= 6; z += 0.37 {
		x, d := image(t, a, tensor.Float64, false, []float64{z})
		below := 0.5 * math.Erfc(-z/math.Sqrt2)
		if got := (x[0] + math.Pi) / (2 * math.Pi); math.Abs(got-below) > 1e-15 {
			t.Errorf("z = %g: %g of the circle, want %g", z, got, below)
		}
		// The density of x is that of z over the slope.
		if logq := -0.5*z*z - 0.5*math.Log(2*math.Pi) - d[0]; math.Abs(logq+math.Log(2*math.Pi)) > 1e-13 {
			t.Errorf("z = %g: ln q is %g", z, logq)
		}
		back, _ := image(t, a, tensor.Float64, true, []float64{x[0] + 2*math.Pi})
		if math.Abs(z) < 3 && math.Abs(back[0]-z) > 1e-12 {
			t.Errorf("z = %g comes back as %g", z, back[0])
		}
	}
	for _, x := range []float64{math.Pi, -math.Pi, 3 * math.Pi} {
		z, d := image(t, a, tensor.Float64, true, []float64{x})
		if !(math.Abs(math.Abs(z[0])-8.2) < 0.1) || notFinite(d[0]) {
			t.Errorf("%g becomes %g with %g", x, z[0], d[0])
		}
	}
	for _, inverse := range []bool{false, true} {
		if y, _ := image(t, a, tensor.Float64, inverse, []float64{math.NaN()}); !math.IsNaN(y[0]) {
			t.Errorf("NaN becomes %g", y[0])
		}
	}
	for _, dim := range []int{-1, 0, 1<<28 + 1} {
		if _, err := bijector.NewAngles(dim); !errors.Is(err, bijector.ErrShape) {
			t.Errorf("dimension %d: %v", dim, err)
		}
	}
}

// A flow of angles whose prior is normal: the chain begins with Angles.
func ExampleNewAngles() {
	block := must(bijector.NewCircularSpline(4, &bijector.CircularSettings{Src: rand.NewPCG(1, 2)}))
	b := must(bijector.NewChain(must(bijector.NewAngles(4)), block))
	fmt.Println(b.Dim(), "angles,", len(b.Params()), "parameter")
	// Output: 4 angles, 1 parameter
}
