package flow

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/safetensors"
)

// architecture describes a model without its parameters. It goes into the
// metadata of a file as JSON; arrays that belong to it are arrays of the file.
type architecture struct {
	Dim        int    `json:"dim"`
	Prior      string `json:"prior"`
	Symmetries int    `json:"symmetries"` // number of generators, arrays "symmetry.k.perm" and "symmetry.k.sign"
	Nodes      []node `json:"nodes"`      // parts come before the bijector that contains them
}

// node is one bijector. Its arrays and parameters are the arrays "k.name" of the
// file, where k is its place in the list.
type node struct {
	header
	config json.RawMessage // object with the settings; when read, with the header too
}

// header holds the fields that all nodes have.
type header struct {
	Type string `json:"type"`
	Dim  int    `json:"dim"`
	Of   []int  `json:"of,omitempty"` // places of the parts
}

// MarshalJSON writes header and settings as one object.
func (n node) MarshalJSON() ([]byte, error) {
	text, err := json.Marshal(n.header)
	if err != nil || len(n.config) <= len("{}") {
		return text, err
	}
	text[len(text)-1] = ','
	return append(text, n.config[1:]...), nil
}

// UnmarshalJSON reads the header and keeps the text.
func (n *node) UnmarshalJSON(text []byte) error {
	n.config = append(n.config[:0], text...)
	return json.Unmarshal(text, &n.header)
}

// settings returns the settings of a description as a JSON object.
func settings(d *bijector.Description) (json.RawMessage, error) {
	if d.Config == nil {
		return nil, nil
	}
	text, err := json.Marshal(d.Config)
	if err != nil {
		return nil, err
	}
	var taken struct{ Type, Dim, Of json.RawMessage }
	if err := json.Unmarshal(text, &taken); err != nil || text[0] != '{' {
		return nil, fmt.Errorf("settings are no object: %.40s", text)
	}
	if taken.Type != nil || taken.Dim != nil || taken.Of != nil {
		return nil, fmt.Errorf(`settings have a field "type", "dim" or "of": %.40s`, text)
	}
	return text, nil
}

// custom, followed by the Go type, names a prior or bijector that a file does not describe.
const custom = "custom "

// encoder describes bijectors, each once.
type encoder struct {
	brief  bool // without arrays
	nodes  []node
	place  map[bijector.Bijector]int
	arrays []safetensors.Array
	params []namedParam
	named  map[*bijector.Param]bool
	err    error // the first
}

type namedParam struct {
	name string
	*bijector.Param
}

// encode describes m. Its arrays do not include parameters.
func encode(m *Model) (*architecture, *encoder) { return describe(m, false) }

// describe is encode. If brief is true, it leaves out the arrays.
func describe(m *Model, brief bool) (*architecture, *encoder) {
	e := &encoder{brief: brief, place: map[bijector.Bijector]int{}, named: map[*bijector.Param]bool{}}
	a := &architecture{Dim: m.Dim(), Symmetries: len(m.gens)}
	a.Prior = priorName(m.prior)
	for k, g := range m.gens {
		if brief {
			break
		}
		full, _ := g.complete(m.Dim()) // checked by Symmetrize
		e.ints(fmt.Sprintf("symmetry.%d.perm", k), full.Perm, len(full.Perm))
		e.floats(fmt.Sprintf("symmetry.%d.sign", k), full.Sign, len(full.Sign))
	}
	e.add(m.b)
	a.Nodes = e.nodes
	return a, e
}

// text returns the description in JSON, or the error of the encoder.
func (a *architecture) text(e *encoder) (string, error) {
	if e.err != nil {
		return "", fmt.Errorf("%w: %w", ErrCheckpoint, e.err)
	}
	text, err := json.Marshal(a)
	return string(text), err
}

func (e *encoder) floats(name string, v []float64, shape ...int) {
	e.arrays = append(e.arrays, safetensors.Array{Name: name, Shape: shape, Values: v})
}

func (e *encoder) ints(name string, v []int, shape ...int) {
	wide := make([]int64, len(v))
	for i, n := range v {
		wide[i] = int64(n)
	}
	e.arrays = append(e.arrays, safetensors.Array{Name: name, Shape: shape, Values: wide})
}

// add describes the parts of b, then b, and returns the place of b in the list.
func (e *encoder) add(b bijector.Bijector) int {
	shared := reflect.ValueOf(b).Comparable()
	if shared {
		if k, ok := e.place[b]; ok {
			return k
		}
	}
	n := node{header: header{Type: custom + fmt.Sprintf("%T", b), Dim: b.Dim()}}
	d, err := bijector.Describe(b)
	if err == nil && d != nil {
		n.Type = d.Kind
		if n.config, err = settings(d); err != nil {
			err = fmt.Errorf("%T: %w", b, err)
		}
		for _, part := range d.Parts {
			n.Of = append(n.Of, e.add(part))
		}
	}
	if e.err == nil {
		e.err = err
	}
	k := len(e.nodes)
	e.nodes = append(e.nodes, n)
	if shared {
		e.place[b] = k
	}
	if d != nil && d.Arrays != nil && !e.brief {
		for _, a := range d.Arrays() {
			name := fmt.Sprintf("%d.%s", k, a.Name)
			if a.Ints != nil {
				e.ints(name, a.Ints, a.Shape...)
			} else {
				e.floats(name, a.Floats, a.Shape...)
			}
		}
	}
	e.parameters(k, b.Params())
	return k
}

// parameters names the parameters of node k, except those that a part of it has named. If
// several have the same name, the second gets the suffix ".2", the third ".3" and so on. A
// suffix that would give the name of another parameter is skipped.
func (e *encoder) parameters(k int, params []*bijector.Param) {
	taken, last := map[string]bool{}, map[string]int{}
	for _, p := range params {
		if e.named[p] {
			continue
		}
		e.named[p] = true
		base := fmt.Sprintf("%d.%s", k, p.Name())
		name := base
		for taken[name] {
			last[base] = max(last[base], 1) + 1
			name = fmt.Sprintf("%s.%d", base, last[base])
		}
		taken[name] = true
		e.params = append(e.params, namedParam{name, p})
	}
}

// partsOf returns b and all its parts, each once. Parts come first.
func partsOf(b bijector.Bijector) []bijector.Bijector {
	var all []bijector.Bijector
	seen := map[bijector.Bijector]bool{}
	var walk func(b bijector.Bijector)
	walk = func(b bijector.Bijector) {
		if reflect.ValueOf(b).Comparable() {
			if seen[b] {
				return
			}
			seen[b] = true
		}
		if d, err := bijector.Describe(b); err == nil && d != nil {
			for _, part := range d.Parts {
				walk(part)
			}
		}
		all = append(all, b)
	}
	walk(b)
	return all
}
