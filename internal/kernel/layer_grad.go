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

// Push is Run. It also takes the gradient gIn with respect to the state in to gOut, that with respect
// to the state out: gOut is what Grad of the opposite map sets at out, given gIn.
func (l *Layer[T]) Push(out, gOut, in, gIn, w []T, rows int, inverse bool) {
	c := l.begin()
	defer c.end()
	c.passThrough(gOut, gIn, rows)
	c.in, c.out, c.w, c.inverse = in, out, w, inverse
	grow(&c.logDets, l.tiles*rows)
	if !l.whole {
		c.pass(rows, rows*l.n, copyRows)
	}
	c.pieces(l.units(rows), pushUnits)
	c.addContext()
	c.pass(rows, rows*l.tiles, sumLogDets)
}

func (c *call[T]) push(s *scratch[T], from, to int) {
	l := c.l
	for u := from; u < to; u++ {
		l.assign(s, u, c.rows)
		l.gather(s.x, c.in, s)
		c.gatherGrad(s.dx, s)
		clear(s.logDet)
		if l.pusher != nil {
			l.pusher.Push(s.x, s.logDet, s.dx, s.dLogDet, c.w, c.inverse, s.rest)
		} else {
			l.tr.Run(s.x, s.logDet, c.w, c.inverse, s.rest)
			copy(s.other, s.x)
			l.tr.Grad(nil, s.dx, s.other, s.dLogDet, c.w, !c.inverse, s.rest)
		}
		l.scatter(c.out, s.x, s)
		c.keepLogDets(s)
		c.scatterGrad(s.dx, s)
	}
}

// FromImage reports whether GradFromImage costs less than Grad.
func (l *Layer[T]) FromImage(inverse bool) bool {
	return l.pusher != nil && l.pusher.FromImage(inverse)
}

// GradFromImage is Grad without the gradient of the parameters, for a layer with FromImage. It
// pushes the gradient from the state image of in back to in, through the opposite map. Where this
// does not lead back to in to within rounding, it does what Grad does.
func (l *Layer[T]) GradFromImage(din, in, image, w, dout []T, rows int, inverse bool) {
	c := l.begin()
	defer c.end()
	c.passThrough(din, dout, rows)
	c.in, c.out, c.w, c.inverse = in, image, w, inverse
	c.pieces(l.units(rows), imageUnits)
	c.addContext()
}

func (c *call[T]) gradFromImage(s *scratch[T], from, to int) {
	l := c.l
	for u := from; u < to; u++ {
		l.assign(s, u, c.rows)
		l.gather(s.x, c.out, s)
		c.gatherGrad(s.dx, s)
		l.pusher.Push(s.x, nil, s.dx, s.dLogDet, c.w, !c.inverse, s.rest)
		l.gather(s.other, c.in, s)
		missed := astray(s.x, s.other) & (^uint64(0) >> (Lanes - s.len))
		if missed != 0 {
			c.gatherGrad(s.x, s)
			l.tr.Grad(nil, s.x, s.other, s.dLogDet, c.w, c.inverse, s.rest)
			for k := range s.x {
				if missed>>(k%Lanes)&1 != 0 {
					s.dx[k] = s.x[k]
				}
			}
		}
		c.scatterGrad(s.dx, s)
	}
}

// astray returns a bit for every row in which a tile x differs from the one wanted by more than a
// thousand roundings.
func astray[T Float](x, wanted []T) (rows uint64) {
	tol := T(1000 * 0x1p-52)
	if isFloat32[T]() {
		tol = 1000 * 0x1p-23
	}
	for k, v := range wanted {
		if d := x[k] - v; !(max(d, -d) <= tol*(1+max(v, -v))) {
			rows |= 1 << (k % Lanes)
		}
	}
	return rows
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
