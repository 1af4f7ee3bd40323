package mpi_test

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/flow/mpi"
	"github.com/neuralrg/neuralrg/target"
)

// Training on all ranks of a job. Rank 0 prints.
func ExampleOpen() {
	comm, err := mpi.Open()
	if err != nil {
		panic(err)
	}
	err = train(comm)
	if err != nil {
		fmt.Println(err)
	}
	comm.Close(err) // without an error: a job of other ranks waits for this one
	// Output: 10 steps
}

func train(comm flow.Comm) error {
	src := rand.NewPCG(1, 2)
	m, err := flow.FastRecipe().Model([]int{4, 4}, nil, src)
	if err != nil {
		return err
	}
	r, err := flow.Train(context.Background(), m, target.NewNormal(16), &flow.Settings{
		Steps: 10, Batch: 64, Parts: 4, Comm: comm, Src: src,
	})
	if err == nil && comm.Rank() == 0 {
		fmt.Println(r.Steps, "steps")
	}
	return err
}
