package kernel

// Coupling is the shape of one affine coupling. The columns in Keep pass through
// and feed two nets, S and T. A column y in Move becomes y·exp(s) + t with
// s = scale·tanh(S(kept)) and t = T(kept) (paper, eq. B.1). The parameters are
// those of S, then one scale for every moved column, then those of T.
type Coupling struct {
	Keep, Move []int
	S, T       Net
}

// Params is the number of parameters.
func (c *Coupling) Params() int { return c.S.Params() + len(c.Move) + c.T.Params() }

// saved is the length of what couplingRun saves: the kept columns, the
// activations of both nets and, for every moved column, the factor f of the
// update and its derivative u with respect to s.
func (c *Coupling) saved() int {
	return (len(c.Keep)+2*len(c.Move))*Lanes + c.S.acts + c.T.acts
}

// affine makes a Coupling one of a chain.
type affine[T Float] struct{ *Coupling }

func (c affine[T]) params() int { return c.Params() }

// saved has room for log-determinants that nobody wants.
func (c affine[T]) saved() int { return c.Coupling.saved() + Lanes }

// scratch has room for ds, dt, dKeep, a dScale that nobody wants, and what the
// nets need.
func (c affine[T]) scratch() int {
	return (len(c.Keep)+2*len(c.Move)+1)*Lanes + max(c.S.scratch(), c.T.scratch())
}

func (c affine[T]) run(x, logDet, w []T, inverse bool, saved []T) {
	if logDet == nil {
		logDet = saved[c.Coupling.saved():][:Lanes]
	}
	couplingRun(c.Coupling, x, logDet, w, inverse, saved)
}

func (c affine[T]) grad(dw, dx, dLogDet, w []T, inverse bool, saved, scratch []T) {
	couplingGrad(c.Coupling, dw, dx, dLogDet, w, inverse, saved, scratch)
}

// reverse replaces every factor f by 1/f. Let a column y be the image of x and s its exponent. u, the
// derivative of y with respect to s or −s, was x·f. It becomes that of x, which is −x.
func (c affine[T]) reverse(saved []T) {
	_, f, u, _, _ := split(c.Coupling, saved)
	for l, v := range f {
		f[l] = 1 / v
		u[l] *= -f[l]
	}
}

func (c affine[T]) hasRoots(bool) bool { return false }

// split cuts what a coupling saves into its parts.
func split[T Float](c *Coupling, saved []T) (in, f, u, actS, actT []T) {
	nk, nm := len(c.Keep)*Lanes, len(c.Move)*Lanes
	in, saved = saved[:nk], saved[nk:]
	f, saved = saved[:nm], saved[nm:]
	u, saved = saved[:nm], saved[nm:]
	actS, saved = saved[:c.S.acts], saved[c.S.acts:]
	return in, f, u, actS, saved[:c.T.acts]
}

// couplingRun applies one coupling to the tile x and fills saved.
func couplingRun[T Float](c *Coupling, x, logDet, w []T, inverse bool, saved []T) {
	in, f, u, actS, actT := split(c, saved)
	for i, k := range c.Keep {
		copy(in[i*Lanes:(i+1)*Lanes], x[k*Lanes:])
	}
	nm, ws := len(c.Move), c.S.Params()
	scale := w[ws : ws+nm]
	th := netRun(c.S, w, in, actS)
	tanh(th)
	t := netRun(c.T, w[ws+nm:], in, actT)
	for i, m := range c.Move {
		at := i * Lanes
		affineRun(x[m*Lanes:(m+1)*Lanes], logDet, f[at:at+Lanes], u[at:at+Lanes], th[at:at+Lanes], t[at:at+Lanes],
			scale[i:i+1], inverse)
	}
}

// couplingGrad is the gradient of couplingRun, from what that saved.
func couplingGrad[T Float](c *Coupling, dw, dx, dLogDet, w []T, inverse bool, saved, scratch []T) {
	in, f, u, actS, actT := split(c, saved)
	nk, nm, ws := len(c.Keep), len(c.Move), c.S.Params()
	unwanted, scratch := scratch[:Lanes], scratch[Lanes:] // dScale without dw
	ds, scratch := scratch[:nm*Lanes], scratch[nm*Lanes:]
	dt, scratch := scratch[:nm*Lanes], scratch[nm*Lanes:]
	dKeep, scratch := scratch[:nk*Lanes], scratch[nk*Lanes:]

	scale, th := w[ws:ws+nm], actS[len(actS)-nm*Lanes:]
	for i, m := range c.Move {
		at, dScale := i*Lanes, unwanted
		if dw != nil {
			dScale = dw[ws+i : ws+i+1]
		}
		affineGrad(dScale, dx[m*Lanes:(m+1)*Lanes], ds[at:at+Lanes], dt[at:at+Lanes], dLogDet,
			f[at:at+Lanes], u[at:at+Lanes], th[at:at+Lanes], scale[i:i+1], inverse)
	}
	clear(dKeep)
	var dwS, dwT []T
	if dw != nil {
		dwS, dwT = dw[:ws], dw[ws+nm:]
	}
	netBack(c.S, dwS, dKeep, w, in, actS, ds, scratch)
	netBack(c.T, dwT, dKeep, w[ws+nm:], in, actT, dt, scratch)
	for i, k := range c.Keep {
		add(dx[k*Lanes:(k+1)*Lanes], dKeep[i*Lanes:(i+1)*Lanes])
	}
}
