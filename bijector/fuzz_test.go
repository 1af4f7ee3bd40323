package bijector

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"
)

// ints cuts bytes into small integers, some of them negative.
func ints(data []byte) []int {
	var list []int
	for _, b := range data {
		list = append(list, int(int8(b)))
	}
	return list
}

// For any arguments Tiles and Boxes fail with ErrTiles, or return tiles that cover every site of
// the coarse lattice once.
func FuzzTiles(f *testing.F) {
	f.Add([]byte{4, 4}, 2, 1, 1, []byte{})
	f.Add([]byte{8}, 2, 4, 4, []byte{})
	f.Add([]byte{6, 4, 2}, 2, 1, 0, []byte{3, 1, 0})
	f.Add([]byte{0}, 1, 1, 0, []byte{1, 1, 1})
	f.Add([]byte{8, 8}, 1<<62, 1<<62, 0, []byte{})
	f.Add([]byte{12, 5}, 2, 3, 1, []byte{5, 1, 7})
	f.Fuzz(func(t *testing.T, extents []byte, size, step, offset int, others []byte) {
		if len(extents) > 3 {
			extents = extents[:3]
		}
		shape := ints(extents)
		// The first axis has the integers, those after it three of the others each.
		sizes, steps, offsets := []int{size}, []int{step}, []int{offset}
		for rest := ints(others); len(rest) >= 3; rest = rest[3:] {
			sizes, steps, offsets = append(sizes, rest[0]), append(steps, rest[1]), append(offsets, rest[2])
		}
		tiles, err := Boxes(shape, sizes, steps, offsets)
		covers(t, tiles, err, shape, steps)
		tiles, err = Tiles(shape, size, step, offset)
		covers(t, tiles, err, shape, slices.Repeat([]int{step}, len(shape)))
	})
}

// covers checks the law of FuzzTiles for tiles, or the error instead of them.
func covers(t *testing.T, tiles [][]int, err error, shape, step []int) {
	t.Helper()
	if err != nil {
		if !errors.Is(err, ErrTiles) {
			t.Errorf("%v", err)
		}
		return
	}
	n, want := 1, 1
	for a, e := range shape {
		n *= e
		want *= e / step[a]
	}
	seen := make([]bool, n)
	for k, tile := range tiles {
		for _, site := range tile {
			if site < 0 || site >= n || seen[site] {
				t.Fatalf("lattice %v, steps %v: tile %d: site %d", shape, step, k, site)
			}
			seen[site] = true
		}
	}
	if got := len(tiles) * len(tiles[0]); got != want {
		t.Errorf("lattice %v, steps %v: %d sites, want %d", shape, step, got, want)
	}
}

// Blocks of any setting are refused with one of the package's errors or can be
// used.
func FuzzRealNVP(f *testing.F) {
	f.Add(4, 10, []byte{10, 10}, []byte{}, uint64(1))
	f.Add(2, 0, []byte{1}, []byte{0, 0xff, 1}, uint64(1))
	f.Add(-1, -1, []byte{0xff}, []byte{9}, uint64(0))
	f.Fuzz(func(t *testing.T, dim, couplings int, hidden, keep []byte, seed uint64) {
		if dim > 64 || couplings > 64 || len(hidden) > 4 {
			return
		}
		s := &RealNVPSettings{Couplings: couplings, Hidden: ints(hidden), Src: rand.NewPCG(seed, 0)}
		// Bipartitions are separated by −1.
		for _, i := range ints(keep) {
			if i == -1 || s.Keep == nil {
				s.Keep = append(s.Keep, nil)
			}
			if i != -1 {
				s.Keep[len(s.Keep)-1] = append(s.Keep[len(s.Keep)-1], i)
			}
		}
		b, err := NewRealNVP(dim, s)
		if err != nil {
			if !errors.Is(err, ErrShape) && !errors.Is(err, ErrSettings) && !errors.Is(err, ErrPartition) {
				t.Errorf("%v", err)
			}
			return
		}
		if b.Dim() != dim || len(b.Couplings()) == 0 {
			t.Errorf("dimension %d, %d couplings", b.Dim(), len(b.Couplings()))
		}
	})
}

// hostile are integers that overflow when they are multiplied or added to, and
// ordinary ones.
var hostile = []int{0, 1, 2, 3, 4, 5, 8, -1, -2, math.MinInt, math.MaxInt, 1 << 62, 1 << 61, 1<<62 + 1, 1 << 40,
	1 << 32, 1 << 31, 1<<31 + 1, 1<<29 + 1}

// hostileFloats are numbers out of every range.
var hostileFloats = []float64{1, 0, -1, math.NaN(), math.Inf(1), math.Inf(-1), 1e308, 5e-324, 6, 1e-30, 1e30, 1e-200}

// choices turns bytes into hostile arguments.
type choices struct{ data []byte }

func (c *choices) byte() int {
	if len(c.data) == 0 {
		return 0
	}
	b := c.data[0]
	c.data = c.data[1:]
	return int(b)
}

func (c *choices) int() int       { return hostile[c.byte()%len(hostile)] }
func (c *choices) float() float64 { return hostileFloats[c.byte()%len(hostileFloats)] }

func (c *choices) ints() []int {
	n := c.byte() % 5
	if n == 0 {
		return nil
	}
	list := make([]int, n-1)
	for i := range list {
		list[i] = c.int()
	}
	return list
}

func (c *choices) lists() [][]int {
	n := c.byte() % 4
	if n == 0 {
		return nil
	}
	list := make([][]int, n-1)
	for i := range list {
		list[i] = c.ints()
	}
	return list
}

func (c *choices) src() rand.Source {
	if c.byte()%8 == 7 {
		return nil
	}
	return rand.NewPCG(1, 2)
}

// odd is a matrix or a bijector that says what it likes of its size, and panics or
// has no elements.
type odd struct {
	rows, cols int
	value      float64
	panics     bool
}

func (o odd) Dims() (r, c int)    { return o.rows, o.cols }
func (o odd) At(i, j int) float64 { return o.value }
func (o odd) T() mat.Matrix       { return odd{o.cols, o.rows, o.value, o.panics} }

func (o odd) Dim() int {
	if o.panics {
		panic("no dimension")
	}
	return o.rows
}

func (o odd) Params() []*Param { return nil }
func (o odd) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	return z, nil, nil
}
func (o odd) Inverse(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	return z, nil, nil
}

func (c *choices) matrix() mat.Matrix {
	switch c.byte() % 4 {
	case 0:
		return nil
	case 1:
		return (*mat.Dense)(nil)
	case 2:
		n := 1 + c.byte()%3
		m := mat.NewDense(n, n, nil)
		m.Apply(func(_, _ int, _ float64) float64 { return c.float() }, m)
		return m
	}
	n := c.int()
	if n > 5 && n < 1<<30 {
		n = 5
	}
	return odd{n, n, c.float(), false}
}

func (c *choices) block() Bijector {
	switch c.byte() % 8 {
	case 0:
		return nil
	case 1:
		return (*RealNVP)(nil)
	case 2:
		return (*Chain)(nil)
	case 3:
		return Invert(c.block())
	case 4:
		return odd{rows: c.int()}
	case 5:
		return odd{panics: true}
	case 6:
		b, _ := NewActNorm(1 + c.byte()%4)
		return b
	}
	b, _ := NewRealNVP(2+c.byte()%3, &RealNVPSettings{Couplings: 2, Hidden: []int{2}, Src: rand.NewPCG(1, 1)})
	return b
}

// constructors calls every constructor that takes sizes, numbers or parts.
var constructors = []func(c *choices) (any, error){
	func(c *choices) (any, error) {
		return NewRealNVP(c.int(), &RealNVPSettings{c.int(), c.ints(), c.lists(), c.src()})
	},
	func(c *choices) (any, error) {
		return NewSpline(c.int(),
			&SplineSettings{c.int(), c.ints(), c.int(), c.float(), c.byte()%2 == 0, c.lists(), c.src()})
	},
	func(c *choices) (any, error) { return NewMLP(c.int(), c.ints(), c.int(), c.src()) },
	func(c *choices) (any, error) {
		m, _ := NewMLP(1, nil, 1, c.src())
		if m == nil {
			return NewCoupling(c.int(), c.ints(), nil)
		}
		return NewCoupling(c.int(), c.ints(), m)
	},
	func(c *choices) (any, error) { return NewActNorm(c.int()) },
	func(c *choices) (any, error) { return NewLinear(c.int(), c.src()) },
	func(c *choices) (any, error) { return LinearFrom(c.matrix()) },
	func(c *choices) (any, error) { return NewOrthogonal(c.int(), c.src()) },
	func(c *choices) (any, error) { return OrthogonalFrom(c.matrix()) },
	func(c *choices) (any, error) { return NewPermutation(c.ints()) },
	func(c *choices) (any, error) { return NewChain(c.block(), c.block()) },
	func(c *choices) (any, error) {
		shape := c.ints()
		spectrum := make([]float64, c.byte()%10)
		for i := range spectrum {
			spectrum[i] = c.float()
		}
		return NewSpectral(shape, spectrum)
	},
	func(c *choices) (any, error) {
		values := make([]float64, c.byte()%10)
		return NewParam(string(c.data), values, c.ints()...)
	},
	func(c *choices) (any, error) {
		b, tiles := c.block(), c.lists()
		l, err := Disentangler(b, tiles)
		switch c.byte() % 3 {
		case 1:
			l, err = Decimator(b, tiles, c.ints()...)
		case 2:
			l, err = ConditionalDecimator(b, tiles, c.ints()...)
		}
		if err != nil {
			return nil, err
		}
		return l.On(c.int())
	},
	func(c *choices) (any, error) {
		b, err := NewActNorm(1 + c.byte()%4)
		if err != nil {
			return nil, err
		}
		m, _ := c.matrix().(*mat.Dense)
		return b, b.Init(m)
	},
}

// For any arguments a constructor succeeds, or fails with an error of this package before it
// takes much memory.
func FuzzConstructors(f *testing.F) {
	rnd := rand.New(rand.NewPCG(1, 13))
	for which := range constructors {
		for range 20 {
			data := make([]byte, 24)
			for i := range data {
				data[i] = byte(rnd.Uint32())
			}
			f.Add(which, data)
		}
	}
	f.Fuzz(func(t *testing.T, which int, data []byte) {
		if which < 0 || which >= len(constructors) || len(data) > 100 {
			return
		}
		_, err := constructors[which](&choices{data})
		if err == nil {
			return
		}
		for _, is := range []error{ErrShape, ErrSettings, ErrPartition, ErrTiles} {
			if errors.Is(err, is) {
				return
			}
		}
		t.Errorf("constructor %d: %v", which, err)
	})
}
