package bijector

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/lattice"
)

// Hierarchy is a bijector made of layers at ever coarser scales (paper, Fig. 1(a)).
// Inverse applies the layers from fine to coarse. This is the renormalization flow: at
// each scale decimators turn some variables into latent variables. Forward generates a
// configuration from coarse to fine. A Hierarchy is safe for concurrent use as long as
// parameters are not changed.
//
// In a field with n components at each site (NetworkSettings.Components), the methods count
// values: where they take or return a site, this is position i·n + a, component a of site i.
type Hierarchy struct {
	layers []*Layer
	chain  *Chain
	level  []int
	levels int

	components int // values of a site
}

// NewHierarchy returns the hierarchy of the given layers, fine to coarse, on n sites, or on n
// values if the layers are those of a field with components (WithComponents). It
// fails with ErrHierarchy for no layers, a nil layer or more than 2²⁶ sites, and, naming
// layer, tile and site, if a layer acts on a site that an earlier layer has decimated. It
// fails with ErrTiles if a tile leaves the lattice. Stack is easier to use.
func NewHierarchy(n int, layers ...*Layer) (*Hierarchy, error) { return newHierarchy(n, 1, layers) }

// newHierarchy returns the hierarchy of layers on sites with the given number of components.
func newHierarchy(sites, components int, layers []*Layer) (*Hierarchy, error) {
	n := sites * components
	if len(layers) == 0 {
		return nil, fmt.Errorf("bijector: %w: no layers", ErrHierarchy)
	}
	if n > lattice.MaxSites {
		return nil, fmt.Errorf("bijector: %w: %d sites, at most %d are possible", ErrHierarchy, n, lattice.MaxSites)
	}
	h := &Hierarchy{layers: slices.Clone(layers), level: make([]int, max(n, 0)), components: components}
	gone := make([]int, max(n, 0)) // 1 + the layer that decimated the site
	coarseToFine := make([]Bijector, len(layers))
	for k, l := range layers {
		if l == nil {
			return nil, fmt.Errorf("bijector: %w: layer %d is nil", ErrHierarchy, k)
		}
		b, err := l.On(n)
		if err != nil {
			return nil, fmt.Errorf("bijector: layer %d: %w", k, err)
		}
		coarseToFine[len(layers)-1-k] = b
		for t, tile := range l.Tiles() {
			for _, site := range tile {
				if gone[site] != 0 {
					return nil, fmt.Errorf("bijector: layer %d: tile %d: %w: site %d was decimated by layer %d",
						k, t, ErrHierarchy, site, gone[site]-1)
				}
			}
		}
		if sites := l.Decimated(); sites != nil {
			for _, site := range sites {
				gone[site], h.level[site] = k+1, h.levels
			}
			h.levels++
		}
	}
	for site, k := range gone {
		if k == 0 {
			h.level[site] = h.levels
		}
	}
	h.levels++
	var err error
	h.chain, err = NewChain(coarseToFine...)
	return h, err
}

// Dim returns the number of sites, times the number of components if these are several.
func (h *Hierarchy) Dim() int { return len(h.level) }

// Components returns the number of values of a site, as NetworkSettings.Components or
// Stack.WithComponents say. For a hierarchy of NewHierarchy it is 1.
func (h *Hierarchy) Components() int { return h.components }

// Params returns the parameters of all layers, each once, coarse to fine.
func (h *Hierarchy) Params() []*Param { return h.chain.Params() }

// Forward maps latent z to physical x, coarse to fine.
func (h *Hierarchy) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	return h.chain.Forward(z)
}

// Inverse maps physical x to latent z, fine to coarse.
func (h *Hierarchy) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) {
	return h.chain.Inverse(x)
}

// Layers returns the layers, fine to coarse.
func (h *Hierarchy) Layers() []*Layer { return slices.Clone(h.layers) }

// Levels returns the number of levels of latent variables: the number of decimator layers
// plus one.
func (h *Hierarchy) Levels() int { return h.levels }

// Level returns the level of the latent variable z_site. It is 0 if the first decimator
// layer decimates the site, 1 for the second, and so on. It is Levels()−1, the top, if no
// layer decimates the site. It panics for a site outside the lattice.
func (h *Hierarchy) Level(site int) int { return h.level[site] }

// Latents returns the sites of the latent variables of a level, ascending.
func (h *Hierarchy) Latents(level int) []int {
	var sites []int
	for site, l := range h.level {
		if l == level {
			sites = append(sites, site)
		}
	}
	return sites
}

// Independent returns the latent variables of the top level in groups that are always
// independent of each other. A group lists the sites of its variables, ascending. Two
// variables are in one group if the tiles of the layers after the last decimator connect
// them, directly or by way of other variables.
//
// Under a prior whose variables are independent, such as target.Normal, the density of the
// coarsest field is a product with one factor for each group, for all values of the
// parameters. With one group the flow can correlate all variables of the coarsest field.
// With many groups, add more scales or a block on all remaining sites (Stack.Top,
// NetworkSettings.Join).
func (h *Hierarchy) Independent() [][]int {
	last := -1 // decimator
	for k, l := range h.layers {
		if l.keep != nil {
			last = k
		}
	}
	f := newForest(h.Dim())
	for _, l := range h.layers[last+1:] {
		for _, tile := range l.tiles {
			f.join(tile)
		}
	}
	return f.groups(h.Latents(h.levels - 1))
}

const hierarchyKind = "hierarchy"

// Prices in bytes of a hierarchy, without its blocks.
const (
	perSite = 265 // in the tiles of a layer
	perSlot = 20  // site of the lattice
)

// hierarchyConfig holds the settings of a Hierarchy in a file. Its parts are the blocks of
// the layers. The tiles of layer k are the array "tiles.k".
type hierarchyConfig struct {
	Layers [][]int `json:"layers,omitempty"` // for each layer, positions that live on; nil for all
	Given  []int   `json:"given,omitempty"`  // layers that are conditional
	// For each layer, the context of a conditional disentangler; nil if there are none.
	Contexts [][]int `json:"contexts,omitempty"`
	// Values of a site, if there are several.
	Components int `json:"components,omitempty"`
}

// Describe returns the layers, fine to coarse, and their blocks as parts.
func (h *Hierarchy) Describe() *Description {
	c := &hierarchyConfig{}
	if h.components > 1 {
		c.Components = h.components
	}
	d := &Description{Kind: hierarchyKind, Config: c, of: h}
	for i, l := range h.layers {
		d.Parts = append(d.Parts, l.block)
		c.Layers = append(c.Layers, l.keep)
		if l.context != nil {
			c.Given = append(c.Given, i)
		}
		if l.context != nil && l.keep == nil {
			if c.Contexts == nil {
				c.Contexts = make([][]int, len(h.layers))
			}
			c.Contexts[i] = l.context
		}
	}
	d.Arrays = func() []Array {
		tiles := make([]Array, len(h.layers))
		for i, l := range h.layers {
			shape := []int{len(l.tiles), len(l.tiles[0])}
			tiles[i] = Array{Name: tilesArray(i), Shape: shape, Ints: slices.Concat(l.tiles...)}
		}
		return tiles
	}
	return d
}

func tilesArray(layer int) string { return fmt.Sprintf("tiles.%d", layer) }

func buildHierarchy(s Stored) (Bijector, error) {
	var c hierarchyConfig
	if err := s.Config(&c); err != nil {
		return nil, err
	}
	if err := s.Spend(s.Dim(), perSlot); err != nil {
		return nil, err
	}
	blocks := s.Parts()
	if len(c.Layers) != len(blocks) {
		return nil, fmt.Errorf("bijector: %w: %d blocks for %d layers", ErrHierarchy, len(blocks), len(c.Layers))
	}
	if c.Contexts != nil && len(c.Contexts) != len(blocks) {
		return nil, fmt.Errorf("bijector: %w: %d contexts for %d layers", ErrHierarchy, len(c.Contexts), len(blocks))
	}
	contexts := make([][]int, len(blocks))
	for _, i := range c.Given {
		if i < 0 || i >= len(contexts) {
			return nil, fmt.Errorf("bijector: %w: layer %d of %d is conditional", ErrHierarchy, i, len(contexts))
		}
		if contexts[i] = c.Layers[i]; contexts[i] == nil && c.Contexts != nil {
			contexts[i] = c.Contexts[i]
		}
		if contexts[i] == nil {
			return nil, fmt.Errorf("bijector: %w: layer %d of %d is conditional, without a context",
				ErrHierarchy, i, len(contexts))
		}
	}
	layers := make([]*Layer, len(blocks))
	for i, keep := range c.Layers {
		l, err := buildLayer(s, i, &Layer{block: blocks[i], keep: keep, context: contexts[i]})
		if err != nil {
			return nil, fmt.Errorf("bijector: layer %d: %w", i, err)
		}
		layers[i] = l
	}
	components := max(1, c.Components)
	if c.Components < 0 || s.Dim()%components != 0 {
		return nil, fmt.Errorf("bijector: %w: %d components in rows of %d values", ErrHierarchy, c.Components, s.Dim())
	}
	return newHierarchy(s.Dim()/components, components, layers)
}

// buildLayer builds layer i of a hierarchy. l has everything but the tiles.
func buildLayer(s Stored, i int, l *Layer) (*Layer, error) {
	dim := l.block.Dim()
	sites, err := s.Ints(tilesArray(i), -1, dim)
	if err != nil {
		return nil, err
	}
	if err := s.Spend(len(sites), perSite); err != nil {
		return nil, err
	}
	l.tiles = make([][]int, 0, len(sites)/dim)
	for t := range slices.Chunk(sites, dim) {
		l.tiles = append(l.tiles, t)
	}
	return l.WithBlock(l.block)
}

// Steps returns the layers, coarse to fine, as Forward applies them.
func (h *Hierarchy) Steps() []Step {
	steps := make([]Step, len(h.layers))
	for i, b := range h.chain.bs {
		steps[i] = Step{fmt.Sprintf("layer %d", len(h.layers)-1-i), b}
	}
	return steps
}
