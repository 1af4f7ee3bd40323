package main

import (
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector/bijectortest"
	"github.com/neuralrg/neuralrg/target"
)

func TestHaar(t *testing.T) { bijectortest.Check(t, newHaar()) }

func TestAction(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	x := mat.NewDense(3, l*l, nil)
	x.Apply(func(int, int, float64) float64 { return rnd.NormFloat64() }, x)
	if err := target.CheckGrad(target.Func(l*l, logp), x, 1e-6); err != nil {
		t.Error(err)
	}
}

func TestRuns(t *testing.T) { main() }
