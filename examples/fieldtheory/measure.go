package main

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/hmc/diag"
	"github.com/neuralrg/neuralrg/target"
)

// judge compares the flow with the theory by samples.
func (r *report) judge(ctx context.Context, o *options, m *flow.Model) error {
	e, err := flow.Evaluate(ctx, m, r.t.Density, &flow.EvaluateSettings{
		Samples: o.samples, Images: min(o.images, len(m.Symmetries())), Src: rand.NewPCG(o.seed, 3),
	})
	if err == nil {
		r.flow = e
	}
	return err
}

// weigh measures the two-point function by samples of the flow with the weights w = π/q, or with
// those of annealing in several rungs.
func (r *report) weigh(ctx context.Context, o *options, m *flow.Model) error {
	m, err := inversion(m)
	if err != nil {
		return err
	}
	settings := &flow.AISSettings{Samples: o.samples, Rungs: max(1, r.t.rungs), Src: rand.NewPCG(o.seed, 4)}
	if o.rungs > 0 {
		settings.Rungs = o.rungs
	}
	if settings.Rungs > 1 {
		settings.Moves = []hmc.Proposal{hmc.CrankNicolson{Beta: 0.4}, hmc.CrankNicolson{Beta: 0.15}}
	}
	start := time.Now()
	a, err := flow.AIS(ctx, m, r.t.Density, settings)
	if a == nil {
		return err
	}
	r.annealed, r.rungs, r.annealSeconds = a, settings.Rungs, time.Since(start).Seconds()
	largest := math.Inf(-1)
	for _, v := range a.LogWeights {
		largest = max(largest, v)
	}
	samples := make([][]float64, len(a.LogWeights))
	weights := make([]float64, len(a.LogWeights))
	for i, v := range a.LogWeights {
		samples[i], weights[i] = r.t.correlator(a.X.RawRowView(i)), math.Exp(v-largest)
	}
	r.weighted = twoPointOf(samples, weights)
	if err != nil || r.t.compare == nil {
		return err
	}
	r.comparisons, err = r.t.compare(ctx, a)
	return err
}

// latent measures χ by chains in latent space.
func (r *report) latent(ctx context.Context, o *options, m *flow.Model) error {
	m, err := inversion(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.budget/2)
	defer cancel()
	start := time.Now()
	k, err := flow.Measure(ctx, m, r.t.Density, r.t.observables(),
		&flow.MeasureSettings{RelErr: o.relErr, Src: rand.NewPCG(o.seed, 5)})
	if k != nil {
		row := k.Rows[0]
		r.Chi, r.ChiErr, r.verdict = row.Mean, row.MCSE, k.Verdict()
		r.chiSeconds = time.Since(start).Seconds()
		for _, row := range k.Rows[1:] {
			r.more = append(r.more, pair{row.Name, row.Mean, row.MCSE})
		}
		r.Binder, r.BinderErr = binderOf(k.Series[0].X)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// plainChains is the number of chains of hybrid Monte Carlo without a flow.
const plainChains = 64

// plain measures by hybrid Monte Carlo without the flow, for as long as training and the
// latent chains took: the comparison counts training.
func (r *report) plain(ctx context.Context, o *options) error {
	start := time.Now()
	budget := time.Duration((r.Seconds + r.chiSeconds) * float64(time.Second))
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	rnd := rand.New(rand.NewPCG(o.seed, 6))
	phi := mat.NewDense(plainChains, r.t.Dim(), nil)
	phi.Apply(func(_, _ int, _ float64) float64 { return 0.5 * rnd.NormFloat64() }, phi)
	density, src := target.NewEvaluator(r.t.Density), rand.NewPCG(o.seed, 7)
	s, err := hmc.New(density, phi, &hmc.Settings{Kernel: hmc.HMC{}, Src: src})
	if err != nil {
		return err
	}
	err = s.WarmUp(ctx, 500, nil)
	warm := time.Since(start)
	if err == nil {
		err = s.Run(ctx, math.MaxInt32, func(int) error {
			r.chains.add(r.t, s.X())
			if r.enough(o) {
				return errEnough
			}
			return nil
		})
	}
	r.HMC.Seconds = time.Since(start).Seconds()
	r.hmcWarmUp = warm.Seconds()
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errEnough) {
		err = nil
	}
	return errors.Join(err, r.summarize())
}

// binderOf is the Binder cumulant of chains of χ, each cut into quarters, with its error. The
// quarters are longer than the autocorrelation time in a run that can be trusted.
func binderOf(chi *mat.Dense) (value, err float64) {
	square := mat.NewDense(chi.RawMatrix().Rows, chi.RawMatrix().Cols, nil)
	square.MulElem(chi, chi)
	value, err, failed := diag.Jackknife([]*mat.Dense{chi, square}, min(4, chi.RawMatrix().Rows), binder)
	if failed != nil {
		return math.NaN(), math.NaN()
	}
	return value, err
}

// errEnough ends a run that has the error it wants.
var errEnough = errors.New("enough")

// enough looks from time to time at the error of χ.
func (r *report) enough(o *options) bool {
	if n := r.chains.sweeps(); n < 100 || n&(n-1) != 0 {
		return false
	}
	return r.summarize() == nil && r.hmcVerdict == "" && r.HMC.ChiErr < o.relErr*r.HMC.Chi
}

// chains are measurements of plain hybrid Monte Carlo.
type chains struct {
	chi  []float64   // sweep after sweep, of every chain
	more [][]float64 // the same of the other observables
	sum  [][]float64 // of every chain, of the two-point functions
}

func (c *chains) sweeps() int { return len(c.chi) / plainChains }

// add measures the chains after a sweep.
func (c *chains) add(t *theory, phi *mat.Dense) {
	if c.sum == nil {
		c.sum, c.more = make([][]float64, plainChains), make([][]float64, len(t.more))
	}
	for k := range plainChains {
		g := t.correlator(phi.RawRowView(k))
		c.chi = append(c.chi, floats.Sum(g[:len(g)-1]))
		if c.sum[k] == nil {
			c.sum[k] = make([]float64, len(g))
		}
		floats.Add(c.sum[k], g)
		for i, f := range t.more {
			c.more[i] = append(c.more[i], f.Func(phi.RawRowView(k)))
		}
	}
}

// summarize is what the chains of plain hybrid Monte Carlo tell.
func (r *report) summarize() error {
	n := r.chains.sweeps()
	if n < 4 {
		r.HMC.Chi, r.HMC.ChiErr, r.hmcVerdict = math.NaN(), math.NaN(), "stopped before there was anything to tell"
		return nil
	}
	series := []diag.Named{{Name: "χ", X: mat.NewDense(n, plainChains, r.chains.chi)}}
	for i, f := range r.t.more {
		series = append(series, diag.Named{Name: f.Name, X: mat.NewDense(n, plainChains, r.chains.more[i])})
	}
	s, err := diag.Summarize(series)
	if err != nil {
		return err
	}
	r.moreHMC = nil
	for _, row := range s.Rows[1:] {
		r.moreHMC = append(r.moreHMC, pair{row.Name, row.Mean, row.MCSE})
	}
	r.HMC.Chi, r.HMC.ChiErr, r.hmcVerdict = s.Rows[0].Mean, s.Rows[0].MCSE, ""
	if !s.OK() {
		r.hmcVerdict = s.Verdict()
	}
	means := make([][]float64, plainChains)
	for k, sum := range r.chains.sum {
		means[k] = slices.Clone(sum)
		floats.Scale(1/float64(n), means[k])
	}
	r.plainTwoPoint = twoPointOf(means, slices.Repeat([]float64{1}, plainChains))
	return nil
}
