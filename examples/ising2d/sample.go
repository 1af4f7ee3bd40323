package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/target"
)

// sampling is the result of one sampler. Times are integrated
// autocorrelation times of m², of all chains together.
type sampling struct {
	M2         number `json:"m2"`
	M2Err      number `json:"m2_err"`
	Accept     number `json:"accept"`
	Tau        number `json:"tau_leapfrogs"`
	TauErr     number `json:"tau_leapfrogs_err"`
	TauSeconds number `json:"tau_seconds"`
	Seconds    number `json:"seconds"`      // in all
	Cost       number `json:"cost_seconds"` // to a standard error of 0.001
}

// price sets Cost: the square of the error falls with the time.
func (s *sampling) price() { s.Cost = s.Seconds * s.M2Err * s.M2Err * 1e6 }

// number is null in JSON where it is NaN.
type number float64

func (n number) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(n)) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// walkers are chains of hybrid Monte Carlo in one space, and the course of
// ⟨m²⟩ that they measured. What lasts from one run to the next are their
// configurations: in between, the flow may change.
type walkers struct {
	name    string
	sweeps  int // after training
	ising   *target.Ising
	density *target.Evaluator
	force   hmc.LogDensity // of the trajectories, nil for the density's own
	o       *options
	src     rand.Source
	x       *mat.Dense                  // configurations, a row per chain
	state   func(z, x *mat.Dense) error // of the sampler, for configurations
	image   func(x, z *mat.Dense) error // the configurations of a state
	m2, err []float64                   // mean over the chains and its standard error, sweep by sweep
	chains  [][]float64                 // of each chain, sweep by sweep
	done    bool                        // all sweeps are made
	final   int                         // sweeps before the model was final
	accept  float64                     // fraction of the trajectories since then that were accepted
	seconds float64                     // taken by the sweeps since then
}

// newWalkers returns the chains in latent and in physical space, which start
// at the same cold configuration. Energies are in float64; the forces on
// latent variables, which take nearly all of the time, are in the precision of
// training.
func newWalkers(m *flow.Model, ising *target.Ising, o *options, src rand.Source) ([]*walkers, error) {
	latent := target.NewEvaluator(flow.Latent(m, ising))
	var force hmc.LogDensity
	if o.single {
		force = latent.Float32()
	}
	cold := mat.NewDense(o.chains, m.Dim(), nil)
	// Spins all up, and x at its mean given them: (K+αI)s.
	cold.Apply(func(_, _ int, _ float64) float64 { return 4/o.T + ising.Alpha() }, cold)
	return []*walkers{{
		name: "latent", sweeps: o.sweeps, density: latent, force: force, x: mat.DenseCopyOf(cold),
		// The posterior of z given x: with it every run leaves π invariant,
		// whatever the flow is.
		state: func(z, x *mat.Dense) error { return m.Posterior(z, nil, x, src) },
		image: func(x, z *mat.Dense) error { return m.Decode(x, nil, z) },
		ising: ising, o: o, src: src,
	}, {
		name: "physical", sweeps: o.physical, density: target.NewEvaluator(ising), x: cold,
		state: func(z, x *mat.Dense) error { z.Copy(x); return nil },
		image: func(x, z *mat.Dense) error { x.Copy(z); return nil },
		ising: ising, o: o, src: src,
	}}, nil
}

// start returns a sampler whose chains are at the configurations.
func (w *walkers) start() (*hmc.Sampler, error) {
	z := mat.DenseCopyOf(w.x)
	if err := w.state(z, w.x); err != nil {
		return nil, err
	}
	return w.sampler(z)
}

func (w *walkers) sampler(z *mat.Dense) (*hmc.Sampler, error) {
	jitter := w.o.jitter
	if jitter == 0 {
		jitter = -1 // 0 would be the default of hmc
	}
	return hmc.New(w.density, z, &hmc.Settings{
		StepSize: w.o.stepSize, Leapfrog: w.o.leapfrog, Jitter: jitter, Force: w.force, Src: w.src,
	})
}

// sweep makes sweeps and measures after each.
func (w *walkers) sweep(ctx context.Context, s *hmc.Sampler, sweeps int, visit func() error) error {
	last := time.Now()
	return s.Run(ctx, sweeps, func(int) error {
		if err := w.image(w.x, s.X()); err != nil {
			return err
		}
		m2 := make([]float64, w.o.chains)
		for i := range m2 {
			m2[i] = w.ising.StructureFactor(w.x.RawRowView(i))
		}
		w.measured(m2)
		w.seconds += time.Since(last).Seconds()
		err := visit()
		last = time.Now()
		return err
	})
}

// measured adds a sweep.
func (w *walkers) measured(m2 []float64) {
	mean, stdErr := hmc.MeanStdErr(m2)
	w.m2, w.err, w.chains = append(w.m2, mean), append(w.err, stdErr), append(w.chains, m2)
}

// chainData is a flow.DataSource of where the chains are.
type chainData struct {
	w   *walkers
	m   *flow.Model
	src rand.Source
}

func (s *chainData) Sample(x *mat.Dense) error {
	rnd := rand.New(s.src)
	rows, _ := x.Dims()
	for i := range rows {
		x.SetRow(i, s.w.x.RawRowView(rnd.IntN(s.w.o.chains)))
	}
	return s.m.RandomImages(x, s.src)
}

// alongside makes a few sweeps of all chains while the flow is trained, or
// none, if ctx ends before.
func alongside(ctx context.Context, ws []*walkers, src *rand.PCG, sweeps int) error {
	before := *src
	undo := make([]func(), len(ws))
	for i, w := range ws {
		x, made, seconds := mat.DenseCopyOf(w.x), len(w.m2), w.seconds
		undo[i] = func() {
			w.x, w.seconds = x, seconds
			w.m2, w.err, w.chains = w.m2[:made], w.err[:made], w.chains[:made]
		}
	}
	for _, w := range ws {
		s, err := w.start()
		if err == nil {
			err = w.sweep(ctx, s, sweeps, func() error { return nil })
		}
		if err != nil {
			*src = before
			for _, f := range undo {
				f()
			}
			return err
		}
	}
	return nil
}

// follow makes the sweeps after training, with a progress bar.
func (w *walkers) follow(i *interrupts, k *keeper) error {
	if w.done {
		return nil
	}
	ctx, done := i.phase()
	defer done()
	var s *hmc.Sampler
	var err error
	if k.saved != nil {
		if s, err = w.sampler(w.x); err == nil {
			err = s.Restore(bytes.NewReader(k.saved))
		}
		k.saved = nil
	} else {
		w.final, w.seconds = len(w.m2), 0
		s, err = w.start()
	}
	if err != nil {
		return err
	}
	k.sampler = s
	bar := newProgress(w.name+" HMC", w.sweeps, s.Sweeps())
	err = w.sweep(ctx, s, w.sweeps-s.Sweeps(), func() error {
		bar.step(fmt.Sprintf("acceptance %.2f", s.AcceptRate()))
		if s.Sweeps()%w.o.save == 0 {
			return k.save()
		}
		return nil
	})
	bar.done()
	if errors.Is(err, context.Canceled) {
		err = k.stopped()
	}
	if err != nil {
		return err
	}
	w.done, w.accept, k.sampler = true, s.AcceptRate(), nil
	return k.save()
}

// result takes what there is after the model was final: acceptance and time of all
// sweeps, and the mean over the sweeps but those made during training and
// the first quarter of the others. Chains are independent: their means tell
// the error, provided that they have forgotten where they started, which the
// drift between the halves of these sweeps, in standard errors, puts to the
// test.
func (w *walkers) result() (r sampling, drift float64) {
	r.Accept = number(w.accept)
	from := w.final + (len(w.chains)-w.final)/4
	mean, stdErr := chainMean(w.chains[from:])
	r.M2, r.M2Err = number(mean), number(stdErr)
	middle := (from + len(w.chains)) / 2
	early, earlyErr := chainMean(w.chains[from:middle])
	late, lateErr := chainMean(w.chains[middle:])

	tau, tauErr := math.NaN(), math.NaN()
	if len(w.chains)-from > 1 {
		series := mat.NewDense(len(w.chains)-from, w.o.chains, nil)
		for k, m2 := range w.chains[from:] {
			series.SetRow(k, m2)
		}
		if t, e, err := hmc.AutocorrTime(series); err == nil {
			tau, tauErr = t, e
		}
	}
	leapfrogs := float64(w.o.leapfrog)
	r.Tau, r.TauErr = number(tau*leapfrogs), number(tauErr*leapfrogs)
	r.TauSeconds = number(tau * w.seconds / float64(len(w.m2)-w.final))
	r.Seconds = number(w.seconds)
	r.price()
	return r, (late - early) / math.Hypot(earlyErr, lateErr)
}

// chainMean is the mean over sweeps and chains, NaN without sweeps.
func chainMean(sweeps [][]float64) (mean, stdErr float64) {
	if len(sweeps) == 0 {
		return math.NaN(), math.NaN()
	}
	means := make([]float64, len(sweeps[0]))
	for _, m2 := range sweeps {
		for i, v := range m2 {
			means[i] += v / float64(len(sweeps))
		}
	}
	return hmc.MeanStdErr(means)
}

// doubt says why a result is not to be trusted; exact is NaN if it is not known.
func doubt(r sampling, drift, exact float64) string {
	switch {
	case !(r.Accept > 0):
		return "it accepts nothing"
	case farOff(r, exact) != "":
		return farOff(r, exact)
	case math.IsNaN(drift):
		return "it has too few sweeps to tell whether it has forgotten its start"
	case math.Abs(drift) > 3:
		return fmt.Sprintf("it drifts by %.1f standard errors and has not forgotten its start", drift)
	case math.IsNaN(float64(r.Tau)):
		return "τ: too short a run to tell"
	}
	return ""
}

// farOff says so if the exact value is known and the result is too far from it.
func farOff(r sampling, exact float64) string {
	off := math.Abs(float64(r.M2)-exact) / float64(r.M2Err)
	if off > 4 {
		return fmt.Sprintf("it is %.0f of its errors off", off)
	}
	return ""
}

// sample computes ⟨m²⟩ in three ways.
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
		rows = append(rows, row{names[j], to, doubt(r, drift, m2), j == 0})
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
	rows = append(rows, row{[2]string{"weighted", "samples"}, &s.Weighted, why, true})
	printSamplers(rows, m2, k.history.Seconds)
	return m2Figure(k.walkers, m2, k.o)
}
