package flow

import (
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/graph"
)

// jacobian is ∂x/∂z at one random z: row i is the gradient of x_i.
func jacobian(t *testing.T, b bijector.Bijector) *mat.Dense {
	t.Helper()
	n := b.Dim()
	w := mat.NewDense(n, n, nil) // one unit vector per row picks x_i of row i
	for i := range n {
		w.Set(i, i, 1)
	}
	p := graph.NewProgram(tensor.Float64, []graph.Input{{Name: "x", Cols: n}}, nil,
		func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
			x, _, err := b.Forward(in[0])
			if err != nil {
				return nil, err
			}
			flat, err := graph.Flatten(x)
			if err != nil {
				return nil, err
			}
			sum, err := graph.Dot(flat, w.RawMatrix().Data)
			if err != nil {
				return nil, err
			}
			return graph.Grad(sum, in[0])
		})
	z := randn(7, 1, n).RawRowView(0)
	jac := mat.NewDense(n, n, nil)
	if err := p.Run(n, [][]float64{slices.Repeat(z, n)}, [][]float64{jac.RawMatrix().Data}); err != nil {
		t.Fatal(err)
	}
	return jac
}

// mixing is a BlockFunc of blocks with couplings enough for every output to
// depend on every input.
func mixing(dim int, seed uint64) bijector.BlockFunc {
	src := rand.NewPCG(seed, 0)
	return func(int) (bijector.Bijector, error) {
		return bijector.NewRealNVP(dim, &bijector.RealNVPSettings{Hidden: []int{4}, Src: src})
	}
}

// With random weights, x_i depends on z_j exactly where Cone and Influence say
// so: elsewhere the derivative is zero to the bit.
func TestConeIsTheJacobian(t *testing.T) {
	pair := must(bijector.NewPermutation([]int{1, 0}))
	for name, h := range map[string]*bijector.Hierarchy{
		"MERA 8":           must(bijector.NewMERA([]int{8}, mixing(2, 1), nil)),
		"MERA 8×8, 1 deep": must(bijector.NewMERA([]int{8, 8}, mixing(4, 2), &bijector.NetworkSettings{Depth: 1})),
		"MERA 16, blocks 4": must(bijector.NewMERA([]int{16}, mixing(4, 3), &bijector.NetworkSettings{
			Size: 4, Depth: 1, Repeat: 2})),
		"tree 8":   must(bijector.NewTree([]int{8}, mixing(2, 4), nil)),
		"tree 4×8": must(bijector.NewTree([]int{4, 8}, mixing(4, 5), &bijector.NetworkSettings{Depth: 1})),
		"TEBD 16":  must(bijector.NewTEBD([]int{16}, mixing(2, 6), &bijector.NetworkSettings{Depth: 2})),
		"TEBD 8×8": must(bijector.NewTEBD([]int{8, 8}, mixing(4, 7), nil)),
		"irregular": must(bijector.NewHierarchy(6,
			must(bijector.Decimator(must(mixing(3, 8)(0)), [][]int{{5, 0, 3}}, 2)),
			must(bijector.Disentangler(must(mixing(2, 9)(0)), [][]int{{3, 4}})))),
		"conditional 8": must(bijector.NewMERA([]int{8}, mixing(2, 10),
			&bijector.NetworkSettings{ContextBlock: conditional(11, 4)})),
		"conditional tree 8×8": must(bijector.NewTree([]int{8, 8}, mixing(4, 12),
			&bijector.NetworkSettings{Depth: 2, ContextBlock: conditional(13, 4)})),
		"tile apart": must(bijector.NewHierarchy(3,
			must(bijector.Disentangler(must(bijector.NewChain(must(mixing(2, 9)(0)), pair)), [][]int{{0, 2}})))),
	} {
		t.Run(name, func(t *testing.T) {
			scramble(h, 3, 0.5)
			jac := jacobian(t, h)
			for i := range h.Dim() {
				var from, to []int
				for j := range h.Dim() {
					if jac.At(i, j) != 0 {
						from = append(from, j)
					}
					if jac.At(j, i) != 0 {
						to = append(to, j)
					}
				}
				if got := h.Cone(i); !slices.Equal(got, from) {
					t.Errorf("x_%d has the cone %v, depends on z of %v", i, got, from)
				}
				if got := h.Influence(i); !slices.Equal(got, to) {
					t.Errorf("z_%d has influence on %v, x of %v depend on it", i, got, to)
				}
			}
		})
	}
}
