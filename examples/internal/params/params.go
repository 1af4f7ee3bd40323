// Package params keeps the parameters of a model in a file, for the examples.
package params

import (
	"encoding/gob"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/neuralrg/neuralrg/flow"
)

// Save writes the parameters of m. The file is there whole or not at all.
func Save(name string, m *flow.Model) error {
	var values [][]float64
	for _, p := range m.Params() {
		values = append(values, p.Value().Float64s())
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".params-*")
	if err != nil {
		return err
	}
	err = errors.Join(gob.NewEncoder(f).Encode(values), f.Sync(), f.Close())
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
	var values [][]float64
	if err := gob.NewDecoder(f).Decode(&values); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	params := m.Params()
	if len(values) != len(params) {
		return fmt.Errorf("%s: %d parameters, the model has %d", name, len(values), len(params))
	}
	for i, p := range params {
		if want := p.Value().DataSize(); len(values[i]) != want {
			return fmt.Errorf("%s: parameter %d has %d values, that of the model %d", name, i, len(values[i]), want)
		}
	}
	for i, p := range params {
		copy(p.Value().Float64s(), values[i])
	}
	return nil
}
