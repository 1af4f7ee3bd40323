package flow

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/hmc/diag"
	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/target"
)

// Observable is a function of a configuration whose mean Measure estimates.
type Observable struct {
	// Name is the name in tables, warnings and errors.
	Name string
	// Func returns the value at a configuration x, (Dim). It must not change or keep x.
	Func func(x []float64) float64
}

// Measurement is the outcome of Measure.
type Measurement struct {
	// Summary has a row for every observable: mean, standard error, effective sample size,
	// R̂. Its warnings are reasons not to trust the rows.
	diag.Summary
	// Missed names the observables whose error is above the one that was wanted. Their
	// means and errors are right unless there are warnings.
	Missed []string
	// Sweeps is the number of sweeps that were measured.
	Sweeps int
	// Kernels has the statistics of each kernel in these sweeps. With Comm they are those of
	// the chains of this rank. All else is the same on every rank.
	Kernels []hmc.KernelStats
	// Series has the measurements of every observable, (Sweeps, Chains). The chains of rank 0
	// come first, then those of rank 1, and so on.
	Series []diag.Named

	physical bool // a hmc.Gibbs kernel is that of Measure
}

// String returns the summary and a line for every kernel.
func (m *Measurement) String() string {
	var b strings.Builder
	fmt.Fprint(&b, m.Summary.String())
	for _, text := range m.Missed {
		fmt.Fprintf(&b, "not reached in %d sweeps: %s\n", m.Sweeps, text)
	}
	for _, k := range m.Kernels {
		name := strings.TrimPrefix(fmt.Sprintf("%T", k.Kernel), "hmc.")
		switch k := k.Kernel.(type) {
		case hmc.Windows:
			name = fmt.Sprintf("%d Windows of %d", len(k.Sites), len(k.Sites[0]))
		case hmc.Gibbs:
			if m.physical {
				name = "HMC of configurations"
			}
		}
		fmt.Fprintf(&b, "%s: accepted %.2f in %d sweeps\n", name, k.AcceptRate, k.Sweeps)
	}
	return b.String()
}

// Measure samples the target by Monte Carlo in the latent space of the model (Latent), and
// returns the means of observables with their errors and a verdict. The means are those of
// the target, however good the model is; a good model makes the run short. Nothing needs
// to be tuned.
//
// By default the chains start from samples of the model, and five kinds of moves are
// mixed:
//   - hmc.Independence redraws all latent variables;
//   - hmc.Windows redraws the latent variables of one window. The windows are the
//     Hierarchy.Cells;
//   - hmc.Windows of the coarse latent variables, Hierarchy.Latents: those of the coarsest
//     level, of the two coarsest, and so on;
//   - hmc.CrankNicolson changes all latent variables a little;
//   - hmc.HMC moves the configurations x themselves, and Posterior returns to latent
//     variables. Where q(x) is too small a chain hardly accepts the other moves.
//
// Windows need a bijector that is a bijector.Hierarchy or a chain that begins with one.
//
// The first half of the warm-up tries all of them but the last. It measures what part of each
// observable v a sweep of each kernel renews, ⟨(Δv)²⟩/2σ². Afterwards three quarters of the
// sweeps are shared in proportion to that, and one quarter equally. If the best kernel renews
// less than a fiftieth of some observable, half of the time is for latent hmc.HMC, with
// Rotate and trajectories of length π/2 or at most 12 steps. The moves of configurations are
// a fifth of the sweeps. Sampler.WarmUp tunes them, in as many sweeps as the trials have.
//
// Measure stops when all errors are below RelErr and there is no warning. It also stops
// after MaxSweeps, and says what it missed. It measures after every sweep, in float64, and
// on random images if the model is symmetrised.
//
// If ctx is done or Progress fails, Measure returns the error and, after four sweeps or
// more, the results so far. It fails with ErrSettings for a nil source or context, no
// observables, a nil Func, numbers out of range, or a prior that is not target.Normal. It
// fails with ErrShape for a Start of the wrong width, and with ErrNotFinite, naming
// observable and chain, for a measurement that is not finite. Otherwise it fails as
// Evaluate does.
//
// The chains cannot show a mode that none of them has visited. If the model lacks a mode,
// start some chains there (Start).
//
// With MeasureSettings.Comm the chains are spread over ranks. All ranks must call Measure, with
// the same model, target, observables and settings. Every rank warms up its own chains and
// chooses its own kernel. After a block of sweeps all ranks exchange what they have measured.
// The blocks grow from 100 sweeps to a quarter of those made before. All ranks then have the
// measurements of all chains, the same summary and the same warnings; a warning about the
// moves begins with the number of its rank. They stop after the same block. With
// the same number of ranks and the same seed the result is the same to the bit. With another
// number the chains are others, and the result is the same within its errors. An error on one
// rank, or a context that is done, ends the measurement on all ranks at the end of the
// warm-up or of the block. The other ranks get an error that wraps ErrRank. Measure then
// returns the sweeps that all ranks have made. Ranks with other Chains, RelErr, MaxSweeps or
// names of observables than rank 0 are ErrSettings on all ranks.
func Measure(
	ctx context.Context, m *Model, t target.Density, observables []Observable, s *MeasureSettings,
) (*Measurement, error) {
	var c Comm
	if s != nil {
		c = s.Comm
	}
	all, err := newRanks(c)
	if err != nil {
		return nil, fmt.Errorf("flow: Measure: %w", err)
	}
	r, err := s.start(ctx, m, t, observables)
	if err != nil {
		return nil, all.agree(err)
	}
	if err = all.agree(nil); err == nil {
		err = r.alike()
	}
	if err == nil {
		err = r.run(ctx)
	}
	if err != nil {
		err = fmt.Errorf("flow: Measure: %w", err)
	}
	if r.sweeps < leastSweeps {
		return nil, err
	}
	result, fault := r.result()
	if err == nil && fault != nil {
		err = fmt.Errorf("flow: Measure: %w", fault)
	}
	return result, err
}

// start checks everything and places the chains.
func (s *MeasureSettings) start(
	ctx context.Context, m *Model, t target.Density, observables []Observable,
) (*measurer, error) {
	if ctx == nil || s == nil || missing(s.Src) {
		return nil, fmt.Errorf("flow: Measure: %w: nil source or context", ErrSettings)
	}
	if err := match(m, t); err != nil {
		return nil, err
	}
	full, err := s.defaults(m, observables)
	if err != nil {
		return nil, fmt.Errorf("flow: Measure: %w", err)
	}
	r, err := newMeasurer(m, t, observables, full)
	if err != nil {
		return nil, fmt.Errorf("flow: Measure: %w", err)
	}
	return r, nil
}

// leastSweeps is the number of sweeps that a Summary needs.
const leastSweeps = 4

// measurer is Measure at work.
type measurer struct {
	ranks
	m           *Model
	s           *MeasureSettings
	observables []Observable
	density     *latentPoints
	force       hmc.LogDensity // the latent density in float32
	target      hmc.LogDensity // of configurations
	sampler     *hmc.Sampler
	chains      int         // of this rank
	src         rand.Source // of this rank
	rnd         *rand.Rand  // of images

	x, image *mat.Dense // configurations of the chains, and a random image of each

	accepted, trajectories float64 // of configurations: sum of acceptances, and their number

	fresh    [][]float64 // of every observable, the block under way on the chains of this rank
	block    int         // its sweeps
	values   [][]float64 // of every observable, sweep after sweep on the chains of all ranks
	sweeps   int         // their number
	warnings []string    // about the moves of all ranks
	last     [][]float64 // of every observable, those of the last sweep
	copied   []float64
}

func newMeasurer(m *Model, t target.Density, observables []Observable, s *MeasureSettings) (*measurer, error) {
	all, err := newRanks(s.Comm)
	if err != nil {
		return nil, err
	}
	m = m.Float64()
	chains, src := s.Chains/all.size, all.source(s.Src)
	z := mat.NewDense(chains, m.Dim(), nil)
	r := &measurer{
		ranks: all, m: m, s: s, observables: observables, chains: chains, src: src,
		density: newLatentPoints(m, t, chains), force: target.NewEvaluator(Latent(m, t)).Float32(),
		target: target.NewEvaluator(t),
		rnd:    rand.New(rand.NewPCG(src.Uint64(), src.Uint64())),
		x:      mat.NewDense(chains, m.Dim(), nil), image: mat.NewDense(chains, m.Dim(), nil),
		fresh: make([][]float64, len(observables)), values: make([][]float64, len(observables)),
		copied: make([]float64, m.Dim()),
	}
	r.last = r.newValues()
	first := s.Kernel
	if first == nil {
		first = mixOf(candidates(m), nil)
	}
	if s.Start == nil {
		m.draw(z.RawMatrix().Data, r.rnd)
		return r, r.sampleFrom(z, first)
	}
	rows, _ := s.Start.Dims()
	for c := range chains {
		r.x.SetRow(c, s.Start.RawRowView((r.rank*chains+c)%rows))
	}
	if err := m.Encode(z, nil, r.x); err != nil {
		return nil, fmt.Errorf("rows of Start: %w", err)
	}
	return r, r.sampleFrom(z, first)
}

// sampleFrom makes a sampler that starts at z.
func (r *measurer) sampleFrom(z *mat.Dense, k hmc.Kernel) (err error) {
	r.sampler, err = hmc.New(r.density, z, &hmc.Settings{
		Kernel: k, Src: rand.NewPCG(r.src.Uint64(), r.src.Uint64()),
	})
	if err != nil {
		return err
	}
	return r.m.Decode(r.x, nil, r.sampler.X())
}

// run warms up and measures. What it decides is the same on all ranks.
func (r *measurer) run(ctx context.Context) error {
	if err := r.agree(r.warmUp(ctx)); err != nil {
		return err
	}
	for r.sweeps < r.s.MaxSweeps {
		n := max(100-r.sweeps, r.sweeps/4)
		err := r.sampler.Run(ctx, min(n, r.s.MaxSweeps-r.sweeps), func(int) error { return r.measure() })
		if err = r.agree(err); errors.Is(err, errComm) {
			return err
		}
		if fault := r.exchange(); err == nil {
			err = fault
		}
		if err != nil {
			return err
		}
		known, err := r.result()
		if err == nil && r.s.Progress != nil {
			if err = r.s.Progress(known); err != nil {
				err = fmt.Errorf("progress: %w", err)
			}
		}
		if err = r.agree(err); err != nil {
			return err
		}
		if done, err := r.done(known); done || err != nil {
			return err
		}
	}
	return nil
}

// follow brings the configurations to where the last sweep has moved the chains.
func (r *measurer) follow() error {
	if !r.density.whole {
		return r.m.Decode(r.x, nil, r.sampler.X())
	}
	for c, moved := range r.sampler.LastMoves().Accepted {
		if moved {
			copy(r.x.RawRowView(c), r.density.x.RawRowView(c))
		}
	}
	return nil
}

// newValues returns room for a value of every observable on every chain.
func (r *measurer) newValues() [][]float64 {
	values := make([][]float64, len(r.observables))
	for o := range values {
		values[o] = make([]float64, r.chains)
	}
	return values
}

// evaluate stores the values of all observables on the configurations of the chains. If the
// model is symmetrised, they are values on random images.
func (r *measurer) evaluate(values [][]float64) error {
	r.image.Copy(r.x)
	r.m.randomImages(r.image, r.copied, r.rnd)
	for k, o := range r.observables {
		err := graph.Guard(func() error {
			for c := range r.chains {
				v := o.Func(r.image.RawRowView(c))
				if math.IsNaN(v) || math.IsInf(v, 0) {
					return fmt.Errorf("%w: %g on chain %d, sweep %d", ErrNotFinite, v, r.rank*r.chains+c,
						r.sweeps+r.block)
				}
				values[k][c] = v
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("observable %d, %q: %w", k, o.Name, err)
		}
	}
	return nil
}

// measure adds a measurement of every observable on every chain.
func (r *measurer) measure() error {
	if err := r.follow(); err != nil {
		return err
	}
	if err := r.evaluate(r.last); err != nil {
		return err
	}
	for k, v := range r.last {
		r.fresh[k] = append(r.fresh[k], v...)
	}
	r.block++
	return nil
}

// result is what the measurements say.
func (r *measurer) result() (*Measurement, error) {
	k := &Measurement{Sweeps: r.sweeps, Kernels: r.sampler.Stats(), physical: r.s.Kernel == nil}
	for i, stats := range k.Kernels {
		if _, ok := stats.Kernel.(hmc.Gibbs); ok && k.physical && r.trajectories > 0 {
			k.Kernels[i].AcceptRate = r.accepted / r.trajectories // to the sampler all moves are accepted
		}
	}
	for i, o := range r.observables {
		v := r.values[i]
		x := mat.NewDense(r.sweeps, r.s.Chains, v[:len(v):len(v)])
		k.Series = append(k.Series, diag.Named{Name: o.Name, X: x})
	}
	summary, err := diag.Summarize(k.Series)
	if err != nil {
		return nil, err
	}
	k.Summary = *summary
	k.Warnings = append(slices.Clone(r.warnings), k.Warnings...)
	for _, row := range k.Rows {
		wanted := r.s.RelErr * max(math.Abs(row.Mean), row.Std)
		if row.MCSE > wanted {
			k.Missed = append(k.Missed, fmt.Sprintf("%s: standard error %.2g, wanted %.2g", row.Name, row.MCSE, wanted))
		}
	}
	return k, nil
}
