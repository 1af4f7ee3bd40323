package kernel

// Limits of what HasJacobian accepts.
//
// Every kept column needs a tangent: a derivative that passes through the nets.
// A tangent costs about as much as one backward pass through the nets. Grad
// costs one evaluation of the nets and one backward pass. With two tangents the
// matrix still pays. It must also be small compared with the nets.
const (
	maxTangents    = 2
	maxJacobianDim = 8
)

func (b *Couplings[T]) HasJacobian() bool {
	if b.dim > maxJacobianDim {
		return false
	}
	for _, p := range b.chain {
		if c, ok := p.(affine[T]); !ok || len(c.Keep) > maxTangents {
			return false
		}
	}
	return true
}

func (b *Couplings[T]) RunJacobian(x, logDet, j, w []T, inverse bool, scratch []T) {
	n := b.dim * Lanes
	j = j[:(b.dim+1)*n]
	clear(j)
	for i := range b.dim {
		fill(j[i*n+i*Lanes:][:Lanes], 1)
	}
	saved, scratch := scratch[:b.saved], scratch[b.saved:]
	ones, scratch := scratch[:Lanes], scratch[Lanes:]
	fill(ones, 1)
	for i := range b.chain {
		k := inOrder(i, len(b.chain), inverse)
		wk := w[b.at[k]:b.at[k+1]]
		b.chain[k].run(x, logDet, wk, inverse, saved)
		couplingJacobian(b.chain[k].(affine[T]).Coupling, b.dim, j, wk, inverse, saved, ones, scratch)
	}
}

// tangents is the length of the scratch space that RunJacobian needs in addition
// to what the couplings save, 0 without HasJacobian.
func (b *Couplings[T]) tangents() (length int) {
	if !b.HasJacobian() {
		return 0
	}
	for _, p := range b.chain {
		length = max(length, p.(affine[T]).tangents())
	}
	return length + Lanes
}

// tangents is the length of the scratch space that couplingJacobian needs.
func (c *Coupling) tangents() int {
	return (2*len(c.Move)+1)*len(c.Keep)*Lanes + 2*max(c.S.wide, c.T.wide)*Lanes
}

// couplingJacobian updates j, the Jacobian of all couplings before this one, by
// this coupling. saved is from couplingRun.
func couplingJacobian[T Float](c *Coupling, dim int, j, w []T, inverse bool, saved, ones, scratch []T) {
	_, f, u, actS, actT := split(c, saved)
	nk, nm, ws := len(c.Keep), len(c.Move), c.S.Params()
	row := func(i int) []T { return j[i*dim*Lanes : (i+1)*dim*Lanes] }

	q, scratch := scratch[:nk*Lanes], scratch[nk*Lanes:]
	s, scratch := scratch[:nk*nm*Lanes], scratch[nk*nm*Lanes:]
	t, scratch := scratch[:nk*nm*Lanes], scratch[nk*nm*Lanes:]
	scale, th := w[ws:ws+nm], actS[len(actS)-nm*Lanes:]
	clear(q)
	for i := range nk {
		netTangent(c.S, s[i*nm*Lanes:], w, actS, ones, i, scratch)
		netTangent(c.T, t[i*nm*Lanes:], w[ws+nm:], actT, ones, i, scratch)
		for m := range nm {
			at, out := m*Lanes, (i*nm+m)*Lanes
			affineTangent(t[out:], q[i*Lanes:], s[out:], f[at:], u[at:], th[at:], scale[m:], inverse)
		}
	}
	for i, k := range c.Keep {
		mix(row(dim), row(k), ones, q[i*Lanes:], dim)
	}
	for m, moved := range c.Move {
		factor := f[m*Lanes:]
		for i, k := range c.Keep {
			mix(row(moved), row(k), factor, t[(i*nm+m)*Lanes:], dim)
			factor = ones
		}
	}
}

// pullBack sets dx, the gradient with respect to the inputs. It is given the
// Jacobian j, the gradient dy with respect to the image and that of the
// log-determinants.
func pullBack[T Float](dx, j, dy, dLogDet, ones []T, dim int) {
	clear(dx[:dim*Lanes])
	for i := range dim {
		mix(dx, j[i*dim*Lanes:], ones, dy[i*Lanes:], dim)
	}
	mix(dx, j[dim*dim*Lanes:], ones, dLogDet, dim)
}
