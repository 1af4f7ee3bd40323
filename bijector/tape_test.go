package bijector_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
)

// The parameters of a block have the right gradient in a user's own graph on Gorgonia's tape
// machine.
func TestGradientInUsersGraph(t *testing.T) {
	b := block(4, 1, bijector.RealNVPSettings{Couplings: 2, Hidden: []int{3}})
	rnd := rand.New(rand.NewPCG(2, 3))
	x := make([]float64, 12)
	for i := range x {
		x[i] = rnd.NormFloat64()
	}
	eval := func(grad bool) (float64, []float64) {
		g := gorgonia.NewGraph()
		z := gorgonia.NewMatrix(g, tensor.Float64, gorgonia.WithShape(3, 4), gorgonia.WithName("z"),
			gorgonia.WithValue(tensor.New(tensor.WithShape(3, 4), tensor.WithBacking(x))))
		y, d, err := b.Forward(z)
		if err != nil {
			t.Fatal(err)
		}
		cost := gorgonia.Must(gorgonia.Add(gorgonia.Must(gorgonia.Sum(gorgonia.Must(gorgonia.Square(y)))),
			gorgonia.Must(gorgonia.Sum(d))))
		var value, dw gorgonia.Value
		gorgonia.Read(cost, &value)
		if grad {
			n, err := gorgonia.Grad(cost, b.Params()[0].Node(z))
			if err != nil {
				t.Fatal(err)
			}
			gorgonia.Read(n[0], &dw)
		}
		vm := gorgonia.NewTapeMachine(g)
		defer vm.Close()
		if err := vm.RunAll(); err != nil {
			t.Fatal(err)
		}
		if !grad {
			return value.Data().(float64), nil
		}
		return value.Data().(float64), dw.Data().([]float64)
	}
	_, dw := eval(true)
	w := b.Params()[0].Value().Float64s()
	for i := range w {
		const h = 1e-5
		at := w[i]
		w[i] = at + h
		up, _ := eval(false)
		w[i] = at - h
		down, _ := eval(false)
		w[i] = at
		if want := (up - down) / (2 * h); math.Abs(dw[i]-want) > 1e-6*(1+math.Abs(want)) {
			t.Errorf("parameter %d: %g, by differences %g", i, dw[i], want)
		}
	}
}
