package flow

import (
	"encoding"
	"encoding/json"
	"fmt"
	"io"

	"github.com/neuralrg/neuralrg/internal/safetensors"
)

// trainerState is what a file says about a trainer, in JSON; the rest are
// arrays.
type trainerState struct {
	Settings trainerSettings `json:"settings"`
	Step     int             `json:"step"`
	Faults   int             `json:"faults"`
	Shrink   float64         `json:"shrink"`
	Source   string          `json:"source"` // Go type
}

// trainerSettings are those that must be the same for training to go on as it
// would have.
type trainerSettings struct {
	Batch        int         `json:"batch"`
	LearnRate    float64     `json:"learn_rate"`
	InversionKL  float64     `json:"inversion_kl"`
	Images       int         `json:"images,omitempty"`
	PathGradient bool        `json:"path_gradient"`
	Data         bool        `json:"data"`
	DataWeight   float64     `json:"data_weight"`
	ClipNorm     float64     `json:"clip_norm"`
	MaxScale     float64     `json:"max_scale"`
	OnFault      FaultPolicy `json:"on_fault"`
	MaxFaults    int         `json:"max_faults"`
	Window       int         `json:"window"`
}

func (s *Settings) kept() trainerSettings {
	return trainerSettings{s.Batch, s.LearnRate, s.InversionKL, s.Images, s.PathGradient, s.Data != nil, s.DataWeight, s.ClipNorm, s.MaxScale, s.OnFault, s.MaxFaults, s.Window}
}

// source is a source of randomness whose state can be saved, as those of
// math/rand/v2 can.
type source interface {
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}

// Names of a trainer's arrays. Moments of the optimiser follow each other like
// the parameters.
const (
	adamM        = "adam.m"
	adamV        = "adam.v"
	windowArray  = "window" // a row per step: samples; mean and sum of squared deviations of ln(q/π); ln Σw, ln Σw²
	sourceArray  = "source"
	windowFields = 5
)

// Save writes the model, as Model.Save does, and with it all that it takes to
// go on: the state of the optimiser and of Settings.Src, the number of steps
// and the running estimates. Load reads the model alone. It is for between two
// steps, or for a Recorder. It fails with ErrSettings if Src cannot be saved: it
// must be an encoding.BinaryMarshaler and BinaryUnmarshaler, as rand.PCG and
// rand.ChaCha8 are.
func (tr *Trainer) Save(w io.Writer) error {
	f, err := tr.m.file()
	if err == nil {
		if err = tr.addTo(f); err == nil {
			err = safetensors.Save(w, "trainer", f)
		}
	}
	if err != nil {
		return fmt.Errorf("flow: Save: %w", err)
	}
	return nil
}

func (tr *Trainer) addTo(f *safetensors.File) error {
	src, ok := tr.s.Src.(source)
	if !ok {
		return fmt.Errorf("%w: a source of type %T, whose state cannot be saved", ErrSettings, tr.s.Src)
	}
	state, err := src.MarshalBinary()
	if err != nil {
		return err
	}
	text, err := json.Marshal(trainerState{tr.s.kept(), tr.step, tr.faults, tr.shrink, fmt.Sprintf("%T", src)})
	if err != nil {
		return err
	}
	f.Meta[trainerKey] = string(text)
	var m, v []float64
	for k := range tr.adam.m {
		m, v = append(m, tr.adam.m[k]...), append(v, tr.adam.v[k]...)
	}
	var window []float64
	for _, b := range tr.window {
		window = append(window, float64(b.n), b.mean, b.m2, b.lw, b.lw2)
	}
	f.Arrays = append(f.Arrays,
		safetensors.Array{Name: adamM, Shape: []int{len(m)}, Values: m},
		safetensors.Array{Name: adamV, Shape: []int{len(v)}, Values: v},
		safetensors.Array{Name: windowArray, Shape: []int{len(tr.window), windowFields}, Values: window},
		safetensors.Array{Name: sourceArray, Shape: []int{len(state)}, Values: state})
	return nil
}

// Restore takes up training where Save left it: parameters, optimiser, source
// and estimates become those in the file, and what follows is, to the bit, what
// would have followed there. The trainer must have been made with an equal
// model, target, schedule and settings (Steps and Recorder apart) and a source
// of the same type. All errors but those of the reader wrap ErrCheckpoint; the
// trainer and the model are then as they were.
func (tr *Trainer) Restore(r io.Reader) error {
	f, kind, err := safetensors.Load(r)
	if err == nil {
		if err = tr.restore(f, kind); err != nil {
			err = fmt.Errorf("%w: %w", ErrCheckpoint, err)
		}
	}
	if err != nil {
		return fmt.Errorf("flow: Restore: %w", err)
	}
	return nil
}

func (tr *Trainer) restore(f *safetensors.File, kind string) error {
	if kind != "trainer" {
		return fmt.Errorf("a file of kind %.40q, want %q", kind, "trainer")
	}
	text := f.Meta[trainerKey]
	if len(text) > maxState {
		return fmt.Errorf("state of the trainer in %d bytes", len(text))
	}
	var s trainerState
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return fmt.Errorf("state of the trainer: %v", err)
	}
	if s.Settings != tr.s.kept() {
		return fmt.Errorf("saved with settings %+v, the trainer has %+v", s.Settings, tr.s.kept())
	}
	if s.Step < 0 || s.Faults < 0 || !(s.Shrink >= minShrink && s.Shrink <= 1) {
		return fmt.Errorf("step %d, %d faults, factor %g", s.Step, s.Faults, s.Shrink)
	}
	values, err := tr.m.valuesIn(f, false)
	if err != nil {
		return err
	}
	m, err := float64s(f, adamM, len(tr.gradient))
	if err != nil {
		return err
	}
	v, err := float64s(f, adamV, len(tr.gradient))
	if err != nil {
		return err
	}
	for i := range v.Len() {
		if x := v.At(i); x < 0 {
			return fmt.Errorf("array %q: value %d is %g", adamV, i, x)
		}
	}
	window, err := windowIn(f, min(s.Step, tr.s.Window), tr.s.Batch)
	if err != nil {
		return err
	}
	state, err := f.Bytes(sourceArray, -1)
	if err != nil {
		return err
	}
	src, ok := tr.s.Src.(source)
	if !ok || fmt.Sprintf("%T", src) != s.Source {
		return fmt.Errorf("saved with a source of type %s, the trainer has %T", s.Source, tr.s.Src)
	}
	if err := src.UnmarshalBinary(state); err != nil {
		return fmt.Errorf("state of the source: %w", err)
	}
	values.set()
	at := 0
	for k := range tr.adam.m {
		m.Copy(tr.adam.m[k], at)
		v.Copy(tr.adam.v[k], at)
		at += len(tr.adam.m[k])
	}
	tr.window = window
	tr.step, tr.adam.step, tr.faults, tr.shrink = s.Step, s.Step, s.Faults, s.Shrink
	return nil
}

// maxState bounds the state of a trainer in JSON.
const maxState = 1 << 14

// windowIn returns the estimates of the last steps, each of a batch.
func windowIn(f *safetensors.File, steps, batch int) ([]moments, error) {
	rows, err := f.Float64s(windowArray, steps, windowFields)
	if err != nil {
		return nil, err
	}
	var window []moments
	for k := range steps {
		r := rows[k*windowFields : (k+1)*windowFields]
		b := moments{batch, r[1], r[2], r[3], r[4]}
		if r[0] != float64(batch) || !b.finite() || b.m2 < 0 {
			return nil, fmt.Errorf("array %q: row %d is %v, of batches of %d", windowArray, k, r, batch)
		}
		window = append(window, b)
	}
	return window, nil
}
