//go:build mpi

package mpi_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/flow/mpi"
	"github.com/neuralrg/neuralrg/target"
)

// The test binary is also the program that mpirun starts, as a worker.
const (
	workerKey = "NEURALRG_MPI_WORKER" // what a worker does
	fileKey   = "NEURALRG_MPI_FILE"   // checkpoint of rank 0
)

func TestMain(m *testing.M) {
	what := os.Getenv(workerKey)
	if what == "" {
		os.Exit(m.Run())
	}
	comm, err := mpi.Open()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	switch what {
	case "time":
		err = timeSteps(comm)
	case "anneal":
		err = anneal(comm, os.Getenv(fileKey))
	case "measure", "bad measure":
		err = measure(comm, what == "bad measure", os.Getenv(fileKey))
	default:
		err = work(comm, what, os.Getenv(fileKey))
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "rank %d of %d: %v\n", comm.Rank(), comm.Size(), err)
	}
	comm.Close(err)
}

const (
	steps = 6 // of a whole run
	fatal = 4 // the step in which rank 1 meets its fate
)

var errBroken = errors.New("broken")

// fates are what happens to rank 1.
var fates = map[string]func() error{
	"train":  func() error { return nil },
	"resume": func() error { return nil },
	"kill":   func() error { return syscall.Kill(os.Getpid(), syscall.SIGKILL) },
	"error":  func() error { return errBroken },
	"panic":  func() error { panic("bad luck") },
	"exit":   func() error { os.Exit(0); return nil },
	"recover": func() (err error) { // faults of Go are still Go's
		defer func() {
			if recover() == nil {
				err = errors.New("no fault")
			}
		}()
		var p *int
		*p = 1
		return nil
	},
}

// work trains a flow. Rank 0 writes a file after every step.
func work(comm flow.Comm, what, file string) error {
	if what == "early" && comm.Rank() == 1 {
		return errBroken
	}
	src := rand.NewPCG(1, 2)
	h, err := bijector.NewMERA([]int{4, 4}, func(int) (bijector.Bijector, error) {
		return bijector.NewRealNVP(4, &bijector.RealNVPSettings{Couplings: 2, Hidden: []int{6}, Src: src})
	}, nil)
	if err != nil {
		return err
	}
	m, err := flow.New(target.NewNormal(16), h)
	if err != nil {
		return err
	}
	if m, err = flow.Symmetrize(m.Float32(), flow.Inversion(16)); err != nil {
		return err
	}
	for range comm.Rank() { // what rank 0 has counts
		m.Params()[0].Value().Float64s()[0] += float64(src.Uint64() % 9)
	}
	ising, err := target.NewIsing([]int{4, 4}, target.CriticalTemperature())
	if err != nil {
		return err
	}
	var tr *flow.Trainer
	tr, err = flow.NewTrainer(m, ising, &flow.Settings{
		Batch: 48, Parts: 12, Comm: comm, Src: src, Objective: flow.ReverseKL{PathGradient: true},
		Optimizer: flow.OptimizerSettings{Method: flow.Soap, Average: 0.9},
		Recorder: flow.RecorderFunc(func(r *flow.Report) error {
			if comm.Rank() == 0 {
				return save(tr, file)
			}
			if comm.Rank() == 1 && r.Step == fatal && fates[what] != nil {
				return fates[what]()
			}
			return nil
		}),
	})
	if err != nil {
		return err
	}
	made := 0
	if what == "resume" {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := tr.Restore(f); err != nil {
			return err
		}
		made = tr.Result().Steps
	}
	return tr.Run(context.Background(), steps-made)
}

// save replaces the file at once, so that it is never half written.
func save(tr *flow.Trainer, file string) error {
	f, err := os.CreateTemp(filepath.Dir(file), "new")
	if err != nil {
		return err
	}
	return errors.Join(tr.Save(f), f.Close(), os.Rename(f.Name(), file))
}
