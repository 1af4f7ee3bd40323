package hmc

import (
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"

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
	Steps          int     `json:"leapfrog"`
	Jitter         float64 `json:"jitter"`
	MaxEnergyError float64 `json:"max_energy_error"`
	MaxFaults      int     `json:"max_faults"`
	Force          bool    `json:"force,omitempty"` // whether HMC.Force is set
	Failed         int     `json:"failed"`          // sweeps in a row
	Sweeps         int     `json:"sweeps"`
	Uncounted      int     `json:"uncounted,omitempty"` // sweeps before ResetCounts
	Accepted       int     `json:"accepted"`
	Divergent      int     `json:"divergent"`
	Source         string  `json:"source"` // Go type
}

func (s *Sampler) state() samplerState {
	f := samplerState{
		MaxFaults: s.settings.MaxFaults,
		Failed:    s.failed, Sweeps: s.sweeps, Uncounted: s.counts.before,
		Accepted: s.counts.accepted, Divergent: s.counts.divergent,
		Source: fmt.Sprintf("%T", s.settings.Src),
	}
	if h, ok := s.settings.Kernel.(HMC); ok {
		f.StepSize, f.Steps, f.Jitter = h.StepSize, h.Steps, max(h.Jitter, 0)
		f.MaxEnergyError, f.Force = h.MaxEnergyError, h.Force != nil
	}
	return f
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
		return fmt.Errorf("%d accepted and %d divergent proposals in %d sweeps, %d of them uncounted, of %d chains",
			f.Accepted, f.Divergent, f.Sweeps, f.Uncounted, chains)
	}
	return nil
}

const (
	samplerKey  = "sampler"
	acceptedKey = "accepted" // proposals per chain; the first files lack it
	maxState    = 1 << 14    // bytes of a samplerState in JSON
)

// Save writes the chains, all counts, what WarmUp tuned and the state of Settings.Src
// as a safetensors file with a SHA-256. Its arrays are "x", (chains, Dim), "logp" and
// "accepted", (chains), with HMC or Microcanonical alone "grad", (chains, Dim), and for a tuned mass of
// kernel k of a mix "inverse_mass.k", (Dim). Call it between two sweeps or from the
// visit of Run. It fails with ErrSettings for a nil writer, from the visit of
// WarmUp, whose state is not saved, or if Src is not an encoding.BinaryMarshaler
// and BinaryUnmarshaler as rand.PCG and rand.ChaCha8 are.
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
	if s.tuning {
		return fmt.Errorf("%w: the warm-up is not complete: its state cannot be saved", ErrSettings)
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
			{Name: "logp", Shape: []int{chains}, Values: s.now.logp},
			{Name: "source", Shape: []int{len(random)}, Values: random},
		},
	}
	if s.weights == nil && s.now.grad != nil {
		grad := safetensors.Array{Name: "grad", Shape: []int{chains, dim}, Values: s.now.grad.RawMatrix().Data}
		f.Arrays = slices.Insert(f.Arrays, 1, grad)
	}
	if err := s.saveKernels(f); err != nil {
		return err
	}
	if s.counts.chains != nil {
		f.Arrays = append(f.Arrays, safetensors.Array{Name: acceptedKey, Shape: []int{chains}, Values: s.counts.chains})
	}
	return safetensors.Save(w, samplerKey, f)
}

// Restore sets the sampler to the state that Save wrote: the sweeps that follow
// are the same, to the bit, as those after Save. The sampler must have been made
// with the same density, force and settings, the same number of chains, and a
// source of the same type; what WarmUp tuned comes from the file. In a file, Jitter 0 stands for a negative
// HMC.Jitter. A nil reader is ErrSettings. All other errors wrap
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
	kernels, tuned, err := s.kernelsOf(f, &saved)
	if err != nil {
		return err
	}
	now, err := s.stateOf(f)
	if err != nil {
		return err
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
	s.now.x.Copy(mat.NewDense(chains, dim, now["x"]))
	copy(s.now.logp, now["logp"])
	s.gradOf = -1
	if grad, ok := now["grad"]; ok {
		s.now.grad.Copy(mat.NewDense(chains, dim, grad))
		s.gradOf = s.forceOf(0)
	}
	s.failed, s.sweeps = saved.Failed, saved.Sweeps
	s.counts = counts{saved.Uncounted, saved.Accepted, saved.Divergent, accepted, kernels}
	s.tuned = tuned != nil
	if tuned == nil {
		tuned, _ = movers(s.settings.Kernel)
	}
	s.kernels = tuned
	return nil
}

// stateOf returns the positions and log-densities of a file, and the gradients if there
// must be any.
func (s *Sampler) stateOf(f *safetensors.File) (map[string][]float64, error) {
	chains, dim := s.now.x.Dims()
	shapes := map[string][]int{"x": {chains, dim}, "logp": {chains}}
	if s.weights == nil && s.now.grad != nil {
		shapes["grad"] = []int{chains, dim}
	}
	now := map[string][]float64{}
	for name, shape := range shapes {
		values, err := f.Float64s(name, shape...)
		if err != nil {
			return nil, err
		}
		if i := firstNotFinite(values); i >= 0 {
			return nil, fmt.Errorf("value %d of array %s is %v", i, name, values[i])
		}
		now[name] = values
	}
	return now, nil
}

// acceptedOf returns the accepted proposals of each chain, nil if the file
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
			return nil, fmt.Errorf("%d accepted proposals of chain %d in %d sweeps",
				v, i, saved.Sweeps-saved.Uncounted)
		}
		accepted[i] = int64(v)
		sum += v
	}
	if sum != saved.Accepted {
		return nil, fmt.Errorf("%d accepted proposals, %d by chain", saved.Accepted, sum)
	}
	return accepted, nil
}
