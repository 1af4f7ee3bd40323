package flow

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"gonum.org/v1/gonum/floats"
	"gorgonia.org/gorgonia"
)

// parts cuts the batches of a trainer into equal parts and spreads these over the ranks. A
// part is computed in the same way wherever it is computed, and its random numbers depend on
// the batch and its number alone. Sums over parts have the order of a tree. Therefore the
// number of ranks changes no bit.
type parts struct {
	ranks
	n, rows  int // number of parts, and rows of each
	from, to int // parts of this rank
	shapes   []*tree

	key    [32]byte
	src    *rand.ChaCha8
	rnd    *rand.Rand // of src, for the part under way
	tree   tree
	total  []float64 // heads of all parts, then the gradient
	errors []error   // of the parts of this rank
}

// defaultRows is the least number of rows of a part by default, a tile of the kernels.
const defaultRows = 64

// defaultParts is the largest number of equal parts of a batch with defaultRows rows or more.
func defaultParts(batch int) int {
	for n := batch / defaultRows; n > 1; n-- {
		if batch%n == 0 {
			return n
		}
	}
	return 1
}

// partsDefault returns Settings.Parts with its default, checked. It is 0 if batches are not
// cut.
func (s *Settings) partsDefault(r *ranks) (int, error) {
	n := s.Parts
	if n == 0 && s.Comm != nil {
		n = defaultParts(s.Batch)
	}
	switch {
	case n < 0 || n > 0 && s.Batch%n != 0:
		return 0, fmt.Errorf("%w: %d Parts of a Batch of %d, which must be equal parts", ErrSettings, n, s.Batch)
	case n < r.size && !r.alone():
		return 0, fmt.Errorf("%w: a Batch of %d in %d Parts for %d ranks: set Parts, of at least one for every rank",
			ErrSettings, s.Batch, n, r.size)
	}
	return n, nil
}

// loss returns the objective. It fails for a scalar loss if batches are cut: such a loss is not
// the mean of those of the parts.
func (s *Settings) loss() Objective {
	o := s.Objective
	if _, ok := o.(ReverseKL); ok || s.Parts <= 1 {
		return o
	}
	return LossFunc(func(b *Batch) (*gorgonia.Node, error) {
		loss, err := o.Loss(b)
		if err == nil && loss != nil && loss.IsScalar() {
			return nil, fmt.Errorf("%w: %T is a scalar, want a loss for every row with %d Parts", ErrSettings, o,
				s.Parts)
		}
		return loss, err
	})
}

// newParts returns the parts of batches, nil if they are not cut. values is the length of the
// gradient.
func newParts(s *Settings, r ranks, values int) *parts {
	if s.Parts == 0 {
		return nil
	}
	p := &parts{ranks: r, n: s.Parts, rows: s.Batch / s.Parts, src: rand.NewChaCha8([32]byte{})}
	p.rnd = rand.New(p.src)
	for rank := range p.size {
		p.shapes = append(p.shapes, shape(rank*p.n/p.size, (rank+1)*p.n/p.size))
	}
	p.from, p.to = p.rank*p.n/p.size, (p.rank+1)*p.n/p.size
	p.total = make([]float64, p.n*headLen+values)
	p.errors = make([]error, p.to-p.from)
	return p
}

// begin starts a batch. Every rank takes the same two numbers from the source of training.
func (p *parts) begin(rnd *rand.Rand) {
	binary.LittleEndian.PutUint64(p.key[0:], rnd.Uint64())
	binary.LittleEndian.PutUint64(p.key[8:], rnd.Uint64())
	p.tree.clear()
	clear(p.errors)
}

// random sets rnd to the random numbers of a part.
func (p *parts) random(part int) {
	binary.LittleEndian.PutUint64(p.key[16:], uint64(part))
	p.src.Seed(p.key)
}

// head is what a part says of itself beside its gradient: its moments, whether it failed, and
// the mean of ln q of its data.
type head struct {
	moments
	failed bool
	data   float64
}

// headLen is the number of values of a head.
const headLen = 8

func (h *head) put(to []float64) {
	failed := 0.0
	if h.failed {
		failed = 1
	}
	copy(to, []float64{failed, float64(h.n), h.mean, h.m2, h.lw, h.lw2, float64(h.out), h.data})
}

func (h *head) get(v []float64) {
	h.failed, h.n, h.mean, h.m2, h.lw, h.lw2 = v[0] != 0, int(v[1]), v[2], v[3], v[4], v[5]
	h.out, h.data = int(v[6]), v[7]
}

// add adds a part of this rank to the sum. A part that failed has no gradient.
func (p *parts) add(part int, h *head, gradient []float64, err error) {
	v := p.tree.vector(len(p.total))
	clear(v)
	if err != nil {
		*h, p.errors[part-p.from] = head{failed: true}, err
	} else {
		floats.AddScaled(v[p.n*headLen:], 1/float64(p.n), gradient)
	}
	h.put(v[part*headLen:][:headLen])
	p.tree.push(subtree{index: part, values: v})
}

// end sums over all ranks. It sets the gradient and returns the moments of the batch and the
// mean of ln q of its data.
func (p *parts) end(gradient []float64) (batch moments, data float64, err error) {
	if err := p.sum(p.total, &p.tree, p.shapes); err != nil {
		return batch, 0, err
	}
	copy(gradient, p.total[p.n*headLen:])
	batch = newMoments()
	for part := range p.n {
		var h head
		h.get(p.total[part*headLen:])
		if h.failed {
			return batch, 0, p.fault(part)
		}
		batch.merge(h.moments)
		data += h.data / float64(p.n)
	}
	return batch, data, nil
}

// fault returns the error of a batch of which this part is the first that failed: that of a
// part of this rank, if one failed here.
func (p *parts) fault(part int) error {
	for k, err := range p.errors {
		if err != nil {
			return fmt.Errorf("part %d of the batch: %w", p.from+k, err)
		}
	}
	rank := 0
	for part >= (rank+1)*p.n/p.size {
		rank++
	}
	return fmt.Errorf("part %d of the batch: %w: rank %d", part, ErrRank, rank)
}

// inParts is gradients for batches that are cut. After a fault of this rank the rest of its
// parts is left out: the batch is not used.
func (tr *Trainer) inParts() (moments, error) {
	p := tr.parts
	unknown := newMoments()
	unknown.dropped = tr.s.Batch
	p.begin(tr.rnd)
	var err error
	if tr.data != nil {
		if err = tr.data.next(); err != nil {
			err = fmt.Errorf("data: %w", err)
		}
	}
	for part := p.from; part < p.to; part++ {
		var h head
		if err == nil {
			p.random(part)
			h, err = tr.part(part)
		}
		p.add(part, &h, tr.gradient, err)
	}
	batch, data, err := p.end(tr.gradient)
	if err != nil {
		return unknown, err
	}
	if tr.data != nil {
		tr.data.mean = data
	}
	if !batch.finite() {
		return unknown, fmt.Errorf("mean and variance of ln(q/π): %w: %g, %g", ErrNotFinite, batch.mean, batch.m2)
	}
	if err := tr.supported(&batch); err != nil {
		return batch, err
	}
	return batch, tr.finiteGradient()
}

// part computes a part of a batch. Its gradient is finite if all of its samples are in the
// support of the target; otherwise the batch is not used.
func (tr *Trainer) part(part int) (h head, err error) {
	p := tr.parts
	if h.moments, err = tr.compute(p.rnd); err != nil || h.out > 0 {
		return h, err
	}
	if tr.data != nil {
		if err := tr.data.add(tr.gradient, part*p.rows, p.rnd); err != nil {
			return h, fmt.Errorf("data: %w", err)
		}
		h.data = tr.data.mean
	}
	return h, tr.finiteGradient()
}
