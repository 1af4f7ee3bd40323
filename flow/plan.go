package flow

import (
	"fmt"
	"slices"

	"github.com/neuralrg/neuralrg/bijector"
	grid "github.com/neuralrg/neuralrg/internal/lattice"
)

// What a network may have: more is refused before anything is made.
const (
	maxTiled  = 1 << 28 // sites in the tiles of all layers, two gigabytes
	maxLayers = 1 << 12 // of which each has a block
)

// plan says how a network cuts a lattice, scale by scale, fine to coarse.
type plan struct {
	shape        []int
	sites        int // of the lattice
	size, repeat int // defaults filled in
	cuts         []cut
	conditional  ConditionalFunc // or nil
	join         JoinFunc        // or nil
}

// cut is a scale: along axis a, tiles have size[a] sites, step[a] apart.
type cut struct {
	size, step []int
	top        bool // no variable is decimated
}

// sites is the number of sites of a tile. It is at most that of the lattice, if
// the tiles exist.
func (c cut) sites() int {
	n := 1
	for _, size := range c.size {
		n *= size
	}
	return n
}

// regular tells whether tiles have Size^d sites.
func (p *plan) regular(c cut) bool {
	return !slices.ContainsFunc(c.size, func(size int) bool { return size != p.size })
}

// regularSites is the number of sites of a tile that has Size of them along each axis,
// or one that is too large.
func (p *plan) regularSites() int {
	n := 1
	for range p.shape {
		if n *= p.size; n > grid.MaxSites {
			break
		}
	}
	return n
}

// plan checks the settings and fills in what they leave open.
func (s *NetworkSettings) plan(shape []int) (*plan, error) {
	if s == nil {
		s = &NetworkSettings{}
	}
	if s.Size < 0 || s.Size == 1 || s.Depth < 0 || s.Repeat < 0 {
		return nil, fmt.Errorf("flow: %w: Size %d, Depth %d, Repeat %d", ErrSettings, s.Size, s.Depth, s.Repeat)
	}
	sites, err := grid.Size(shape)
	if err != nil {
		return nil, fmt.Errorf("flow: %w: shape %v: %w", bijector.ErrTiles, shape, err)
	}
	p := &plan{shape: slices.Clone(shape), sites: sites, size: s.Size, repeat: max(1, s.Repeat), conditional: s.Conditional}
	if p.size == 0 {
		p.size = 2
	}
	if s.Join != nil && s.Depth == 0 {
		p.join = s.Join
		p.cutAll()
	} else {
		p.cutEqually(s.Depth)
	}
	return p, nil
}

// cutEqually cuts all axes by Size, as often as depth says, or as they can be if it
// is zero. It ends with a cut that is not possible, if one is asked for: making
// its tiles fails and says why.
func (p *plan) cutEqually(depth int) {
	step, possible := 1, true
	for k := 0; possible && (k < depth || depth == 0); k++ {
		possible = !slices.ContainsFunc(p.shape, func(n int) bool { return step > n || p.size > n/step || n%(p.size*step) != 0 })
		if !possible && depth == 0 && k > 0 {
			return
		}
		d := len(p.shape)
		p.cuts = append(p.cuts, cut{size: slices.Repeat([]int{p.size}, d), step: slices.Repeat([]int{step}, d)})
		step *= p.size
	}
}

// cutAll cuts until one site is left, as NetworkSettings.Join says.
func (p *plan) cutAll() {
	rest, step := slices.Clone(p.shape), slices.Repeat([]int{1}, len(p.shape))
	for left := p.sites; left > 1 || len(p.cuts) == 0; {
		c := cut{size: make([]int, len(rest)), step: slices.Clone(step)}
		for a, n := range rest {
			if c.size[a] = p.size; n%p.size != 0 {
				c.size[a] = leastFactor(n)
			}
			rest[a] /= c.size[a]
			step[a] *= c.size[a]
		}
		left /= c.sites()
		c.top = left == 1 && !p.regular(c)
		p.cuts = append(p.cuts, c)
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
func (p *plan) price(perScale float64) error {
	if perScale*float64(len(p.cuts)) > maxLayers {
		return fmt.Errorf("flow: %w: %g layers at each of %d scales, at most %d in all are possible",
			ErrSettings, perScale, len(p.cuts), maxLayers)
	}
	total := 0.0
	for _, c := range p.cuts {
		sites := float64(p.sites)
		for _, step := range c.step {
			sites /= float64(step)
		}
		total += perScale * sites
	}
	if total > maxTiled {
		return fmt.Errorf("flow: %w: the tiles of all layers on lattice %v would have %.2g sites, "+
			"at most %.2g are possible: %g layers at each of %d scales",
			ErrSettings, p.shape, total, float64(maxTiled), perScale, len(p.cuts))
	}
	return nil
}
