package graph

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/internal/kernel"
)

// sites is where the elements of the tiles of one row are: tile after tile,
// in a row of n.
type sites struct {
	n, dim int
	index  []int
}

func newSites(n int, tiles [][]int) sites {
	s := sites{n: n, dim: len(tiles[0])}
	for _, t := range tiles {
		s.index = append(s.index, t...)
	}
	return s
}

// Gather reads tiles of sites from (rows, n): row r·tiles+k of the result, a
// (rows·tiles, dim) matrix, is tile k of row r. Tiles must be non-empty, of
// one length. With one tile it picks columns.
func Gather(x *gorgonia.Node, tiles [][]int) (*gorgonia.Node, error) {
	return gather(x, newSites(x.Shape()[1], tiles))
}

func gather(x *gorgonia.Node, s sites) (*gorgonia.Node, error) {
	rows := x.Shape()[0]
	return Apply(Spec{
		Name: "gather", Shape: tensor.Shape{rows * len(s.index) / s.dim, s.dim},
		Run: Generic(gatherInto[float64](s), gatherInto[float32](s)),
		Diff: func(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			d, err := Apply(Spec{
				Name: "gradient of gather", Shape: tensor.Shape{rows, s.n},
				Run: Generic(addOnZero[float64](s), addOnZero[float32](s)),
			}, grad)
			return gorgonia.Nodes{d}, err
		},
	}, x)
}

// Scatter returns x with tiles of sites replaced by the rows of y, the
// opposite of Gather. No site is to be named twice.
func Scatter(x, y *gorgonia.Node, tiles [][]int) (*gorgonia.Node, error) {
	s := newSites(x.Shape()[1], tiles)
	return Apply(Spec{
		Name: "scatter", Shape: x.Shape(),
		Run: Generic(scatterOver[float64](s), scatterOver[float32](s)),
		Diff: func(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			dx, err := Apply(Spec{
				Name: "gradient of scatter", Shape: x.Shape(),
				Run: Generic(blank[float64](s), blank[float32](s)),
			}, grad)
			if err != nil {
				return nil, err
			}
			dy, err := gather(grad, s)
			return gorgonia.Nodes{dx, dy}, err
		},
	}, x, y)
}

func gatherInto[T kernel.Float](s sites) func(out []T, in [][]T) error {
	return func(out []T, in [][]T) error {
		for x := in[0]; len(x) > 0; x = x[s.n:] {
			for k, i := range s.index {
				out[k] = x[i]
			}
			out = out[len(s.index):]
		}
		return nil
	}
}

func addOnZero[T kernel.Float](s sites) func(out []T, in [][]T) error {
	return func(out []T, in [][]T) error {
		clear(out)
		s.write(func(row, k, site int) { out[row*s.n+site] += in[0][row*len(s.index)+k] }, len(out))
		return nil
	}
}

func scatterOver[T kernel.Float](s sites) func(out []T, in [][]T) error {
	return func(out []T, in [][]T) error {
		copy(out, in[0])
		s.write(func(row, k, site int) { out[row*s.n+site] = in[1][row*len(s.index)+k] }, len(out))
		return nil
	}
}

func blank[T kernel.Float](s sites) func(out []T, in [][]T) error {
	return func(out []T, in [][]T) error {
		copy(out, in[0])
		s.write(func(row, _, site int) { out[row*s.n+site] = 0 }, len(out))
		return nil
	}
}

// write visits every site of every tile of a batch of the given length.
func (s sites) write(f func(row, k, site int), length int) {
	for row := range length / s.n {
		for k, site := range s.index {
			f(row, k, site)
		}
	}
}

// SumTiles adds the values of the tiles of each row: (rows·tiles) to (rows).
func SumTiles(v *gorgonia.Node, tiles int) (*gorgonia.Node, error) {
	rows := v.Shape()[0] / tiles
	return Apply(Spec{
		Name: "sum over tiles", Shape: tensor.Shape{rows},
		Run: Generic(sumTiles[float64](tiles), sumTiles[float32](tiles)),
		Diff: func(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			d, err := Apply(Spec{
				Name: "gradient of sum over tiles", Shape: v.Shape(),
				Run: Generic(repeatTiles[float64](tiles), repeatTiles[float32](tiles)),
			}, grad)
			return gorgonia.Nodes{d}, err
		},
	}, v)
}

func sumTiles[T kernel.Float](tiles int) func(out []T, in [][]T) error {
	return func(out []T, in [][]T) error {
		for r := range out {
			var s T
			for _, v := range in[0][r*tiles : (r+1)*tiles] {
				s += v
			}
			out[r] = s
		}
		return nil
	}
}

func repeatTiles[T kernel.Float](tiles int) func(out []T, in [][]T) error {
	return func(out []T, in [][]T) error {
		for i := range out {
			out[i] = in[0][i/tiles]
		}
		return nil
	}
}

// Permute returns the columns of x in another order and with signs: column i
// of the result is sign[i] times column perm[i]. A nil sign means +1.
func Permute(x *gorgonia.Node, perm []int, sign []float64) (*gorgonia.Node, error) {
	return permute(x, perm, sign, false)
}

func permute(x *gorgonia.Node, perm []int, sign []float64, back bool) (*gorgonia.Node, error) {
	return Apply(Spec{
		Name: "permute", Shape: x.Shape(),
		Run: Generic(permuted[float64](perm, sign, back), permuted[float32](perm, sign, back)),
		Diff: func(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			d, err := permute(grad, perm, sign, !back)
			return gorgonia.Nodes{d}, err
		},
	}, x)
}

// permuted applies the signed permutation or, with back, its inverse, which
// is also its transpose.
func permuted[T kernel.Float](perm []int, sign []float64, back bool) func(out []T, in [][]T) error {
	n := len(perm)
	signs := make([]T, n)
	for i := range signs {
		signs[i] = 1
		if sign != nil {
			signs[i] = T(sign[i])
		}
	}
	var all, from []T
	rows := func(first, last int) {
		for at := first * n; at < last*n; at += n {
			y, x := all[at:at+n], from[at:at+n]
			if back {
				for i, p := range perm {
					y[p] = signs[i] * x[i]
				}
			} else {
				for i, p := range perm {
					y[i] = signs[i] * x[p]
				}
			}
		}
	}
	return func(out []T, in [][]T) error {
		all, from = out, in[0]
		kernel.Pass(len(out)/n, len(out), rows)
		return nil
	}
}
