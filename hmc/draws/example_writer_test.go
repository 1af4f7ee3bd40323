package draws_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/hmc/draws"
)

// The positions of every sweep go to a writer, usually a file, and are not kept.
func ExampleNewWriter() {
	const chains, sweeps = 8, 100
	normal := hmc.Func(1, func(grad, x []float64) float64 {
		if grad != nil {
			grad[0] = -x[0]
		}
		return -x[0] * x[0] / 2
	})
	s, err := hmc.New(normal, mat.NewDense(chains, 1, nil), &hmc.Settings{Src: rand.NewPCG(1, 2)})
	if err != nil {
		panic(err)
	}
	var file bytes.Buffer
	w, err := draws.NewWriter(&file, sweeps, chains, 1)
	if err != nil {
		panic(err)
	}
	if err := s.Run(context.Background(), sweeps, func(int) error { return w.Add(s.X()) }); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	fmt.Println(file.Len(), "bytes")
	// Output:
	// 6528 bytes
}
