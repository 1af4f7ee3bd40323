package safetensors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// parse reads a header, which is JSON of one fixed form. It does not decode the
// header into maps or tokens: that could take many times the memory of the header.
func (f *File) parse(header []byte) error {
	p := &parser{b: header}
	n := min(bytes.Count(header, []byte(`"data_offsets"`)), maxArrays)
	f.Meta, f.index, f.Arrays = map[string]string{}, make(map[string]int, n), make([]Array, 0, n)
	meta := false
	err := p.object(func(key []byte) error {
		name := string(key)
		if name == "__metadata__" {
			if meta {
				return fmt.Errorf("%s twice", quote(name))
			}
			meta = true
			return p.object(f.metadata(p))
		}
		if _, ok := f.index[name]; ok {
			return fmt.Errorf("%s twice", quote(name))
		}
		if len(f.Arrays) == maxArrays {
			return fmt.Errorf("more than %d arrays", maxArrays)
		}
		a, err := p.array()
		if err != nil {
			return fmt.Errorf("array %s: %w", quote(name), err)
		}
		a.Name, f.index[name] = name, len(f.Arrays)
		f.Arrays = append(f.Arrays, a)
		return nil
	})
	if err == nil {
		if p.space(); p.at < len(p.b) {
			err = errors.New("bytes after its end")
		}
	}
	return err
}

// metadata returns a function that reads the value of one key of the metadata.
func (f *File) metadata(p *parser) func(key []byte) error {
	return func(key []byte) error {
		name := string(key)
		if _, ok := f.Meta[name]; ok {
			return fmt.Errorf("metadata %s twice", quote(name))
		}
		if len(f.Meta) == maxMeta {
			return fmt.Errorf("more than %d keys of metadata", maxMeta)
		}
		v, err := p.text()
		f.Meta[name] = string(v)
		return err
	}
}

// quote quotes the beginning of a text, so that errors stay short.
func quote(s string) string {
	if len(s) > 60 {
		return strconv.Quote(s[:60]) + "…"
	}
	return strconv.Quote(s)
}

// parser reads the JSON of a header: objects, strings and lists of non-negative
// integers.
type parser struct {
	b  []byte
	at int
}

// space skips white space.
func (p *parser) space() {
	for p.at < len(p.b) && (p.b[p.at] == ' ' || p.b[p.at] == '\n' || p.b[p.at] == '\t' || p.b[p.at] == '\r') {
		p.at++
	}
}

// peek is the next byte that is not white space, 0 at the end.
func (p *parser) peek() byte {
	if p.space(); p.at < len(p.b) {
		return p.b[p.at]
	}
	return 0
}

// expect reads the byte c.
func (p *parser) expect(c byte) error {
	if got := p.peek(); got != c {
		return fmt.Errorf("byte %d is %q where %q is expected", p.at, got, c)
	}
	p.at++
	return nil
}

// list reads a list between the bytes open and end. It calls item to read every item.
func (p *parser) list(open, end byte, item func() error) error {
	if err := p.expect(open); err != nil {
		return err
	}
	if p.peek() == end {
		p.at++
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		if p.peek() == end {
			p.at++
			return nil
		}
		if err := p.expect(','); err != nil {
			return err
		}
	}
}

// object reads an object. It calls field for every key, to read the value.
func (p *parser) object(field func(key []byte) error) error {
	return p.list('{', '}', func() error {
		key, err := p.text()
		if err != nil {
			return err
		}
		if err := p.expect(':'); err != nil {
			return err
		}
		return field(key)
	})
}

// text reads a string. A string without escapes is returned as a part of the header,
// without a copy.
func (p *parser) text() ([]byte, error) {
	if err := p.expect('"'); err != nil {
		return nil, err
	}
	start, plain := p.at, true
	for ; p.at < len(p.b); p.at++ {
		switch c := p.b[p.at]; {
		case c == '"':
			p.at++
			if plain {
				return p.b[start : p.at-1], nil
			}
			var s string
			err := json.Unmarshal(p.b[start-1:p.at], &s)
			return []byte(s), err
		case c == '\\':
			p.at++
			plain = false
		case c < ' ' || c > '~':
			plain = false
		}
	}
	return nil, errors.New("a string without an end")
}

// numbers reads non-negative integers, at most limit of them.
func (p *parser) numbers(limit int) ([]int, error) {
	var list []int
	err := p.list('[', ']', func() error {
		p.space()
		start := p.at
		for p.at < len(p.b) && p.b[p.at] >= '0' && p.b[p.at] <= '9' {
			p.at++
		}
		digits := p.b[start:p.at]
		n, err := strconv.ParseInt(string(digits), 10, 64)
		if err != nil || n > math.MaxInt/2 || digits[0] == '0' && len(digits) > 1 {
			return fmt.Errorf("byte %d: not a non-negative integer", start)
		}
		if len(list) == limit {
			return fmt.Errorf("a list of more than %d numbers", limit)
		}
		list = append(list, int(n))
		return nil
	})
	return list, err
}

// dtypes are the known types of values.
var dtypes = []string{"F64", "F32", "I64", "U8", "F16", "BF16", "I32", "I16", "I8", "U64", "U32", "U16", "BOOL"}

// array reads the description of an array.
func (p *parser) array() (a Array, err error) {
	const dtype, shape, offsets = 1, 2, 4
	has := 0
	err = p.object(func(key []byte) error {
		field := 0
		switch string(key) {
		case "dtype":
			field = dtype
		case "shape":
			field = shape
		case "data_offsets":
			field = offsets
		}
		if field == 0 || has&field != 0 {
			return fmt.Errorf("unknown, or twice: %s", quote(string(key)))
		}
		has |= field
		switch field {
		case dtype:
			text, err := p.text()
			if err != nil {
				return err
			}
			for _, t := range dtypes {
				if t == string(text) {
					a.dtype = t
				}
			}
			if a.dtype == "" {
				return fmt.Errorf("type %s", quote(string(text)))
			}
		case shape:
			a.Shape, err = p.numbers(maxRank)
		case offsets:
			var list []int
			if list, err = p.numbers(2); err == nil && len(list) != 2 {
				err = fmt.Errorf("%d offsets", len(list))
			}
			if err == nil {
				a.begin, a.end = list[0], list[1]
			}
		}
		return err
	})
	if err == nil && has != dtype|shape|offsets {
		err = errors.New("incomplete")
	}
	return a, err
}
