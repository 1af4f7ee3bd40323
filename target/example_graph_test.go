package target_test

import (
	"fmt"
	"log"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/hmc/cluster"
	"github.com/neuralrg/neuralrg/target"
)

// A frustrated triangle of antiferromagnetic bonds, with a field at one site.
func ExampleNewIsingGraph() {
	bonds := []target.Bond{{I: 0, J: 1, K: -1}, {I: 1, J: 2, K: -1}, {I: 2, J: 0, K: -1}}
	ising, err := target.NewIsingGraph(3, bonds, &target.IsingGraphSettings{Fields: []float64{0.5, 0, 0}})
	if err != nil {
		log.Fatal(err)
	}
	logZ, _ := ising.SpinLogZ()
	fmt.Printf("α = %.3f, ln Z of the spins %.6f, of x %.6f\n", ising.Alpha(), logZ, logZ+ising.LogZOffset())

	// Gibbs sampling is exact. ⟨m²⟩ comes from x without drawing spins.
	x, rnd, m2 := mat.NewDense(1000, 3, nil), rand.New(rand.NewPCG(1, 2)), 0.0
	for range 20 {
		if err := ising.Gibbs(x, rnd); err != nil {
			log.Fatal(err)
		}
	}
	for r := range 1000 {
		m2 += ising.StructureFactor(x.RawRowView(r)) / 1000
	}
	exact, _ := ising.ExactStructureFactor()
	fmt.Printf("⟨m²⟩ = %.2f, exact %.4f\n", m2, exact)
	// Output:
	// α = 2.100, ln Z of the spins 2.917961, of x 6.725444
	// ⟨m²⟩ = 0.12, exact 0.1165
}

// The bonds of package hmc/cluster serve here, too. Three dimensions, periodic.
func ExampleNewIsingGraph_cubic() {
	bonds, err := cluster.Lattice([]int{3, 3, 3}, 0.22)
	if err != nil {
		log.Fatal(err)
	}
	ising, err := target.NewIsingGraph(27, bonds, nil)
	if err != nil {
		log.Fatal(err)
	}
	logZ, _ := ising.SpinLogZ()
	m2, _ := ising.ExactStructureFactor()
	fmt.Printf("ln Z = %.6f, ⟨m²⟩ = %.6f\n", logZ, m2)
	// Output: ln Z = 21.612699, ⟨m²⟩ = 0.413169
}
