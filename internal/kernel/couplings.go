package kernel

// coupling is one step of a chain: a bijection of a tile that saves, while it
// runs, what its gradient needs.
type coupling[T Float] interface {
	params() int
	saved() int   // length of what run saves
	scratch() int // length of the scratch space for grad
	// run is Transform.Run. With a nil logDet it leaves the log-determinants out.
	run(x, logDet, w []T, inverse bool, saved []T)
	// grad is Transform.Grad, from what run saved. It destroys saved.
	grad(dw, dx, dLogDet, w []T, inverse bool, saved, scratch []T)
	// reverse makes what run saved what the run of the opposite map at the image would have saved.
	reverse(saved []T)
	// hasRoots reports whether the map solves for roots.
	hasRoots(inverse bool) bool
}

// Couplings is a chain of couplings. The first one is applied first to a latent
// z.
type Couplings[T Float] struct {
	dim      int
	chain    []coupling[T]
	at       []int // offset of each coupling's parameters, then the number of all
	saved    int   // length of what one coupling saves, at most
	savedAll int   // length of what all couplings save
	scratch  int   // length of the scratch space of one coupling, at most
}

// NewAffine returns the Real NVP block of the given couplings on rows of dim
// values.
func NewAffine[T Float](dim int, couplings []Coupling) *Couplings[T] {
	chain := make([]coupling[T], len(couplings))
	for k := range couplings {
		chain[k] = affine[T]{&couplings[k]}
	}
	return newCouplings(dim, chain)
}

func newCouplings[T Float](dim int, chain []coupling[T]) *Couplings[T] {
	b := &Couplings[T]{dim: dim, chain: chain, at: make([]int, len(chain)+1)}
	for k, c := range chain {
		b.at[k+1] = b.at[k] + c.params()
		b.saved = max(b.saved, c.saved())
		b.savedAll += c.saved()
		b.scratch = max(b.scratch, c.scratch())
	}
	return b
}

func (b *Couplings[T]) Dim() int    { return b.dim }
func (b *Couplings[T]) Params() int { return b.at[len(b.chain)] }

func (b *Couplings[T]) Scratch() (run, grad int) {
	return b.saved + b.tangents(), b.savedAll + b.scratch
}

func (b *Couplings[T]) Run(x, logDet, w []T, inverse bool, scratch []T) {
	for i := range b.chain {
		k := inOrder(i, len(b.chain), inverse)
		b.chain[k].run(x, logDet, w[b.at[k]:b.at[k+1]], inverse, scratch)
	}
}

func (b *Couplings[T]) Grad(dw, dx, x, dLogDet, w []T, inverse bool, scratch []T) {
	saved, scratch := scratch[:b.savedAll], scratch[b.savedAll:]
	at := 0
	for i := range b.chain {
		k := inOrder(i, len(b.chain), inverse)
		b.chain[k].run(x, nil, w[b.at[k]:b.at[k+1]], inverse, saved[at:])
		at += b.chain[k].saved()
	}
	for i := len(b.chain) - 1; i >= 0; i-- {
		k := inOrder(i, len(b.chain), inverse)
		at -= b.chain[k].saved()
		var d []T
		if dw != nil {
			d = dw[b.at[k]:b.at[k+1]]
		}
		b.chain[k].grad(d, dx, dLogDet, w[b.at[k]:b.at[k+1]], inverse, saved[at:], scratch)
	}
}

func (b *Couplings[T]) Push(x, logDet, g, dLogDet, w []T, inverse bool, scratch []T) {
	saved, scratch := scratch[:b.saved], scratch[b.saved:]
	for i := range b.chain {
		k := inOrder(i, len(b.chain), inverse)
		c, w := b.chain[k], w[b.at[k]:b.at[k+1]]
		c.run(x, logDet, w, inverse, saved)
		c.reverse(saved)
		c.grad(nil, g, dLogDet, w, !inverse, saved, scratch)
	}
}

func (b *Couplings[T]) FromImage(inverse bool) bool {
	roots := false
	for _, c := range b.chain {
		if c.hasRoots(!inverse) {
			return false
		}
		roots = roots || c.hasRoots(inverse)
	}
	return roots
}
