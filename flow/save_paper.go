package flow

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/num"
	"github.com/neuralrg/neuralrg/internal/safetensors"
	"github.com/neuralrg/neuralrg/target"
)

// LoadPaper reads a MERA on the L×L lattice that the PyTorch code of the
// paper's authors (github.com/li012589/NeuralRG) trained, from a safetensors
// file of its state_dict:
//
//	safetensors.torch.save_file(model.state_dict(), "model.safetensors")
//
// The networks of that code read all values of a tile, with zeros in place of those to be
// updated. They also compute updates of all values and ignore some of them. LoadPaper
// leaves out these parts of the networks; the density is the same. If that model was
// wrapped for the symmetry x → −x, the result is symmetrised. In that code the first layer
// of each scale acts on unshifted tiles, and the second, on shifted tiles, decimates.
// float32 values become float64. LoadPaper fails with ErrSettings for a nil reader, with
// the errors of the reader, and otherwise with ErrCheckpoint.
func LoadPaper(r io.Reader, L int) (*Model, error) {
	if r == nil {
		return nil, fmt.Errorf("flow: LoadPaper: %w: nil reader", ErrSettings)
	}
	f, err := safetensors.Read(r)
	if err != nil {
		return nil, fmt.Errorf("flow: LoadPaper: %w", err)
	}
	m, err := authorsModel(f, L)
	if err != nil {
		return nil, fmt.Errorf("flow: LoadPaper: %w: %w", ErrCheckpoint, err)
	}
	return m, nil
}

// Prices in bytes of everything but the values in the file.
const (
	perPaperCoupling = 2700
	perPaperDense    = 700 // layer of the networks of a coupling
	perPaperSite     = 265 // in the tiles of a layer
)

// paper reads a file of the authors' code.
type paper struct {
	budget
	f      *safetensors.File
	prefix string // of the names of all arrays of the network
}

func authorsModel(f *safetensors.File, L int) (*Model, error) {
	const first = "layerList.0.maskList"
	at := slices.IndexFunc(f.Arrays, func(a safetensors.Array) bool { return strings.HasSuffix(a.Name, first) })
	if at < 0 {
		return nil, fmt.Errorf("no array …%s", first)
	}
	p := &paper{f: f, prefix: strings.TrimSuffix(f.Arrays[at].Name, first)}
	for _, name := range []string{"prior.sigma", p.prefix + "prior.sigma"} {
		if sigma, err := f.Floats(name, 1); err == nil && sigma.At(0) != 1 {
			return nil, fmt.Errorf("%s is %g, want 1", name, sigma.At(0))
		}
	}
	blocks, err := p.blocks()
	if err != nil {
		return nil, err
	}
	h, err := p.hierarchy(blocks, L)
	if err != nil {
		return nil, err
	}
	m, err := New(target.NewNormal(h.Dim()), h)
	if err == nil && strings.HasSuffix(p.prefix, "flow.") {
		m, err = Symmetrize(m, Inversion(h.Dim()))
	}
	return m, err
}

// blocks reads the blocks of all layers, fine to coarse.
func (p *paper) blocks() (blocks []*bijector.RealNVP, err error) {
	for k := 0; ; k++ {
		layer := fmt.Sprintf("%slayerList.%d.", p.prefix, k)
		if _, err := p.f.Array(layer + "maskList"); err != nil {
			return blocks, nil
		}
		b, err := p.block(layer)
		if err != nil {
			return nil, fmt.Errorf("layer %d: %w", k, err)
		}
		blocks = append(blocks, b)
	}
}

// hierarchy places the blocks on the lattice of L×L sites.
func (p *paper) hierarchy(blocks []*bijector.RealNVP, L int) (*bijector.Hierarchy, error) {
	scales := 0
	for size := 2; size <= L && L%size == 0; size *= 2 {
		scales++
	}
	if L < 2 || 1<<scales != L || len(blocks)%(2*scales) != 0 {
		return nil, fmt.Errorf("%d layers, want a multiple of twice the scales of a %d×%d lattice", len(blocks), L, L)
	}
	if L > maxDim || p.spend(len(blocks)*L*L, perPaperSite) != nil {
		return nil, fmt.Errorf("%d layers of a %d×%d lattice: %w", len(blocks), L, L, errLarge)
	}
	repeat := len(blocks) / (2 * scales)
	var layers []*bijector.Layer
	for k, b := range blocks {
		step := 1 << (k / (2 * repeat))
		tiles, err := bijector.Tiles([]int{L, L}, 2, step, k%2*step)
		if err != nil {
			return nil, err
		}
		var l *bijector.Layer
		if k%(2*repeat) == 2*repeat-1 {
			l, err = bijector.Decimator(b, tiles, 3) // the sites of the next scale
		} else {
			l, err = bijector.Disentangler(b, tiles)
		}
		if err != nil {
			return nil, err
		}
		layers = append(layers, l)
	}
	return bijector.NewHierarchy(L*L, layers...)
}

// block reads the block whose arrays begin with the name of a layer.
func (p *paper) block(layer string) (*bijector.RealNVP, error) {
	const dim = 4
	keep, err := p.masks(layer, dim)
	if err != nil {
		return nil, err
	}
	hidden, err := p.hidden(layer, len(keep))
	if err != nil {
		return nil, err
	}
	// Check that all arrays are there before allocating anything of their size.
	sizes := slices.Concat([]int{dim}, hidden, []int{dim})
	for k := range keep {
		for _, net := range []string{"s", "t"} {
			for i := range len(sizes) - 1 {
				name := fmt.Sprintf("%s%sList.%d.layerList.%d.weight", layer, net, k, 2*i)
				if _, err := p.f.Floats(name, sizes[i+1], sizes[i]); err != nil {
					return nil, err
				}
			}
		}
	}
	b, err := bijector.NewRealNVP(dim, &bijector.RealNVPSettings{Hidden: hidden, Keep: keep, Src: rand.NewPCG(0, 0)})
	if err != nil {
		return nil, err
	}
	for k, c := range b.Couplings() {
		if err := p.coupling(layer, k, &c, dim); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// masks reads the positions that each coupling of a layer keeps.
func (p *paper) masks(layer string, dim int) ([][]int, error) {
	name := layer + "maskList"
	a, err := p.f.Array(name)
	if err != nil {
		return nil, err
	}
	if len(a.Shape) < 2 || a.Shape[0] < 1 {
		return nil, fmt.Errorf("%s has shape %v", name, a.Shape)
	}
	couplings, sites := a.Shape[0], 1
	for _, n := range a.Shape[1:] {
		sites *= n
	}
	if sites != dim {
		return nil, fmt.Errorf("blocks of %d values, want %d", sites, dim)
	}
	mask, err := p.f.Floats(name, a.Shape...)
	if err != nil {
		return nil, err
	}
	if err := p.spend(couplings, perPaperCoupling); err != nil {
		return nil, fmt.Errorf("%d couplings: %w", couplings, err)
	}
	keep := make([][]int, couplings)
	for i := range mask.Len() {
		switch k, v := i/dim, mask.At(i); v {
		case 1:
			keep[k] = append(keep[k], i%dim)
		case 0:
		default:
			return nil, fmt.Errorf("%s: element %d is %g", name, i, v)
		}
	}
	return keep, nil
}

// hidden reads the numbers of units of the hidden layers.
func (p *paper) hidden(layer string, couplings int) ([]int, error) {
	outputs := []int{}
	for k := 0; ; k++ {
		a, err := p.f.Array(fmt.Sprintf("%ssList.0.layerList.%d.weight", layer, 2*k))
		if err != nil {
			break
		}
		if len(a.Shape) != 2 || a.Shape[0] < 1 {
			return nil, fmt.Errorf("%s has shape %v", a.Name, a.Shape)
		}
		outputs = append(outputs, a.Shape[0])
	}
	if len(outputs) == 0 {
		return nil, errors.New("no networks")
	}
	if err := p.spend(len(outputs)*couplings, perPaperDense); err != nil {
		return nil, fmt.Errorf("%d couplings: %w", couplings, err)
	}
	return outputs[:len(outputs)-1], nil
}

// coupling reads the networks and scales of coupling k.
func (p *paper) coupling(layer string, k int, c *bijector.AffineCoupling, dim int) error {
	s, t := fmt.Sprintf("%ssList.%d.layerList.", layer, k), fmt.Sprintf("%stList.%d.layerList.", layer, k)
	if err := errors.Join(p.net(s, c.S, c, dim), p.net(t, c.T, c, dim)); err != nil {
		return err
	}
	scale, err := finite(p.f, fmt.Sprintf("%s%d.scale", s, 2*len(c.S)-1), dim)
	if err != nil {
		return err
	}
	for i, m := range c.Move {
		c.Scale.SetVec(i, scale.At(m))
	}
	return nil
}

// net reads the part of a network of a coupling from the kept inputs to the moved
// outputs. Layers alternate with activations.
func (p *paper) net(prefix string, layers []bijector.Dense, c *bijector.AffineCoupling, dim int) error {
	for k, d := range layers {
		rows, cols := d.W.Dims()
		outs, ins, out, in := num.UpTo(rows), num.UpTo(cols), rows, cols
		if k == 0 {
			ins, in = c.Keep, dim
		}
		if k == len(layers)-1 {
			outs, out = c.Move, dim
		}
		// The other weights are left out: they multiply zeros or give ignored updates.
		w, err := finite(p.f, fmt.Sprintf("%s%d.weight", prefix, 2*k), out, in)
		if err != nil {
			return err
		}
		b, err := finite(p.f, fmt.Sprintf("%s%d.bias", prefix, 2*k), out)
		if err != nil {
			return err
		}
		for i, o := range outs {
			d.B.SetVec(i, b.At(o))
			for j, n := range ins {
				d.W.Set(i, j, w.At(o*in+n))
			}
		}
	}
	return nil
}
