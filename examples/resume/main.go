// Command resume trains a flow and samples with it in a run that may be stopped at any
// time, by Ctrl-C, a full queue or a crash. The same command then goes on, and the
// result is the same to the bit.
//
//	go run ./examples/resume
//
// The state is in two files of the current directory, run.trainer and run.sampler. To
// start again, remove both. A copy of this file is a start for a long run of your own.
package main

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/hmc/diag"
	"github.com/neuralrg/neuralrg/target"
)

const (
	l, sites = 4, 4 * 4
	chains   = 100
	burnin   = 10 // sweeps
	every    = 20 // steps or sweeps from one file to the next
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	m2, stdErr, err := run(ctx, ".", 200, 100)
	if err != nil {
		fmt.Fprintln(os.Stderr, "resume:", err)
		os.Exit(1)
	}
	fmt.Printf("⟨m²⟩ %.4f ± %.4f, exact 0.7614\n", m2, stdErr)
}

// run makes what is left of some training steps and of some sweeps, and returns ⟨m²⟩
// with its standard error over chains. The files are in the directory dir.
func run(ctx context.Context, dir string, steps, sweeps int) (m2, stdErr float64, err error) {
	ising := must(target.NewIsing([]int{l, l}, target.CriticalTemperature()))
	recipe, src := flow.FastRecipe(), rand.NewPCG(1, 2)
	q := must(recipe.Model([]int{l, l}, nil, src))
	q = must(flow.Symmetrize(q, flow.Inversion(sites)))
	trainer := filepath.Join(dir, "run.trainer")
	if err := train(ctx, q.Float32(), ising, recipe.Settings(steps, src), trainer); err != nil {
		return 0, 0, err
	}
	s, err := sample(ctx, q, ising, sweeps, filepath.Join(dir, "run.sampler"))
	if err != nil {
		return 0, 0, err
	}
	m2, stdErr = diag.MeanStdErr(s.m2)
	return m2 / float64(sweeps), stdErr / float64(sweeps), nil
}

// train makes the steps that the run in the file has not made yet.
func train(ctx context.Context, q *flow.Model, t target.Density, s *flow.Settings, file string) error {
	var trainer *flow.Trainer
	s.Recorder = flow.RecorderFunc(func(r *flow.Report) error {
		if r.Step%every != 0 {
			return nil
		}
		return write(file, trainer.Save)
	})
	trainer, err := flow.NewTrainer(q, t, s)
	if err != nil {
		return err
	}
	if err := read(file, trainer.Restore); err != nil {
		return err
	}
	err = trainer.Run(ctx, s.Steps-trainer.Result().Steps)
	if err == nil || errors.Is(err, context.Canceled) {
		err = errors.Join(err, write(file, trainer.Save))
	}
	return err
}

// sampling is the state of sampling. It is one file, so that both parts are of the
// same sweep.
type sampling struct {
	sampler *hmc.Sampler
	m2      []float64 // of every chain: the sum of m² over the sweeps so far
}

// sampled is what the file of a sampling holds.
type sampled struct {
	Sampler []byte
	M2      []float64
}

func (s *sampling) save(w io.Writer) error {
	var b bytes.Buffer
	if err := s.sampler.Save(&b); err != nil {
		return err
	}
	return gob.NewEncoder(w).Encode(sampled{b.Bytes(), s.m2})
}

func (s *sampling) restore(r io.Reader) error {
	var was sampled
	if err := gob.NewDecoder(r).Decode(&was); err != nil {
		return err
	}
	s.m2 = was.M2
	return s.sampler.Restore(bytes.NewReader(was.Sampler))
}

// sample makes the sweeps that the run in the file has not made yet.
func sample(ctx context.Context, q *flow.Model, ising *target.Ising, sweeps int, file string) (*sampling, error) {
	latent := target.NewEvaluator(flow.Latent(q, ising))
	src := rand.NewPCG(3, 4)
	z, rnd := mat.NewDense(chains, sites, nil), rand.New(src)
	for c := range chains { // a chain begins at a draw of the prior
		q.Prior().Rand(z.RawRowView(c), rnd)
	}
	sampler, err := hmc.New(latent, z,
		&hmc.Settings{Kernel: hmc.HMC{StepSize: 0.3, Steps: 5, Force: latent.Float32()}, Src: src})
	if err != nil {
		return nil, err
	}
	s := &sampling{sampler, make([]float64, chains)}
	if err := read(file, s.restore); err != nil {
		return nil, err
	}
	x := mat.NewDense(chains, sites, nil)
	err = sampler.Run(ctx, burnin+sweeps-sampler.Sweeps(), func(int) error {
		if sampler.Sweeps() > burnin {
			if err := q.Decode(x, nil, sampler.X()); err != nil {
				return err
			}
			for c := range s.m2 {
				s.m2[c] += ising.StructureFactor(x.RawRowView(c))
			}
		}
		if sampler.Sweeps()%every != 0 {
			return nil
		}
		return write(file, s.save)
	})
	if err == nil || errors.Is(err, context.Canceled) {
		err = errors.Join(err, write(file, s.save))
	}
	return s, err
}

// write makes a file under another name first. After a crash, or an error of save, the
// old file is still there and whole.
func write(name string, save func(w io.Writer) error) error {
	f, err := os.Create(name + ".new")
	if err != nil {
		return err
	}
	if err := errors.Join(save(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// read reads a file, unless there is none yet.
func read(name string, restore func(r io.Reader) error) error {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := restore(f); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
