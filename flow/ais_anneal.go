package flow

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/internal/num"
	"github.com/neuralrg/neuralrg/target"
)

// annealer takes samples of a model to a target.
type annealer struct {
	ranks
	ctx     context.Context
	m       *Model
	s       *AISSettings
	program *graph.Program // z to ln q, ln π and, unless the prior is normal, ln p − ln N(0, 1)
	decode  *graph.Program
	normal  bool

	words              []uint64 // two for the source of every sample of all ranks
	accepted, proposed []int    // by move
	done, all          int      // evaluations

	// Of a batch: proposals, and what they are worth.
	to, logq, logpi, w, ref []float64
	row                     []float64
}

// particles are samples on their way. They are coupled if they are resampled.
type particles struct {
	first int       // number of the first one
	beta  float64   // where they are on the path
	z     []float64 // latent variables, row after row
	w     []float64 // W(z) = ln π − ln q
	ref   []float64 // ln p(z) − ln N(z), 0 for a normal prior
	logw  []float64
	eve   []int // the initial sample that each descends from, counted from first
	rnd   []*rand.Rand
	times int // that they were resampled
}

func newAnnealer(ctx context.Context, m *Model, t target.Density, s *AISSettings) *annealer {
	m = m.Float64()
	rows := min(s.Batch, s.Samples)
	a := &annealer{
		ranks: ranks{size: 1}, ctx: ctx, m: m, s: s, decode: m.decode,
		accepted: make([]int, len(s.Moves)), proposed: make([]int, len(s.Moves)),
		to: make([]float64, rows*m.Dim()), logq: make([]float64, rows), logpi: make([]float64, rows),
		w: make([]float64, rows), ref: make([]float64, rows), row: make([]float64, m.Dim()),
	}
	_, a.normal = m.prior.(*target.Normal)
	z, out := []graph.Input{{Name: "z", Cols: m.Dim()}}, []string{"ln q", "ln π"}
	if !a.normal {
		out = append(out, "ln p − ln N")
	}
	a.program = graph.NewProgram(tensor.Float64, z, out, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		_, logq, logpi, err := m.distill(in[0], t, nil)
		if err != nil || a.normal {
			return []*gorgonia.Node{logq, logpi}, err
		}
		logp, err := graph.LogProb(m.prior, in[0])
		if err != nil {
			return nil, err
		}
		normal, err := graph.LogProb(target.NewNormal(m.Dim()), in[0])
		if err != nil {
			return nil, err
		}
		ref, err := graph.Combine(0, []float64{1, -1}, logp, normal)
		return []*gorgonia.Node{logq, logpi, ref}, err
	})
	return a
}

// particles are so many samples as there is room for in z, from a number on. Two words are for the
// source of each.
func (a *annealer) particles(first int, z []float64, words []uint64) *particles {
	n := len(z) / a.m.Dim()
	p := &particles{
		first: first, z: z, w: make([]float64, n), ref: make([]float64, n), logw: make([]float64, n),
		eve: num.UpTo(n), rnd: make([]*rand.Rand, n),
	}
	for r := range p.rnd {
		p.rnd[r] = rand.New(rand.NewPCG(words[2*r], words[2*r+1]))
	}
	return p
}

// anneal takes samples from the prior to the target, and from z to x.
func (a *annealer) anneal(p *particles) error {
	if err := a.start(p); err != nil {
		return err
	}
	last := len(a.s.Betas) - 1
	for k := 1; k <= last; k++ {
		p.advance(a.s.Betas[k])
		if k == last {
			break
		}
		if a.s.Resample > 0 && p.effective() < a.s.Resample {
			p.resample(rand.New(a.s.Src).Float64(), a.m.Dim())
		}
		if err := a.moves(p, k); err != nil {
			return err
		}
	}
	return a.generate(p)
}

// batches calls f for every batch of rows.
func (a *annealer) batches(p *particles, f func(from, to int) error) error {
	for from := 0; from < len(p.w); from += len(a.w) {
		to := min(from+len(a.w), len(p.w))
		if err := a.ctx.Err(); err != nil {
			return err
		}
		if err := f(from, to); err != nil {
			return err
		}
		if a.done += to - from; a.all == 0 || a.s.Progress == nil {
			continue
		}
		if err := a.s.Progress(a.done, a.all); err != nil {
			return fmt.Errorf("%w: %w", errStop, err)
		}
	}
	return nil
}

// start draws latent variables from the prior.
func (a *annealer) start(p *particles) error {
	n := a.m.Dim()
	return a.batches(p, func(from, to int) error {
		for r := from; r < to; r++ {
			a.m.prior.Rand(p.z[r*n:(r+1)*n], p.rnd[r])
		}
		if err := a.evaluate(p.z[from*n:to*n], p.first+from, 0); err != nil {
			return err
		}
		copy(p.w[from:to], a.w)
		copy(p.ref[from:to], a.ref)
		return nil
	})
}

// moves makes the moves of rung k.
func (a *annealer) moves(p *particles, k int) error {
	return a.batches(p, func(from, to int) error {
		for s := range a.s.Steps {
			if err := a.move(p, from, to, k, s); err != nil {
				return err
			}
		}
		return nil
	})
}

// move is one Metropolis test of every row of a batch, the step-th one of rung k.
// A proposal leaves N(0, 1) invariant and is reversible. With the probability
// min(1, exp Δ) of acceptance, Δ being the change of ln p_β − ln N(0, 1), p_β is left
// invariant.
func (a *annealer) move(p *particles, from, to, k, step int) error {
	n := a.m.Dim()
	kind := ((k-1)*a.s.Steps + step) % len(a.s.Moves)
	for r := from; r < to; r++ {
		a.s.Moves[kind].Propose(a.to[(r-from)*n:(r-from+1)*n], p.z[r*n:(r+1)*n], p.rnd[r])
	}
	if err := a.evaluate(a.to[:(to-from)*n], p.first+from, k); err != nil {
		return err
	}
	for r := from; r < to; r++ {
		i := r - from
		change := a.ref[i] - p.ref[r] + p.beta*(a.w[i]-p.w[r])
		if u := p.rnd[r].Float64(); math.Log(u) < change { // false for NaN, of zero to zero
			copy(p.z[r*n:(r+1)*n], a.to[i*n:(i+1)*n])
			p.w[r], p.ref[r] = a.w[i], a.ref[i]
			a.accepted[kind]++
		}
	}
	a.proposed[kind] += to - from
	return nil
}

// evaluate sets w and ref of latent variables, those of the samples from a number on.
func (a *annealer) evaluate(z []float64, first, rung int) error {
	rows := len(z) / a.m.Dim()
	out := [][]float64{a.logq[:rows], a.logpi[:rows]}
	if !a.normal {
		out = append(out, a.ref[:rows])
	}
	if err := a.program.Run(rows, [][]float64{z}, out); err != nil {
		return fmt.Errorf("rung %d, samples from %d: %w", rung, first, err)
	}
	for r := range rows {
		logq, logpi, ref := a.logq[r], a.logpi[r], a.ref[r]
		a.w[r] = logpi - logq
		switch {
		case math.IsInf(ref, -1): // the prior is zero, and so is p_β
			a.w[r] = 0
		case num.Finite(a.w[r], ref):
		case num.Finite(logq, ref) && math.IsInf(logpi, -1):
		default:
			return fmt.Errorf("rung %d, sample %d: %w: ln q is %g, ln π is %g",
				rung, first+r, ErrNotFinite, logq, logpi)
		}
	}
	return nil
}

// generate replaces z by x = g(z), or a random image of that.
func (a *annealer) generate(p *particles) error {
	n := a.m.Dim()
	for from := 0; from < len(p.w); from += len(a.w) {
		to := min(from+len(a.w), len(p.w))
		x := p.z[from*n : to*n]
		if err := a.decode.Run(to-from, [][]float64{x}, [][]float64{x, nil}); err != nil {
			return err
		}
		for r := from; r < to; r++ {
			a.m.randomImages(mat.NewDense(1, n, p.z[r*n:(r+1)*n]), a.row, p.rnd[r])
		}
	}
	return nil
}
