package flow

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// source returns the source of this rank. Ranks take the same two numbers from src and mix in
// the number of the rank.
func (r *ranks) source(src rand.Source) rand.Source {
	if r.alone() {
		return src
	}
	var key [32]byte
	for k, word := range []uint64{src.Uint64(), src.Uint64(), uint64(r.rank), uint64(r.size)} {
		binary.LittleEndian.PutUint64(key[8*k:], word)
	}
	return rand.NewChaCha8(key)
}

// alike fails on all ranks if they do not measure the same.
func (r *measurer) alike() error {
	var names []string
	for _, o := range r.observables {
		names = append(names, o.Name)
	}
	return r.ranks.alike(fmt.Sprintf("observables %q of dimension %d, %d Chains, RelErr %g, MaxSweeps %d",
		names, r.m.Dim(), r.s.Chains, r.s.RelErr, r.s.MaxSweeps))
}

// exchange ends a block: it adds the sweeps that all ranks have made, on the chains of all ranks,
// and takes the warnings of all.
func (r *measurer) exchange() error {
	counts := make([]float64, r.size)
	counts[r.rank] = float64(r.block)
	if err := r.gather(counts); err != nil {
		return err
	}
	n := int(slices.Min(counts))
	piece := len(r.observables) * n * r.chains
	all := make([]float64, r.size*piece)
	own := all[r.rank*piece:][:0]
	for _, v := range r.fresh {
		own = append(own, v[:n*r.chains]...)
	}
	if err := r.gather(all); err != nil {
		return err
	}
	warnings, err := r.allWarnings()
	if err != nil {
		return err
	}
	r.warnings = warnings
	for o := range r.values {
		for sweep := range n {
			for rank := range r.size {
				from := rank*piece + (o*n+sweep)*r.chains
				r.values[o] = append(r.values[o], all[from:from+r.chains]...)
			}
		}
		r.fresh[o] = r.fresh[o][:0]
	}
	r.sweeps, r.block = r.sweeps+n, 0
	return nil
}

// allWarnings returns the warnings of the samplers of all ranks.
func (r *measurer) allWarnings() ([]string, error) {
	own := r.sampler.Warnings()
	if r.alone() {
		return own, nil
	}
	texts, err := r.gatherBytes([]byte(strings.Join(own, "\n")))
	var all []string
	for rank, text := range texts {
		for w := range strings.Lines(string(text)) {
			all = append(all, fmt.Sprintf("rank %d: %s", rank, strings.TrimSuffix(w, "\n")))
		}
	}
	return all, err
}

// done reports whether the results suffice. Rank 0 decides: on another kind of processor the
// last bits may be others.
func (r *measurer) done(known *Measurement) (bool, error) {
	enough := []float64{0}
	if known.OK() && len(known.Missed) == 0 {
		enough[0] = 1
	}
	err := r.passOn(enough)
	return enough[0] != 0, err
}
