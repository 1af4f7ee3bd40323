package cluster_test

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/neuralrg/neuralrg/hmc/cluster"
	"github.com/neuralrg/neuralrg/hmc/diag"
)

// ⟨m²⟩ of the 8×8 square lattice at T_c, by ten clusters of Wolff per measurement, with
// its error and its autocorrelation time. The exact number is 0.6469.
func ExampleNew() {
	const sites, chains, burnIn, steps = 64, 20, 50, 1000
	bonds, err := cluster.Lattice([]int{8, 8}, math.Log1p(math.Sqrt2)/2)
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := cluster.New(sites, bonds, chains, rand.NewPCG(1, 2))
	if err != nil {
		fmt.Println(err)
		return
	}
	m2 := mat.NewDense(steps, chains, nil) // a row per measurement
	for k := range burnIn + steps {
		if err := s.Wolff(m2.RawRowView(max(k-burnIn, 0)), 10); err != nil {
			fmt.Println(err)
			return
		}
	}
	means := make([]float64, chains)
	for c := range means {
		means[c] = stat.Mean(mat.Col(nil, c, m2), nil)
	}
	mean, stdErr := diag.MeanStdErr(means)
	tau, _, err := diag.AutocorrTime(m2)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("⟨m²⟩ = %.4f ± %.4f, τ = %.1f\n", mean, stdErr, tau)
	// Output: ⟨m²⟩ = 0.6468 ± 0.0010, τ = 0.6
}

// Along an extent of 2, neighbours share two bonds.
func ExampleLattice() {
	bonds, err := cluster.Lattice([]int{2, 3}, 0.5)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, b := range bonds[:4] {
		fmt.Println(b.I, b.J, b.K)
	}
	fmt.Println(len(bonds), "bonds")
	// Output:
	// 0 3 0.5
	// 0 1 0.5
	// 1 4 0.5
	// 1 2 0.5
	// 12 bonds
}
