package flow

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
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

// MeasureSettings configures Measure. A zero field means its default.
type MeasureSettings struct {
	// Chains is the number of chains, 32 by default. With more chains a warm-up sweep takes
	// longer.
	Chains int
	// RelErr is the relative standard error at which Measure stops, 0.01 by default. For
	// every observable it is relative to the mean or the standard deviation, whichever is
	// larger.
	RelErr float64
	// MaxSweeps is the largest number of sweeps, without the warm-up; 10 000 by default.
	MaxSweeps int
	// WarmUp is the number of sweeps before the first measurement, 200 by default.
	WarmUp int
	// Kernel moves the chains in latent space. Only hmc.HMC needs gradients. It is chosen in
	// the warm-up by default, see Measure.
	Kernel hmc.Kernel
	// PhysicalSteps is the largest number of leapfrog steps of a trajectory in the space of
	// configurations, 250 by default. Negative: no such trajectories. A step costs one
	// gradient of the target, without the model.
	PhysicalSteps int
	// Start has a configuration x in each row. Chain k starts from row k; if there are fewer
	// rows than chains, the rows are used again. It is samples of the model by default. Good
	// starts are configurations of modes that the model may lack: if the chains then do not
	// mix, there is a warning.
	Start *mat.Dense
	// Src is the source of all randomness; required.
	Src rand.Source
	// Progress receives the results so far, from time to time; nil: none. If it returns an
	// error, Measure stops.
	Progress func(*Measurement) error
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
	// Kernels has the statistics of each kernel in these sweeps.
	Kernels []hmc.KernelStats
	// Series has the measurements of every observable, (Sweeps, Chains).
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
func Measure(
	ctx context.Context, m *Model, t target.Density, observables []Observable, s *MeasureSettings,
) (*Measurement, error) {
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
	err = r.run(ctx)
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

// leastSweeps is the number of sweeps that a Summary needs.
const leastSweeps = 4

// defaults returns the settings with their defaults; Kernel stays nil if the warm-up is to
// choose it.
func (s MeasureSettings) defaults(m *Model, observables []Observable) (*MeasureSettings, error) {
	switch {
	case s.Chains < 0 || s.MaxSweeps < 0 || s.WarmUp < 0:
		return nil, fmt.Errorf("%w: %d chains, %d sweeps, %d of warm-up", ErrSettings, s.Chains, s.MaxSweeps, s.WarmUp)
	case !(s.RelErr >= 0) || math.IsInf(s.RelErr, 1):
		return nil, fmt.Errorf("%w: RelErr %g, want a positive number", ErrSettings, s.RelErr)
	case len(observables) == 0:
		return nil, fmt.Errorf("%w: no observables", ErrSettings)
	}
	for k, o := range observables {
		if o.Func == nil {
			return nil, fmt.Errorf("%w: observable %d, %q, has no Func", ErrSettings, k, o.Name)
		}
	}
	if _, ok := m.prior.(*target.Normal); !ok {
		return nil, fmt.Errorf("%w: the prior is a %T, want a normal one (for angles: begin with bijector.Angles)",
			ErrSettings, m.prior)
	}
	if s.Chains == 0 {
		s.Chains = 32
	}
	if s.RelErr == 0 {
		s.RelErr = 0.01
	}
	if s.MaxSweeps == 0 {
		s.MaxSweeps = 10000
	}
	if s.WarmUp == 0 {
		s.WarmUp = 200
	}
	if s.PhysicalSteps == 0 {
		s.PhysicalSteps = 250
	}
	if s.Start != nil {
		if _, err := m.rows("Measure", nil, s.Start); err != nil {
			return nil, fmt.Errorf("rows of Start: %w", err)
		}
	}
	return &s, checkBatch(s.Chains, m)
}

// measurer is Measure at work.
type measurer struct {
	m           *Model
	s           *MeasureSettings
	observables []Observable
	density     *latentPoints
	force       hmc.LogDensity // the latent density in float32
	target      hmc.LogDensity // of configurations
	sampler     *hmc.Sampler
	rnd         *rand.Rand // of images

	x, image *mat.Dense // configurations of the chains, and a random image of each
	sweeps   int        // measured

	accepted, trajectories float64 // of configurations: sum of acceptances, and their number

	values [][]float64 // of every observable, sweep after sweep
	last   [][]float64 // of every observable, those of the last sweep
	copied []float64
}

func newMeasurer(m *Model, t target.Density, observables []Observable, s *MeasureSettings) (*measurer, error) {
	m = m.Float64()
	z := mat.NewDense(s.Chains, m.Dim(), nil)
	r := &measurer{
		m: m, s: s, observables: observables,
		density: newLatentPoints(m, t, s.Chains), force: target.NewEvaluator(Latent(m, t)).Float32(),
		target: target.NewEvaluator(t),
		rnd:    rand.New(rand.NewPCG(s.Src.Uint64(), s.Src.Uint64())),
		x:      mat.NewDense(s.Chains, m.Dim(), nil), image: mat.NewDense(s.Chains, m.Dim(), nil),
		values: make([][]float64, len(observables)), copied: make([]float64, m.Dim()),
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
	for c := range s.Chains {
		r.x.SetRow(c, s.Start.RawRowView(c%rows))
	}
	if err := m.Encode(z, nil, r.x); err != nil {
		return nil, fmt.Errorf("rows of Start: %w", err)
	}
	return r, r.sampleFrom(z, first)
}

// sampleFrom makes a sampler that starts at z.
func (r *measurer) sampleFrom(z *mat.Dense, k hmc.Kernel) (err error) {
	r.sampler, err = hmc.New(r.density, z, &hmc.Settings{
		Kernel: k, Src: rand.NewPCG(r.s.Src.Uint64(), r.s.Src.Uint64()),
	})
	if err != nil {
		return err
	}
	return r.m.Decode(r.x, nil, r.sampler.X())
}

// run warms up and measures.
func (r *measurer) run(ctx context.Context) error {
	if err := r.warmUp(ctx); err != nil {
		return err
	}
	for r.sweeps < r.s.MaxSweeps {
		n := max(100-r.sweeps, r.sweeps/4)
		err := r.sampler.Run(ctx, min(n, r.s.MaxSweeps-r.sweeps), func(int) error { return r.measure() })
		if err != nil {
			return err
		}
		known, err := r.result()
		if err != nil {
			return err
		}
		if r.s.Progress != nil {
			if err := r.s.Progress(known); err != nil {
				return fmt.Errorf("progress: %w", err)
			}
		}
		if known.OK() && len(known.Missed) == 0 {
			return nil
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
		values[o] = make([]float64, r.s.Chains)
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
			for c := range r.s.Chains {
				v := o.Func(r.image.RawRowView(c))
				if math.IsNaN(v) || math.IsInf(v, 0) {
					return fmt.Errorf("%w: %g on chain %d, sweep %d", ErrNotFinite, v, c, r.sweeps)
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
		r.values[k] = append(r.values[k], v...)
	}
	r.sweeps++
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
	k.Warnings = append(r.sampler.Warnings(), k.Warnings...)
	for _, row := range k.Rows {
		wanted := r.s.RelErr * max(math.Abs(row.Mean), row.Std)
		if row.MCSE > wanted {
			k.Missed = append(k.Missed, fmt.Sprintf("%s: standard error %.2g, wanted %.2g", row.Name, row.MCSE, wanted))
		}
	}
	return k, nil
}

// latentPoints is Latent of a model, and keeps the configurations of its last evaluation.
type latentPoints struct {
	program *graph.Program
	grad    *target.Evaluator
	x       *mat.Dense
	whole   bool // x is of the last evaluation
}

func newLatentPoints(m *Model, t target.Density, chains int) *latentPoints {
	return &latentPoints{
		program: latentProgram(m, t), grad: target.NewEvaluator(Latent(m, t)), x: mat.NewDense(chains, m.Dim(), nil),
	}
}

// Dim returns the number of latent variables.
func (l *latentPoints) Dim() int { return l.grad.Dim() }

// LogProbGrad keeps the configurations if no gradient is asked for.
func (l *latentPoints) LogProbGrad(logp []float64, grad, z *mat.Dense) error {
	if l.whole = grad == nil; !l.whole {
		return l.grad.LogProbGrad(logp, grad, z)
	}
	rows, _ := z.Dims()
	if rows != len(logp) {
		return errors.New("rows and numbers differ")
	}
	return l.program.Run(rows, [][]float64{graph.Contiguous(z)}, [][]float64{logp, l.x.RawMatrix().Data})
}
