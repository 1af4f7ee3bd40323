package kernel

import (
	"slices"
	"sync"
	"unsafe"
)

// Layer applies one Transform to every tile of sites of every row of a batch.
// Sites that belong to no tile pass through. So do the sites at the context
// positions of the tiles: the transform does not change them, and tiles may share
// them.
//
// A batch travels as one flat slice, the state: rows·n values in the order of Pack, then
// the running log-determinant of each row. A Layer is safe for concurrent use.
type Layer[T Float] struct {
	tr  Transform[T]
	jac Jacobian[T] // tr, or nil if it has no Jacobian that pays

	pusher Pusher[T] // tr, or nil if it is none
	n      int       // values per row
	index  []int     // site of position j of tile k: index[k*dim+j]
	tiles  int       // number of tiles
	whole  bool      // no site passes through

	// Positions in a tile. Without a context both are nil, and all positions move.
	context, move []int

	scratch sync.Pool // *scratch[T], one per goroutine at work
	sums    sync.Pool // *sums[T], one per call of Grad under way
}

// NewLayer returns the layer on rows of n values. Each tile names tr.Dim() sites
// below n. context lists positions in a tile that the transform passes through.
// A site may be named more than once only if all its positions are in context.
func NewLayer[T Float](tr Transform[T], n int, tiles [][]int, context ...int) *Layer[T] {
	l := &Layer[T]{tr: tr, n: n, tiles: len(tiles), context: context}
	if len(context) > 0 {
		for j := range tr.Dim() {
			if !slices.Contains(context, j) {
				l.move = append(l.move, j)
			}
		}
	}
	if j, ok := tr.(Jacobian[T]); ok && j.HasJacobian() {
		l.jac = j
	}
	l.pusher, _ = tr.(Pusher[T])
	for _, t := range tiles {
		l.index = append(l.index, t...)
	}
	l.whole = len(l.index) == n && len(context) == 0
	l.scratch.New = func() any {
		dim := tr.Dim() * Lanes
		run, grad := tr.Scratch()
		s := &scratch[T]{
			x: make([]T, dim), dx: make([]T, dim), other: make([]T, dim),
			logDet: make([]T, Lanes), dLogDet: make([]T, Lanes), ones: make([]T, Lanes),
			rest: make([]T, max(run, grad)),
		}
		fill(s.ones, 1)
		return s
	}
	l.sums.New = func() any { return new(sums[T]) }
	return l
}

// scratch is the memory that one goroutine works in: one tile of rows at a time.
// Each of its lanes holds a tile of sites of a row of the batch. In a block these are one
// tile of Lanes rows, and of tile and row only the first are set.
type scratch[T Float] struct {
	x, dx     []T        // the tile and its gradient
	other     []T        // another tile
	logDet    []T        // log-determinants of the lanes
	dLogDet   []T        // their gradients
	ones      []T        // 1 for every lane
	rest      []T        // scratch space of the transform
	tile, row [Lanes]int // tile of sites and row of the batch in each lane
	len       int        // number of lanes in use
	block     bool
}

// StateLen is the length of the state of a batch.
func (l *Layer[T]) StateLen(rows int) int { return rows * (l.n + 1) }

// Params is the number of parameters.
func (l *Layer[T]) Params() int { return l.tr.Params() }

// JacobianLen is the number of values that RunJacobian writes for a batch, 0 if
// Grad is the better way.
func (l *Layer[T]) JacobianLen(rows int) int { return l.units(rows) * l.unitJacobianLen() }

// unitJacobianLen is the number of values that RunJacobian writes for a unit.
func (l *Layer[T]) unitJacobianLen() int {
	if l.jac == nil {
		return 0
	}
	dim := l.tr.Dim()
	return (dim + 1) * dim * Lanes
}

// call is one call of a method of Layer: its arguments, and memory for the results of its chunks.
type call[T Float] struct {
	l       *Layer[T]
	step    step // what do does now
	rows    int
	inverse bool
	w, in   []T
	out     []T
	din     []T // gradient with respect to the sites, to be set
	jac     []T // or nil
	dw      []T // or nil
	dout    []T

	logDets []T      // log-determinants of each tile and row
	context []T      // gradients of each tile, context position and row
	sums    *sums[T] // of dw, or nil
}

// calls32 and calls64 hold the calls that are not under way. All layers share them, because their
// buffers are large.
var calls32, calls64 sync.Pool

func callsOf[T Float]() *sync.Pool {
	if isFloat32[T]() {
		return &calls32
	}
	return &calls64
}

func isFloat32[T Float]() bool { return unsafe.Sizeof(T(0)) == 4 }

// begin returns a call without arguments, from the pool.
func (l *Layer[T]) begin() *call[T] {
	c, ok := callsOf[T]().Get().(*call[T])
	if !ok {
		c = new(call[T])
	}
	c.l = l
	return c
}

// step is one step of a call. It goes through rows, groups of rows or units; see
// Groups and units.
type step int

const (
	copyRows   step = iota // rows: copy in to out, for the sites that belong to no tile
	runUnits               // units: Transform.Run
	gradUnits              // units: Transform.Grad
	pullUnits              // units: multiply by the Jacobian
	pushUnits              // units: Run, and a gradient taken along
	imageUnits             // units: gradients from the image
	sumContext             // groups: add up the gradients of shared sites
	sumLogDets             // rows: add up the log-determinants of the tiles
)

// end returns the call, without its arguments, to the pool.
func (c *call[T]) end() {
	if c.sums != nil {
		c.l.sums.Put(c.sums)
	}
	*c = call[T]{logDets: c.logDets, context: c.context}
	callsOf[T]().Put(c)
}

// chunked does a step with inChunks.
func (c *call[T]) chunked(units int, s step) {
	c.step = s
	inChunks(units, c)
}

// pieces does a step with inPieces.
func (c *call[T]) pieces(units int, s step) {
	c.step = s
	inPieces(units, c)
}

// pass does a step that only moves and adds values, with inPass.
func (c *call[T]) pass(units, values int, s step) {
	c.step = s
	inPass(units, values, c)
}

func (c *call[T]) do(chunk, from, to int) {
	switch c.step {
	case copyRows:
		n := c.l.n
		copy(c.out[from*n:to*n], c.in[from*n:to*n])
		return
	case sumContext:
		c.sumContext(from, to)
		return
	case sumLogDets:
		c.sumLogDets(from, to)
		return
	}
	s := c.l.scratch.Get().(*scratch[T])
	defer c.l.scratch.Put(s)
	switch c.step {
	case runUnits:
		c.run(s, from, to)
	case gradUnits:
		c.grad(s, chunk, from, to)
	case pullUnits:
		c.pullBack(s, from, to)
	case pushUnits:
		c.push(s, from, to)
	case imageUnits:
		c.gradFromImage(s, from, to)
	}
}

// Run sets out to the image of the state in.
func (l *Layer[T]) Run(out, in, w []T, rows int, inverse bool) {
	l.RunJacobian(out, nil, in, w, rows, inverse)
}

// RunJacobian is Run. Unless jac is nil, it also writes the Jacobians to jac, for
// GradJacobian.
func (l *Layer[T]) RunJacobian(out, jac, in, w []T, rows int, inverse bool) {
	c := l.begin()
	defer c.end()
	c.rows, c.inverse, c.w, c.in, c.out, c.jac = rows, inverse, w, in, out, jac
	grow(&c.logDets, l.tiles*rows)
	if !l.whole {
		c.pass(rows, rows*l.n, copyRows)
	}
	c.pieces(l.units(rows), runUnits)
	c.pass(rows, rows*l.tiles, sumLogDets)
}

func (c *call[T]) run(s *scratch[T], from, to int) {
	l := c.l
	for u := from; u < to; u++ {
		l.assign(s, u, c.rows)
		l.gather(s.x, c.in, s)
		clear(s.logDet)
		if c.jac == nil {
			l.tr.Run(s.x, s.logDet, c.w, c.inverse, s.rest)
		} else {
			l.jac.RunJacobian(s.x, s.logDet, c.unitJacobian(u), c.w, c.inverse, s.rest)
		}
		l.scatter(c.out, s.x, s)
		c.keepLogDets(s)
	}
}

func (c *call[T]) keepLogDets(s *scratch[T]) {
	if s.block {
		copy(c.logDets[s.tile[0]*c.rows+s.row[0]:][:Lanes], s.logDet)
		return
	}
	for k := range s.len {
		c.logDets[s.tile[k]*c.rows+s.row[k]] = s.logDet[k]
	}
}

// sumLogDets adds the log-determinants of the tiles of some rows to those of the
// state in.
func (c *call[T]) sumLogDets(from, to int) {
	all := c.rows * c.l.n
	sum := c.out[all+from : all+to]
	copy(sum, c.in[all+from:])
	for k := range c.l.tiles {
		for r, v := range c.logDets[k*c.rows+from : k*c.rows+to] {
			sum[r] += v
		}
	}
}

// grow makes buf a slice of n values.
func grow[T any](buf *[]T, n int) {
	if cap(*buf) < n {
		*buf = make([]T, n)
	}
	*buf = (*buf)[:n]
}
