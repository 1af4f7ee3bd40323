package bijector

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/neuralrg/neuralrg/internal/graph"
)

// ErrKind reports a bijector that no Kind builds.
var ErrKind = errors.New("unknown kind of bijector")

// Describer is a bijector that says what it is, so that a file can hold it and Copy
// can copy it. All bijectors of this package but Coupling are. A bijector of a
// program becomes one by a method Describe and a Kind, which flow.Load takes.
type Describer interface {
	Bijector
	// Describe returns what it is. Callers use the function Describe, which checks it.
	Describe() *Description
}

// Description is what a file says of a bijector besides its dimension and its
// parameters.
type Description struct {
	// Kind is the name of the Kind that builds it.
	Kind string
	// Config holds the settings: what encoding/json writes as an object and the Kind
	// reads again, or nil. In a file the fields of this object stand beside "type", "dim"
	// and "of", which are therefore not free.
	Config any
	// Parts are the bijectors that it is made of. One that occurs twice is built once.
	Parts []Bijector
	// Arrays returns the numbers that belong to the architecture and are not trained,
	// such as a permutation; nil for none. It is called when they are needed.
	Arrays func() []Array

	of Bijector // for those of this package
}

// Array is a named array of integers or of real numbers, row-major.
type Array struct {
	Name   string    // unique among those of its bijector
	Shape  []int     // one or more extents
	Ints   []int     // or nil
	Floats []float64 // or nil
}

// Kind builds the bijectors of one kind again.
type Kind struct {
	// Name is Description.Kind. It must be unique.
	Name string
	// Build returns the bijector that a description says, with parameters of any
	// values: they are set afterwards.
	Build func(s Stored) (Bijector, error)
}

// Stored is what Kind.Build builds a bijector from: its Description, read from a file or
// from a bijector to be copied. A file may be damaged or made to do harm. Nothing
// but the dimension, which is 1 to 65 536 in a file, has been checked, and memory should
// grow with what the file holds: call ExpectParam before parameters are
// made, and Spend for what else is allocated.
//
// This module implements Stored. It may have more methods in later versions.
type Stored interface {
	// Dim returns the number of values per row that the bijector must have.
	Dim() int
	// Config decodes the settings into a pointer, as json.Unmarshal does.
	Config(into any) error
	// Parts returns the bijectors that it is made of.
	Parts() []Bijector
	// Ints returns the integers of an array, which must have the given shape. An
	// extent of -1 stands for any.
	Ints(name string, shape ...int) ([]int, error)
	// Floats returns the real numbers of an array in the same way.
	Floats(name string, shape ...int) ([]float64, error)
	// ExpectParam fails unless values of a parameter of the given name and shape are
	// there.
	ExpectParam(name string, shape ...int) error
	// Spend fails if n things of so many bytes each are more than may be allocated.
	Spend(n, bytes int) error
}

// kinds are those of this package.
func kinds() []Kind {
	return []Kind{
		{realNVPKind, buildRealNVP},
		{rationalSplines().kind, rationalSplines().build},
		{smoothSplines().kind, smoothSplines().build},
		{orthogonalKind, buildOrthogonal},
		{linearKind, buildLinear},
		{actNormKind, buildActNorm},
		{permutationKind, buildPermutation},
		{spectralKind, buildSpectral},
		{chainKind, buildChain},
		{inverseKind, buildInverse},
		{hierarchyKind, buildHierarchy},
	}
}

// Describe returns what b says of itself, or nil if b is no Describer. It fails with
// ErrKind for a description whose Kind is empty, contains a space or is one of this package
// that b is not. A type that embeds a bijector of this package is no Describer
// unless it has a method Describe of its own.
func Describe(b Bijector) (d *Description, err error) {
	self, ok := b.(Describer)
	if !ok {
		return nil, nil
	}
	// What a user wrote may panic.
	if err := graph.Guard(func() error { d = self.Describe(); return nil }); err != nil {
		return nil, fmt.Errorf("bijector: description of %T: %w", b, err)
	}
	if d != nil && d.of != nil {
		if reflect.TypeOf(d.of) != reflect.TypeOf(b) {
			return nil, nil
		}
		return d, nil
	}
	if d == nil || !validKind(d.Kind) {
		return nil, fmt.Errorf("bijector: %w: %T has no description, or one without a proper name", ErrKind, b)
	}
	for _, k := range kinds() {
		if k.Name == d.Kind {
			return nil, fmt.Errorf("bijector: %w: %T describes itself as %q, which is a kind of the library",
				ErrKind, b, d.Kind)
		}
	}
	return d, nil
}

// validKind tells whether a kind may have that name.
func validKind(name string) bool { return name != "" && !strings.ContainsAny(name, " \t\n") }

// Kinds are the kinds of a program's own bijectors. Those of this package are always
// known.
type Kinds []Kind

// Build returns the bijector of a kind that s describes. It is for code that reads
// files, as flow.Load does. It fails with ErrKind if there is none of that name, or if
// one of own has no function, no proper name or the name of another; with ErrShape if what
// was built has another dimension than s says; and with the errors of Kind.Build.
func (own Kinds) Build(name string, s Stored) (b Bijector, err error) {
	var build func(Stored) (Bijector, error)
	seen := map[string]bool{}
	for _, k := range append(kinds(), own...) {
		if k.Build == nil || !validKind(k.Name) || seen[k.Name] {
			return nil, fmt.Errorf("bijector: %w: a kind named %q has no function, or its name is taken or not a word",
				ErrKind, k.Name)
		}
		seen[k.Name] = true
		if k.Name == name {
			build = k.Build
		}
	}
	if build == nil {
		return nil, fmt.Errorf("bijector: %w: %.40q", ErrKind, name)
	}
	dim := 0
	if guarded := graph.Guard(func() error {
		if b, err = build(s); err == nil {
			dim, err = dimOf("bijector of kind "+name, b)
		}
		return nil
	}); guarded != nil {
		return nil, fmt.Errorf("bijector: kind %q: %w", name, guarded)
	}
	if err != nil {
		return nil, err
	}
	if dim != s.Dim() {
		return nil, fmt.Errorf("bijector: %w: dimension %d, described as %d", ErrShape, dim, s.Dim())
	}
	return b, nil
}
