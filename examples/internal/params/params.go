// Package params keeps the parameters of a model in a file, for the examples.
package params

import (
	"encoding/gob"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/flow"
)

// content is what a file holds.
type content struct {
	Values [][]float64 // of each parameter
	Keep   [][]int     // positions that each coupling keeps, layer by layer
}

// keep lists the bipartitions of a model whose bijector is a hierarchy of Real
// NVP blocks. They are drawn at random, and parameters mean nothing without.
func keep(m *flow.Model) [][]int {
	var lists [][]int
	if h, ok := m.Bijector().(*flow.Hierarchy); ok {
		for _, l := range h.Layers() {
			if b, ok := l.Block().(*bijector.RealNVP); ok {
				for _, c := range b.Couplings() {
					lists = append(lists, c.Keep)
				}
			}
		}
	}
	return lists
}

// Save writes the parameters of m. The file is there whole or not at all.
func Save(name string, m *flow.Model) error {
	c := content{Keep: keep(m)}
	for _, p := range m.Params() {
		c.Values = append(c.Values, p.Value().Float64s())
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".params-*")
	if err != nil {
		return err
	}
	err = errors.Join(gob.NewEncoder(f).Encode(c), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// Load sets the parameters of m to those in a file, which must have been saved
// from a model of the same architecture. If it fails m is as it was.
func Load(name string, m *flow.Model) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	var c content
	if err := gob.NewDecoder(f).Decode(&c); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	values, params := c.Values, m.Params()
	if len(values) != len(params) {
		return fmt.Errorf("%s: %d parameters, the model has %d", name, len(values), len(params))
	}
	for i, p := range params {
		if want := p.Value().DataSize(); len(values[i]) != want {
			return fmt.Errorf("%s: parameter %d has %d values, that of the model %d", name, i, len(values[i]), want)
		}
	}
	if !slices.EqualFunc(c.Keep, keep(m), slices.Equal) {
		return fmt.Errorf("%s: couplings of other bipartitions; was the model drawn from another seed?", name)
	}
	for i, p := range params {
		copy(p.Value().Float64s(), values[i])
	}
	return nil
}
