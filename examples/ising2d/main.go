// Command ising2d trains a neural-network renormalization group flow on the
// two-dimensional Ising model in its continuous dual form. Training uses the energy
// only, and no data. The program then computes ⟨m²⟩ without bias in four ways:
//
//   - by hybrid Monte Carlo in physical space, without the flow;
//   - by hybrid Monte Carlo in the latent space of the flow, as the paper does;
//   - by a mix of moves, most of them latent, flow.Measure, which chooses them by itself and
//     stops at a relative error of 1 % (-relerr);
//   - from samples of the flow with weights π/q.
//
// It also computes ln Z by samples annealed from the flow to π (-ais, flow.AIS).
//
//	go run ./examples/ising2d
//	go run ./examples/ising2d -L 32 -budget 30m
//	go run ./examples/ising2d -paper
//	go run ./examples/ising2d -recipe best -L 8 -steps 5000 -model flow8
//	go run ./examples/ising2d -recipe best -L 16 -steps 2000 -grow flow8
//
// In the second command, -budget is the time of training; the number of steps, and with
// it the learning rate and the inverse temperature, follow from the time of a step. If
// steps become slower or faster in the course of training, their number follows. At the
// end of its time training stops, whether all steps are made or not. The flow of a lattice
// of 16×16 sites or more then grows from smaller ones, here 8×8 and 16×16, and each lattice
// has 1.5 times the time of the one before it. With -resume, such a run keeps its number
// of steps and has the time that is left. Sampling comes on top: -measure bounds the time
// of the mix.
//
// The third command makes Fig. 3 of Li and Wang, Phys. Rev. Lett. 121, 260601 (2018).
// It trains on the 16×16 lattice and runs hybrid Monte Carlo during training as well.
// The last two commands train on 8×8 sites and then grow the flow to 16×16 sites.
//
// The program prints the loss beside its exact lower bound −ln Z and ⟨m²⟩ beside
// its exact value, and saves figures. A line that begins with WARNING names a sampler
// that is not to be trusted, for example because some of its chains never moved.
//
// Training can be spread over the ranks of an MPI job (package flow/mpi, docs/cluster.md):
//
//	CC=mpicc go build -tags mpi ./examples/ising2d
//	mpirun -n 2 ./ising2d -L 16
//
// Every batch is computed in -parts, by default 8 there. The number of ranks changes no bit of
// the flow. The samples of -ais are shared among the ranks and do not depend on their number.
// The mix of moves shares its chains, so that its result is another one within its errors.
// Rank 0 runs the other samplers alone.
//
// Ctrl-C ends the phase under way (training, evaluation or one of the samplers). The
// program then goes on with the results so far. With -checkpoint FILE, Ctrl-C and
// SIGTERM end the program instead. The same command with -resume then goes on from the
// file, also after a crash, and the results are the same to the bit. With -budget this
// holds once training is over, as the number of steps depends on the speed of the machine.
// Without -resume the program does not overwrite a file that exists.
//
// With -resume, -steps may be raised. Training then goes on from its end, and the
// samples of the shorter training are dropped. With -cosine, the learning rate follows
// the cosine over the new number of steps. With -anneal, the inverse temperature rises
// as in the first run. Without these two flags, the result is the same as that of one
// run of all steps, to the bit.
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"

	"github.com/neuralrg/neuralrg/examples/internal/checkpoint"
	"github.com/neuralrg/neuralrg/examples/internal/console"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/flow/mpi"
	"github.com/neuralrg/neuralrg/target"
)

func main() {
	comm, err := mpi.Open()
	if err != nil {
		console.Exit("ising2d", err)
	}
	exit(comm, onRank(comm, os.Args[1:]))
}

func run(o *options) error {
	interrupts := newInterrupts(o.checkpoint != "")
	defer interrupts.stop()
	if err := o.ready(); err != nil {
		return err
	}
	src := rand.NewPCG(o.seed, 2018)
	ising, err := target.NewIsing([]int{o.L, o.L}, o.T)
	if err != nil {
		return err
	}
	printBanner(o, ising)
	small, earlier, err := trainSmaller(interrupts, o, src)
	if err != nil {
		return err
	}
	model, err := newModel(o, small, ising, src)
	if err != nil {
		return err
	}
	model64 := model.Float64() // for evaluation and sampling
	samplers, err := newWalkers(model64, ising, o, src)
	if err != nil {
		return err
	}
	k := &keeper{o: o, src: src, model: model, walkers: samplers}
	k.Stage, k.Earlier = len(o.smaller), earlier
	if err := train(interrupts, k, model, ising); err != nil {
		return err
	}
	if o.helper() {
		return o.assist(interrupts, model64, ising)
	}
	err = finish(interrupts, k, model64, ising)
	if err == nil || errors.Is(err, errStopped) {
		return cmp.Or(o.tell(noMore), err)
	}
	return err
}

// finish evaluates the trained model, samples with it, and writes the results.
func finish(interrupts *interrupts, k *keeper, model64 *flow.Model, ising *target.Ising) error {
	o, exact := k.o, -ising.LogZ()
	if err := k.trained(exact); err != nil {
		return err
	}
	if k.evaluated == nil {
		if err := evaluate(interrupts, k, model64, ising); err != nil {
			return err
		}
	}
	if err := anneal(interrupts, k, model64, ising); err != nil {
		return err
	}
	s := summarise(k, exact)
	s.printEnergy(k.evaluated)
	s.AIS.print(exact)
	if err := s.sample(interrupts, k, model64, ising); err != nil {
		return err
	}
	if err := sheetFigure(model64, o, k.src); err != nil {
		return err
	}
	s.printEnd(o)
	return s.write(o.json)
}

// trained writes the model and the figures of training.
func (k *keeper) trained(exact float64) error {
	if k.o.model != "" {
		if err := checkpoint.Write(k.o.model, 1, k.model.Save); err != nil {
			return err
		}
	}
	return errors.Join(lossFigure(&k.history, exact, k.o), errorFigure(&k.history, exact, k.o))
}

// write makes the file of -json.
func (s *summary) write(name string) error {
	if name == "" {
		return nil
	}
	return checkpoint.Write(name, 1, func(out io.Writer) error {
		w := json.NewEncoder(out)
		w.SetIndent("", "  ")
		return w.Encode(s)
	})
}

// ready checks, before any work is done, that the run fits into memory and that its
// files can be written.
func (o *options) ready() error {
	if o.checkpoint != "" && !o.resume && !o.helper() {
		if err := checkpoint.Refuse(o.checkpoint); err != nil {
			return err
		}
	}
	if err := o.price(); err != nil || o.helper() {
		return err
	}
	if err := os.MkdirAll(o.out, 0o777); err != nil {
		return err
	}
	return checkpoint.Probe(o.model, o.json, o.checkpoint,
		o.figure(lossName), o.figure(errorName), o.figure(m2Name), o.figure(sheetName))
}
