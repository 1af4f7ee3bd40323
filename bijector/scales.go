package bijector

import (
	"fmt"
	"math"
	"slices"

	"github.com/neuralrg/neuralrg/internal/lattice"
)

// Limits of a network, checked before anything is allocated.
const (
	maxTiled  = 1 << 28 // values in the tiles of all layers, two gigabytes
	maxLayers = 1 << 12 // layers, each with a block
)

// networkPlan holds the scales of a network, fine to coarse.
type networkPlan struct {
	shape        []int
	sites        int // of the lattice
	components   int // values of a site
	size, repeat int // defaults filled in
	first        int // distance of the sites of the finest of the scales
	scales       []Scale
	contextBlock ContextBlockFunc // or nil

	oddBlock   ContextBlockFunc // or nil
	evenRepeat int
}

// Scale is a step of a network from one lattice to the next coarser one.
type Scale struct {
	// Size is the number of sites of a tile along each axis. Step is their distance on the
	// original lattice along each axis.
	Size, Step []int
	// Top means that one tile contains all remaining sites and no site is decimated.
	Top bool
}

// Sites returns the number of sites of a tile.
func (c Scale) Sites() int {
	n := 1
	for _, size := range c.Size {
		n *= size
	}
	return n
}

// Scales returns the scales of a network on a periodic lattice, fine to coarse, without
// building it: a program can see from them how large blocks become. The scale of OddBlock
// is not one of them. It fails with
// ErrSettings and ErrTiles as NewMERA does.
func (s *NetworkSettings) Scales(shape []int) ([]Scale, error) {
	p, err := s.plan(shape)
	if err != nil {
		return nil, err
	}
	return p.scales, nil
}

// regular reports whether tiles have Size^d sites.
func (p *networkPlan) regular(c Scale) bool {
	return !slices.ContainsFunc(c.Size, func(size int) bool { return size != p.size })
}

// plan checks the settings and fills in their defaults.
func (s *NetworkSettings) plan(shape []int) (*networkPlan, error) {
	if s == nil {
		s = &NetworkSettings{}
	}
	if s.Size < 0 || s.Size == 1 || s.Depth < 0 || s.Repeat < 0 {
		return nil, fmt.Errorf("bijector: %w: Size %d, Depth %d, Repeat %d", ErrSettings, s.Size, s.Depth, s.Repeat)
	}
	sites, err := lattice.Size(shape)
	if err != nil {
		return nil, fmt.Errorf("bijector: %w: shape %v: %w", ErrTiles, shape, err)
	}
	components, err := s.components(sites)
	if err != nil {
		return nil, err
	}
	p := &networkPlan{
		shape: slices.Clone(shape), sites: sites, components: components, size: s.Size, repeat: max(1, s.Repeat),
		contextBlock: s.ContextBlock,
	}
	if p.size == 0 {
		p.size = 2
	}
	if err := p.setOdd(s); err != nil {
		return nil, err
	}
	if s.Join && s.Depth == 0 {
		p.cutAll()
	} else {
		p.cutEqually(s.Depth)
	}
	return p, nil
}

// components returns the number of values of a site, on a lattice of so many sites.
func (s *NetworkSettings) components(sites int) (int, error) {
	n := s.Components
	if n == 0 {
		n = 1
	}
	if err := checkComponents(n, sites); err != nil {
		return 0, fmt.Errorf("bijector: %w", err)
	}
	return n, nil
}

// setOdd sets what OddBlock needs.
func (p *networkPlan) setOdd(s *NetworkSettings) error {
	p.first = 1
	if s.OddBlock == nil {
		return nil
	}
	if s.ContextBlock == nil || s.EvenRepeat < 0 || s.EvenRepeat > maxLayers {
		return fmt.Errorf("bijector: %w: OddBlock with a nil ContextBlock: %t, EvenRepeat %d",
			ErrSettings, s.ContextBlock == nil, s.EvenRepeat)
	}
	if slices.ContainsFunc(p.shape, func(n int) bool { return n%2 != 0 }) {
		return fmt.Errorf("bijector: %w: OddBlock on a lattice %v, want even extents", ErrTiles, p.shape)
	}
	p.first, p.oddBlock, p.evenRepeat = 2, s.OddBlock, s.EvenRepeat
	if p.evenRepeat == 0 {
		p.evenRepeat = 4
	}
	return nil
}

// cutEqually divides all axes by Size, depth times, or as often as possible if depth is
// zero. If a division is not possible but required, the plan ends with it: making its tiles
// then fails with an error that explains it.
func (p *networkPlan) cutEqually(depth int) {
	step, possible := p.first, true
	for k := 0; possible && (k < depth || depth == 0); k++ {
		possible = !slices.ContainsFunc(p.shape, func(n int) bool {
			return step > n || p.size > n/step || n%(p.size*step) != 0 // in this order without overflow
		})
		if !possible && depth == 0 && k > 0 {
			return
		}
		d := len(p.shape)
		p.scales = append(p.scales, Scale{Size: slices.Repeat([]int{p.size}, d), Step: slices.Repeat([]int{step}, d)})
		step *= p.size
	}
}

// cutAll divides the axes until one site is left: see NetworkSettings.Join.
func (p *networkPlan) cutAll() {
	rest, step := slices.Clone(p.shape), slices.Repeat([]int{p.first}, len(p.shape))
	left := p.sites
	for a := range rest {
		rest[a] /= p.first
		left /= p.first
	}
	for left > 1 || len(p.scales) == 0 {
		c := Scale{Size: make([]int, len(rest)), Step: slices.Clone(step)}
		for a, n := range rest {
			if c.Size[a] = p.size; n%p.size != 0 {
				c.Size[a] = leastFactor(n)
			}
			rest[a] /= c.Size[a]
			step[a] *= c.Size[a]
		}
		left /= c.Sites()
		c.Top = left == 1 && !p.regular(c)
		p.scales = append(p.scales, c)
	}
}

// leastFactor returns the smallest prime factor of n, or 1 for 1.
func leastFactor(n int) int {
	for f := 2; f <= n/f; f++ {
		if n%f == 0 {
			return f
		}
	}
	return n
}

// price fails if a network with perScale layers at each scale exceeds the limits.
func (p *networkPlan) price(perScale float64) error {
	if perScale*float64(len(p.scales)) > maxLayers {
		return fmt.Errorf("bijector: %w: %g layers at each of %d scales, at most %d in all are possible",
			ErrSettings, perScale, len(p.scales), maxLayers)
	}
	total, layers := 0.0, 0.0
	if p.oddBlock != nil && len(p.shape) > 1 {
		d := float64(len(p.shape))
		layers = float64(p.evenRepeat) * math.Exp2(d-1)
		total = float64(p.evenRepeat) * float64(p.sites) / 2 * (2*d*(d-1) + 1)
	}
	for _, c := range p.scales {
		sites := float64(p.sites)
		for _, step := range c.Step {
			sites /= float64(step)
		}
		total += perScale * sites
	}
	total *= float64(p.components)
	if total > maxTiled || layers > maxLayers {
		return fmt.Errorf("bijector: %w: the tiles of all layers on lattice %v would have %.2g values, "+
			"at most %.2g are possible: %g layers at each of %d scales, and %g of even sites, at most %d",
			ErrSettings, p.shape, total, float64(maxTiled), perScale, len(p.scales), layers, maxLayers)
	}
	return nil
}
