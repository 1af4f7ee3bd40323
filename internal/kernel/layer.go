package kernel

import (
	"slices"
	"sync"
)

// Layer applies one Transform to every tile of sites of every row of a batch.
// Sites that belong to no tile pass through, and so do the sites at the context
// positions of the tiles, which the transform does not change and which tiles
// may share.
//
// A batch travels as one flat slice, the state: rows·n values row by row, then
// the running log-determinant of each row. A Layer is safe for concurrent
// use.
type Layer[T Float] struct {
	tr    Transform[T]
	jac   Jacobian[T] // tr, or nil if it does not pay
	n     int         // values per row
	index []int       // site of position j of tile k: index[k*dim+j]
	tiles int
	whole bool // no site passes through

	context, move []int // positions; nil: no context, and all move

	scratch sync.Pool // *scratch[T], one per goroutine at work
	calls   sync.Pool // *call[T], one per call under way
}

// NewLayer returns the layer on rows of n values. Each tile names tr.Dim()
// sites below n; no site is named twice, unless always at positions of the
// context, which the transform must pass through.
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
	for _, t := range tiles {
		l.index = append(l.index, t...)
	}
	l.whole = len(l.index) == n && len(context) == 0
	l.scratch.New = func() any {
		dim := tr.Dim() * Lanes
		run, grad := tr.Scratch()
		s := &scratch[T]{
			x: make([]T, dim), dx: make([]T, dim), logDet: make([]T, Lanes), ones: make([]T, Lanes),
			rest: make([]T, max(run, grad)),
		}
		fill(s.ones, 1)
		return s
	}
	l.calls.New = func() any { return &call[T]{l: l} }
	return l
}

// scratch is what one goroutine works in.
type scratch[T Float] struct {
	x, dx, logDet, ones, rest []T
	tile, row                 [Lanes]int // what each lane holds
	len                       int        // lanes in use
}

// StateLen is the length of the state of a batch.
func (l *Layer[T]) StateLen(rows int) int { return rows * (l.n + 1) }

// Params is the number of parameters.
func (l *Layer[T]) Params() int { return l.tr.Params() }

// Jacobians is the number of values that RunJacobian leaves for a batch, 0 if
// Grad is the better way.
func (l *Layer[T]) Jacobians(rows int) int { return l.units(rows) * l.jacobian() }

// jacobian is the number of values that RunJacobian leaves for a tile.
func (l *Layer[T]) jacobian() int {
	if l.jac == nil {
		return 0
	}
	dim := l.tr.Dim()
	return (dim + 1) * dim * Lanes
}

// call is one call of Run or Grad, or of their forms with a Jacobian: its arguments
// and what its chunks leave.
type call[T Float] struct {
	l       *Layer[T]
	pass    pass
	rows    int
	inverse bool
	w, in   []T
	out     []T
	jac     []T // or nil
	dw      []T // or nil
	dout    []T
	partial []T // of each tile and row: log-determinants; of each chunk: dw
	context []T // of each tile, position of the context and row: gradients
}

// pass is what a call does to all units of work, whatever these are.
type pass int

const (
	copyRows    pass = iota // rows of in to out: of the sites that belong to no tile
	runTiles                // units, see there
	gradTiles               // units
	pullTiles               // units
	sumContext              // rows
	sumLogDets              // rows
	sumPartials             // parameters
)

// end returns the call, without its arguments, to the pool.
func (c *call[T]) end() {
	*c = call[T]{l: c.l, partial: c.partial, context: c.context}
	c.l.calls.Put(c)
}

// over makes a pass in chunks of its units.
func (c *call[T]) over(units int, p pass) {
	c.pass = p
	inChunks(units, c)
}

// quickly is over for a pass that only moves and adds values.
func (c *call[T]) quickly(units, values int, p pass) {
	c.pass = p
	inPass(units, values, c)
}

func (c *call[T]) do(chunk, from, to int) {
	switch c.pass {
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
	case sumPartials:
		c.sumPartials(from, to)
		return
	}
	s := c.l.scratch.Get().(*scratch[T])
	defer c.l.scratch.Put(s)
	switch c.pass {
	case runTiles:
		c.run(s, from, to)
	case gradTiles:
		c.grad(s, chunk, from, to)
	case pullTiles:
		c.pullBack(s, from, to)
	}
}

// Run sets out to the image of the state in.
func (l *Layer[T]) Run(out, in, w []T, rows int, inverse bool) {
	l.RunJacobian(out, nil, in, w, rows, inverse)
}

// RunJacobian is Run and, unless jac is nil, leaves in jac what GradJacobian
// needs.
func (l *Layer[T]) RunJacobian(out, jac, in, w []T, rows int, inverse bool) {
	c := l.calls.Get().(*call[T])
	defer c.end()
	c.rows, c.inverse, c.w, c.in, c.out, c.jac = rows, inverse, w, in, out, jac
	grow(&c.partial, l.tiles*rows)
	if !l.whole {
		c.quickly(rows, rows*l.n, copyRows)
	}
	c.over(l.units(rows), runTiles)
	c.quickly(rows, rows*l.tiles, sumLogDets)
}

func (c *call[T]) run(s *scratch[T], from, to int) {
	l := c.l
	for u := from; u < to; u++ {
		l.seat(s, u, c.rows)
		l.gather(s.x, c.in, s)
		clear(s.logDet)
		if c.jac == nil {
			l.tr.Run(s.x, s.logDet, c.w, c.inverse, s.rest)
		} else {
			l.jac.RunJacobian(s.x, s.logDet, c.tileJacobian(u), c.w, c.inverse, s.rest)
		}
		l.scatter(c.out, s.x, s)
		for k := range s.len {
			c.partial[s.tile[k]*c.rows+s.row[k]] = s.logDet[k]
		}
	}
}

// sumLogDets adds those of the tiles of some rows to what they had.
func (c *call[T]) sumLogDets(from, to int) {
	all := c.rows * c.l.n
	sum := c.out[all+from : all+to]
	copy(sum, c.in[all+from:])
	for k := range c.l.tiles {
		for r, v := range c.partial[k*c.rows+from : k*c.rows+to] {
			sum[r] += v
		}
	}
}

// Grad sets din to the gradient with respect to the state in, given dout, the
// one with respect to its image, and dw, unless nil, to that of the
// parameters.
func (l *Layer[T]) Grad(din, dw, in, w, dout []T, rows int, inverse bool) {
	c := l.calls.Get().(*call[T])
	defer c.end()
	c.passThrough(din, dout, rows)
	units := l.units(rows)
	grow(&c.partial, chunks(units)*len(dw))
	c.inverse, c.w, c.in, c.dw = inverse, w, in, dw
	c.over(units, gradTiles)
	c.addContext()
	if dw != nil {
		c.quickly(len(dw), len(dw)*chunks(units), sumPartials)
	}
}

// passThrough sets the gradient of what no tile changes.
func (c *call[T]) passThrough(din, dout []T, rows int) {
	c.rows, c.in, c.out, c.dout = rows, dout, din, dout
	grow(&c.context, rows*c.l.tiles*len(c.l.context))
	n := c.l.n
	if !c.l.whole {
		c.quickly(rows, rows*n, copyRows)
	}
	copy(din[rows*n:], dout[rows*n:])
}

func (c *call[T]) grad(s *scratch[T], chunk, from, to int) {
	l := c.l
	var part []T
	if c.dw != nil {
		part = c.partial[chunk*len(c.dw) : (chunk+1)*len(c.dw)]
		clear(part)
	}
	for u := from; u < to; u++ {
		l.seat(s, u, c.rows)
		l.gather(s.x, c.in, s)
		c.gatherGrad(s.dx, s)
		l.tr.Grad(part, s.dx, s.x, s.logDet, c.w, c.inverse, s.rest)
		c.scatterGrad(s.dx, s)
	}
}

// sumPartials adds up some parameters' gradients, chunk by chunk.
func (c *call[T]) sumPartials(from, to int) {
	n, sum := len(c.dw), c.dw[from:to]
	clear(sum)
	for k := range chunks(c.l.units(c.rows)) {
		for i, v := range c.partial[k*n+from : k*n+to] {
			sum[i] += v
		}
	}
}

// GradJacobian sets din to the gradient with respect to the state in of
// RunJacobian, which left jac, given dout, the one with respect to its image.
func (l *Layer[T]) GradJacobian(din, jac, dout []T, rows int) {
	c := l.calls.Get().(*call[T])
	defer c.end()
	c.passThrough(din, dout, rows)
	c.jac = jac
	c.over(l.units(rows), pullTiles)
	c.addContext()
}

func (c *call[T]) pullBack(s *scratch[T], from, to int) {
	l := c.l
	for u := from; u < to; u++ {
		l.seat(s, u, c.rows)
		c.gatherGrad(s.x, s)
		pullBack(s.dx, c.tileJacobian(u), s.x, s.logDet, s.ones, l.tr.Dim())
		c.scatterGrad(s.dx, s)
	}
}

// tileJacobian is what RunJacobian leaves for unit u.
func (c *call[T]) tileJacobian(u int) []T {
	n := c.l.jacobian()
	return c.jac[u*n : (u+1)*n]
}

// gatherGrad reads the gradients of the image and of the log-determinants of a
// tile. Those of the context have passed through already.
func (c *call[T]) gatherGrad(dx []T, s *scratch[T]) {
	c.l.gather(dx, c.dout, s)
	for _, j := range c.l.context {
		clear(dx[j*Lanes : (j+1)*Lanes])
	}
	clear(s.logDet)
	for k := range s.len {
		s.logDet[k] = c.dout[c.rows*c.l.n+s.row[k]]
	}
}

// scatterGrad writes the gradient of a tile and leaves that of its context, to
// which other tiles contribute as well.
func (c *call[T]) scatterGrad(dx []T, s *scratch[T]) {
	c.l.scatter(c.out, dx, s)
	for i, j := range c.l.context {
		for k := range s.len {
			c.context[(s.tile[k]*len(c.l.context)+i)*c.rows+s.row[k]] = dx[j*Lanes+k]
		}
	}
}

// addContext adds what the tiles have left to the gradient of their context.
func (c *call[T]) addContext() {
	if len(c.l.context) > 0 {
		c.quickly(c.rows, len(c.context), sumContext)
	}
}

func (c *call[T]) sumContext(from, to int) {
	l, dim := c.l, c.l.tr.Dim()
	for k := range l.tiles {
		for i, j := range l.context {
			site := l.index[k*dim+j]
			left := c.context[(k*len(l.context)+i)*c.rows:]
			for r := from; r < to; r++ {
				c.out[r*l.n+site] += left[r]
			}
		}
	}
}

// units is the number of tiles of Lanes rows that a batch fills. Rows are
// taken in blocks of Lanes, so that a unit reads neighbouring memory; what
// remains (or a batch smaller than Lanes) fills units with several tiles of
// sites.
func (l *Layer[T]) units(rows int) int {
	full, rest := rows/Lanes, rows%Lanes
	return full*l.tiles + (rest*l.tiles+Lanes-1)/Lanes
}

// seat decides which tile of sites of which row sits in each lane of unit u.
func (l *Layer[T]) seat(s *scratch[T], u, rows int) {
	block := min(u/l.tiles, rows/Lanes)
	first := block * Lanes
	m := min(rows-first, Lanes)
	e := (u - block*l.tiles) * Lanes
	s.len = min(m*l.tiles-e, Lanes)
	tile, row := e/m, e%m
	for k := range s.len {
		s.tile[k], s.row[k] = tile, first+row
		if row++; row == m {
			tile, row = tile+1, 0
		}
	}
}

// gather reads a tile from the rows of a state; idle lanes become zero.
func (l *Layer[T]) gather(x, state []T, s *scratch[T]) {
	for k := range s.len {
		row, sites := l.at(state, s, k)
		at := k
		for _, site := range sites {
			x[at] = row[site]
			at += Lanes
		}
	}
	for j := range l.tr.Dim() {
		clear(x[j*Lanes+s.len : (j+1)*Lanes])
	}
}

// scatter writes what moves of a tile to the rows of a state.
func (l *Layer[T]) scatter(state, x []T, s *scratch[T]) {
	for k := range s.len {
		row, sites := l.at(state, s, k)
		for _, j := range l.move {
			row[sites[j]] = x[j*Lanes+k]
		}
		if l.move != nil {
			continue
		}
		at := k
		for _, site := range sites {
			row[site] = x[at]
			at += Lanes
		}
	}
}

// at is the row of the state in lane k and the sites of its tile.
func (l *Layer[T]) at(state []T, s *scratch[T], k int) (row []T, sites []int) {
	dim := l.tr.Dim()
	r, t := s.row[k]*l.n, s.tile[k]*dim
	return state[r : r+l.n], l.index[t : t+dim]
}

// grow makes buf a slice of n values.
func grow[T any](buf *[]T, n int) {
	if cap(*buf) < n {
		*buf = make([]T, n)
	}
	*buf = (*buf)[:n]
}
