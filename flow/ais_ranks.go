package flow

import (
	"encoding/binary"
	"fmt"
	"math"

	"gonum.org/v1/gonum/floats"
)

// plan sets the rungs and the words of all samples. On all ranks they are those of rank 0.
func (a *annealer) plan() error {
	err := a.alike(fmt.Sprintf("%d Samples of dimension %d, Batch %d, %d Steps, %d Moves, %d Rungs, %d Betas of sum %g",
		a.s.Samples, a.m.Dim(), a.s.Batch, a.s.Steps, len(a.s.Moves), a.s.Rungs, len(a.s.Betas), floats.Sum(a.s.Betas)))
	if err != nil {
		return err
	}
	if a.rank == 0 {
		err = a.rungs()
	}
	if err = a.agree(err); err != nil {
		return err
	}
	if a.rank == 0 {
		a.words = a.draw(a.s.Samples)
	}
	if a.alone() {
		return nil
	}
	var own []byte
	if a.rank == 0 {
		bits := make([]uint64, 0, len(a.s.Betas)+len(a.words))
		for _, beta := range a.s.Betas {
			bits = append(bits, math.Float64bits(beta))
		}
		if own, err = binary.Append(nil, binary.LittleEndian, append(bits, a.words...)); err != nil {
			return err
		}
	}
	all, err := a.broadcast(own)
	if err != nil || a.rank == 0 {
		return err
	}
	a.words = make([]uint64, len(all)/8)
	if _, err := binary.Decode(all, binary.LittleEndian, a.words); err != nil {
		return err
	}
	betas := make([]float64, len(a.words)-2*a.s.Samples)
	for k := range betas {
		betas[k] = math.Float64frombits(a.words[k])
	}
	a.s.Betas, a.words = betas, a.words[len(betas):]
	return nil
}

// rungs sets Betas, by a pilot run unless they are given.
func (a *annealer) rungs() (err error) {
	switch {
	case a.s.Betas != nil:
	case a.s.Rungs == 1:
		a.s.Betas = []float64{0, 1}
	default:
		if a.s.Betas, err = a.pilot(); err != nil {
			err = fmt.Errorf("pilot run: %w", err)
		}
	}
	return err
}

// draw takes the words of n samples from the source.
func (a *annealer) draw(n int) []uint64 {
	words := make([]uint64, 2*n)
	for k := range words {
		words[k] = a.s.Src.Uint64()
	}
	return words
}

// merge adds the finished samples and the counts of the other ranks to those of this one, whose
// samples are x. It returns the samples of all.
func (a *annealer) merge(r *AISResult, x []float64) ([]float64, error) {
	dim, moves, n := a.m.Dim(), len(a.s.Moves), len(r.LogWeights)
	if a.alone() {
		return x[:n*dim], nil
	}
	head := 1 + 2*moves // number of samples, accepted and proposed moves
	heads := make([]float64, a.size*head)
	own := heads[a.rank*head:]
	own[0] = float64(n)
	for k := range moves {
		own[1+k], own[1+moves+k] = float64(a.accepted[k]), float64(a.proposed[k])
	}
	if err := a.gather(heads); err != nil {
		return nil, err
	}
	most := 0
	for rank := range a.size {
		most = max(most, int(heads[rank*head]))
	}
	room := most * (dim + 1)
	all := make([]float64, a.size*room)
	copy(all[a.rank*room:], x[:n*dim])
	copy(all[a.rank*room+n*dim:], r.LogWeights)
	if err := a.gather(all); err != nil {
		return nil, err
	}
	r.LogWeights = nil
	clear(a.accepted)
	clear(a.proposed)
	end := 0 // of the samples so far, which move to the front
	for rank := range a.size {
		of, part := heads[rank*head:], all[rank*room:]
		n := int(of[0])
		r.LogWeights = append(r.LogWeights, part[n*dim:n*(dim+1)]...)
		end += copy(all[end:], part[:n*dim])
		for k := range moves {
			a.accepted[k] += int(of[1+k])
			a.proposed[k] += int(of[1+moves+k])
		}
	}
	return all[:end], nil
}
