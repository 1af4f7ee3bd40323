package hmc

import (
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"reflect"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/internal/safetensors"
)

// source is a source of randomness whose state can be saved, as those of
// math/rand/v2 can.
type source interface {
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}

// samplerState is what a file says about a sampler in JSON. Positions and counts
// per chain are arrays.
type samplerState struct {
	StepSize       float64 `json:"step_size"`
	Leapfrog       int     `json:"leapfrog"`
	Jitter         float64 `json:"jitter"`
	MaxEnergyError float64 `json:"max_energy_error"`
	MaxFaults      int     `json:"max_faults"`
	Force          bool    `json:"force,omitempty"` // whether Settings.Force is set
	Failed         int     `json:"failed"`          // sweeps in a row
	Sweeps         int     `json:"sweeps"`
	Uncounted      int     `json:"uncounted,omitempty"` // sweeps before ResetCounts
	Accepted       int     `json:"accepted"`
	Divergent      int     `json:"divergent"`
	Source         string  `json:"source"` // Go type
}

func (s *Sampler) state() samplerState {
	t := &s.settings
	return samplerState{
		StepSize: t.StepSize, Leapfrog: t.Leapfrog, Jitter: t.Jitter,
		MaxEnergyError: t.MaxEnergyError, MaxFaults: t.MaxFaults, Force: t.Force != nil,
		Failed: s.failed, Sweeps: s.sweeps, Uncounted: s.counts.before,
		Accepted: s.counts.accepted, Divergent: s.counts.divergent,
		Source: fmt.Sprintf("%T", t.Src),
	}
}

// check fails if the file has other settings than the sampler, whose state is
// want, or counts that no run of so many chains can have.
func (f samplerState) check(want samplerState, chains int) error {
	want.Failed, want.Sweeps, want.Uncounted = f.Failed, f.Sweeps, f.Uncounted
	want.Accepted, want.Divergent = f.Accepted, f.Divergent
	saved, here := reflect.ValueOf(f), reflect.ValueOf(want)
	for i := range saved.NumField() {
		if a, b := saved.Field(i).Interface(), here.Field(i).Interface(); a != b {
			return fmt.Errorf("saved with %s %v, the sampler has %v", saved.Type().Field(i).Name, a, b)
		}
	}
	sweeps := f.Sweeps - f.Uncounted
	if f.Sweeps < 0 || f.Sweeps > math.MaxInt/chains || f.Failed < 0 || f.Failed > f.Sweeps ||
		f.Uncounted < 0 || sweeps < 0 || f.Accepted < 0 || f.Divergent < 0 ||
		f.Divergent > sweeps*chains || f.Accepted > sweeps*chains-f.Divergent {
		return fmt.Errorf("%d accepted and %d divergent trajectories in %d sweeps, %d of them uncounted, of %d chains",
			f.Accepted, f.Divergent, f.Sweeps, f.Uncounted, chains)
	}
	return nil
}

const (
	samplerKey  = "sampler"
	acceptedKey = "accepted" // trajectories per chain; the first files lack it
	maxState    = 1 << 14    // bytes of a samplerState in JSON
)

// Save writes the chains, all counts and the state of Settings.Src as a
// safetensors file with a SHA-256. Its arrays are "x" and "grad", (chains, Dim),
// and "logp" and "accepted", (chains). Call it between two sweeps or from the
// visit of Run. It fails with ErrSettings for a nil writer, or if Src is not an
// encoding.BinaryMarshaler and BinaryUnmarshaler as rand.PCG and rand.ChaCha8
// are.
func (s *Sampler) Save(w io.Writer) error {
	if err := s.save(w); err != nil {
		return fmt.Errorf("hmc: Save: %w", err)
	}
	return nil
}

func (s *Sampler) save(w io.Writer) error {
	src, ok := s.settings.Src.(source)
	if !ok {
		return fmt.Errorf("%w: a source of type %T is no encoding.BinaryMarshaler and BinaryUnmarshaler: "+
			"its state cannot be saved, that of a *rand.PCG or *rand.ChaCha8 can", ErrSettings, s.settings.Src)
	}
	if w == nil {
		return fmt.Errorf("%w: nil writer", ErrSettings)
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
	f := &safetensors.File{
		Meta: map[string]string{samplerKey: string(text)},
		Arrays: []safetensors.Array{
			{Name: "x", Shape: []int{chains, dim}, Values: s.now.x.RawMatrix().Data},
			{Name: "grad", Shape: []int{chains, dim}, Values: s.now.grad.RawMatrix().Data},
			{Name: "logp", Shape: []int{chains}, Values: s.now.logp},
			{Name: "source", Shape: []int{len(random)}, Values: random},
		},
	}
	if s.counts.chains != nil {
		f.Arrays = append(f.Arrays, safetensors.Array{Name: acceptedKey, Shape: []int{chains}, Values: s.counts.chains})
	}
	return safetensors.Save(w, samplerKey, f)
}

// Restore sets the sampler to the state that Save wrote: the sweeps that follow
// are the same, to the bit, as those after Save. The sampler must have been made
// with the same density, force and settings, the same number of chains, and a
// source of the same type. In a file, Jitter 0 stands for a negative
// Settings.Jitter. A nil reader is ErrSettings. All other errors wrap
// ErrCheckpoint, except those of the reader. After an error the sampler is as
// before.
func (s *Sampler) Restore(r io.Reader) error {
	if r == nil {
		return fmt.Errorf("hmc: Restore: %w: nil reader", ErrSettings)
	}
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
	chains, dim := s.now.x.Dims()
	if err := saved.check(s.state(), chains); err != nil {
		return err
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
	accepted, err := acceptedOf(f, &saved, chains)
	if err != nil {
		return err
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
	s.failed, s.sweeps = saved.Failed, saved.Sweeps
	s.counts = counts{saved.Uncounted, saved.Accepted, saved.Divergent, accepted}
	return nil
}

// acceptedOf returns the accepted trajectories of each chain, nil if the file
// has only their sum.
func acceptedOf(f *safetensors.File, saved *samplerState, chains int) ([]int64, error) {
	if _, err := f.Array(acceptedKey); err != nil {
		if saved.Accepted == 0 {
			return make([]int64, chains), nil
		}
		return nil, nil
	}
	values, err := f.Ints(acceptedKey, chains)
	if err != nil {
		return nil, err
	}
	accepted, sum := make([]int64, chains), 0
	for i, v := range values {
		if v < 0 || v > saved.Sweeps-saved.Uncounted {
			return nil, fmt.Errorf("%d accepted trajectories of chain %d in %d sweeps",
				v, i, saved.Sweeps-saved.Uncounted)
		}
		accepted[i] = int64(v)
		sum += v
	}
	if sum != saved.Accepted {
		return nil, fmt.Errorf("%d accepted trajectories, %d by chain", saved.Accepted, sum)
	}
	return accepted, nil
}
