package bijector

import (
	"fmt"
	"slices"

	"github.com/neuralrg/neuralrg/internal/lattice"
)

// What a network may have: more is refused before anything is made.
const (
	maxTiled  = 1 << 28 // sites in the tiles of all layers, two gigabytes
	maxLayers = 1 << 12 // of which each has a block
)

// networkPlan says how a network cuts a lattice, scale by scale, fine to coarse.
type networkPlan struct {
	shape        []int
	sites        int // of the lattice
	size, repeat int // defaults filled in
	scales       []Scale
	contextBlock ContextBlockFunc // or nil
}

// Scale is a step of a network from one lattice to the next coarser one.
type Scale struct {
	// Size and Step are, along each axis, the number of sites of a tile and how far
	// apart these are on the original lattice.
	Size, Step []int
	// Top tells that one tile holds all sites that live on and that none of them
	// is decimated.
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

// Scales returns the scales of a network on a periodic lattice, fine to coarse. It
// fails with ErrSettings and ErrTiles as NewMERA does, before anything is made.
func (s *NetworkSettings) Scales(shape []int) ([]Scale, error) {
	p, err := s.plan(shape)
	if err != nil {
		return nil, err
	}
	return p.scales, nil
}

// regular tells whether tiles have Size^d sites.
func (p *networkPlan) regular(c Scale) bool {
	return !slices.ContainsFunc(c.Size, func(size int) bool { return size != p.size })
}

// plan checks the settings and fills in what they leave open.
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
	p := &networkPlan{
		shape: slices.Clone(shape), sites: sites, size: s.Size, repeat: max(1, s.Repeat), contextBlock: s.ContextBlock,
	}
	if p.size == 0 {
		p.size = 2
	}
	if s.Join && s.Depth == 0 {
		p.cutAll()
	} else {
		p.cutEqually(s.Depth)
	}
	return p, nil
}

// cutEqually cuts all axes by Size, as often as depth says, or as they can be if it
// is zero. It ends with a cut that is not possible, if one is asked for: making
// its tiles fails and says why.
func (p *networkPlan) cutEqually(depth int) {
	step, possible := 1, true
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

// cutAll cuts until one site is left, as NetworkSettings.Join says.
func (p *networkPlan) cutAll() {
	rest, step := slices.Clone(p.shape), slices.Repeat([]int{1}, len(p.shape))
	for left := p.sites; left > 1 || len(p.scales) == 0; {
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

// price fails if so many layers per scale are more than can be made.
func (p *networkPlan) price(perScale float64) error {
	if perScale*float64(len(p.scales)) > maxLayers {
		return fmt.Errorf("bijector: %w: %g layers at each of %d scales, at most %d in all are possible",
			ErrSettings, perScale, len(p.scales), maxLayers)
	}
	total := 0.0
	for _, c := range p.scales {
		sites := float64(p.sites)
		for _, step := range c.Step {
			sites /= float64(step)
		}
		total += perScale * sites
	}
	if total > maxTiled {
		return fmt.Errorf("bijector: %w: the tiles of all layers on lattice %v would have %.2g sites, "+
			"at most %.2g are possible: %g layers at each of %d scales",
			ErrSettings, p.shape, total, float64(maxTiled), perScale, len(p.scales))
	}
	return nil
}
