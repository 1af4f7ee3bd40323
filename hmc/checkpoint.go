package hmc

import (
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/internal/safetensors"
)

// source is a source of randomness whose state can be saved, as those of
// math/rand/v2 can.
type source interface {
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}

// samplerState is what a file says about a sampler, in JSON; the rest are
// arrays.
type samplerState struct {
	StepSize       float64 `json:"step_size"`
	Leapfrog       int     `json:"leapfrog"`
	Jitter         float64 `json:"jitter"`
	MaxEnergyError float64 `json:"max_energy_error"`
	MaxFaults      int     `json:"max_faults"`
	Force          bool    `json:"force,omitempty"` // one other than the density's own
	Failed         int     `json:"failed"`          // sweeps in a row
	Sweeps         int     `json:"sweeps"`
	Accepted       int     `json:"accepted"`
	Divergent      int     `json:"divergent"`
	Source         string  `json:"source"` // Go type
}

func (s *Sampler) state() samplerState {
	t := &s.settings
	return samplerState{t.StepSize, t.Leapfrog, t.Jitter, t.MaxEnergyError, t.MaxFaults, t.Force != nil, s.failed, s.sweeps, s.accepted, s.divergent, fmt.Sprintf("%T", t.Src)}
}

const (
	samplerKey = "sampler"
	maxState   = 1 << 14 // bytes of a samplerState in JSON
)

// Save writes the chains, all counts and the state of Settings.Src as a
// safetensors file with a SHA-256, whose arrays are "x" and "grad",
// (chains, Dim), and "logp", (chains). It is for between two sweeps, or for
// the visit of Run. It fails with ErrSettings if Src cannot be saved: it must be
// an encoding.BinaryMarshaler and BinaryUnmarshaler, as rand.PCG and
// rand.ChaCha8 are.
func (s *Sampler) Save(w io.Writer) error {
	if err := s.save(w); err != nil {
		return fmt.Errorf("hmc: Save: %w", err)
	}
	return nil
}

func (s *Sampler) save(w io.Writer) error {
	src, ok := s.settings.Src.(source)
	if !ok {
		return fmt.Errorf("%w: a source of type %T, whose state cannot be saved", ErrSettings, s.settings.Src)
	}
	random, err := src.MarshalBinary()
	if err != nil {
		return err
	}
	text, err := json.Marshal(s.state())
	if err != nil {
		return err
	}
	chains, dim := s.now.x.Dims()
	return safetensors.Save(w, samplerKey, &safetensors.File{
		Meta: map[string]string{samplerKey: string(text)},
		Arrays: []safetensors.Array{
			{Name: "x", Shape: []int{chains, dim}, Values: s.now.x.RawMatrix().Data},
			{Name: "grad", Shape: []int{chains, dim}, Values: s.now.grad.RawMatrix().Data},
			{Name: "logp", Shape: []int{chains}, Values: s.now.logp},
			{Name: "source", Shape: []int{len(random)}, Values: random},
		},
	})
}

// Restore takes up sampling where Save left it: what follows is, to the bit,
// what would have followed there. The sampler must have been made with the same
// density, force and settings, as many chains, and a source of the same type. All
// errors but those of the reader wrap ErrCheckpoint; the sampler is then as it
// was.
func (s *Sampler) Restore(r io.Reader) error {
	f, kind, err := safetensors.Load(r)
	if err == nil {
		if err = s.restore(f, kind); err != nil {
			err = fmt.Errorf("%w: %w", ErrCheckpoint, err)
		}
	}
	if err != nil {
		return fmt.Errorf("hmc: Restore: %w", err)
	}
	return nil
}

func (s *Sampler) restore(f *safetensors.File, kind string) error {
	if kind != samplerKey {
		return fmt.Errorf("a file of kind %.40q, want %q", kind, samplerKey)
	}
	text := f.Meta[samplerKey]
	if len(text) > maxState {
		return fmt.Errorf("state of the sampler in %d bytes", len(text))
	}
	var saved samplerState
	if err := json.Unmarshal([]byte(text), &saved); err != nil {
		return fmt.Errorf("state of the sampler: %v", err)
	}
	want := s.state()
	want.Sweeps, want.Accepted, want.Divergent, want.Failed = saved.Sweeps, saved.Accepted, saved.Divergent, saved.Failed
	if saved != want {
		return fmt.Errorf("saved as %+v, the sampler is %+v", saved, s.state())
	}
	chains, dim := s.now.x.Dims()
	if saved.Sweeps < 0 || saved.Sweeps > math.MaxInt/chains || saved.Failed < 0 || saved.Failed > saved.Sweeps ||
		saved.Accepted < 0 || saved.Divergent < 0 || saved.Divergent > saved.Sweeps*chains || saved.Accepted > saved.Sweeps*chains-saved.Divergent {
		return fmt.Errorf("%d accepted and %d divergent trajectories in %d sweeps of %d chains", saved.Accepted, saved.Divergent, saved.Sweeps, chains)
	}
	x, err := f.Float64s("x", chains, dim)
	if err != nil {
		return err
	}
	grad, err := f.Float64s("grad", chains, dim)
	if err != nil {
		return err
	}
	logp, err := f.Float64s("logp", chains)
	if err != nil {
		return err
	}
	for _, values := range [][]float64{x, grad, logp} {
		for i, v := range values {
			if !finite(v) {
				return fmt.Errorf("value %d of a state is %v", i, v)
			}
		}
	}
	random, err := f.Bytes("source", -1)
	if err != nil {
		return err
	}
	src, ok := s.settings.Src.(source)
	if !ok {
		return fmt.Errorf("a source of type %T, whose state cannot be set", s.settings.Src)
	}
	if err := src.UnmarshalBinary(random); err != nil {
		return fmt.Errorf("state of the source: %w", err)
	}
	s.now.x.Copy(mat.NewDense(chains, dim, x))
	s.now.grad.Copy(mat.NewDense(chains, dim, grad))
	copy(s.now.logp, logp)
	s.failed = saved.Failed
	s.sweeps, s.accepted, s.divergent = saved.Sweeps, saved.Accepted, saved.Divergent
	return nil
}
