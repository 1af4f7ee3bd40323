package kernel

// Grad sets din to the gradient with respect to the state in, given dout, the
// gradient with respect to its image. Unless dw is nil, it sets dw to the
// gradient of the parameters.
func (l *Layer[T]) Grad(din, dw, in, w, dout []T, rows int, inverse bool) {
	c := l.begin()
	defer c.end()
	c.passThrough(din, dout, rows)
	units := l.units(rows)
	c.inverse, c.w, c.in, c.dw = inverse, w, in, dw
	if dw == nil {
		c.pieces(units, gradUnits)
	} else {
		c.sums = l.sums.Get().(*sums[T])
		c.sums.begin(chunks(units), len(dw))
		c.chunked(units, gradUnits)
		clear(dw) // for no rows
		copy(dw, c.sums.total)
	}
	c.addContext()
}

// passThrough sets din to dout for all values that no tile changes.
func (c *call[T]) passThrough(din, dout []T, rows int) {
	c.rows, c.in, c.out, c.din, c.dout = rows, dout, din, din, dout
	grow(&c.context, rows*c.l.tiles*len(c.l.context))
	n := c.l.n
	if !c.l.whole {
		c.pass(rows, rows*n, copyRows)
	}
	copy(din[rows*n:], dout[rows*n:])
}

func (c *call[T]) grad(s *scratch[T], chunk, from, to int) {
	l := c.l
	var part []T
	if c.dw != nil {
		part = c.sums.buffer()
	}
	for u := from; u < to; u++ {
		l.assign(s, u, c.rows)
		l.gather(s.x, c.in, s)
		c.gatherGrad(s.dx, s)
		l.tr.Grad(part, s.dx, s.x, s.dLogDet, c.w, c.inverse, s.rest)
		c.scatterGrad(s.dx, s)
	}
	if c.dw != nil {
		c.sums.add(chunk, part)
	}
}

// GradJacobian sets din to the gradient with respect to the state in of a call of
// RunJacobian, given its jac and dout, the gradient with respect to the image.
func (l *Layer[T]) GradJacobian(din, jac, dout []T, rows int) {
	c := l.begin()
	defer c.end()
	c.passThrough(din, dout, rows)
	c.jac = jac
	c.pieces(l.units(rows), pullUnits)
	c.addContext()
}

func (c *call[T]) pullBack(s *scratch[T], from, to int) {
	l := c.l
	for u := from; u < to; u++ {
		l.assign(s, u, c.rows)
		c.gatherGrad(s.x, s)
		pullBack(s.dx, c.unitJacobian(u), s.x, s.dLogDet, s.ones, l.tr.Dim())
		c.scatterGrad(s.dx, s)
	}
}

// Push is Run. It also sets dout, the gradient with respect to the state out, given din, that with
// respect to the state in. Both are gradients of a function of what the opposite map gives at out:
// dout is what Grad of the opposite map sets at out, given din. If out is nil, only dout is wanted.
func (l *Layer[T]) Push(out, dout, in, din, w []T, rows int, inverse bool) {
	c := l.begin()
	defer c.end()
	c.passThrough(dout, din, rows)
	c.in, c.out, c.w, c.inverse = in, out, w, inverse
	if out == nil {
		c.pieces(l.units(rows), pushUnits)
		c.addContext()
		return
	}
	grow(&c.logDets, l.tiles*rows)
	if !l.whole {
		c.pass(rows, rows*l.n, copyRows)
	}
	c.pieces(l.units(rows), pushUnits)
	c.addContext()
	c.pass(rows, rows*l.tiles, sumLogDets)
}

// Pushes reports whether Push costs less than Run and Grad.
func (l *Layer[T]) Pushes() bool { return l.push != nil }

func (c *call[T]) push(s *scratch[T], from, to int) {
	l := c.l
	for u := from; u < to; u++ {
		l.assign(s, u, c.rows)
		l.gather(s.x, c.in, s)
		c.gatherGrad(s.dx, s)
		logDet := s.logDet
		clear(logDet)
		if c.out == nil {
			logDet = nil
		}
		if l.push != nil {
			l.push.Push(s.x, logDet, s.dx, s.dLogDet, c.w, c.inverse, s.rest)
		} else {
			l.tr.Run(s.x, s.logDet, c.w, c.inverse, s.rest)
			copy(s.image, s.x)
			l.tr.Grad(nil, s.dx, s.image, s.dLogDet, c.w, !c.inverse, s.rest)
		}
		if c.out != nil {
			l.scatter(c.out, s.x, s)
			c.keepLogDets(s)
		}
		c.scatterGrad(s.dx, s)
	}
}

// unitJacobian is the part of jac for unit u.
func (c *call[T]) unitJacobian(u int) []T {
	n := c.l.unitJacobianLen()
	return c.jac[u*n : (u+1)*n]
}

// gatherGrad reads the gradients of the image and of the log-determinants of a
// tile. It sets those of the context to zero: passThrough has copied them.
func (c *call[T]) gatherGrad(dx []T, s *scratch[T]) {
	c.l.gather(dx, c.dout, s)
	for _, j := range c.l.context {
		clear(dx[j*Lanes : (j+1)*Lanes])
	}
	logDets := c.dout[c.rows*c.l.n:]
	if s.block {
		copy(s.dLogDet, logDets[s.row[0]:][:Lanes])
		return
	}
	clear(s.dLogDet)
	for k := range s.len {
		s.dLogDet[k] = logDets[s.row[k]]
	}
}

// scatterGrad writes the gradient of a tile to din. The gradient of its context
// goes to c.context, because other tiles contribute to these sites too.
func (c *call[T]) scatterGrad(dx []T, s *scratch[T]) {
	c.l.scatter(c.din, dx, s)
	for i, j := range c.l.context {
		if s.block {
			copy(c.context[(s.tile[0]*len(c.l.context)+i)*c.rows+s.row[0]:][:Lanes], dx[j*Lanes:])
			continue
		}
		for k := range s.len {
			c.context[(s.tile[k]*len(c.l.context)+i)*c.rows+s.row[k]] = dx[j*Lanes+k]
		}
	}
}

// addContext adds the contributions in c.context to din.
func (c *call[T]) addContext() {
	if len(c.l.context) > 0 {
		c.pass(Groups(c.rows), len(c.context), sumContext)
	}
}

func (c *call[T]) sumContext(from, to int) {
	l, dim := c.l, c.l.tr.Dim()
	for g := from; g < to; g++ {
		first, n := group(g, c.rows)
		for k := range l.tiles {
			for i, j := range l.context {
				site := l.index[k*dim+j]
				left := c.context[(k*len(l.context)+i)*c.rows+first:]
				if to := c.din[first*l.n+site*n:]; n == Lanes {
					add(to, left[:Lanes])
				} else {
					to[0] += left[0]
				}
			}
		}
	}
}
