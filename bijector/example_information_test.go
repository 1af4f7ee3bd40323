package bijector_test

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/mi"
	"github.com/neuralrg/neuralrg/target"
)

// Decimation conserves mutual information (paper, eq. 2): that of the halves A
// and B of a tree's physical variables is that of the two variables a and b
// which live on, here by samples of nonlinear blocks.
func ExampleNewTree_information() {
	ctx := context.Background()
	src := rand.NewPCG(2, 3)
	block := func(int) (bijector.Bijector, error) {
		return bijector.NewRealNVP(2, &bijector.RealNVPSettings{Couplings: 4, Hidden: []int{8}, Src: src})
	}
	tree, err := bijector.NewTree([]int{4}, block, nil)
	if err != nil {
		log.Fatal(err)
	}
	// Weights of some size: blocks start near the identity.
	rnd := rand.New(rand.NewPCG(3, 1))
	for _, p := range tree.Params() {
		w := p.Value().Float64s()
		for i := range w {
			w[i] = 0.4 * rnd.NormFloat64()
		}
	}
	top, err := bijector.NewHierarchy(4, tree.Layers()[1:]...)
	if err != nil {
		log.Fatal(err)
	}
	// The same latent variables seen through all layers and through the top one.
	z := mat.NewDense(4000, 4, nil)
	target.NewNormal(4).Rand(z.RawMatrix().Data, rand.New(src))
	decoded := func(b bijector.Bijector) *mat.Dense {
		m, err := flow.New(target.NewNormal(4), b)
		if err != nil {
			log.Fatal(err)
		}
		x := mat.NewDense(4000, 4, nil)
		if err := m.Decode(x, nil, z); err != nil {
			log.Fatal(err)
		}
		return x
	}
	information := func(name string, x, y mat.Matrix) {
		v, err := mi.Estimate(ctx, x.(*mat.Dense), y.(*mat.Dense), nil)
		if err != nil {
			log.Fatal(err)
		}
		stdErr, err := mi.StdErr(ctx, x.(*mat.Dense), y.(*mat.Dense), 10, nil)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s = %.2f ± %.2f nats\n", name, v, stdErr)
	}
	x, above := decoded(tree), decoded(top)
	information("I(A:B)", x.Slice(0, 4000, 0, 2), x.Slice(0, 4000, 2, 4))
	information("I(a:b)", above.Slice(0, 4000, 0, 1), above.Slice(0, 4000, 2, 3))
	// Output:
	// I(A:B) = 0.28 ± 0.02 nats
	// I(a:b) = 0.30 ± 0.02 nats
}
