package target_test

import (
	"context"
	"fmt"
	"log"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/target"
)

func ExampleNewIsing() {
	ising, err := target.NewIsing([]int{16, 16}, target.CriticalTemperature())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d sites, alpha = %.4f\n", ising.Dim(), ising.Alpha())
	fmt.Printf("ln Z = %.6f, of the spins %.6f\n", ising.LogZ(), ising.SpinLogZ())
	// Output:
	// 256 sites, alpha = 1.8627
	// ln Z = 592.875740, of the spins 238.642257
}

// Spins are drawn from the continuous configurations that a sampler delivers.
func ExampleIsing_Spins() {
	ising, err := target.NewIsing([]int{2, 3}, 2)
	if err != nil {
		log.Fatal(err)
	}
	x := mat.NewDense(2, 6, []float64{
		9, 9, 9, 9, 9, 9,
		9, -9, 9, -9, 9, -9,
	})
	spins := mat.NewDense(2, 6, nil)
	if err := ising.Spins(spins, x, rand.NewPCG(1, 2)); err != nil {
		log.Fatal(err)
	}
	for r := range 2 {
		fmt.Printf("%+.0f, m² = %.4f\n", spins.RawRowView(r), ising.StructureFactor(x.RawRowView(r)))
	}
	// Output:
	// [+1 +1 +1 +1 +1 +1], m² = 1.0000
	// [+1 -1 +1 -1 +1 -1], m² = 0.0000
}

// Exact configurations of π(x) from exact spins, here those of a ground state: given the
// spins s, the mean of x is (K+αI)s, at every site 2/T + α for a ring of equal spins.
func ExampleIsing_FieldsGivenSpins() {
	ising, err := target.NewIsingOffset([]int{8}, 2, 1.5)
	if err != nil {
		log.Fatal(err)
	}
	const rows = 10000
	x := mat.NewDense(rows, ising.Dim(), nil)
	x.Apply(func(_, _ int, _ float64) float64 { return 1 }, x) // the spins
	if err := ising.FieldsGivenSpins(x, x, rand.NewPCG(1, 2)); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("mean of x %.1f\n", mat.Sum(x)/float64(rows*ising.Dim()))
	// Output: mean of x 2.5
}

// Gibbs as a kernel of package hmc, in turn with trajectories of hybrid Monte Carlo.
func ExampleIsing_Gibbs() {
	ising, err := target.NewIsing([]int{4, 4}, 4)
	if err != nil {
		log.Fatal(err)
	}
	const chains, sweeps, burnIn = 200, 500, 100
	x0 := mat.NewDense(chains, ising.Dim(), nil)
	s, err := hmc.New(target.NewEvaluator(ising), x0, &hmc.Settings{
		Kernel: hmc.Mix{
			{Kernel: hmc.Gibbs{Update: ising.Gibbs}, Weight: 1},
			{Kernel: hmc.HMC{StepSize: 0.3}, Weight: 1},
		},
		Src: rand.NewPCG(1, 2),
	})
	if err != nil {
		log.Fatal(err)
	}
	m2 := 0.0
	err = s.Run(context.Background(), sweeps, func(sweep int) error {
		if sweep < burnIn {
			return nil
		}
		x := s.X()
		for r := range chains {
			m2 += ising.StructureFactor(x.RawRowView(r)) / (chains * (sweeps - burnIn))
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	exact, _ := ising.ExactStructureFactor()
	fmt.Printf("⟨m²⟩ = %.2f, exact %.2f\n", m2, exact)
	// Output: ⟨m²⟩ = 0.25, exact 0.25
}

// The exact energy and specific heat per site at T_c.
func ExampleIsing_ExactEnergy() {
	ising, err := target.NewIsing([]int{16, 16}, target.CriticalTemperature())
	if err != nil {
		log.Fatal(err)
	}
	energy, heat, _ := ising.ExactEnergy()
	fmt.Printf("energy %.6f, specific heat %.6f\n", energy, heat)
	// Output: energy -1.453065, specific heat 1.498705
}

// A double well coupled to a spring, as a plain function.
func ExampleFunc() {
	well := target.Func(2, func(grad, x []float64) float64 {
		if grad != nil {
			grad[0] = 4*x[0] - 4*x[0]*x[0]*x[0] - (x[0] - x[1])
			grad[1] = x[0] - x[1]
		}
		d := x[0] - x[1]
		return 2*x[0]*x[0] - x[0]*x[0]*x[0]*x[0] - d*d/2
	})

	x := mat.NewDense(3, 2, []float64{
		1, 1,
		0, 0,
		-2, 1,
	})
	logp, grad := make([]float64, 3), mat.NewDense(3, 2, nil)
	if err := target.NewEvaluator(well).LogProbGrad(logp, grad, x); err != nil {
		log.Fatal(err)
	}
	for r := range 3 {
		fmt.Println(logp[r], grad.RawRowView(r))
	}
	// Output:
	// 1 [0 0]
	// 0 [0 0]
	// -12.5 [27 -3]
}

func ExampleCheckGrad() {
	x := mat.NewDense(2, 2, []float64{
		0, 0,
		1, 0,
	})
	good := target.Func(2, func(grad, x []float64) float64 {
		if grad != nil {
			grad[0], grad[1] = -2*x[0], -x[1]
		}
		return -x[0]*x[0] - x[1]*x[1]/2
	})
	fmt.Println(target.CheckGrad(good, x, 1e-6))

	bad := target.Func(2, func(grad, x []float64) float64 {
		if grad != nil {
			grad[0], grad[1] = -2*x[0], -x[0] // should be -x[1]
		}
		return -x[0]*x[0] - x[1]*x[1]/2
	})
	fmt.Println(target.CheckGrad(bad, x, 1e-6))
	// Output:
	// <nil>
	// target: wrong gradient: row 1, coordinate 1: -1, by finite differences 0
}

func ExampleNewNormal() {
	normal := target.NewNormal(3)
	x := mat.NewDense(2, 3, nil)
	normal.Rand(x.RawRowView(1), rand.New(rand.NewPCG(1, 2)))

	logp := make([]float64, 2)
	if err := target.NewEvaluator(normal).LogProbs(logp, x); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("at the origin %.4f, at a draw less: %t\n", logp[0], logp[1] < logp[0])
	// Output:
	// at the origin -2.7568, at a draw less: true
}

func ExampleNewUniformAngles() {
	angles := target.NewUniformAngles(3)
	x := mat.NewDense(2, 3, []float64{0, 1, 2, 0, 1, 2 + 2*math.Pi})

	logp := make([]float64, 2)
	if err := target.NewEvaluator(angles).LogProbs(logp, x); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%.4f %.4f\n", logp[0], logp[1])
	// Output:
	// -5.5136 -5.5136
}

// The correlations of a free field fall off with its mass.
func ExampleNewFreeField() {
	field, err := target.NewFreeField([]int{8, 8}, 1.25)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("ln Z = %.6f\n", field.LogZ())
	fmt.Printf("correlation with the first row: %.4f\n", field.Correlator()[:8])
	// Output:
	// ln Z = 8.608334
	// correlation with the first row: [0.2340 0.0571 0.0152 0.0047 0.0025 0.0047 0.0152 0.0571]
}

// α may be chosen larger than NewIsing does; the physics stays the same.
func ExampleNewIsingOffset() {
	for _, alpha := range []float64{2, 5} {
		ising, err := target.NewIsingOffset([]int{4, 4}, 2.5, alpha)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("α = %g: ln Z = %.6f, of the spins %.6f\n", alpha, ising.LogZ(), ising.SpinLogZ())
	}
	_, err := target.NewIsingOffset([]int{4, 4}, 2, 1)
	fmt.Println(err)
	// Output:
	// α = 2: ln Z = 38.859400, of the spins 14.561093
	// α = 5: ln Z = 70.943376, of the spins 14.561093
	// target: Ising: invalid setting: alpha is 1, want more than 2 for K+αI to be positive definite, and at most 1e+300
}

// Any density on plain slices, with its gradient.
func ExampleNewEvaluator() {
	e := target.NewEvaluator(target.NewNormal(2))
	x := mat.NewDense(2, 2, []float64{0, 1, -2, 0.5})
	logp, grad := make([]float64, 2), mat.NewDense(2, 2, nil)
	if err := e.LogProbGrad(logp, grad, x); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("ln π = %.4f\n∇ ln π = %v\n", logp, grad.RawMatrix().Data)
	// Output:
	// ln π = [-2.3379 -3.9629]
	// ∇ ln π = [-0 -1 2 -0.5]
}
