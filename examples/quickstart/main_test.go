package main

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/target"
)

// A small run gives the reference within three of its errors.
func TestSusceptibility(t *testing.T) {
	chi, stdErr := susceptibility(120, 20)
	t.Logf("%.3f ± %.3f", chi, stdErr)
	if !(stdErr > 0 && stdErr < 0.1) || math.Abs(chi-1.0611) > 3*stdErr {
		t.Errorf("susceptibility %v ± %v, want 1.0611", chi, stdErr)
	}
}

func TestGradient(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	x := mat.NewDense(3, sites, nil)
	x.Apply(func(int, int, float64) float64 { return rnd.NormFloat64() }, x)
	if err := target.CheckGrad(target.Func(sites, logp), x, 1e-6); err != nil {
		t.Error(err)
	}
}
