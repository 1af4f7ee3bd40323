package flow

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/neuralrg/neuralrg/internal/safetensors"
)

// errCustom is why a description cannot be built.
var errCustom = errors.New("made by a program: build the model there and use Model.Restore")

// Keys of metadata; files are safetensors, so that Python reads them as they
// are.
const (
	archKey    = "architecture"
	dtypeKey   = "dtype"
	trainerKey = "trainer"
)

// maxArchitecture bounds the description of an architecture in bytes; arrays
// are not part of it.
const maxArchitecture = 4 << 20

// Save writes the model as a safetensors file: the architecture as JSON in
// the metadata, bipartitions, tiles and symmetries included, the parameters as
// arrays of float64, and a SHA-256 of it all. Load makes the model again.
// Couplings with a Conditioner, and bijectors and priors that a program made
// itself, are named, not described: for them there is Restore. It fails with the writer's error.
func (m *Model) Save(w io.Writer) error {
	f, err := m.file()
	if err == nil {
		err = safetensors.Save(w, "model", f)
	}
	if err != nil {
		return fmt.Errorf("flow: Save: %w", err)
	}
	return nil
}

// file is the model as a file.
func (m *Model) file() (*safetensors.File, error) {
	a, e := encode(m)
	text, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	if len(text) > maxArchitecture {
		return nil, fmt.Errorf("%w: an architecture described in %d bytes, at most %d are read again", ErrSettings, len(text), maxArchitecture)
	}
	f := &safetensors.File{
		Meta:   map[string]string{dtypeKey: m.dtype.String(), archKey: string(text)},
		Arrays: e.arrays,
	}
	for _, p := range e.params {
		v := p.Value()
		f.Arrays = append(f.Arrays, safetensors.Array{Name: p.name, Shape: v.Shape(), Values: v.Float64s()})
	}
	return f, nil
}

// Load reads a model that Model.Save or Trainer.Save wrote. Files are checked
// as far as they can be: damage is found by the digest, and what a file
// describes is built only as large as the arrays in it are. All errors but
// those of the reader wrap ErrCheckpoint.
func Load(r io.Reader) (*Model, error) {
	f, _, err := safetensors.Load(r)
	if err != nil {
		return nil, fmt.Errorf("flow: Load: %w", err)
	}
	var a architecture
	m, err := func() (*Model, error) {
		text := f.Meta[archKey]
		if len(text) > maxArchitecture {
			return nil, fmt.Errorf("an architecture described in %d bytes, at most %d are read", len(text), maxArchitecture)
		}
		if err := json.Unmarshal([]byte(text), &a); err != nil {
			return nil, fmt.Errorf("architecture: %v", err)
		}
		m, err := decode(&a, f)
		if err != nil {
			return nil, err
		}
		values, err := m.valuesIn(f)
		if err == nil {
			m.set(values)
		}
		return m, err
	}()
	if err != nil {
		return nil, fmt.Errorf("flow: Load: %w: %w", ErrCheckpoint, err)
	}
	return m, nil
}

// Restore sets the parameters to those in a file that Model.Save or
// Trainer.Save wrote for a model of the same architecture, bipartitions
// included. It fails as Load does, and the model is then as it was.
func (m *Model) Restore(r io.Reader) error {
	f, _, err := safetensors.Load(r)
	if err == nil {
		var values [][]float64
		if values, err = m.valuesIn(f); err == nil {
			m.set(values)
			return nil
		}
		err = fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	return fmt.Errorf("flow: Restore: %w", err)
}

// valuesIn returns the parameters that a file holds for m.
func (m *Model) valuesIn(f *safetensors.File) ([][]float64, error) {
	a, e := encode(m)
	text, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	if got := f.Meta[archKey]; got != string(text) {
		return nil, fmt.Errorf("another architecture: %s", difference(got, string(text)))
	}
	for _, want := range e.arrays {
		if err := same(f, &want); err != nil {
			return nil, err
		}
	}
	var values [][]float64
	for _, p := range e.params {
		v, err := f.Float64s(p.name, p.Value().Shape()...)
		if err != nil {
			return nil, err
		}
		for i, x := range v {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				return nil, fmt.Errorf("array %q: value %d is %g", p.name, i, x)
			}
		}
		values = append(values, v)
	}
	return values, nil
}

// set sets the parameters in the order of valuesIn.
func (m *Model) set(values [][]float64) {
	_, e := encode(m)
	for i, p := range e.params {
		copy(p.Value().Float64s(), values[i])
	}
}

// same checks that an array of the architecture has the same values in a file.
func same(f *safetensors.File, want *safetensors.Array) error {
	equal := false
	switch v := want.Values.(type) {
	case []int64:
		got, err := f.Ints(want.Name, want.Shape...)
		if err != nil {
			return err
		}
		equal = true
		for i, n := range got {
			equal = equal && int64(n) == v[i]
		}
	case []float64:
		got, err := f.Float64s(want.Name, want.Shape...)
		if err != nil {
			return err
		}
		equal = true
		for i, x := range got {
			equal = equal && x == v[i]
		}
	}
	if !equal {
		return fmt.Errorf("another architecture: array %q differs", want.Name)
	}
	return nil
}

// difference shows where two texts part.
func difference(got, want string) string {
	k := 0
	for k < len(got) && k < len(want) && got[k] == want[k] {
		k++
	}
	near := func(s string) string { return s[max(0, min(k-20, len(s))):min(k+20, len(s))] }
	return fmt.Sprintf("…%s… in the file, …%s… in the model", near(got), near(want))
}
