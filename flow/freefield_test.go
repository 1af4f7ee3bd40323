package flow

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/target"
)

// gaussianGap is the exact gap of a model of linear blocks on a free field,
// in nats: with x = Wz and the field's covariance C,
//
//	KL(q|π) = ½ [tr(C⁻¹WWᵀ) − N − ln det(C⁻¹WWᵀ)].
func gaussianGap(t *testing.T, h *bijector.Hierarchy, f *target.FreeField) float64 {
	t.Helper()
	n := h.Dim()
	w := covariance(t, h, 0)
	action := mat.NewDense(n, n, nil) // C⁻¹: minus the gradients at the unit vectors
	unit := mat.NewDense(n, n, nil)
	for i := range n {
		unit.Set(i, i, 1)
	}
	if err := target.NewEvaluator(f).LogProbGrad(make([]float64, n), action, unit); err != nil {
		t.Fatal(err)
	}
	action.Scale(-1, action)
	var a mat.Dense
	a.Mul(action, w)
	det, sign := mat.LogDet(&a)
	if sign < 0 {
		t.Fatal("negative determinant")
	}
	return 0.5 * (mat.Trace(&a) - float64(n) - det)
}

// The free-field limit: with Linear blocks the network is a Gaussian, and
// training brings it within 0.02 nats of the free field on 8×8 sites with m² =
// 1.25. The estimates that training and Evaluate are judged by agree with the
// exact divergence.
func TestFreeFieldLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for some seconds")
	}
	shape, src := []int{8, 8}, rand.NewPCG(1, 2)
	field := must(target.NewFreeField(shape, 1.25))
	h := must(bijector.NewMERA(shape, func(int) (bijector.Bijector, error) { return bijector.NewLinear(4, src) },
		&bijector.NetworkSettings{Repeat: 3}))
	m := model(t, h)
	before := gaussianGap(t, h, field)
	must(Train(context.Background(), m, field, &Settings{
		Batch:     128,
		Steps:     800,
		Optimizer: OptimizerSettings{LearnRate: 0.03, Schedule: Cosine(800, 0)},
		Objective: ReverseKL{PathGradient: true},
		Src:       src,
	}))
	gap := gaussianGap(t, h, field)
	e := must(Evaluate(context.Background(), m, field, &EvaluateSettings{Samples: 20_000, Src: rand.NewPCG(3, 4)}))
	t.Logf("gap %.4f nats at the start, %.5f at the end, estimated as %.5f ± %.5f", before, gap, e.Loss+field.LogZ(),
		e.StdErr)
	if gap > 0.02 {
		t.Errorf("gap of %.4f nats, want less than 0.02", gap)
	}
	if off := e.Loss + field.LogZ() - gap; math.Abs(off) > 4*e.StdErr {
		t.Errorf("estimated gap is off by %.5f with a standard error of %.5f", off, e.StdErr)
	}
	if math.Abs(e.LogZ-field.LogZ()) > 4*e.LogZErr {
		t.Errorf("ln Z estimated as %.5f ± %.5f, is %.5f", e.LogZ, e.LogZErr, field.LogZ())
	}
}

// One block on the whole lattice can be any Gaussian: given a factor of the
// exact covariance, the model is the free field itself, and ln(q/π) is −ln Z at
// every sample.
func TestFreeFieldExactly(t *testing.T) {
	const n = 8
	field := must(target.NewFreeField([]int{n}, 0.5))
	g := field.Correlator()
	c := mat.NewSymDense(n, nil)
	for i := range n {
		for j := range i + 1 {
			c.SetSym(i, j, g[i-j])
		}
	}
	var chol mat.Cholesky
	if !chol.Factorize(c) {
		t.Fatal("not positive definite")
	}
	var l mat.TriDense
	chol.LTo(&l)
	m := model(t, must(bijector.LinearFrom(&l)))
	e := must(Evaluate(context.Background(), m, field, &EvaluateSettings{Samples: 1000, Src: rand.NewPCG(1, 2)}))
	if math.Abs(e.Loss+field.LogZ()) > 1e-12 || e.Variance > 1e-24 {
		t.Errorf("gap %.2g nats, variance %.2g", e.Loss+field.LogZ(), e.Variance)
	}
}

// White noise through the root of its covariance is the free field, exactly:
// every sample has the same weight.
func TestSpectralIsTheFreeField(t *testing.T) {
	for _, shape := range [][]int{{7}, {4, 6}} {
		field := must(target.NewFreeField(shape, 0.7))
		m := model(t, must(bijector.NewSpectral(shape, field.Spectrum())))
		e, err := Evaluate(context.Background(), m, field, &EvaluateSettings{Samples: 100, Src: rand.NewPCG(1, 1)})
		if err != nil {
			t.Fatal(err)
		}
		if !(math.Abs(e.Loss+field.LogZ()) < 1e-10 && e.Variance < 1e-20) {
			t.Errorf("%v: gap %g, variance %g", shape, e.Loss+field.LogZ(), e.Variance)
		}
	}
}
