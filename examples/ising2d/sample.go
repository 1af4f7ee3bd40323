package main

import (
	"math"
	"slices"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// sample computes ⟨m²⟩ by chains in latent and in physical space, by flow.Measure and by
// weighted samples of the flow.
func (s *summary) sample(i *interrupts, k *keeper, m *flow.Model, ising *target.Ising) error {
	m2, known := exactM2(ising, k.o)
	if !known {
		m2 = math.NaN()
	}
	names := [][2]string{{"latent", "HMC"}, {"physical", "HMC"}}
	var rows []row
	for j, w := range k.walkers {
		if err := w.follow(i, k); err != nil {
			return err
		}
		r, drift := w.result()
		to := []*sampling{&s.Latent, &s.Physical}[j]
		*to = r
		rows = append(rows, row{names[j], to, doubt(r, w.stuck(), drift, m2), j == 0, ""})
	}
	slices.Reverse(rows) // physical space first
	if err := measure(i, k, m, ising); err != nil {
		return err
	}
	if s.Sampling = k.Measured; s.Sampling != nil {
		r, why, note := s.Sampling.row()
		if why == "" {
			why = farOff(r, m2)
		}
		rows = append(rows, row{[2]string{"latent", "mix"}, &r, why, true, note})
	}
	ctx, done := i.phase()
	defer done()
	var why string
	var err error
	if s.Weighted, why, err = weigh(ctx, m, ising, k.o); err != nil {
		return err
	}
	if ctx.Err() != nil && k.o.checkpoint != "" {
		return errStopped
	}
	if why == "" {
		why = farOff(s.Weighted, m2)
	}
	rows = append(rows, row{[2]string{"weighted", "samples"}, &s.Weighted, why, true, ""})
	printSamplers(rows, m2, s.TrainingSeconds)
	return m2Figure(k.walkers, m2, k.o)
}
