package bijector_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/bijector/bijectortest"
)

// random is a matrix of normal deviates.
func random(dim int, seed uint64) *mat.Dense {
	rnd := rand.New(rand.NewPCG(seed, 5))
	m := mat.NewDense(dim, dim, nil)
	m.Apply(func(_, _ int, _ float64) float64 { return rnd.NormFloat64() }, m)
	return m
}

// orthogonal is a random orthogonal matrix with the given sign of its
// determinant.
func orthogonal(dim int, seed uint64, sign float64) *mat.Dense {
	var qr mat.QR
	qr.Factorize(random(dim, seed))
	var q mat.Dense
	qr.QTo(&q)
	if mat.Det(&q)*sign < 0 {
		for j := range dim {
			q.Set(0, j, -q.At(0, j))
		}
	}
	return &q
}

// Linear maps obey the laws of a bijector: alone, inverted, on the tiles of a fused
// layer and in a layer of nodes. On 33 tiles the three rows of the check fill one
// tile of the kernel and part of a second one.
func TestLinearConformance(t *testing.T) {
	src := rand.NewPCG(1, 2)
	twoByTwo, pairs := must(bijector.Tiles([]int{4, 4}, 2, 1, 1)), manyPairs()
	for name, b := range map[string]bijector.Bijector{
		"Orthogonal of 2":              must(bijector.NewOrthogonal(2, src)),
		"Orthogonal of 5":              must(bijector.NewOrthogonal(5, src)),
		"Orthogonal, rotation":         must(bijector.OrthogonalFrom(orthogonal(4, 1, 1))),
		"Orthogonal, reflection":       must(bijector.OrthogonalFrom(orthogonal(4, 2, -1))),
		"Orthogonal of 16, reflection": must(bijector.OrthogonalFrom(orthogonal(16, 3, -1))),
		"Orthogonal, inverted":         bijector.Invert(must(bijector.OrthogonalFrom(orthogonal(3, 4, -1)))),
		"Orthogonal, layer":            layerOn(must(bijector.OrthogonalFrom(orthogonal(4, 5, -1))), twoByTwo, 16),
		"Orthogonal, many tiles":       layerOn(must(bijector.OrthogonalFrom(orthogonal(2, 6, -1))), pairs, 67),
		"Linear of 1":                  must(bijector.NewLinear(1, src)),
		"Linear of 4":                  must(bijector.NewLinear(4, src)),
		"Linear, given":                must(bijector.LinearFrom(random(4, 7))),
		"Linear of 8, given":           must(bijector.LinearFrom(orthogonal(8, 8, -1))),
		"Linear, inverted":             bijector.Invert(must(bijector.LinearFrom(random(3, 9)))),
		"Linear, layer":                layerOn(must(bijector.LinearFrom(random(4, 7))), twoByTwo, 16),
		"Linear, many tiles":           layerOn(must(bijector.LinearFrom(random(2, 10))), pairs, 67),
		"both in a layer of nodes": layerOn(must(bijector.NewChain(must(bijector.LinearFrom(random(4, 11))),
			must(bijector.OrthogonalFrom(orthogonal(4, 12, -1))))), twoByTwo, 16),
	} {
		t.Run(name, func(t *testing.T) { bijectortest.Check(t, b) })
	}
}

// A map that is made of a matrix returns it, multiplies by it in Forward, and has its
// log-determinant. The cases include exchanged pivots and a negative diagonal of U.
func TestLinearFromMatrix(t *testing.T) {
	exchange := mat.NewDense(3, 3, []float64{0, 2, 0, 0, 0, -3, 0.5, 0, 0})
	swap, minus := mat.NewDense(2, 2, []float64{0, 1, 1, 0}), mat.NewDense(2, 2, []float64{-1, 0, 0, -1})
	type linear interface {
		bijector.Bijector
		Matrix() *mat.Dense
	}
	for name, c := range map[string]struct {
		m *mat.Dense
		b linear
	}{
		"rotation":    {orthogonal(5, 1, 1), must(bijector.OrthogonalFrom(orthogonal(5, 1, 1)))},
		"reflection":  {orthogonal(6, 2, -1), must(bijector.OrthogonalFrom(orthogonal(6, 2, -1)))},
		"permutation": {swap, must(bijector.OrthogonalFrom(swap))},
		"minus one":   {minus, must(bijector.OrthogonalFrom(minus))},
		"linear":      {random(7, 3), must(bijector.LinearFrom(random(7, 3)))},
		"exchange":    {exchange, must(bijector.LinearFrom(exchange))},
	} {
		t.Run(name, func(t *testing.T) {
			dim := c.b.Dim()
			if !mat.EqualApprox(c.b.Matrix(), c.m, 1e-14) {
				t.Errorf("matrix\n%.3f\nwant\n%.3f", mat.Formatted(c.b.Matrix()), mat.Formatted(c.m))
			}
			z := random(dim, 4).RawRowView(0)
			want := mat.NewVecDense(dim, nil)
			want.MulVec(c.m, mat.NewVecDense(dim, z))
			wantDet, _ := mat.LogDet(c.m)
			x, d := image(t, c.b, tensor.Float64, false, z)
			agree(t, "image", x, want.RawVector().Data, 1e-14)
			agree(t, "log-determinant", d, []float64{wantDet}, 1e-14)
		})
	}
}

// An Orthogonal is orthogonal for any angles, and a Linear is the product of its
// triangles for any parameters.
func TestLinearParameters(t *testing.T) {
	q := must(bijector.NewOrthogonal(4, rand.NewPCG(1, 2)))
	angles := q.Params()[0].Value().Float64s()
	if len(angles) != 6 {
		t.Fatalf("%d angles", len(angles))
	}
	for i := range angles {
		angles[i] = 3 * float64(i)
	}
	var qtq mat.Dense
	qtq.Mul(q.Matrix().T(), q.Matrix())
	if !mat.EqualApprox(&qtq, mat.NewDiagDense(4, []float64{1, 1, 1, 1}), 1e-14) {
		t.Errorf("QᵀQ is\n%.3f", mat.Formatted(&qtq))
	}
	clear(angles)
	angles[1] = math.Pi / 2 // turns position 0 towards 2
	if m := q.Matrix(); math.Abs(m.At(2, 0)-1) > 1e-15 || math.Abs(m.At(0, 2)+1) > 1e-15 {
		t.Errorf("a quarter turn is\n%.3f", mat.Formatted(m))
	}

	w := must(bijector.NewLinear(2, rand.NewPCG(1, 2)))
	copy(w.Params()[0].Value().Float64s(), []float64{math.Log(2), 3, 5, math.Log(7)})
	if want := mat.NewDense(2, 2, []float64{2, 3, 10, 22}); !mat.EqualApprox(w.Matrix(), want, 1e-14) {
		t.Errorf("matrix\n%.3f\nwant\n%.3f", mat.Formatted(w.Matrix()), mat.Formatted(want))
	}
}

// Constructors of linear maps refuse bad matrices, and name the element.
func TestLinearErrors(t *testing.T) {
	src := rand.NewPCG(1, 2)
	nan := math.NaN()
	two := func(v ...float64) *mat.Dense { return mat.NewDense(2, 2, v) }
	wide := mat.NewDense(2, 3, nil)
	orthogonal := func(a mat.Matrix) error { return errOf(bijector.OrthogonalFrom(a)) }
	linear := func(a mat.Matrix) error { return errOf(bijector.LinearFrom(a)) }
	expectAll(t, map[string]errorCase{
		"Orthogonal without source": {errOf(bijector.NewOrthogonal(2, nil)), errSettings, texts{"source"}},
		"Orthogonal of 1":           {errOf(bijector.NewOrthogonal(1, src)), errShape, texts{"dimension 1"}},
		"Orthogonal, nil":           {orthogonal(nil), errShape, texts{"square"}},
		"Orthogonal, 2×3":           {orthogonal(wide), errShape, texts{"square"}},
		"not orthogonal":            {orthogonal(two(1, 0, 1e-6, 1)), errSettings, texts{"not orthogonal"}},
		"Orthogonal, too long":      {orthogonal(two(2, 0, 0, 2)), errSettings, texts{"off by 3 at (0, 0)"}},
		"Orthogonal, NaN":           {orthogonal(two(nan, 0, 0, 1)), errSettings, texts{"NaN"}},
		"Linear without source":     {errOf(bijector.NewLinear(2, nil)), errSettings, texts{"source"}},
		"Linear of 0":               {errOf(bijector.NewLinear(0, src)), errShape, texts{"dimension 0"}},
		"Linear, nil":               {linear(nil), errShape, texts{"nil"}},
		"Linear, 2×3":               {linear(wide), errShape, texts{"(2, 3)"}},
		"Linear, singular":          {linear(two(1, 2, 2, 4)), errSettings, texts{"singular"}},
		"Linear, NaN":               {linear(two(1, nan, 0, 1)), errSettings, texts{"(0, 1) is NaN"}},
	})
}

// printImage prints the image of one row.
func printImage(b bijector.Bijector, row ...float64) {
	g := gorgonia.NewGraph()
	z := gorgonia.NewMatrix(g, tensor.Float64, gorgonia.WithName("z"), gorgonia.WithShape(1, len(row)),
		gorgonia.WithValue(tensor.New(tensor.WithShape(1, len(row)), tensor.WithBacking(row))))
	x, logDet, err := b.Forward(z)
	if err == nil {
		err = gorgonia.NewTapeMachine(g).RunAll()
	}
	fmt.Printf("x = %.4f, ln|det| = %.4f, %v\n", x.Value().Data(), logDet.Value().Data(), err)
}

func ExampleNewOrthogonal() {
	b := must(bijector.NewOrthogonal(2, rand.NewPCG(1, 2)))
	b.Params()[0].Value().Float64s()[0] = math.Pi / 6 // a turn by 30 degrees
	printImage(b, 1, 0)
	// Output: x = [0.8660 0.5000], ln|det| = [0.0000], <nil>
}

// The Haar block: mean and difference of a pair.
func ExampleOrthogonalFrom() {
	h := math.Sqrt2 / 2
	b := must(bijector.OrthogonalFrom(mat.NewDense(2, 2, []float64{h, h, h, -h})))
	printImage(b, 3, 1)
	// Output: x = [2.8284 1.4142], ln|det| = [0.0000], <nil>
}

func ExampleNewLinear() {
	b := must(bijector.NewLinear(2, rand.NewPCG(1, 2)))
	copy(b.Params()[0].Value().Float64s(), []float64{
		math.Log(2), 1, // U is (2 1; 0 1)
		0.5, 0, // L is (1 0; 0.5 1)
	})
	printImage(b, 1, 1)
	// Output: x = [3.0000 2.5000], ln|det| = [0.6931], <nil>
}

func ExampleLinearFrom() {
	b := must(bijector.LinearFrom(mat.NewDense(2, 2, []float64{1, 2, 3, 4})))
	printImage(b, 1, -1)
	fmt.Printf("%.4f\n", mat.Formatted(b.Matrix()))
	// Output:
	// x = [-1.0000 -1.0000], ln|det| = [0.6931], <nil>
	// ⎡1.0000  2.0000⎤
	// ⎣3.0000  4.0000⎦
}
