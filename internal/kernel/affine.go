package kernel

// Transform is a parametrised bijection of rows of Dim values, evaluated on
// one tile at a time. Implementations are immutable and safe for concurrent
// use; everything they write is passed in.
type Transform[T Float] interface {
	Dim() int
	Params() int
	// Scratch is the length of the scratch space for Run and for Grad.
	Scratch() (run, grad int)
	// Run replaces the tile x by its image and adds the logarithm of the
	// Jacobian determinant of each row to logDet.
	Run(x, logDet, w []T, inverse bool, scratch []T)
	// Grad replaces dx, the gradient with respect to the image of x, by the
	// one with respect to x, given that of the log-determinants, and adds the
	// gradient of the parameters to dw unless dw is nil. x is destroyed.
	Grad(dw, dx, x, dLogDet, w []T, inverse bool, scratch []T)
}

// Coupling is the shape of one affine coupling: the columns in Keep pass
// through and feed two nets, those in Move become y·exp(s) + t with
// s = scale·tanh(S(kept)) and t = T(kept) (paper, eq. B.1). Its parameters
// are those of S, the scales, those of T.
type Coupling struct {
	Keep, Move []int
	S, T       Net
}

// Params is the number of parameters.
func (c *Coupling) Params() int { return c.S.Params() + len(c.Move) + c.T.Params() }

// saved is the length of what a coupling keeps for its gradient: kept
// columns, activations, and per moved column the factor f of the update and
// the derivative u with respect to s.
func (c *Coupling) saved() int {
	return (len(c.Keep)+2*len(c.Move))*Lanes + c.S.acts + c.T.acts
}

// piece is a bijection of a tile that remembers on its way what its gradient
// needs.
type piece[T Float] interface {
	params() int
	saved() int   // length of what it remembers
	scratch() int // length of the scratch space for grad
	// run adds nothing to a nil logDet.
	run(x, logDet, w []T, inverse bool, saved []T)
	// grad destroys saved.
	grad(dw, dx, dLogDet, w []T, inverse bool, saved, scratch []T)
}

// Couplings is a chain of couplings, the first one nearest to the latent side.
type Couplings[T Float] struct {
	dim      int
	pieces   []piece[T]
	at       []int // offset of each coupling's parameters; the last is their number
	saved    int   // longest of what one coupling saves
	savedAll int
	scratch  int
}

// NewAffine returns the Real NVP block of the given couplings on rows of dim
// values.
func NewAffine[T Float](dim int, couplings []Coupling) *Couplings[T] {
	pieces := make([]piece[T], len(couplings))
	for k := range couplings {
		pieces[k] = affine[T]{&couplings[k]}
	}
	return newCouplings(dim, pieces)
}

func newCouplings[T Float](dim int, pieces []piece[T]) *Couplings[T] {
	b := &Couplings[T]{dim: dim, pieces: pieces, at: make([]int, len(pieces)+1)}
	for k, p := range pieces {
		b.at[k+1] = b.at[k] + p.params()
		b.saved = max(b.saved, p.saved())
		b.savedAll += p.saved()
		b.scratch = max(b.scratch, p.scratch())
	}
	return b
}

func (b *Couplings[T]) Dim() int    { return b.dim }
func (b *Couplings[T]) Params() int { return b.at[len(b.pieces)] }

func (b *Couplings[T]) Scratch() (run, grad int) {
	return b.saved + b.tangents(), b.savedAll + b.scratch
}

func (b *Couplings[T]) Run(x, logDet, w []T, inverse bool, scratch []T) {
	for i := range b.pieces {
		k := b.order(i, inverse)
		b.pieces[k].run(x, logDet, w[b.at[k]:b.at[k+1]], inverse, scratch)
	}
}

func (b *Couplings[T]) Grad(dw, dx, x, dLogDet, w []T, inverse bool, scratch []T) {
	saved, scratch := scratch[:b.savedAll], scratch[b.savedAll:]
	at := 0
	for i := range b.pieces {
		k := b.order(i, inverse)
		b.pieces[k].run(x, nil, w[b.at[k]:b.at[k+1]], inverse, saved[at:])
		at += b.pieces[k].saved()
	}
	for i := len(b.pieces) - 1; i >= 0; i-- {
		k := b.order(i, inverse)
		at -= b.pieces[k].saved()
		var d []T
		if dw != nil {
			d = dw[b.at[k]:b.at[k+1]]
		}
		b.pieces[k].grad(d, dx, dLogDet, w[b.at[k]:b.at[k+1]], inverse, saved[at:], scratch)
	}
}

// order is the index of the i-th coupling to be applied.
func (b *Couplings[T]) order(i int, inverse bool) int {
	if inverse {
		return len(b.pieces) - 1 - i
	}
	return i
}

// affine is a Coupling at work.
type affine[T Float] struct{ *Coupling }

func (c affine[T]) params() int { return c.Params() }
func (c affine[T]) saved() int  { return c.Coupling.saved() + Lanes } // and a void

// scratch is for ds, dt, dKeep and a void, and what the nets need.
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
	void, scratch := scratch[:Lanes], scratch[Lanes:] // takes dScale where it is not wanted
	ds, scratch := scratch[:nm*Lanes], scratch[nm*Lanes:]
	dt, scratch := scratch[:nm*Lanes], scratch[nm*Lanes:]
	dKeep, scratch := scratch[:nk*Lanes], scratch[nk*Lanes:]

	scale, th := w[ws:ws+nm], actS[len(actS)-nm*Lanes:]
	for i, m := range c.Move {
		at, dScale := i*Lanes, void
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
