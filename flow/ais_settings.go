package flow

import (
	"fmt"
	"slices"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/target"
)

// defaults returns the settings for a model with their defaults; Betas stay nil if a
// pilot run is to set them.
func (s AISSettings) defaults(m *Model) (*AISSettings, error) {
	if _, ok := m.prior.(*target.UniformAngles); ok {
		return nil, fmt.Errorf("%w: the prior is a %T, want a normal one: begin the bijector with bijector.Angles",
			ErrSettings, m.prior)
	}
	if s.Samples < 0 || s.Batch < 0 {
		return nil, fmt.Errorf("%w: %d samples in batches of %d", ErrSettings, s.Samples, s.Batch)
	}
	if s.Rungs < 0 || s.Steps < 0 {
		return nil, fmt.Errorf("%w: %d rungs with %d moves each", ErrSettings, s.Rungs, s.Steps)
	}
	if s.Resample > 0 && s.Comm != nil && s.Comm.Size() > 1 {
		return nil, fmt.Errorf("%w: Resample couples all samples and needs one process, not %d ranks", ErrSettings,
			s.Comm.Size())
	}
	if !(s.Resample >= 0 && s.Resample <= 1) {
		return nil, fmt.Errorf("%w: Resample %g, want 0 to 1", ErrSettings, s.Resample)
	}
	if s.Samples == 0 {
		s.Samples = 1000
	}
	if s.Batch == 0 {
		s.Batch = 500
	}
	if s.Steps == 0 {
		s.Steps = 1
	}
	if err := s.checkBetas(); err != nil {
		return nil, err
	}
	s.Betas = slices.Clone(s.Betas)
	if s.Moves == nil {
		s.Moves = defaultMoves(m)
	}
	if err := checkMoves(s.Moves, m.Dim()); err != nil {
		return nil, err
	}
	return &s, checkBatch(s.Samples, m)
}

// checkBetas fails for rungs that do not rise from 0 to 1.
func (s *AISSettings) checkBetas() error {
	if s.Betas == nil {
		return nil
	}
	last := len(s.Betas) - 1
	switch {
	case last < 1:
		return fmt.Errorf("%w: %d rungs in Betas, want two or more", ErrSettings, len(s.Betas))
	case s.Betas[0] != 0:
		return fmt.Errorf("%w: Betas begin with %g, want 0", ErrSettings, s.Betas[0])
	case s.Betas[last] != 1:
		return fmt.Errorf("%w: Betas end with %g, want 1", ErrSettings, s.Betas[last])
	case s.Rungs != 0 && s.Rungs != last:
		return fmt.Errorf("%w: %d Rungs, and Betas of %d steps", ErrSettings, s.Rungs, last)
	}
	for k := range last {
		if !(s.Betas[k] < s.Betas[k+1]) {
			return fmt.Errorf("%w: Betas[%d] is %g and Betas[%d] is %g, want rising numbers",
				ErrSettings, k, s.Betas[k], k+1, s.Betas[k+1])
		}
	}
	return nil
}

func checkMoves(moves []hmc.Proposal, dim int) error {
	if len(moves) == 0 {
		return fmt.Errorf("%w: no moves", ErrSettings)
	}
	for k, p := range moves {
		if p == nil {
			return fmt.Errorf("%w: move %d is nil", ErrSettings, k)
		}
		if err := graph.Guard(func() error { return p.Check(dim) }); err != nil {
			return fmt.Errorf("%w: move %d: %w", ErrSettings, k, err)
		}
	}
	return nil
}

// defaultMoves are those that AISSettings.Moves promises.
func defaultMoves(m *Model) []hmc.Proposal {
	if w := windowsOf(m, 1); len(w) > 0 {
		return []hmc.Proposal{hmc.Independence{}, w[0]}
	}
	return []hmc.Proposal{hmc.Independence{}, hmc.CrankNicolson{Beta: 0.3}}
}

// windowsOf returns up to n kinds of windows of latent variables, the largest first: the
// cells of a hierarchy that are more than one. There are none if the bijector of m is
// neither a bijector.Hierarchy nor a chain that begins with one, perhaps after
// bijector.Angles.
func windowsOf(m *Model, n int) (windows []hmc.Windows) {
	h := hierarchyIn(m)
	if h == nil {
		return nil
	}
	for level := h.Levels() - 2; level >= 0 && len(windows) < n; level-- {
		if cells := h.Cells(level); len(cells) > 1 {
			windows = append(windows, hmc.Windows{Sites: cells})
		}
	}
	return windows
}

// hierarchyIn returns the bijector of m, or the first one of its chain, if it is a
// hierarchy, and otherwise nil. bijector.Angles before it does not count: every angle has a
// latent variable of its own. A chain of several hierarchies has none of all variables.
func hierarchyIn(m *Model) *bijector.Hierarchy {
	list := []bijector.Bijector{m.b}
	if c, ok := m.b.(*bijector.Chain); ok {
		list = c.Bijectors()
	}
	if _, ok := list[0].(*bijector.Angles); ok && len(list) > 1 {
		list = list[1:]
	}
	h, ok := list[0].(*bijector.Hierarchy)
	if ok && len(list) > 1 {
		if _, several := list[1].(*bijector.Hierarchy); several {
			return nil
		}
	}
	return h
}
