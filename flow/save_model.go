package flow

import (
	"errors"
	"fmt"
	"io"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/num"
	"github.com/neuralrg/neuralrg/internal/safetensors"
)

// errCustom reports a prior or bijector that a file names but does not describe.
var errCustom = errors.New("not of this library: pass its Kind to Load, or build the model and use Model.Restore")

// Keys of the metadata of a file.
const (
	archKey    = "architecture"
	dtypeKey   = "dtype"
	trainerKey = "trainer"
)

// Save writes the model as a safetensors file. The file holds the architecture as JSON in
// the metadata, arrays of bipartitions, tiles, symmetries and parameters (float64), and a
// SHA-256 digest of the file. Python can read the arrays.
//
// Load builds the model from the file. It cannot build a bijector that is no
// bijector.Describer, a prior other than target.Normal and target.UniformAngles, or a very
// large model. Build such a model in your program, and call Restore.
//
// Save fails with ErrNotFinite for a parameter that is NaN or infinite, and with the error
// of the writer. It fails with ErrCheckpoint if the file could not be read again, for
// example if the name of a parameter is not UTF-8, or if the settings of your own bijector
// are no JSON object.
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

// file returns the contents of the file of a model.
func (m *Model) file() (*safetensors.File, error) {
	a, e := encode(m)
	text, err := a.text(e)
	if err != nil {
		return nil, err
	}
	f := &safetensors.File{
		Meta:   map[string]string{dtypeKey: m.dtype.String(), archKey: text},
		Arrays: e.arrays,
	}
	for _, p := range e.params {
		v := p.Value()
		for i, x := range v.Float64s() {
			if !num.Finite(x) {
				return nil, fmt.Errorf("%w: value %d of parameter %q is %g", ErrNotFinite, i, p.name, x)
			}
		}
		f.Arrays = append(f.Arrays, safetensors.Array{Name: p.name, Shape: v.Shape(), Values: v.Float64s()})
	}
	return f, nil
}

// Load reads a model that Model.Save or Trainer.Save wrote. If the model has bijectors of
// your own, pass their kinds.
//
// Load does not trust the file. The digest shows damage. A model is built only as large as
// the arrays in the file are, with at most 65 536 values per row. Load allocates at most four
// times the size of the file and 16 MB, 300 bytes for every site in the tiles of a hierarchy, up
// to 1 GB, and for a symmetry group what Symmetrize may allocate. All errors but those of the
// reader wrap ErrCheckpoint.
func Load(r io.Reader, kinds ...bijector.Kind) (*Model, error) {
	f, _, err := safetensors.Load(r)
	if err != nil {
		return nil, fmt.Errorf("flow: Load: %w", err)
	}
	m, err := func() (*Model, error) {
		m, err := decode(f, kinds)
		if err != nil {
			return nil, err
		}
		values, err := m.valuesIn(f, true)
		if err != nil {
			return nil, err
		}
		values.set()
		return m, nil
	}()
	if err != nil {
		return nil, fmt.Errorf("flow: Load: %w: %w", ErrCheckpoint, err)
	}
	return m, nil
}

// Restore sets the parameters of m to those in a file that Model.Save or Trainer.Save
// wrote. The model in the file must have the same architecture, with the same bipartitions;
// these follow from the source of the constructors. It fails as Load does, and m is then
// unchanged.
func (m *Model) Restore(r io.Reader) error {
	f, _, err := safetensors.Load(r)
	if err == nil {
		var values values
		if values, err = m.valuesIn(f, false); err == nil {
			values.set()
			return nil
		}
		err = fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	return fmt.Errorf("flow: Restore: %w", err)
}

// values are parameters and their values in a file, all finite.
type values []struct {
	to   []float64
	from safetensors.Floats
}

// set sets the parameters.
func (v values) set() {
	for _, p := range v {
		p.from.Copy(p.to, 0)
	}
}

// valuesIn returns the values in a file for the parameters of m. It also compares the
// arrays of the architecture, unless m was made from them.
func (m *Model) valuesIn(f *safetensors.File, made bool) (values, error) {
	a, e := describe(m, made)
	text, err := a.text(e)
	if err != nil {
		return nil, err
	}
	if got := f.Meta[archKey]; got != text {
		return nil, fmt.Errorf("another architecture: %s", difference(got, text))
	}
	for _, want := range e.arrays {
		if err := same(f, &want); err != nil {
			return nil, err
		}
	}
	all := make(values, len(e.params))
	for k, p := range e.params {
		v, err := float64s(f, p.name, p.Value().Shape()...)
		if err != nil {
			return nil, err
		}
		all[k].to, all[k].from = p.Value().Float64s(), v
	}
	return all, nil
}

// float64s returns the values of an array of float64, none of them NaN or
// infinite.
func float64s(f *safetensors.File, name string, shape ...int) (safetensors.Floats, error) {
	if err := f.Expect(name, "F64", shape...); err != nil {
		return safetensors.Floats{}, err
	}
	return finite(f, name, shape...)
}

// finite returns the values of an array of float64 or float32, none of them NaN
// or infinite.
func finite(f *safetensors.File, name string, shape ...int) (safetensors.Floats, error) {
	v, err := f.Floats(name, shape...)
	if err != nil {
		return v, err
	}
	for i := range v.Len() {
		if x := v.At(i); !num.Finite(x) {
			return v, fmt.Errorf("array %q: value %d is %g", name, i, x)
		}
	}
	return v, nil
}

// same checks that an array of the architecture has the same values in a file.
func same(f *safetensors.File, want *safetensors.Array) error {
	equal := true
	switch v := want.Values.(type) {
	case []int64:
		got, err := f.Ints(want.Name, want.Shape...)
		if err != nil {
			return err
		}
		for i, n := range got {
			equal = equal && int64(n) == v[i]
		}
	case []float64:
		got, err := float64s(f, want.Name, want.Shape...)
		if err != nil {
			return err
		}
		for i, x := range v {
			equal = equal && got.At(i) == x
		}
	}
	if !equal {
		return fmt.Errorf("another architecture: array %q differs", want.Name)
	}
	return nil
}

// difference shows the first place where two texts differ.
func difference(got, want string) string {
	k := 0
	for k < len(got) && k < len(want) && got[k] == want[k] {
		k++
	}
	near := func(s string) string { return s[max(0, min(k-20, len(s))):min(k+20, len(s))] }
	return fmt.Sprintf("…%s… in the file, …%s… in the model", near(got), near(want))
}
