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

// tilesOfFour returns the tiles of 2×2 sites of a 4×4 lattice.
func tilesOfFour() [][]int { return must(bijector.Tiles([]int{4, 4}, 2, 1, 1)) }

// manyPairs returns 33 tiles of two sites each, on a row of 66 sites.
func manyPairs() [][]int {
	var pairs [][]int
	for i := range 33 {
		pairs = append(pairs, []int{65 - i, i})
	}
	return pairs
}

// on returns the layer that applies a block to the tiles of a row of n sites.
func on(b bijector.Bijector, tiles [][]int, n int) bijector.Bijector {
	return must(must(bijector.Disentangler(b, tiles)).On(n))
}

// Linear maps keep the promises of a bijector alone, on the tiles of a layer,
// fused or in a chain of nodes, and inverted. On 33 tiles the three rows of
// the check fill more than one tile of the kernel, and the last one not quite.
func TestLinearConformance(t *testing.T) {
	src := rand.NewPCG(1, 2)
	twoByTwo, pairs := tilesOfFour(), manyPairs()
	for name, b := range map[string]bijector.Bijector{
		"Orthogonal of 2":              must(bijector.NewOrthogonal(2, src)),
		"Orthogonal of 5":              must(bijector.NewOrthogonal(5, src)),
		"Orthogonal, rotation":         must(bijector.OrthogonalFrom(orthogonal(4, 1, 1))),
		"Orthogonal, reflection":       must(bijector.OrthogonalFrom(orthogonal(4, 2, -1))),
		"Orthogonal of 16, reflection": must(bijector.OrthogonalFrom(orthogonal(16, 3, -1))),
		"Orthogonal, inverted":         bijector.Invert(must(bijector.OrthogonalFrom(orthogonal(3, 4, -1)))),
		"Orthogonal, layer":            on(must(bijector.OrthogonalFrom(orthogonal(4, 5, -1))), twoByTwo, 16),
		"Orthogonal, many tiles":       on(must(bijector.OrthogonalFrom(orthogonal(2, 6, -1))), pairs, 67),
		"Linear of 1":                  must(bijector.NewLinear(1, src)),
		"Linear of 4":                  must(bijector.NewLinear(4, src)),
		"Linear, given":                must(bijector.LinearFrom(random(4, 7))),
		"Linear of 8, given":           must(bijector.LinearFrom(orthogonal(8, 8, -1))),
		"Linear, inverted":             bijector.Invert(must(bijector.LinearFrom(random(3, 9)))),
		"Linear, layer":                on(must(bijector.LinearFrom(random(4, 7))), twoByTwo, 16),
		"Linear, many tiles":           on(must(bijector.LinearFrom(random(2, 10))), pairs, 67),
		"both in a layer of nodes": on(must(bijector.NewChain(must(bijector.LinearFrom(random(4, 11))),
			must(bijector.OrthogonalFrom(orthogonal(4, 12, -1))))), twoByTwo, 16),
	} {
		t.Run(name, func(t *testing.T) { bijectortest.Check(t, b) })
	}
}

// A map that is made from a matrix multiplies by it and has its log-determinant, and Matrix
// returns it. This holds also if pivots are exchanged or the diagonal of U is negative.
func TestLinearFromMatrix(t *testing.T) {
	exchange := mat.NewDense(3, 3, []float64{0, 2, 0, 0, 0, -3, 0.5, 0, 0})
	type linear interface {
		bijector.Bijector
		Matrix() *mat.Dense
	}
	for name, c := range map[string]struct {
		m *mat.Dense
		b linear
	}{
		"rotation":   {orthogonal(5, 1, 1), must(bijector.OrthogonalFrom(orthogonal(5, 1, 1)))},
		"reflection": {orthogonal(6, 2, -1), must(bijector.OrthogonalFrom(orthogonal(6, 2, -1)))},
		"permutation": {mat.NewDense(2, 2, []float64{0, 1, 1, 0}),
			must(bijector.OrthogonalFrom(mat.NewDense(2, 2, []float64{0, 1, 1, 0})))},
		"minus one": {mat.NewDense(2, 2, []float64{-1, 0, 0, -1}),
			must(bijector.OrthogonalFrom(mat.NewDense(2, 2, []float64{-1, 0, 0, -1})))},
		"linear":   {random(7, 3), must(bijector.LinearFrom(random(7, 3)))},
		"exchange": {exchange, must(bijector.LinearFrom(exchange))},
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

// An Orthogonal is orthogonal for any angles. A Linear is the product of its triangles for any
// elements.
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

func TestLinearErrors(t *testing.T) {
	src := rand.NewPCG(1, 2)
	nan := math.NaN()
	for name, c := range map[string]struct {
		build func() error
		is    error
		text  string
	}{
		"Orthogonal without source": {func() error { _, err := bijector.NewOrthogonal(2, nil); return err },
			bijector.ErrSettings, "source"},
		"Orthogonal of 1": {func() error { _, err := bijector.NewOrthogonal(1, src); return err },
			bijector.ErrShape, "dimension 1"},
		"nil": {func() error { _, err := bijector.OrthogonalFrom(nil); return err },
			bijector.ErrShape, "square"},
		"orthogonal 2×3": {func() error {
			_, err := bijector.OrthogonalFrom(mat.NewDense(2, 3, nil))
			return err
		}, bijector.ErrShape, "square"},
		"not orthogonal": {func() error {
			_, err := bijector.OrthogonalFrom(mat.NewDense(2, 2, []float64{1, 0, 1e-6, 1}))
			return err
		},
			bijector.ErrSettings, "not orthogonal"},
		"too long": {func() error {
			_, err := bijector.OrthogonalFrom(mat.NewDense(2, 2, []float64{2, 0, 0, 2}))
			return err
		},
			bijector.ErrSettings, "off by 3 at (0, 0)"},
		"orthogonal NaN": {func() error {
			_, err := bijector.OrthogonalFrom(mat.NewDense(2, 2, []float64{nan, 0, 0, 1}))
			return err
		},
			bijector.ErrSettings, "NaN"},
		"Linear without source": {func() error { _, err := bijector.NewLinear(2, nil); return err },
			bijector.ErrSettings, "source"},
		"Linear of 0": {func() error { _, err := bijector.NewLinear(0, src); return err },
			bijector.ErrShape, "dimension 0"},
		"linear nil": {func() error { _, err := bijector.LinearFrom(nil); return err },
			bijector.ErrShape, "nil"},
		"linear 2×3": {func() error {
			_, err := bijector.LinearFrom(mat.NewDense(2, 3, nil))
			return err
		}, bijector.ErrShape, "(2, 3)"},
		"singular": {func() error {
			_, err := bijector.LinearFrom(mat.NewDense(2, 2, []float64{1, 2, 2, 4}))
			return err
		},
			bijector.ErrSettings, "singular"},
		"linear NaN": {func() error {
			_, err := bijector.LinearFrom(mat.NewDense(2, 2, []float64{1, nan, 0, 1}))
			return err
		},
			bijector.ErrSettings, "(0, 1) is NaN"},
	} {
		t.Run(name, func(t *testing.T) { expect(t, c.build(), c.is, c.text) })
	}
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

// The scales of rows and columns do not decide whether a matrix is singular, and change its map
// only by rounding.
func TestLinearOfAnyScale(t *testing.T) {
	scales := [][]float64{{1, 1, 1}, {1e-8, 1, 1e8}, {1e100, 1e-100, 1}, {1e-60, 1e-60, 1e-60}, {3, 1e80, 1e-80}}
	singular := mat.NewDense(3, 3, []float64{1, 2, 3, 4, 5, 6, 7, 8, 9})
	scaled := func(m *mat.Dense, rows, cols []float64) *mat.Dense {
		s := mat.DenseCopyOf(m)
		s.Apply(func(i, j int, v float64) float64 { return v * rows[i] * cols[j] }, s)
		return s
	}
	for _, rows := range scales {
		for _, cols := range scales {
			for seed := range uint64(5) {
				m := scaled(random(3, 100+seed), rows, cols)
				b, err := bijector.LinearFrom(m)
				if err != nil {
					t.Fatalf("rows %g, columns %g: %v", rows, cols, err)
				}
				// Errors are those of a matrix with rows and columns of one scale.
				got := b.Matrix()
				for i := range 3 {
					for j := range 3 {
						if d := math.Abs(got.At(i, j)-m.At(i, j)) / (rows[i] * cols[j]); !(d <= 1e-13) {
							t.Errorf("rows %g, columns %g: element (%d, %d) is %g, want %g",
								rows, cols, i, j, got.At(i, j), m.At(i, j))
						}
					}
				}
				want, _ := mat.LogDet(random(3, 100+seed))
				for i := range 3 {
					want += math.Log(rows[i]) + math.Log(cols[i])
				}
				_, d := image(t, b, tensor.Float64, false, []float64{0, 0, 0})
				agree(t, "log-determinant", d, []float64{want}, 1e-12)
			}
			_, err := bijector.LinearFrom(scaled(singular, rows, cols))
			expect(t, err, bijector.ErrSettings, "singular")
		}
	}
	// What the balance of rows and columns is for: the elimination must not lose the
	// small row beside the large element.
	m := mat.NewDense(2, 2, []float64{1, 1e20, 1, 1})
	if got := must(bijector.LinearFrom(m)).Matrix(); !mat.EqualApprox(got, m, 1e-15) {
		t.Errorf("matrix\n%g\nwant\n%g", mat.Formatted(got), mat.Formatted(m))
	}
	diagonal := must(bijector.LinearFrom(mat.NewDense(2, 2, []float64{1e-8, 0, 0, 1e8})))
	if w := diagonal.Params()[0].Value().Float64s(); math.Abs(w[0]+w[3]) > 1e-14 {
		t.Error("the log-determinant of diag(1e-8, 1e8) is not zero")
	}
	for name, v := range map[string][]float64{"row": {0, 0, 1, 2}, "column": {0, 1, 0, 2}, "all": {0, 0, 0, 0}} {
		_, err := bijector.LinearFrom(mat.NewDense(2, 2, v))
		expect(t, err, bijector.ErrSettings, "singular",
			map[string]string{"row": "row 0", "column": "column 0", "all": "row 0"}[name])
	}
	_, err := bijector.LinearFrom(mat.NewDense(2, 2, []float64{1e-320, 0, 0, 1}))
	expect(t, err, bijector.ErrSettings, "exceed float64")
}
