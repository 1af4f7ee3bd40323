package flow

import (
	"fmt"
	"math"

	"github.com/neuralrg/neuralrg/internal/num"
)

// Plateau lowers the learning rate when the loss no longer falls. Its factor multiplies
// that of OptimizerSettings.Schedule. A zero field means its default.
//
// The loss is the running estimate over the last Settings.Window steps. It is used only if
// all these steps were made at β = 1 and after the last reduction. Successive reductions
// are therefore at least Window + Patience steps apart.
//
// Choose Window and Patience long: within Patience steps a falling loss must fall by more
// than the StdErr of the running estimate. Otherwise noise looks like a plateau.
type Plateau struct {
	Factor   float64 // of the learning rate at a reduction, in (0, 1), ½ by default
	Patience int     // steps in a row without improvement before a reduction, Settings.Window by default
	// MinImprovement is the amount, in nats, by which the loss must fall below the lowest
	// loss so far to count as an improvement, any by default. It is absolute, because the
	// zero of a loss is arbitrary.
	MinImprovement float64
	MinFactor      float64 // lower bound of the product of all reductions, in (0, 1], 1e-6 by default
}

// defaults returns p with its defaults, for a window of the given number of steps.
func (p Plateau) defaults(window int) (*Plateau, error) {
	if p.Factor == 0 {
		p.Factor = 0.5
	}
	if p.Patience == 0 {
		p.Patience = window
	}
	if p.MinFactor == 0 {
		p.MinFactor = 1e-6
	}
	if !(p.Factor > 0 && p.Factor < 1) || p.Patience < 0 || !(p.MinFactor > 0 && p.MinFactor <= 1) ||
		!(p.MinImprovement >= 0) || math.IsInf(p.MinImprovement, 1) {
		return nil, fmt.Errorf("%w: Plateau of factor %g, patience %d, least improvement %g and floor %g",
			ErrSettings, p.Factor, p.Patience, p.MinImprovement, p.MinFactor)
	}
	return &p, nil
}

// plateauState is the state of a Plateau. Files contain it.
type plateauState struct {
	Factor float64 `json:"factor"` // of the learning rate, the product of all reductions
	Since  int     `json:"since"`  // steps at β = 1 after the last reduction
	Best   float64 `json:"best"`   // lowest loss from step Since = window on, 0 before
	Wait   int     `json:"wait"`   // steps since the lowest loss
}

// judge updates the state after a step at inverse temperature beta. loss is the running
// loss over a window of steps.
func (s *plateauState) judge(p *Plateau, beta, loss float64, window int) {
	if !num.Finite(loss) { // a sum of finite numbers that overflowed
		loss = math.MaxFloat64
	}
	if beta != 1 {
		*s = plateauState{Factor: s.Factor}
		return
	}
	s.Since++
	switch {
	case s.Since < window:
	case s.Since == window || loss < s.Best-p.MinImprovement:
		s.Best, s.Wait = loss, 0
	default:
		if s.Wait++; s.Wait == p.Patience {
			*s = plateauState{Factor: max(s.Factor*p.Factor, p.MinFactor)}
		}
	}
}

// check fails for a state that training cannot reach in the given number of steps.
func (s *plateauState) check(p *Plateau, window, steps int) error {
	judged := max(0, s.Since-window) // after the first one
	if !(s.Factor >= p.MinFactor && s.Factor <= 1) || s.Since < 0 || s.Since > steps ||
		s.Wait < 0 || s.Wait >= p.Patience || s.Wait > judged ||
		!num.Finite(s.Best) || s.Since < window && s.Best != 0 {
		return fmt.Errorf("plateau of factor %g, %d steps, best loss %g, %d steps without improvement",
			s.Factor, s.Since, s.Best, s.Wait)
	}
	return nil
}
