package bijector_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/bijector/bijectortest"
)

// actNorm returns a map with normal deviates of the given size as parameters.
func actNorm(dim int, size float64) *bijector.ActNorm {
	b := must(bijector.NewActNorm(dim))
	randomise(b, size, rand.New(rand.NewPCG(uint64(dim), 6)))
	return b
}

// An ActNorm obeys the laws of a bijector: fresh and with random parameters, alone,
// inverted, on the tiles of a fused layer and in a chain of nodes.
func TestActNormConformance(t *testing.T) {
	twoByTwo, pairs := tilesOfFour(), manyPairs()
	for name, b := range map[string]bijector.Bijector{
		"fresh":         must(bijector.NewActNorm(4)),
		"of 1":          actNorm(1, 1),
		"of 5":          actNorm(5, 1),
		"inverted":      bijector.Invert(actNorm(3, 1)),
		"layer":         on(actNorm(4, 1), twoByTwo, 16),
		"layer, partly": on(actNorm(4, 1), twoByTwo, 17),
		"many tiles":    on(actNorm(2, 1), pairs, 67),
		"decimator":     must(must(bijector.Decimator(actNorm(4, 1), twoByTwo, 0)).On(16)),
		"before a block": must(bijector.NewChain(actNorm(4, 1),
			block(4, 1, bijector.RealNVPSettings{Couplings: 2, Hidden: []int{3}}))),
		"in a layer's tile": on(must(bijector.NewChain(actNorm(4, 1), coupling(4, []int{1, 2}, 3))), twoByTwo, 16),
	} {
		t.Run(name, func(t *testing.T) { bijectortest.Check(t, b) })
	}
}

// Images and log-determinants agree with the definition to a few roundings, for inputs
// of any size and in both precisions. Gradients are finite.
func TestActNormDefinition(t *testing.T) {
	b := must(bijector.NewActNorm(3))
	copy(b.Params()[0].Value().Float64s(), []float64{math.Log(2), -1, 0, 3, 0.5, -7})
	if !slices.Equal(b.Shift(), []float64{3, 0.5, -7}) {
		t.Errorf("shift %g", b.Shift())
	}
	agree(t, "scale", b.Scale(), []float64{2, math.Exp(-1), 1}, 1e-15)
	b.Scale()[0], b.Shift()[0] = 9, 9 // of copies
	for dt, tol := range map[tensor.Dtype]float64{tensor.Float64: 1e-15, tensor.Float32: 1e-6} {
		for _, size := range []float64{0, 1e-30, 1, 1e4, 1e30} {
			z := []float64{size, -size, 2 * size}
			x, d := image(t, b, dt, false, z)
			agree(t, "image", x, []float64{2*size + 3, 0.5 - size/math.E, 2*size - 7}, tol)
			agree(t, "log-determinant", d, []float64{math.Ln2 - 1}, tol)
			y, d := image(t, b, dt, true, z)
			agree(t, "inverse", y, []float64{(size - 3) / 2, (-size - 0.5) * math.E, 2*size + 7}, tol)
			agree(t, "log-determinant of the inverse", d, []float64{1 - math.Ln2}, tol)
			for _, inverse := range []bool{false, true} {
				dx, dw := gradients(t, oneWay{b, dt, inverse}, z, []float64{1, -2, 0.7, 0.3})
				if slices.ContainsFunc(append(dx, dw[0]...), notFinite) {
					t.Errorf("%v, %s, of size %g: gradients %g and %g", dt, direction(inverse), size, dx, dw)
				}
			}
		}
	}
}

// After Init, Inverse normalises the rows, for any means and spreads and for a view
// of a larger matrix. Scale and shift are their standard deviation and mean.
func TestActNormInit(t *testing.T) {
	const rows = 1000
	rnd := rand.New(rand.NewPCG(1, 2))
	all := mat.NewDense(rows, 6, nil)
	sizes, means := []float64{1, 1e-3, 1e100, 1e-100, 30, 1}, []float64{0, 1e3, -1e100, 0, 1e6, 0}
	all.Apply(func(_, j int, _ float64) float64 { return means[j] + sizes[j]*rnd.ExpFloat64() }, all)
	x := all.Slice(0, rows, 0, 5).(*mat.Dense)
	b := actNorm(5, 1)
	if err := b.Init(x); err != nil {
		t.Fatal(err)
	}
	z, _ := image(t, b, tensor.Float64, true, mat.DenseCopyOf(x).RawMatrix().Data)
	for i := range 5 {
		mean, variance := stat.PopMeanVariance(mat.Col(nil, i, mat.NewDense(rows, 5, z)), nil)
		if !(math.Abs(mean) < 1e-9 && math.Abs(variance-1) < 1e-9) {
			t.Errorf("column %d has mean %g and variance %g", i, mean, variance)
		}
		mean, variance = stat.PopMeanVariance(mat.Col(nil, i, x), nil)
		agree(t, "shift in units of the scale", []float64{b.Shift()[i] / b.Scale()[i]},
			[]float64{mean / math.Sqrt(variance)}, 1e-9)
		agree(t, "scale", []float64{b.Scale()[i] / math.Sqrt(variance)}, []float64{1}, 1e-12)
	}
	// The old parameters do not matter.
	again := must(bijector.NewActNorm(5))
	if err := again.Init(x); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(again.Params()[0].Value().Float64s(), b.Params()[0].Value().Float64s()) {
		t.Error("other parameters from another start")
	}
	// Inverse maps two rows to −1 and 1.
	if err := again.Init(x.Slice(0, 2, 0, 5).(*mat.Dense)); err != nil {
		t.Fatal(err)
	}
	z, _ = image(t, again, tensor.Float64, true, x.RawRowView(0))
	for i, v := range z {
		if !(math.Abs(math.Abs(v)-1) < 1e-8) {
			t.Errorf("value %d of one row of two is %g", i, v)
		}
	}
}

func TestActNormErrors(t *testing.T) {
	for _, dim := range []int{0, -1} {
		_, err := bijector.NewActNorm(dim)
		expect(t, err, bijector.ErrShape, fmt.Sprint("dimension ", dim))
	}
	b := actNorm(2, 1)
	before := slices.Clone(b.Params()[0].Value().Float64s())
	good := []float64{1, 2, 3, 4, 5, 7}
	with := func(at int, v ...float64) *mat.Dense {
		x := slices.Clone(good)
		for k, v := range v {
			x[at+2*k] = v
		}
		return mat.NewDense(3, 2, x)
	}
	for name, c := range map[string]struct {
		x    *mat.Dense
		is   error
		text string
	}{
		"nil":               {nil, bijector.ErrShape, "nil"},
		"empty":             {&mat.Dense{}, bijector.ErrShape, "(0, 0)"},
		"one row":           {mat.NewDense(1, 2, good[:2]), bijector.ErrShape, "(1, 2)"},
		"columns":           {mat.NewDense(2, 3, good), bijector.ErrShape, "(2, 3), want two rows or more of 2"},
		"NaN":               {with(3, math.NaN()), bijector.ErrSettings, "(1, 1) is NaN"},
		"NaN at the start":  {with(0, math.NaN()), bijector.ErrSettings, "(0, 0) is NaN"},
		"infinite":          {with(4, math.Inf(-1)), bijector.ErrSettings, "(2, 0) is -Inf"},
		"constant":          {with(1, 0.1, 0.1, 0.1), bijector.ErrSettings, "column 1 is constant"},
		"zero":              {with(1, 0, 0, 0), bijector.ErrSettings, "column 1 is constant"},
		"all but constant":  {with(1, 1, 1+0x1p-52, 1), bijector.ErrSettings, "column 1 is constant"},
		"tiny":              {with(0, 1e-300, 2e-300, 0), bijector.ErrSettings, "column 0 is constant"},
		"infinite variance": {with(1, 1e200, 0, -1e200), bijector.ErrSettings, "column 1 has infinite variance"},
		"infinite difference": {with(1, -math.MaxFloat64, math.MaxFloat64, 0), bijector.ErrSettings,
			"column 1 has infinite variance"},
	} {
		t.Run(name, func(t *testing.T) {
			expect(t, b.Init(c.x), c.is, c.text)
			if !slices.Equal(before, b.Params()[0].Value().Float64s()) {
				t.Error("the parameters have changed")
			}
		})
	}
	if err := b.Init(with(0)); err != nil {
		t.Error(err)
	}
}

func ExampleNewActNorm() {
	b := must(bijector.NewActNorm(2))
	printImage(b, 1, 1)
	copy(b.Params()[0].Value().Float64s(), []float64{
		math.Log(2), math.Log(3), // s
		10, 20, // t
	})
	printImage(b, 1, 1)
	// Output:
	// x = [1.0000 1.0000], ln|det| = [0.0000], <nil>
	// x = [12.0000 23.0000], ln|det| = [1.7918], <nil>
}

// Init takes mean and spread of three configurations, so that Inverse normalises them.
func ExampleActNorm_Init() {
	b := must(bijector.NewActNorm(2))
	fmt.Println(b.Init(mat.NewDense(3, 2, []float64{
		1, 100,
		2, 100,
		3, 130,
	})))
	fmt.Printf("scale %.4f, shift %.4f\n", b.Scale(), b.Shift())
	printImage(bijector.Invert(b), 3, 130)
	// Output:
	// <nil>
	// scale [0.8165 14.1421], shift [2.0000 110.0000]
	// x = [1.2247 1.4142], ln|det| = [-2.4464], <nil>
}
