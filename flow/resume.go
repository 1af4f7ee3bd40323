package flow

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"

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
	Plateau  plateauState    `json:"plateau,omitzero"`
	Held     string          `json:"evaluate_source,omitempty"` // Go type
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

	// Left out where they are zero, as in the files of versions without them.
	Plateau  keptPlateau  `json:"plateau,omitzero"`
	Average  float64      `json:"average,omitzero"`
	Evaluate keptEvaluate `json:"evaluate,omitzero"`
}

type keptPlateau struct {
	Factor         float64 `json:"factor"`
	Patience       int     `json:"patience"`
	MinImprovement float64 `json:"least"`
	MinFactor      float64 `json:"floor"`
}

type keptEvaluate struct {
	Samples int `json:"samples"`
	Batch   int `json:"batch"`
	Images  int `json:"images,omitzero"`
	Every   int `json:"every"`

	Data        bool `json:"data,omitzero"`
	DataSamples int  `json:"data_samples,omitzero"`
}

func (s *Settings) kept() trainerSettings {
	k := trainerSettings{
		s.Batch, s.LearnRate, s.InversionKL, s.Images, s.PathGradient, s.Data != nil, s.DataWeight, s.ClipNorm, s.MaxScale, s.OnFault, s.MaxFaults, s.Window,
		keptPlateau{}, s.Average, keptEvaluate{},
	}
	if s.Plateau != nil {
		k.Plateau = keptPlateau(*s.Plateau)
	}
	if s.Evaluate != nil {
		k.Evaluate = keptEvaluate{
			s.Evaluate.Samples, s.Evaluate.Batch, s.Evaluate.Images, s.EvaluateEvery, s.Evaluate.Data != nil, s.Evaluate.DataSamples,
		}
	}
	return k
}

// differences names the settings that differ, with their values; "" if none does.
func differences(saved, now trainerSettings) string {
	var list []string
	a, b := reflect.ValueOf(saved), reflect.ValueOf(now)
	for i := range a.NumField() {
		if x, y := a.Field(i).Interface(), b.Field(i).Interface(); x != y {
			list = append(list, fmt.Sprintf("%s is %+v in the file, %+v in the trainer", a.Type().Field(i).Name, x, y))
		}
	}
	return strings.Join(list, "; ")
}

// source is a source of randomness whose state can be saved, as those of
// math/rand/v2 can.
type source interface {
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}

// Names of a trainer's arrays. Moments of the optimiser and averages follow
// each other like the parameters.
const (
	adamM        = "adam.m"
	adamV        = "adam.v"
	windowArray  = "window"
	sourceArray  = "source"
	heldArray    = "evaluate.source"
	averageArray = "average"
)

// A row of the window is a step: the number of samples where π is positive, mean
// and sum of squared deviations of their ln(q/π), ln Σw and ln Σw². If there are
// any at all, the numbers of those outside the support of the target and of those that
// were dropped follow.
const (
	windowFields = 5
	faultyFields = 7
)

// Save writes the model, as Model.Save does, and with it all that it takes to
// go on: the state of the optimiser and of the sources of Settings, the number of
// steps, running estimates and averages. Load reads the model alone. It is for between two
// steps, or for a Recorder. It fails with ErrSettings if a source cannot be saved: it
// must be an encoding.BinaryMarshaler and BinaryUnmarshaler, as rand.PCG and
// rand.ChaCha8 are; a *rand.Rand is not, and NewTrainer does not take it.
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
	state, err := stateOf(tr.s.Src)
	if err != nil {
		return err
	}
	kept := trainerState{Settings: tr.s.kept(), Step: tr.step, Faults: tr.faults, Shrink: tr.shrink, Source: fmt.Sprintf("%T", tr.s.Src)}
	if tr.s.Plateau != nil {
		kept.Plateau = tr.plateau
	}
	var held []byte
	if tr.held != nil {
		if held, err = stateOf(tr.s.Evaluate.Src); err != nil {
			return err
		}
		kept.Held = fmt.Sprintf("%T", tr.s.Evaluate.Src)
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	if len(text) > maxState {
		return fmt.Errorf("%w: state of the trainer in %d bytes, at most %d are read again", ErrCheckpoint, len(text), maxState)
	}
	f.Meta[trainerKey] = string(text)
	var m, v []float64
	for k := range tr.adam.m {
		m, v = append(m, tr.adam.m[k]...), append(v, tr.adam.v[k]...)
	}
	window, fields := windowOf(tr.window)
	f.Arrays = append(f.Arrays,
		safetensors.Array{Name: adamM, Shape: []int{len(m)}, Values: m},
		safetensors.Array{Name: adamV, Shape: []int{len(v)}, Values: v},
		safetensors.Array{Name: windowArray, Shape: []int{len(tr.window), fields}, Values: window},
		safetensors.Array{Name: sourceArray, Shape: []int{len(state)}, Values: state})
	if tr.averages != nil {
		all := slices.Concat(tr.averages...)
		f.Arrays = append(f.Arrays, safetensors.Array{Name: averageArray, Shape: []int{len(all)}, Values: all})
	}
	if tr.held != nil {
		f.Arrays = append(f.Arrays, safetensors.Array{Name: heldArray, Shape: []int{len(held)}, Values: held})
	}
	return nil
}

// checkSource fails for a source that a trainer does not take: none, and a
// *rand.Rand, which has no state to save though the source in it has.
func checkSource(src rand.Source) error {
	if missing(src) {
		return fmt.Errorf("%w: no source of randomness", ErrSettings)
	}
	if _, ok := src.(*rand.Rand); ok {
		return fmt.Errorf("%w: the state of a *rand.Rand cannot be saved: pass the *rand.PCG or *rand.ChaCha8 itself", ErrSettings)
	}
	return nil
}

// stateOf is the state of a source.
func stateOf(src rand.Source) ([]byte, error) {
	s, ok := src.(source)
	if !ok {
		return nil, fmt.Errorf("%w: a source of type %T, whose state cannot be saved", ErrSettings, src)
	}
	return s.MarshalBinary()
}

// Restore takes up training where Save left it: parameters, optimiser, sources,
// estimates and averages become those in the file, and what follows is, to the bit, what
// would have followed there. The trainer must have been made with an equal
// model, target, schedule and settings (Steps and Recorder apart) and sources
// of the same types. Another architecture or arithmetic, other settings and
// other types are refused; that the target, Schedule, Anneal and the configurations of
// Data are the same cannot be seen from the file. All errors but those of the reader wrap ErrCheckpoint; the
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
	if differ := differences(s.Settings, tr.s.kept()); differ != "" {
		return fmt.Errorf("saved with other settings: %s", differ)
	}
	if was, is := f.Meta[dtypeKey], tr.m.dtype.String(); was != is {
		return fmt.Errorf("saved in arithmetic of %.40s, the model of the trainer has %s", was, is)
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
	if tr.s.Plateau != nil {
		if err := s.Plateau.check(tr.s.Plateau, tr.s.Window, s.Step); err != nil {
			return err
		}
	}
	var mean safetensors.Floats
	if tr.averages != nil {
		if mean, err = float64s(f, averageArray, len(tr.gradient)); err != nil {
			return err
		}
	}
	var sources sources
	if err := sources.add(f, sourceArray, s.Source, tr.s.Src); err != nil {
		return err
	}
	if tr.held != nil {
		if err := sources.add(f, heldArray, s.Held, tr.s.Evaluate.Src); err != nil {
			return err
		}
	}
	if err := sources.set(); err != nil {
		return err
	}
	values.set()
	at := 0
	for k := range tr.adam.m {
		m.Copy(tr.adam.m[k], at)
		v.Copy(tr.adam.v[k], at)
		if tr.averages != nil {
			mean.Copy(tr.averages[k], at)
		}
		at += len(tr.adam.m[k])
	}
	tr.window = window
	tr.step, tr.adam.step, tr.faults, tr.shrink = s.Step, s.Step, s.Faults, s.Shrink
	if tr.s.Plateau != nil {
		tr.plateau = s.Plateau
	}
	return nil
}

// sources are those of a trainer and what a file holds for them.
type sources []sourceStates

type sourceStates struct {
	to            source
	before, after []byte
}

// add takes up a source of the given type from an array.
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

// set sets all of them, or none.
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

// maxState bounds the state of a trainer in JSON.
const maxState = 1 << 14

// windowOf is a window as an array of so many columns.
func windowOf(window []moments) (rows []float64, fields int) {
	fields = windowFields
	for _, b := range window {
		if b.unweighted != (unweighted{}) {
			fields = faultyFields
		}
	}
	for _, b := range window {
		row := []float64{float64(b.n), b.mean, b.m2, b.lw, b.lw2, float64(b.out), float64(b.dropped)}
		rows = append(rows, row[:fields]...)
	}
	return rows, fields
}

// windowIn returns the estimates of the last steps, each of a batch or, after
// faults, of several.
func windowIn(f *safetensors.File, steps, batch int) ([]moments, error) {
	fields := windowFields
	if f.Expect(windowArray, "F64", steps, faultyFields) == nil {
		fields = faultyFields
	}
	rows, err := f.Float64s(windowArray, steps, fields)
	if err != nil {
		return nil, err
	}
	var window []moments
	for k := range steps {
		r := append(rows[k*fields:(k+1)*fields:(k+1)*fields], 0, 0)[:faultyFields]
		for _, i := range []int{0, 5, 6} {
			if !(r[i] >= 0 && r[i] <= min(1<<53, math.MaxInt/4) && r[i] == math.Trunc(r[i])) {
				return nil, fmt.Errorf("array %q: row %d has %g samples", windowArray, k, r[i])
			}
		}
		b := moments{int(r[0]), r[1], r[2], r[3], r[4], unweighted{int(r[5]), int(r[6])}}
		if b.n < batch || (b.n+b.out+b.dropped)%batch != 0 || !b.finite() || b.m2 < 0 {
			return nil, fmt.Errorf("array %q: row %d is %v, of batches of %d", windowArray, k, r, batch)
		}
		window = append(window, b)
	}
	return window, nil
}
