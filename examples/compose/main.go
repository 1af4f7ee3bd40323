// Command compose stacks a hierarchy by hand, with a block of its own, and
// trains it on an energy of its own: the φ⁴ theory on a 4×4 torus.
package main

import (
	"context"
	"fmt"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

const (
	l      = 4
	mass2  = -0.5 // m², negative: two wells
	lambda = 0.5  // of φ⁴
)

// logp is a plain Go energy: −S(φ) with S = Σ ½(∇φ)² + ½m²φ² + λφ⁴, and its
// gradient.
func logp(grad, phi []float64) float64 {
	s := 0.0
	for i, v := range phi {
		right := i - i%l + (i+1)%l
		down := (i + l) % (l * l)
		left := i - i%l + (i+l-1)%l
		up := (i + l*l - l) % (l * l)
		s += v*v*(2+mass2/2+lambda*v*v) - v*(phi[right]+phi[down])
		if grad != nil {
			grad[i] = phi[right] + phi[down] + phi[left] + phi[up] - v*(4+mass2+4*lambda*v*v)
		}
	}
	return -s
}

// haar is a block of our own: the average and the three differences of a 2×2
// tile, an orthogonal map that is its own inverse.
type haar struct{ matrix *bijector.Param }

func newHaar() haar {
	const a = 0.5
	return haar{must(bijector.NewParam("haar", []float64{a, a, a, a, a, -a, a, -a, a, a, -a, -a, a, -a, -a, a}, 4, 4))}
}

func (h haar) Dim() int                  { return 4 }
func (h haar) Params() []*bijector.Param { return nil } // nothing to train

func (h haar) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	if x, err = gorgonia.Mul(z, h.matrix.Node(z)); err != nil {
		return nil, nil, err
	}
	zero, err := gorgonia.Sub(z, z)
	if err != nil {
		return nil, nil, err
	}
	logDet, err = gorgonia.Sum(zero, 1)
	return x, logDet, err
}

func (h haar) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) { return h.Forward(x) }

func main() {
	src := rand.NewPCG(1, 2)
	realNVP := func(sites int) (bijector.Bijector, error) {
		return bijector.NewRealNVP(sites, &bijector.RealNVPSettings{Couplings: 6, Src: src})
	}
	wavelet := newHaar()
	coarsen := func(sites int) (bijector.Bijector, error) { // z → Real NVP → Haar → x
		block, err := realNVP(sites)
		if err != nil {
			return nil, err
		}
		return bijector.NewChain(block, wavelet)
	}
	stack := bijector.NewStack(l, l) // fine to coarse
	for stack.Sites() > 1 {          // sites that live on
		stack.Disentangle(realNVP, 2).Decimate(coarsen, 2)
	}
	h := must(stack.Hierarchy())
	model := must(flow.New(target.NewNormal(l*l), h))
	model = must(flow.Symmetrize(model, flow.Inversion(l*l)))

	action := target.Func(l*l, logp)
	must(flow.Train(context.Background(), model, action, &flow.Settings{Steps: 300, Batch: 256, Src: src}))
	e := must(flow.Evaluate(context.Background(), model, action, &flow.EvaluateSettings{Src: src}))
	fmt.Printf("−ln Z ≤ %.3f ± %.3f, by reweighting %.3f ± %.3f, effective sample size %.2f\n",
		e.Loss, e.StdErr, -e.LogZ, e.LogZErr, e.ESS)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
