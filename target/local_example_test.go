package target_test

import (
	"fmt"
	"log"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/target"
)

// The massive sine-Gordon model, S = Σ ½(∂φ)² + ½M²φ² − ζ cos βφ: in two dimensions the
// lattice kinetic term ½ Σ_bonds (φ_x − φ_y)² is 2 Σ φ_x² − Σ_bonds φ_xφ_y.
func ExampleNewLocal() {
	const mass2, zeta, beta = 0.5, 0.3, 2.0
	sineGordon, err := target.NewLocal([]int{8, 8}, &target.LocalSettings{
		Potential: func(_ int, grad, phi []float64) float64 {
			v := phi[0]
			grad[0] = (4+mass2)*v + zeta*beta*math.Sin(beta*v)
			return (2+mass2/2)*v*v - zeta*math.Cos(beta*v)
		},
		Mass2: mass2 + zeta*beta*beta, // for Spectrum: that of the quadratic part of S
	})
	if err != nil {
		log.Fatal(err)
	}
	x := mat.NewDense(3, sineGordon.Dim(), nil)
	rnd := rand.New(rand.NewPCG(1, 2))
	x.Apply(func(_, _ int, _ float64) float64 { return rnd.NormFloat64() }, x)
	fmt.Println("error of the gradient:", target.CheckGrad(sineGordon, x, 1e-6))
	fmt.Printf("⟨|φ_k|²⟩ at k = 0, to quadratic order: %.4f\n", sineGordon.Spectrum()[0])
	// Output:
	// error of the gradient: <nil>
	// ⟨|φ_k|²⟩ at k = 0, to quadratic order: 0.5882
}

// Measurements of one configuration: a wave along the first axis.
func ExampleNewField() {
	field, err := target.NewField([]int{4, 3}, 1)
	if err != nil {
		log.Fatal(err)
	}
	phi := []float64{
		2, 2, 2,
		1, 1, 1,
		0, 0, 0,
		1, 1, 1,
	}
	m, c := make([]float64, 1), make([]float64, 4)
	field.Magnetization(m, phi)
	field.Correlator(c, phi, 0)
	fmt.Printf("m = %.2f, χ = %.2f, two-point function %.2f\n", m, field.Susceptibility(phi), c)
	// Output:
	// m = [1.00], χ = 12.00, two-point function [4.50 3.00 1.50 3.00]
}
