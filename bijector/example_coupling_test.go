package bijector_test

import (
	"fmt"
	"log"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
)

// linear is a Conditioner with s = a·kept and t = kept.
type linear struct{ a *bijector.Param }

func (l linear) Params() []*bijector.Param { return []*bijector.Param{l.a} }

func (l linear) Condition(kept *gorgonia.Node) (s, t *gorgonia.Node, err error) {
	s, err = gorgonia.Mul(kept, l.a.Node(kept)) // (rows, 1)·(1, 1)
	return s, kept, err
}

// Any two functions s and t of the kept values make a coupling.
func ExampleNewCoupling() {
	a, err := bijector.NewParam("a", []float64{0.5}, 1, 1)
	if err != nil {
		log.Fatal(err)
	}
	c, err := bijector.NewCoupling(2, []int{0}, linear{a})
	if err != nil {
		log.Fatal(err)
	}

	g := gorgonia.NewGraph()
	z := gorgonia.NewMatrix(g, tensor.Float64, gorgonia.WithName("z"), gorgonia.WithShape(1, 2),
		gorgonia.WithValue(tensor.New(tensor.WithShape(1, 2), tensor.WithBacking([]float64{2, 3}))))
	x, logDet, err := c.Forward(z)
	if err != nil {
		log.Fatal(err)
	}
	if err := gorgonia.NewTapeMachine(g).RunAll(); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("x = %.4f, ln|det| = %.1f\n", x.Value().Data(), logDet.Value().Data())
	// Output: x = [2.0000 10.1548], ln|det| = [1.0]
}
