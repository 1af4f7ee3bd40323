package flow

import (
	"encoding"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/neuralrg/neuralrg/internal/safetensors"
)

// source is a source of randomness whose state can be saved. rand.PCG and rand.ChaCha8 are
// such sources.
type source interface {
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}

// stateOf returns the state of a source.
func stateOf(src rand.Source) ([]byte, error) {
	s, ok := src.(source)
	if !ok {
		return nil, fmt.Errorf("%w: a source of type %T, whose state cannot be saved", ErrSettings, src)
	}
	return s.MarshalBinary()
}

// sources are the sources of a trainer and their states in a file.
type sources []sourceStates

type sourceStates struct {
	to            source
	before, after []byte
}

// add reads the state of src from an array. typ is the type of the source that was saved.
func (s *sources) add(f *safetensors.File, name, typ string, src rand.Source) error {
	after, err := f.Bytes(name, -1)
	if err != nil {
		return err
	}
	to, ok := src.(source)
	if !ok || fmt.Sprintf("%T", src) != typ {
		return fmt.Errorf("array %q: saved with a source of type %.40s, the trainer has %T", name, typ, src)
	}
	before, err := to.MarshalBinary()
	if err != nil {
		return fmt.Errorf("array %q: state of the source: %w", name, err)
	}
	*s = append(*s, sourceStates{to, before, after})
	return nil
}

// set sets all sources. If one fails, it sets them all back.
func (s sources) set() error {
	for k, src := range s {
		if err := src.to.UnmarshalBinary(src.after); err != nil {
			for _, done := range s[:k+1] {
				err = errors.Join(err, done.to.UnmarshalBinary(done.before))
			}
			return fmt.Errorf("state of the source: %w", err)
		}
	}
	return nil
}
