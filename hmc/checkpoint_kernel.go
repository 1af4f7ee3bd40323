package hmc

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"

	"github.com/neuralrg/neuralrg/internal/safetensors"
)

// kernelsKey is the entry of a file with a list of kernelState in JSON, one for every
// kernel. Files of the plain leapfrog without a warm-up do not have it.
const kernelsKey = "kernels"

// kernelState is what a file says about a kernel. A tuned mass is an array.
type kernelState struct {
	Settings  [][2]string `json:"settings"` // names and values, as they were given
	Sweeps    int         `json:"sweeps"`
	Accepted  int         `json:"accepted"`
	Divergent int         `json:"divergent"`
	Tuned     *tunedState `json:"tuned,omitempty"` // nil before WarmUp
}

// tunedState has what WarmUp tunes: numbers that are zero belong to other kernels.
type tunedState struct {
	StepSize float64 `json:"step_size,omitempty"`
	Steps    int     `json:"steps,omitempty"`
	Mass     bool    `json:"mass,omitempty"` // whether there is an array of it
	Scale    float64 `json:"scale,omitempty"`
	Beta     float64 `json:"beta,omitempty"`
}

func massKey(k int) string { return "inverse_mass." + strconv.Itoa(k) }

// plain reports whether the fields of samplerState describe the kernel.
func plain(k Kernel) bool {
	h, ok := k.(HMC)
	return ok && !h.Rotate && h.InverseMass == nil && h.TargetAccept == 0.8
}

// saveKernels adds the kernels to a file, if they need it.
func (s *Sampler) saveKernels(f *safetensors.File) error {
	if plain(s.settings.Kernel) && !s.tuned {
		return nil
	}
	given, _ := movers(s.settings.Kernel)
	states := make([]kernelState, len(given))
	for i, m := range given {
		c := s.counts.kernels[i]
		states[i] = kernelState{s.describe(m.kernel(), i), c.sweeps, c.accepted, c.divergent, nil}
		if !s.tuned {
			continue
		}
		t := new(tunedState)
		switch k := s.kernels[i].kernel().(type) {
		case HMC:
			t.StepSize, t.Steps, t.Mass = k.StepSize, k.Steps, k.InverseMass != nil
			if t.Mass {
				f.Arrays = append(f.Arrays, safetensors.Array{
					Name: massKey(i), Shape: []int{len(k.InverseMass)}, Values: k.InverseMass,
				})
			}
		case RandomWalk:
			t.Scale = k.Scale
		case CrankNicolson:
			t.Beta = k.Beta
		}
		states[i].Tuned = t
	}
	text, err := json.Marshal(states)
	if err != nil {
		return err
	}
	f.Meta[kernelsKey] = string(text)
	return nil
}

// kernelsOf returns the counts of each kernel of a file and the movers of the tuned
// kernels, nil before a warm-up. It fails if the file has other kernels than the sampler.
func (s *Sampler) kernelsOf(f *safetensors.File, saved *samplerState) ([]kernelCounts, []mover, error) {
	text, ok := f.Meta[kernelsKey]
	sum := kernelCounts{saved.Sweeps - saved.Uncounted, saved.Accepted, saved.Divergent}
	if !ok {
		if !plain(s.settings.Kernel) {
			return nil, nil, fmt.Errorf("saved with the plain leapfrog, the sampler has %s",
				kernelName(s.settings.Kernel))
		}
		return []kernelCounts{sum}, nil, nil
	}
	given, _ := movers(s.settings.Kernel)
	if len(text) > maxState*len(given) {
		return nil, nil, fmt.Errorf("state of %d kernels in %d bytes", len(given), len(text))
	}
	var states []kernelState
	if err := json.Unmarshal([]byte(text), &states); err != nil {
		return nil, nil, fmt.Errorf("state of the kernels: %v", err)
	}
	if len(states) != len(given) {
		return nil, nil, fmt.Errorf("saved with %d kernels, the sampler has %d", len(states), len(given))
	}
	counts := make([]kernelCounts, len(given))
	tuned := states[0].Tuned != nil
	for i, state := range states {
		if err := sameSettings(i, state.Settings, s.describe(given[i].kernel(), i)); err != nil {
			return nil, nil, err
		}
		c := kernelCounts{state.Sweeps, state.Accepted, state.Divergent}
		if counts[i] = c; !sum.take(c, s.Chains()) {
			return nil, nil, fmt.Errorf("kernel %d with %d accepted and %d divergent proposals in %d sweeps",
				i, c.accepted, c.divergent, c.sweeps)
		}
		if tuned != (state.Tuned != nil) {
			return nil, nil, fmt.Errorf("only some kernels are tuned")
		}
		if tuned {
			if err := tune(given[i], state.Tuned, f, i, s.density.Dim()); err != nil {
				return nil, nil, err
			}
		}
	}
	if sum != (kernelCounts{}) {
		return nil, nil, fmt.Errorf("%d sweeps, %d accepted and %d divergent proposals of no kernel",
			sum.sweeps, sum.accepted, sum.divergent)
	}
	if !tuned {
		given = nil
	}
	return counts, given, nil
}

// take subtracts the counts of a kernel from those of all. It reports whether they are
// possible.
func (c *kernelCounts) take(k kernelCounts, chains int) bool {
	if k.sweeps < 0 || k.sweeps > c.sweeps || k.accepted < 0 || k.accepted > c.accepted ||
		k.divergent < 0 || k.divergent > c.divergent || k.accepted > k.sweeps*chains-k.divergent {
		return false
	}
	c.sweeps -= k.sweeps
	c.accepted -= k.accepted
	c.divergent -= k.divergent
	return true
}

// tune sets the mover of kernel i to the values of a file.
func tune(m mover, t *tunedState, f *safetensors.File, i, dim int) error {
	kernel := m.kernel()
	switch k := kernel.(type) {
	case HMC:
		k.StepSize, k.Steps = t.StepSize, t.Steps
		k.InverseMass = nil
		if t.Mass {
			mass, err := f.Float64s(massKey(i), dim)
			if err != nil {
				return err
			}
			k.InverseMass = mass
		}
		if t.StepSize == 0 || t.Steps == 0 {
			return fmt.Errorf("kernel %d: HMC with StepSize %v and Steps %d", i, t.StepSize, t.Steps)
		}
		kernel = k
	case RandomWalk:
		if k.Scale = t.Scale; t.Scale == 0 {
			return fmt.Errorf("kernel %d: RandomWalk with Scale 0", i)
		}
		kernel = k
	case CrankNicolson:
		if k.Beta = t.Beta; t.Beta == 0 {
			return fmt.Errorf("kernel %d: CrankNicolson with Beta 0", i)
		}
		kernel = k
	}
	kernel, err := kernel.withDefaults(dim)
	if err != nil {
		return fmt.Errorf("kernel %d: %v", i, err)
	}
	m.set(kernel)
	return nil
}

// describe returns the name and the fields of kernel i. A slice stands as its SHA-256, a
// force and an update by whether they are set.
func (s *Sampler) describe(k Kernel, i int) [][2]string {
	list := [][2]string{{"Kernel", kernelName(k)}}
	if s.weights != nil {
		list = append(list, [2]string{"Weight", fmt.Sprint(s.weights[i])})
	}
	v := reflect.ValueOf(k)
	for j := range v.NumField() {
		text, field := "", v.Field(j)
		switch field.Kind() {
		case reflect.Slice:
			h := sha256.New()
			fmt.Fprint(h, field.Interface())
			text = fmt.Sprintf("%x", h.Sum(nil))
		case reflect.Func, reflect.Interface:
			text = fmt.Sprint(!field.IsNil())
		default:
			text = fmt.Sprint(field.Interface())
		}
		list = append(list, [2]string{v.Type().Field(j).Name, text})
	}
	return list
}

// sameSettings fails at the first setting in which kernel i of a file and of the sampler
// differ.
func sameSettings(i int, saved, here [][2]string) error {
	if len(saved) != len(here) && len(saved) > 0 && saved[0] == here[0] {
		return fmt.Errorf("kernel %d: saved with %d settings, the sampler has %d", i, len(saved), len(here))
	}
	for j := range min(len(saved), len(here)) {
		if saved[j] != here[j] {
			return fmt.Errorf("kernel %d: saved with %s %.40s, the sampler has %s %s",
				i, saved[j][0], saved[j][1], here[j][0], here[j][1])
		}
	}
	if len(saved) != len(here) {
		return fmt.Errorf("kernel %d: saved with %d settings, the sampler has %d", i, len(saved), len(here))
	}
	return nil
}
