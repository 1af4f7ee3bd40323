package flow

import (
	"math"

	"github.com/neuralrg/neuralrg/internal/graph"
)

const (
	pilotSamples = 128
	// pilotStep is the largest step of β of the pilot run, and pilotVariance the largest
	// variance of an increment of its weights, relative to their mean squared.
	pilotStep     = 1. / 16
	pilotVariance = 0.05
	// rungsPerLength is the number of rungs by default, for a path of length one;
	// minRungs and maxRungs bound it.
	rungsPerLength     = 300
	minRungs, maxRungs = 10, 1000
)

// pilot returns rungs at which the increments of the weights have the same variance, by
// sequential Monte Carlo that chooses its own steps (Y. Zhou, A. M. Johansen and J. A. D.
// Aston, J. Comput. Graph. Stat. 25, 701 (2016)).
func (a *annealer) pilot() ([]float64, error) {
	n := min(pilotSamples, a.s.Samples)
	p := a.particles(0, make([]float64, n*a.m.Dim()), a.draw(n))
	betas, length := []float64{0}, []float64{0} // of the path up to there
	err := graph.Guard(func() error {
		if err := a.start(p); err != nil {
			return err
		}
		for k := 1; p.beta < 1; k++ {
			beta, v := p.next()
			p.advance(beta)
			// Where nothing varies, lengths are those of β.
			length = append(length, length[k-1]+math.Sqrt(v)+1e-6*(beta-betas[k-1]))
			betas = append(betas, beta)
			if p.effective() < 0.5 {
				p.resample(0.5, a.m.Dim())
			}
			if err := a.moves(p, k); err != nil {
				return err
			}
		}
		return nil
	})
	clear(a.accepted)
	clear(a.proposed)
	a.done = 0
	if err != nil {
		return nil, err
	}
	rungs := a.s.Rungs
	if rungs == 0 {
		whole := length[len(length)-1]
		rungs = int(min(max(minRungs, math.Ceil(rungsPerLength*whole*whole)), maxRungs))
	}
	return divide(betas, length, rungs), nil
}

// next is the next β of the pilot run, and the relative variance of the increments of
// the weights on the way.
func (p *particles) next() (beta, v float64) {
	// Steps of less than a hundredth of β would never end.
	left := 1 - p.beta
	least, most := min(1e-6+p.beta/100, left), min(pilotStep, left)
	if v := p.spread(most); v <= pilotVariance || most == least {
		if most == left {
			return 1, min(v, 1)
		}
		return p.beta + most, v
	}
	for range 30 {
		if step := (least + most) / 2; p.spread(step) > pilotVariance {
			most = step
		} else {
			least = step
		}
	}
	return p.beta + least, min(p.spread(least), 1)
}

// spread is the variance of exp(step·W) relative to its mean squared, under the weights.
// Samples at which π is zero do not count.
func (p *particles) spread(step float64) float64 {
	one, two, three := math.Inf(-1), math.Inf(-1), math.Inf(-1)
	for r, v := range p.logw {
		if w := p.w[r]; !math.IsInf(w, -1) && !math.IsInf(v, -1) {
			one = graph.LogAddExpOf(one, v)
			two = graph.LogAddExpOf(two, v+step*w)
			three = graph.LogAddExpOf(three, v+2*step*w)
		}
	}
	if math.IsInf(one, -1) {
		return 0
	}
	return max(0, math.Expm1(one+three-2*two))
}

// divide cuts a path, given by its length up to some β, into equally long pieces.
func divide(betas, length []float64, rungs int) []float64 {
	whole := length[len(length)-1]
	cut := make([]float64, rungs+1)
	k := 1
	for i := 1; i < rungs; i++ {
		at := whole * float64(i) / float64(rungs)
		for length[k] < at {
			k++
		}
		part := (at - length[k-1]) / (length[k] - length[k-1])
		cut[i] = betas[k-1] + part*(betas[k]-betas[k-1])
	}
	cut[rungs] = 1
	return cut
}
