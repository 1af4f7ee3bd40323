package bijector

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
)

// Copy returns a copy of b with parameters of its own, which have the same values. Parts
// that b shares are also shared in the copy. own lists the kinds of your own bijectors.
// Copy fails with ErrKind if b or a part of it is no Describer, if its kind is neither of
// this package nor in own, or if the kind builds parameters of other shapes.
func Copy(b Bijector, own ...Kind) (Bijector, error) {
	c, err := rebuild(b, own, map[Bijector]Bijector{})
	if err != nil {
		return nil, err
	}
	from, to := b.Params(), c.Params()
	if !slices.EqualFunc(from, to, func(p, q *Param) bool { return slices.Equal(p.shape, q.shape) }) {
		return nil, fmt.Errorf("bijector: %w: the copy of a %T has other parameters", ErrKind, b)
	}
	for k, p := range from {
		copy(to[k].data, p.data)
	}
	return c, nil
}

// rebuild builds a copy of b. made holds the copies of parts that exist already.
func rebuild(b Bijector, own Kinds, made map[Bijector]Bijector) (Bijector, error) {
	if _, err := dimOf("bijector", b); err != nil {
		return nil, err
	}
	shared := reflect.ValueOf(b).Comparable()
	if shared {
		if c, ok := made[b]; ok {
			return c, nil
		}
	}
	d, err := Describe(b)
	if err != nil {
		return nil, err
	}
	if d == nil {
		return nil, fmt.Errorf("bijector: %w: %T does not describe itself", ErrKind, b)
	}
	parts := make([]Bijector, len(d.Parts))
	for i, p := range d.Parts {
		if parts[i], err = rebuild(p, own, made); err != nil {
			return nil, err
		}
	}
	c, err := own.Build(d.Kind, &inMemory{b, d, parts})
	if err != nil {
		return nil, fmt.Errorf("bijector: copy of a %T: %w", b, err)
	}
	if shared {
		made[b] = c
	}
	return c, nil
}

// inMemory implements Stored for a bijector that is copied.
type inMemory struct {
	b     Bijector
	d     *Description
	parts []Bijector // copies
}

func (m *inMemory) Dim() int          { return m.b.Dim() }
func (m *inMemory) Parts() []Bijector { return slices.Clone(m.parts) }
func (m *inMemory) Spend(int, int) error {
	return nil // the copy takes no more memory than b does
}

func (m *inMemory) Config(into any) error {
	if m.d.Config == nil {
		return nil
	}
	text, err := json.Marshal(m.d.Config)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func (m *inMemory) Ints(name string, shape ...int) ([]int, error) {
	a, err := m.array(name, shape)
	return slices.Clone(a.Ints), err
}

func (m *inMemory) Floats(name string, shape ...int) ([]float64, error) {
	a, err := m.array(name, shape)
	return slices.Clone(a.Floats), err
}

func (m *inMemory) array(name string, shape []int) (Array, error) {
	if m.d.Arrays != nil {
		for _, a := range m.d.Arrays() {
			if a.Name == name && fits(a.Shape, shape) {
				return a, nil
			}
		}
	}
	return Array{}, fmt.Errorf("bijector: %w: no array %q of shape %v", ErrShape, name, shape)
}

func (m *inMemory) ExpectParam(name string, shape ...int) error {
	for _, p := range m.b.Params() {
		if p.name == name && fits(p.shape, shape) {
			return nil
		}
	}
	return fmt.Errorf("bijector: %w: no parameter %q of shape %v", ErrShape, name, shape)
}

// fits reports whether a shape is the wanted one, where -1 stands for any extent.
func fits(shape, want []int) bool {
	return slices.EqualFunc(shape, want, func(n, w int) bool { return n == w || w == -1 })
}
