package flow

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/target"
)

// quarters has four images of every configuration, of which two are taken: three
// choices.
func quarters(t *testing.T) *Model {
	return symmetrize(t, model(t, newShift(2)), Symmetry{Perm: []int{1, 0}, Sign: []float64{-1, 1}})
}

// wantIndependent checks that images of rows coincide as often as chance has it.
func wantIndependent(t *testing.T, what string, batches [][]float64) {
	t.Helper()
	same, of := 0, 0
	for k := range len(batches) - 1 {
		for r, v := range batches[k] {
			if of++; v == batches[k+1][r] {
				same++
			}
		}
	}
	if p, sigma := float64(same)/float64(of), math.Sqrt(2./9/float64(of)); math.Abs(p-1./3) > 5*sigma || of < 300 {
		t.Errorf("%s: %g of %d images are those of the batch before, want a third ± %g", what, p, of, sigma)
	}
}

// Every batch of an evaluation has images of its own, and every batch of data.
func TestEvaluateImagesAreFresh(t *testing.T) {
	const batch, n = 8, 400
	m := quarters(t)
	var e *evaluator
	var seen [][]float64
	row := 0
	d := target.Func(2, func(_, x []float64) float64 {
		if row++; (row-1)%batch == 0 {
			seen = append(seen, slices.Clone(e.images.chosen))
		}
		return -x[0]*x[0] - x[1]*x[1]
	})
	s := must((EvaluateSettings{Samples: n, Batch: batch, Images: 2, Src: rand.NewPCG(1, 2),
		Data: &DataRows{X: randn(1, n, 2)}}).defaults(m))
	e = must(newEvaluator(m, d, s))
	if _, err := e.estimate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 2*n/batch {
		t.Fatalf("%d batches", len(seen))
	}
	wantIndependent(t, "samples", seen[:n/batch+1])
	wantIndependent(t, "data", append(seen[n/batch-1:], seen[:20]...))
}

// The images that data are judged over are not those of the samples of the step.
func TestDataImagesAreTheirOwn(t *testing.T) {
	const batch, steps = 8, 100
	m := quarters(t)
	var tr *Trainer
	var pairs [][]float64
	row := 0
	d := target.Func(2, func(grad, x []float64) float64 {
		if grad == nil {
			return 0
		}
		if row++; (row-1)%batch == 0 {
			pairs = append(pairs, slices.Clone(tr.images.chosen))
		}
		grad[0], grad[1] = -2*x[0], -2*x[1]
		return -x[0]*x[0] - x[1]*x[1]
	})
	tr = must(NewTrainer(m, d, &Settings{Batch: batch, Images: 2,
		Data: &DataSettings{Source: dataFunc(func(x *mat.Dense) error { x.Zero(); return nil })},
		Src:  rand.NewPCG(1, 2)}))
	for range steps {
		if _, err := tr.Step(); err != nil {
			t.Fatal(err)
		}
		pairs = append(pairs, slices.Clone(tr.data.images.chosen))
	}
	if len(pairs) != 2*steps {
		t.Fatalf("%d sets of images", len(pairs))
	}
	wantIndependent(t, "data after samples", pairs)
}
