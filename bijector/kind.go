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

// Describer is a bijector that can describe itself. Files can then hold it and Copy can
// copy it. All bijectors of this package are Describers, except Coupling and a Layer on a
// row (Layer.On). To save and load a bijector of your own, give it a method Describe, write
// a Kind that builds it from the description, and pass the Kind to flow.Load.
type Describer interface {
	Bijector
	// Describe returns the description. To read one, call the function Describe, which
	// checks it.
	Describe() *Description
}

// Description describes a bijector, without its dimension and without the values of its
// parameters.
type Description struct {
	// Kind is the name of the Kind that builds the bijector.
	Kind string
	// Config holds the settings, or nil. encoding/json must write it as an object, which
	// Kind.Build reads with Stored.Config. The names "type", "dim" and "of" are reserved.
	Config any
	// Parts are the bijectors inside this one. A part that occurs twice is built once.
	Parts []Bijector
	// Arrays returns numbers that belong to the architecture and are not trained, such as
	// a permutation. Arrays is nil if there are none.
	Arrays func() []Array

	of Bijector // the described bijector, if it is of this package
}

// Array is a named array of integers or of real numbers, row-major.
type Array struct {
	Name   string    // unique among those of its bijector
	Shape  []int     // one or more extents
	Ints   []int     // or nil
	Floats []float64 // or nil
}

// Kind builds bijectors of one kind from their descriptions.
type Kind struct {
	// Name is equal to Description.Kind: one word, and unique.
	Name string
	// Build returns the bijector of a description. Its parameters may have any values;
	// the caller sets them afterwards.
	Build func(s Stored) (Bijector, error)
}

// Stored gives Kind.Build the Description of a bijector. It comes from a file, or from a
// bijector that is copied.
//
// Do not trust it: a file may be damaged or malicious. Only the dimension has been checked;
// it is 1 to 65 536 in a file. Build should not allocate more memory than the file pays
// for: call ExpectParam before you make a parameter, and Spend before you allocate anything
// else.
//
// This module implements Stored. It may have more methods in later versions.
type Stored interface {
	// Dim returns the number of values per row that the bijector must have.
	Dim() int
	// Config decodes the settings into a pointer, as json.Unmarshal does.
	Config(into any) error
	// Parts returns the bijectors inside this one, already built.
	Parts() []Bijector
	// Ints returns the integers of an array. It fails if the array does not have the given
	// shape; an extent of -1 stands for any.
	Ints(name string, shape ...int) ([]int, error)
	// Floats returns the real numbers of an array in the same way.
	Floats(name string, shape ...int) ([]float64, error)
	// ExpectParam fails unless there are values for a parameter of the given name and
	// shape.
	ExpectParam(name string, shape ...int) error
	// Spend takes n·bytes from the memory that may be allocated. It fails if that is more
	// than what is left.
	Spend(n, bytes int) error
}

// kinds returns the kinds of this package.
func kinds() []Kind {
	return []Kind{
		{realNVPKind, buildRealNVP},
		{rationalSplines().kind, rationalSplines().build},
		{smoothSplines().kind, smoothSplines().build},
		{circularKind, buildCircular},
		{anglesKind, buildAngles},
		{orthogonalKind, buildOrthogonal},
		{linearKind, buildLinear},
		{actNormKind, buildActNorm},
		{permutationKind, buildPermutation},
		{spectralKind, buildSpectral},
		{chainKind, buildChain},
		{inverseKind, buildInverse},
		{hierarchyKind, buildHierarchy},
		{quarticKind, buildQuartic},
	}
}

// Describe returns the description of b, or nil if b is no Describer. It fails with ErrKind
// if the name of the Kind is empty, contains a space, or is the name of another kind of
// this package. If a type embeds a bijector of this package and has no method Describe of
// its own, it is no Describer.
func Describe(b Bijector) (d *Description, err error) {
	self, ok := b.(Describer)
	if !ok {
		return nil, nil
	}
	// A user's method may panic.
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

// validKind reports whether a kind may have the given name.
func validKind(name string) bool { return name != "" && !strings.ContainsAny(name, " \t\n") }

// Kinds are the kinds of your own bijectors. The kinds of this package are always known
// and need not be listed.
type Kinds []Kind

// Build returns the bijector that s describes. It is for code that reads files, such as
// flow.Load. It fails with ErrKind if no kind has the given name, or if one of own has a
// nil Build, an invalid name or the name of another kind. It fails with ErrShape if the
// dimension is not s.Dim(), and with the errors of Kind.Build.
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
