package kernel

import "sync"

// Layer applies one Transform to every tile of sites of every row of a batch.
// Sites that belong to no tile pass through.
//
// A batch travels as one flat slice, the state: rows·n values row by row, then
// the running log-determinant of each row. A Layer is safe for concurrent
// use.
type Layer[T Float] struct {
	tr    Transform[T]
	n     int   // values per row
	index []int // site of position j of tile k: index[k*dim+j]
	tiles int

	scratch sync.Pool // *scratch[T], one per goroutine at work
	buffers sync.Pool // *[]T, one per call under way
}

// NewLayer returns the layer on rows of n values. Each tile names tr.Dim()
// sites below n; no site is named twice.
func NewLayer[T Float](tr Transform[T], n int, tiles [][]int) *Layer[T] {
	l := &Layer[T]{tr: tr, n: n, tiles: len(tiles)}
	for _, t := range tiles {
		l.index = append(l.index, t...)
	}
	l.scratch.New = func() any {
		dim := tr.Dim() * Lanes
		run, grad := tr.Scratch()
		return &scratch[T]{
			x: make([]T, dim), dx: make([]T, dim), logDet: make([]T, Lanes),
			rest: make([]T, max(run, grad)),
		}
	}
	l.buffers.New = func() any { return new([]T) }
	return l
}

// scratch is what one goroutine works in.
type scratch[T Float] struct {
	x, dx, logDet, rest []T
	tile, row           [Lanes]int // what each lane holds
	len                 int        // lanes in use
}

// StateLen is the length of the state of a batch.
func (l *Layer[T]) StateLen(rows int) int { return rows * (l.n + 1) }

// Params is the number of parameters.
func (l *Layer[T]) Params() int { return l.tr.Params() }

// Run sets out to the image of the state in.
func (l *Layer[T]) Run(out, in, w []T, rows int, inverse bool) {
	copy(out, in)
	buf := l.buffers.Get().(*[]T)
	defer l.buffers.Put(buf)
	logDets := grow(buf, l.tiles*rows)

	inChunks(l.units(rows), func(_, from, to int) {
		s := l.scratch.Get().(*scratch[T])
		defer l.scratch.Put(s)
		for u := from; u < to; u++ {
			l.seat(s, u, rows)
			l.gather(s.x, in, s)
			clear(s.logDet)
			l.tr.Run(s.x, s.logDet, w, inverse, s.rest)
			l.scatter(out, s.x, s)
			for k := range s.len {
				logDets[s.tile[k]*rows+s.row[k]] = s.logDet[k]
			}
		}
	})
	sum := out[rows*l.n:]
	for k := range l.tiles {
		for r, v := range logDets[k*rows : (k+1)*rows] {
			sum[r] += v
		}
	}
}

// Grad sets din to the gradient with respect to the state in, given dout, the
// one with respect to its image, and dw, unless nil, to that of the
// parameters.
func (l *Layer[T]) Grad(din, dw, in, w, dout []T, rows int, inverse bool) {
	copy(din, dout)
	units := l.units(rows)
	buf := l.buffers.Get().(*[]T)
	defer l.buffers.Put(buf)
	parts := grow(buf, chunks(units)*len(dw))
	clear(parts)
	dLogDet := dout[rows*l.n:]

	inChunks(units, func(chunk, from, to int) {
		s := l.scratch.Get().(*scratch[T])
		defer l.scratch.Put(s)
		var part []T
		if dw != nil {
			part = parts[chunk*len(dw) : (chunk+1)*len(dw)]
		}
		for u := from; u < to; u++ {
			l.seat(s, u, rows)
			l.gather(s.x, in, s)
			l.gather(s.dx, dout, s)
			clear(s.logDet)
			for k := range s.len {
				s.logDet[k] = dLogDet[s.row[k]]
			}
			l.tr.Grad(part, s.dx, s.x, s.logDet, w, inverse, s.rest)
			l.scatter(din, s.dx, s)
		}
	})
	if dw == nil {
		return
	}
	clear(dw)
	for c := range chunks(units) {
		for i, v := range parts[c*len(dw) : (c+1)*len(dw)] {
			dw[i] += v
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
	dim := l.tr.Dim()
	for k := range s.len {
		row, sites := l.at(state, s, k, dim)
		at := k
		for _, site := range sites {
			x[at] = row[site]
			at += Lanes
		}
	}
	for j := range dim {
		clear(x[j*Lanes+s.len : (j+1)*Lanes])
	}
}

// scatter writes a tile to the rows of a state.
func (l *Layer[T]) scatter(state, x []T, s *scratch[T]) {
	dim := l.tr.Dim()
	for k := range s.len {
		row, sites := l.at(state, s, k, dim)
		at := k
		for _, site := range sites {
			row[site] = x[at]
			at += Lanes
		}
	}
}

// at is the row of the state in lane k and the sites of its tile.
func (l *Layer[T]) at(state []T, s *scratch[T], k, dim int) (row []T, sites []int) {
	r, t := s.row[k]*l.n, s.tile[k]*dim
	return state[r : r+l.n], l.index[t : t+dim]
}

func grow[T any](buf *[]T, n int) []T {
	if cap(*buf) < n {
		*buf = make([]T, n)
	}
	return (*buf)[:n]
}
