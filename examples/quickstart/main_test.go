package main

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/target"
)

// A small run gives the reference within three of its errors, and is trusted.
func TestSusceptibility(t *testing.T) {
	r := susceptibility(120, 0.03)
	t.Log(r)
	chi := r.Rows[0]
	if !r.OK() || !(chi.MCSE > 0 && chi.MCSE < 0.1) || math.Abs(chi.Mean-1.0611) > 3*chi.MCSE {
		t.Errorf("susceptibility %v ± %v, want 1.0611; %s", chi.Mean, chi.MCSE, r.Verdict())
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
