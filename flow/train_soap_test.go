package flow

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/target"
)

// soapOf is Soap on one matrix of so many rows and columns, all of params.
func soapOf(rows, cols int, params [][]float64) *adam {
	room := blas64.General{Rows: rows, Cols: cols, Stride: cols, Data: make([]float64, rows*cols)}
	return newSoap(0.1, params, []*matrix{
		{rows: rows, cols: cols, left: newSide(rows), right: newSide(cols), room: room},
	})
}

// orthogonal returns a random orthogonal matrix.
func orthogonal(seed uint64, n int) *mat.Dense {
	var qr mat.QR
	qr.Factorize(randn(seed, n, n))
	var q mat.Dense
	qr.QTo(&q)
	return &q
}

// The steps of Soap do not depend on the basis in which a matrix of parameters W is written:
// if it is UWVᵀ, so that gradients are UGVᵀ, its path is that of W, turned. That of Adam is
// not.
func TestSoapHasNoBasis(t *testing.T) {
	const n, steps = 4, 25
	u, v := orthogonal(1, n), orthogonal(2, n)
	turned := func(a mat.Matrix) *mat.Dense {
		var b mat.Dense
		b.Product(u, a, v.T())
		return &b
	}
	w := randn(3, n, n)
	other := turned(w)
	params, turnedParams := [][]float64{w.RawMatrix().Data}, [][]float64{other.RawMatrix().Data}
	a, b := soapOf(n, n, params), soapOf(n, n, turnedParams)
	for k := range steps {
		g := randn(uint64(10+k), n, n)
		h := turned(g)
		if err := errors.Join(a.update(params, [][]float64{g.RawMatrix().Data}, 1),
			b.update(turnedParams, [][]float64{h.RawMatrix().Data}, 1)); err != nil {
			t.Fatal(err)
		}
		wantClose(t, "turned parameters", other.RawMatrix().Data, turned(w).RawMatrix().Data, 1e-7) // ε is not turned
	}
}

// Without a basis to learn, on a matrix with long sides, Soap is Adam with another β₂. So it
// is for parameters in no matrix.
func TestSoapOfLongSides(t *testing.T) {
	const n = soapSide + 1
	soap, plain := [][]float64{make([]float64, n*n), {1, 2}}, [][]float64{make([]float64, n*n), {1, 2}}
	a, b := soapOf(n, n, soap), newAdam(0.1, plain)
	b.beta2 = a.beta2
	for k := range 3 {
		g := [][]float64{randn(uint64(k), n, n).RawMatrix().Data, {0.5, float64(k)}}
		h := [][]float64{slices.Clone(g[0]), slices.Clone(g[1])}
		if err := errors.Join(a.update(soap, g, 1), b.update(plain, h, 1)); err != nil {
			t.Fatal(err)
		}
	}
	for k := range soap {
		wantSame(t, "parameters", soap[k], plain[k])
	}
}

// On a quadratic form of large condition number that is no product of the matrix elements,
// Soap is nearer to the minimum after 200 steps than Adam, whose best learning rate is taken.
func TestSoapOnQuadratic(t *testing.T) {
	const n = 6
	u, v := orthogonal(4, n), orthogonal(5, n)
	scales := mat.NewDiagDense(n, []float64{1, 3, 10, 30, 100, 300})
	var left, right mat.Dense
	left.Product(u, scales, u.T())
	right.Product(v, scales, v.T())
	end := func(make func(rate float64, params [][]float64) *adam, rate float64) float64 {
		w := randn(6, n, n)
		params := [][]float64{w.RawMatrix().Data}
		a := make(rate, params)
		var g mat.Dense
		for k := range 200 {
			g.Product(&left, w, &right)
			if err := a.update(params, [][]float64{slices.Clone(g.RawMatrix().Data)}, 1-float64(k)/200); err != nil {
				t.Fatal(err)
			}
		}
		g.Product(&left, w, &right)
		g.MulElem(&g, w)
		return mat.Sum(&g) / 2
	}
	best := func(make func(rate float64, params [][]float64) *adam) float64 {
		least := math.Inf(1)
		for _, rate := range []float64{0.003, 0.01, 0.03, 0.1, 0.3} {
			least = min(least, end(make, rate))
		}
		return least
	}
	plain := best(newAdam)
	soap := best(func(rate float64, params [][]float64) *adam {
		a := soapOf(n, n, params)
		a.rate = rate
		return a
	})
	t.Logf("Adam %.3g, Soap %.3g", plain, soap)
	if soap > plain/10 {
		t.Errorf("energy %g after Soap, %g after Adam", soap, plain)
	}
}

// Where the gradient grows to a hundredfold, and before the basis follows, the step of a
// matrix still has a root mean square of at most the learning rate. Without the bound some
// steps would be longer.
func TestSoapBoundsSteps(t *testing.T) {
	const n = 6
	w := randn(1, n, n)
	params := [][]float64{w.RawMatrix().Data}
	a := soapOf(n, n, params)
	bounded := 0
	for k := range 120 {
		before := mat.DenseCopyOf(w)
		g := randn(uint64(k+2), n, n)
		if k > 100 {
			g = randn(1000, n, n)
			g.Scale(100, g)
		}
		if err := a.update(params, [][]float64{g.RawMatrix().Data}, 0.5); err != nil {
			t.Fatal(err)
		}
		before.Sub(before, w)
		switch rms := mat.Norm(before, 2) / n; {
		case rms > 0.5*a.rate*(1+1e-12):
			t.Errorf("step %d: root mean square %g of the step, rate %g", k, rms, 0.5*a.rate)
		case rms > 0.5*a.rate*(1-1e-12):
			bounded++
		}
	}
	if bounded < 4 {
		t.Errorf("the bound held back %d steps: the test shows nothing", bounded)
	}
}

// A step that fails changes nothing, also where a new basis is due.
func TestSoapFails(t *testing.T) {
	params := [][]float64{{1, 2, 3, 4}}
	a := soapOf(2, 2, params)
	update := func(g ...float64) error { return a.update(params, [][]float64{g}, 1) }
	if err := update(1e200, 1e200, -1e200, 0); !errors.Is(err, ErrNotFinite) || a.step != 0 {
		t.Errorf("first step: %v, want ErrNotFinite", err)
	}
	if err := update(1, -1, 2, 0.5); err != nil {
		t.Fatal(err)
	}
	before := slices.Concat(params[0], a.m[0], a.v[0], slices.Concat(a.bases()...))
	if err := update(1, 1e200, 0, 0); !errors.Is(err, ErrNotFinite) {
		t.Errorf("%v, want ErrNotFinite", err)
	}
	wantSame(t, "state", slices.Concat(params[0], a.m[0], a.v[0], slices.Concat(a.bases()...)), before)
	if a.step != 1 {
		t.Errorf("step %d", a.step)
	}
}

// The matrices of all blocks are found, each once: all parameters but biases and scales.
func TestMatricesOf(t *testing.T) {
	src := rand.NewPCG(1, 1)
	hidden := []int{3, 5}
	blocks := []bijector.Bijector{
		must(bijector.NewRealNVP(4, &bijector.RealNVPSettings{Couplings: 2, Hidden: hidden, Src: src})),
		must(bijector.NewSmoothSpline(4, &bijector.SplineSettings{Couplings: 2, Hidden: hidden, Src: src})),
		must(bijector.NewSpline(4, &bijector.SplineSettings{Couplings: 2, Hidden: hidden, Src: src, Pure: true})),
		must(bijector.NewCircularSpline(4, &bijector.CircularSettings{Couplings: 2, Hidden: hidden, Src: src})),
	}
	chain := must(bijector.NewChain(append(blocks, blocks[0])...)) // shared parameters
	m := must(New(target.NewNormal(4), chain))
	_, params := endToEnd(m)
	for k, p := range m.Params() {
		params[k] = p.Value().Float64s()
	}
	weights := 0
	for k, b := range blocks {
		sum := 0
		for _, w := range b.(bijector.Weighted).Weights() {
			rows, cols := w.Dims()
			sum += rows * cols
		}
		vectors := 2 * []int{2*(3+5+2) + 2, 2*(3+5+2) + 2 + 3 + 5 + 2*14, 3 + 5 + 2*23, 3 + 5 + 2*13}[k]
		if all := b.Params()[0].Value().DataSize(); sum+vectors != all {
			t.Errorf("block %d: %d values in matrices, %d in vectors, %d in all", k, sum, vectors, all)
		}
		weights += sum
	}
	found, used := 0, map[[2]int]bool{}
	for _, a := range matricesOf(m, params) {
		for i := range a.rows * a.cols {
			if used[[2]int{a.param, a.at + i}] {
				t.Fatalf("parameter %d, value %d is in two matrices", a.param, a.at+i)
			}
			used[[2]int{a.param, a.at + i}] = true
			found++
		}
	}
	if found != weights {
		t.Errorf("%d values in the matrices of the model, %d in those of the blocks", found, weights)
	}
}

// A trainer takes over no basis that Soap could not have.
func TestRestoreSoapValidates(t *testing.T) {
	trainer := func() *Trainer {
		m := mera(t, 2, 1)
		return must(NewTrainer(m, target.NewNormal(4), &Settings{
			Batch: 16, Optimizer: OptimizerSettings{Method: Soap}, Src: rand.NewPCG(1, 1),
		}))
	}
	for name, c := range map[string]struct {
		change func(a *adam)
		ok     bool
	}{
		"nothing":             {func(*adam) {}, true},
		"mean is NaN":         {func(a *adam) { a.matrices[1].left.mean.Data[1] = math.NaN() }, false},
		"mean is negative":    {func(a *adam) { a.matrices[1].left.mean.Data[0] = -1 }, false},
		"basis is too long":   {func(a *adam) { a.matrices[0].right.basis.Data[0] *= 3 }, false},
		"basis is not finite": {func(a *adam) { a.matrices[0].right.basis.Data[0] = math.Inf(1) }, false},
	} {
		tr := trainer()
		if err := tr.Run(t.Context(), 3); err != nil {
			t.Fatal(err)
		}
		c.change(tr.adam)
		var file bytes.Buffer
		if err := tr.Save(&file); err != nil {
			t.Fatal(err)
		}
		if err := trainer().Restore(&file); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
