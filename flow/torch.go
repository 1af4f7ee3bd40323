package flow

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/safetensors"
	"github.com/neuralrg/neuralrg/target"
)

// LoadPaper reads a MERA on the L×L lattice that the PyTorch code of the
// paper's authors (github.com/li012589/NeuralRG) trained, from a safetensors
// file of its state_dict:
//
//	safetensors.torch.save_file(model.state_dict(), "model.safetensors")
//
// The networks of that code read all values of a tile with those to be updated
// at zero, and compute updates for all of which some are ignored; here they
// are without these parts, and the density is the same. A model wrapped for
// the symmetry x → −x is symmetrised. There the first layer of each scale is on
// unshifted tiles and the second, shifted, decimates. Values of float32 become
// float64. All errors but those of the reader wrap ErrCheckpoint.
func LoadPaper(r io.Reader, L int) (*Model, error) {
	if r == nil {
		return nil, fmt.Errorf("flow: LoadPaper: %w: nil reader", ErrSettings)
	}
	f, err := safetensors.Read(r)
	if err != nil {
		return nil, fmt.Errorf("flow: LoadPaper: %w", err)
	}
	m, err := torchModel(f, L)
	if err != nil {
		return nil, fmt.Errorf("flow: LoadPaper: %w: %w", ErrCheckpoint, err)
	}
	return m, nil
}

func torchModel(f *safetensors.File, L int) (*Model, error) {
	const first = "layerList.0.maskList"
	at := slices.IndexFunc(f.Arrays, func(a safetensors.Array) bool { return strings.HasSuffix(a.Name, first) })
	if at < 0 {
		return nil, fmt.Errorf("no array …%s", first)
	}
	prefix := strings.TrimSuffix(f.Arrays[at].Name, first)
	for _, name := range []string{"prior.sigma", prefix + "prior.sigma"} {
		if sigma, err := f.Floats(name, 1); err == nil && sigma.At(0) != 1 {
			return nil, fmt.Errorf("%s is %g, want 1", name, sigma.At(0))
		}
	}
	var blocks []*bijector.RealNVP
	d := &decoder{f: f}
	for k := 0; ; k++ {
		name := fmt.Sprintf("%slayerList.%d.", prefix, k)
		if _, err := f.Array(name + "maskList"); err != nil {
			break
		}
		b, err := d.torchBlock(name)
		if err != nil {
			return nil, fmt.Errorf("layer %d: %w", k, err)
		}
		blocks = append(blocks, b)
	}
	scales := 0
	for size := 2; size <= L && L%size == 0; size *= 2 {
		scales++
	}
	if L < 2 || 1<<scales != L || len(blocks)%(2*scales) != 0 {
		return nil, fmt.Errorf("%d layers, want a multiple of twice the scales of a %d×%d lattice", len(blocks), L, L)
	}
	if L > maxDim || d.spend(len(blocks)*L*L, perSite) != nil {
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
	h, err := bijector.NewHierarchy(L*L, layers...)
	if err != nil {
		return nil, err
	}
	m, err := New(target.NewNormal(h.Dim()), h)
	if err == nil && strings.HasSuffix(prefix, "flow.") {
		m, err = Symmetrize(m, Inversion(h.Dim()))
	}
	return m, err
}

// torchBlock reads the block whose arrays begin with prefix.
func (d *decoder) torchBlock(prefix string) (*bijector.RealNVP, error) {
	f := d.f
	masks, err := f.Array(prefix + "maskList")
	if err != nil {
		return nil, err
	}
	if len(masks.Shape) < 2 || masks.Shape[0] < 1 {
		return nil, fmt.Errorf("%smaskList has shape %v", prefix, masks.Shape)
	}
	couplings, dim := masks.Shape[0], 1
	for _, n := range masks.Shape[1:] {
		dim *= n
	}
	if dim != 4 {
		return nil, fmt.Errorf("blocks of %d values, want 4", dim)
	}
	mask, err := f.Floats(prefix+"maskList", masks.Shape...)
	if err != nil {
		return nil, err
	}
	if err := d.spend(couplings, perCoupling); err != nil {
		return nil, fmt.Errorf("%d couplings: %w", couplings, err)
	}
	keep := make([][]int, couplings)
	for i := range mask.Len() {
		switch k, v := i/dim, mask.At(i); v {
		case 1:
			keep[k] = append(keep[k], i%dim)
		case 0:
		default:
			return nil, fmt.Errorf("%smaskList: element %d is %g", prefix, i, v)
		}
	}
	hidden := []int{}
	for k := 0; ; k++ {
		a, err := f.Array(fmt.Sprintf("%ssList.0.layerList.%d.weight", prefix, 2*k))
		if err != nil {
			break
		}
		if len(a.Shape) != 2 || a.Shape[0] < 1 {
			return nil, fmt.Errorf("%s has shape %v", a.Name, a.Shape)
		}
		hidden = append(hidden, a.Shape[0])
	}
	if len(hidden) == 0 {
		return nil, errors.New("no networks")
	}
	if err := d.spend(len(hidden)*couplings, perDense); err != nil {
		return nil, fmt.Errorf("%d couplings: %w", couplings, err)
	}
	hidden = hidden[:len(hidden)-1]
	// All of it must be there before anything is made of that size.
	sizes := slices.Concat([]int{dim}, hidden, []int{dim})
	for k := range couplings {
		for _, net := range []string{"s", "t"} {
			for i := range len(sizes) - 1 {
				if _, err := f.Floats(fmt.Sprintf("%s%sList.%d.layerList.%d.weight", prefix, net, k, 2*i), sizes[i+1], sizes[i]); err != nil {
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
		s, t := fmt.Sprintf("%ssList.%d.layerList.", prefix, k), fmt.Sprintf("%stList.%d.layerList.", prefix, k)
		if err := errors.Join(torchNet(f, s, c.S, c.Keep, c.Move, dim), torchNet(f, t, c.T, c.Keep, c.Move, dim)); err != nil {
			return nil, err
		}
		scale, err := finite(f, fmt.Sprintf("%s%d.scale", s, 2*len(c.S)-1), dim)
		if err != nil {
			return nil, err
		}
		for i, m := range c.Move {
			c.Scale.SetVec(i, scale.At(m))
		}
	}
	return b, nil
}

// torchNet reads the part of a network from the kept inputs to the moved
// outputs. Layers alternate with activations.
func torchNet(f *safetensors.File, prefix string, layers []bijector.Dense, keep, move []int, dim int) error {
	for k, d := range layers {
		rows, cols := d.W.Dims()
		outs, ins, out, in := upTo(rows), upTo(cols), rows, cols
		if k == 0 {
			ins, in = keep, dim
		}
		if k == len(layers)-1 {
			outs, out = move, dim
		}
		// Their networks multiply what they do not use by zero.
		w, err := finite(f, fmt.Sprintf("%s%d.weight", prefix, 2*k), out, in)
		if err != nil {
			return err
		}
		b, err := finite(f, fmt.Sprintf("%s%d.bias", prefix, 2*k), out)
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

func upTo(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}
