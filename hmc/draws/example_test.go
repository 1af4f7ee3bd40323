package draws_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/hmc/diag"
	"github.com/neuralrg/neuralrg/hmc/draws"
)

// Eight chains of a normal density in two dimensions: the positions and ln π of
// every sweep go to files.
func ExampleNew() {
	const chains, dim, sweeps = 8, 2, 2000
	normal := hmc.Func(dim, func(grad, x []float64) float64 {
		if grad != nil {
			grad[0], grad[1] = -x[0], -x[1]
		}
		return -(x[0]*x[0] + x[1]*x[1]) / 2
	})
	s, err := hmc.New(normal, mat.NewDense(chains, dim, nil), &hmc.Settings{Src: rand.NewPCG(1, 2)})
	if err != nil {
		panic(err)
	}
	x, err := draws.New(chains, dim)
	if err != nil {
		panic(err)
	}
	logp, err := draws.New(chains)
	if err != nil {
		panic(err)
	}
	err = s.Run(context.Background(), sweeps, func(int) error {
		if err := x.Add(s.X()); err != nil {
			return err
		}
		return logp.Add(mat.NewDense(chains, 1, s.LogProb()))
	})
	if err != nil {
		panic(err)
	}
	fmt.Println("x", x.Shape(), "logp", logp.Shape())

	tau, _, err := diag.AutocorrTime(x.Series(0))
	if err != nil {
		panic(err)
	}
	fmt.Printf("τ of x[0]: %.1f sweeps\n", tau)

	dir, err := os.MkdirTemp("", "draws")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	file, err := os.Create(filepath.Join(dir, "x.npy"))
	if err != nil {
		panic(err)
	}
	if err := x.WriteNPY(file); err != nil {
		panic(err)
	}
	if err := file.Close(); err != nil {
		panic(err)
	}
	// Output:
	// x [8 2000 2] logp [8 2000]
	// τ of x[0]: 1.5 sweeps
}

// The history of a loss, one number per step.
func ExampleWriteNPY() {
	loss := []float64{3, 2.5, 2.25}
	file, err := os.Create(filepath.Join(os.TempDir(), "loss.npy"))
	if err != nil {
		panic(err)
	}
	defer os.Remove(file.Name())
	if err := draws.WriteNPY(file, loss, len(loss)); err != nil {
		panic(err)
	}
	if err := file.Close(); err != nil {
		panic(err)
	}
	// Output:
}
