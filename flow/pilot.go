package flow

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/internal/lattice"
	"github.com/neuralrg/neuralrg/target"
)

// Pilot is what a short run of NewPilot found out about a target, and the recipe that it
// chose. It is plain data: change what you know better, before Model.
type Pilot struct {
	// Recipe is the choice. Its Scale is that of the field.
	Recipe *Recipe
	// Shape is the lattice of the recipe: that of the target, or a chain of all its values.
	Shape []int
	// Spectrum is the covariance to whiten with, nil without whitening.
	Spectrum []float64
	// Symmetries generate the group over which Model symmetrises.
	Symmetries []Symmetry
	// Images is the number of images that Settings averages over, EvaluateSettings.Images.
	Images int
	// Field is what the chains say of the field.
	Field PilotField
	// Trials are the recipes that were compared, in the order of preference.
	Trials []PilotTrial
	// Notes say in words what the symmetries are, what was not believed and why.
	Notes []string
}

// PilotField is what the chains of a pilot run say of a field.
type PilotField struct {
	// RMS is the standard deviation of a site, averaged over the sites, and RMSErr its
	// standard error. The mean is that of each site, or 0 if the target has x → −x.
	RMS, RMSErr float64
	// Spectrum is the measured covariance, one eigenvalue for each wave vector, row-major.
	// Those that the symmetries map onto each other have their mean. nil if the target lacks
	// translations or the chains have not mixed.
	Spectrum []float64
	// Warnings are reasons not to trust the chains.
	Warnings []string
}

// PilotTrial is a short training by one of the recipes.
type PilotTrial struct {
	Name     string    // in words
	Recipe   *Recipe   // with its Scale
	Spectrum []float64 // to whiten with, nil without whitening
	// Steps is the number of steps that were made: half of them if it was left out.
	Steps int
	// Loss is the loss after these steps, in nats, and StdErr its standard error.
	Loss, StdErr float64
	// Err is why it failed; nil if it did not.
	Err error
}

// PilotSettings configures NewPilot. A zero field means its default.
type PilotSettings struct {
	// Shape is the lattice of the target, by default what its method Shape() []int returns. A
	// target without this method has no lattice.
	Shape []int
	// Recipe is what the recipes of the trials are like, by default BestRecipe on lattices of
	// one or two axes with even extents and FastRecipe on others. Its Exact, Scale and Whiten
	// are not used.
	Recipe *Recipe
	Chains int // of hybrid Monte Carlo, 32 by default, at least 4
	Sweeps int // of warm-up, and as many again to measure; 200 by default, at least 20
	// Steps is the number of training steps of the longest trials, 200 by default, at least 2.
	// A negative number means no trials: the first recipe is chosen.
	Steps  int
	Batch  int // of the trials, 64 by default
	Images int // of the symmetry group that are averaged, 4 by default
	// Src is the source of all random numbers; required.
	Src rand.Source
}

// NewPilot chooses a recipe for a target by measurement:
//
//  1. It looks which symmetries ln π has at random configurations: the translations of the
//     lattice, its reflections, exchanges of axes of equal extents, and x → −x.
//  2. Short chains of hybrid Monte Carlo find the size of the field and, if the target has
//     all translations, its covariance.
//  3. It trains by each recipe that may suit the target for a few steps: with exact odd sites
//     for a *target.Phi4 of one component on even extents; with the size of the field alone;
//     whitened by the spectrum that the target declares by a method Spectrum() []float64; and
//     whitened by the measured one, unless the chains have not mixed. A target without a
//     lattice has blocks on all of its values, and as another trial a chain. The worse half
//     is left out after half of the steps, those within two standard errors of the best one
//     excepted. Of the others the best is chosen, or of those within two standard errors of it
//     the first in this order.
//
// A whitened flow is not always the better one: docs/accuracy.md says when and why. The order
// of short trials is not always that of long ones.
//
// A pilot run takes about as long as Trials·Steps training steps of a small batch. It cannot
// see what the chains do not visit. Angles are not covered: the field has values on the whole
// line. So are fields of several components.
//
// The same source gives the same choice. NewPilot fails
//   - with ErrSettings for a nil context, target or source, for numbers out of range, and for
//     a target that is periodic in its values;
//   - with ErrShape if the lattice does not have as many sites as the target has values;
//   - with ErrNotFinite if ln π or its gradient is NaN or infinite where the chains would
//     begin;
//   - with the error of the context, which says how far the run was;
//   - with the errors of the target and, if all of them fail, of the trials.
func NewPilot(ctx context.Context, t target.Density, s *PilotSettings) (*Pilot, error) {
	var p *Pilot
	err := graph.Guard(func() (err error) {
		p, err = newPilot(ctx, t, s)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("flow: pilot: %w", err)
	}
	return p, nil
}

func newPilot(ctx context.Context, t target.Density, s *PilotSettings) (*Pilot, error) {
	full, err := s.defaults(ctx, t)
	if err != nil {
		return nil, err
	}
	r := &piloting{t: t, s: full, rnd: rand.New(full.Src), Pilot: &Pilot{Shape: full.Shape, Images: full.Images}}
	for _, phase := range []func(context.Context) error{r.begin, r.symmetries, r.chains, r.trials} {
		if err := phase(ctx); err != nil {
			return nil, err
		}
	}
	return r.Pilot, nil
}

// piloting is a pilot run under way.
type piloting struct {
	*Pilot
	t   target.Density
	s   *PilotSettings
	rnd *rand.Rand

	flat  bool    // no lattice
	start float64 // the standard deviation of the configurations that it begins with
	held  held    // symmetries of the target
}

// note adds a note.
func (r *piloting) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// source returns a new source.
func (r *piloting) source() *rand.PCG { return rand.NewPCG(r.rnd.Uint64(), r.rnd.Uint64()) }

// defaults returns the settings with their defaults, checked.
func (s *PilotSettings) defaults(ctx context.Context, t target.Density) (*PilotSettings, error) {
	if ctx == nil || s == nil || missing(s.Src) || t == nil {
		return nil, fmt.Errorf("%w: nil context, target, settings or source", ErrSettings)
	}
	dims, err := dimensions(t)
	if err != nil {
		return nil, fmt.Errorf("%w: target: %w", ErrSettings, err)
	}
	c := *s
	for _, f := range []struct {
		name         string
		v            *int
		least, basic int
	}{{"Chains", &c.Chains, 4, 32}, {"Sweeps", &c.Sweeps, 20, 200}, {"Steps", &c.Steps, 2, 200},
		{"Batch", &c.Batch, 2, 64}, {"Images", &c.Images, 1, 4}} {
		if *f.v == 0 {
			*f.v = f.basic
		}
		if *f.v < f.least && !(f.name == "Steps" && *f.v < 0) {
			return nil, fmt.Errorf("%w: %s %d, want %d or more", ErrSettings, f.name, *f.v, f.least)
		}
	}
	if c.Shape == nil {
		if d, ok := t.(interface{ Shape() []int }); ok {
			c.Shape = d.Shape()
		}
	}
	c.Shape = slices.Clone(c.Shape)
	if c.Shape != nil {
		return &c, sitesOf(t, dims[0], c.Shape)
	}
	return &c, sitesOf(t, dims[0], []int{dims[0]})
}

// sitesOf checks that a target has one value for each site of the lattice.
func sitesOf(t target.Density, dim int, shape []int) error {
	if c, ok := t.(interface{ Components() int }); ok && c.Components() != 1 {
		return fmt.Errorf("%w: the target has %d components at a site, want 1", ErrSettings, c.Components())
	}
	if n, err := lattice.Size(shape); err != nil {
		return fmt.Errorf("%w: %w", ErrShape, err)
	} else if n != dim {
		return fmt.Errorf("%w: a lattice of shape %v for a target of %d values", ErrShape, shape, dim)
	}
	return checkLattice(shape)
}

// Model returns a model of the chosen recipe with random parameters, symmetrised. It fails as
// Recipe.Model and Symmetrize do.
func (p *Pilot) Model(src rand.Source) (*Model, error) {
	m, err := p.Recipe.Model(p.Shape, p.Spectrum, src)
	if err != nil {
		return nil, err
	}
	return Symmetrize(m, p.Symmetries...)
}

// Settings returns the settings of the recipe for training such a model, m, over Images
// images of every sample.
func (p *Pilot) Settings(m *Model, steps int, src rand.Source) *Settings {
	s := p.Recipe.Settings(steps, src)
	s.Images = min(p.Images, max(1, len(m.group)))
	return s
}

// String is the choice and its reasons, in a few lines.
func (p *Pilot) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "field of size %.3g ± %.1g\n", p.Field.RMS, p.Field.RMSErr)
	for _, n := range p.Notes {
		fmt.Fprintf(&b, "%s\n", n)
	}
	for _, w := range p.Field.Warnings {
		fmt.Fprintf(&b, "chains: %s\n", w)
	}
	for _, t := range p.Trials {
		mark := " "
		if t.Recipe == p.Recipe {
			mark = "*"
		}
		if t.Steps == 0 && t.Err == nil {
			fmt.Fprintf(&b, "%s %s: not tried\n", mark, t.Name)
			continue
		}
		if t.Err != nil {
			fmt.Fprintf(&b, "%s %s: failed: %v\n", mark, t.Name, t.Err)
			continue
		}
		fmt.Fprintf(&b, "%s %s: loss %.4g ± %.2g nats after %d steps\n", mark, t.Name, t.Loss, t.StdErr, t.Steps)
	}
	return b.String()
}
