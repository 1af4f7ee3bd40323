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
// would have. Their place in Settings is the tag field.
type trainerSettings struct {
	Batch        int         `json:"batch"`
	LearnRate    float64     `json:"learn_rate" field:"Optimizer.LearnRate"`
	InversionKL  float64     `json:"inversion_kl" field:"Objective.InversionKL"`
	Images       int         `json:"images,omitempty"`
	PathGradient bool        `json:"path_gradient" field:"Objective.PathGradient"`
	Data         bool        `json:"data"`
	DataWeight   float64     `json:"data_weight" field:"Data.Weight"`
	ClipNorm     float64     `json:"clip_norm" field:"Optimizer.ClipNorm"`
	MaxScale     float64     `json:"max_scale" field:"Optimizer.MaxScale"`
	OnFault      FaultPolicy `json:"on_fault" field:"Faults.Policy"`
	MaxFaults    int         `json:"max_faults" field:"Faults.Max"`
	Window       int         `json:"window"`

	// Left out where they are zero, as in the files of versions without them.
	Plateau   keptPlateau  `json:"plateau,omitzero" field:"Optimizer.Plateau"`
	Average   float64      `json:"average,omitzero" field:"Optimizer.Average"`
	Evaluate  keptEvaluate `json:"evaluate,omitzero" field:"Evaluation"`
	Objective string       `json:"objective,omitzero"` // Go type, unless it is ReverseKL
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

// kept are the settings as a file holds them.
func (s *Settings) kept() trainerSettings {
	o := s.Optimizer
	k := trainerSettings{
		Batch: s.Batch, Images: s.Images, Window: s.Window,
		LearnRate: o.LearnRate, ClipNorm: o.ClipNorm, MaxScale: o.MaxScale, Average: o.Average,
		OnFault: s.Faults.Policy, MaxFaults: s.Faults.Max,
	}
	if r, ok := s.Objective.(ReverseKL); ok {
		k.InversionKL, k.PathGradient = r.InversionKL, r.PathGradient
	} else {
		k.Objective = fmt.Sprintf("%T", s.Objective)
	}
	if s.Data != nil {
		k.Data, k.DataWeight = true, s.Data.Weight
	}
	if o.Plateau != nil {
		k.Plateau = keptPlateau(*o.Plateau)
	}
	if e := s.Evaluation; e != nil {
		k.Evaluate = keptEvaluate{e.Samples, e.Batch, e.Images, e.Every, e.Data != nil, e.DataSamples}
	}
	return k
}

// differences names the settings that differ, with their values; "" if none does.
func differences(saved, now trainerSettings) string {
	var list []string
	a, b := reflect.ValueOf(saved), reflect.ValueOf(now)
	for i := range a.NumField() {
		if x, y := a.Field(i).Interface(), b.Field(i).Interface(); x != y {
			name := a.Type().Field(i).Tag.Get("field")
			if name == "" {
				name = a.Type().Field(i).Name
			}
			list = append(list, fmt.Sprintf("%s is %+v in the file, %+v in the trainer", name, x, y))
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
// steps, running estimates and averages. Load reads the model alone. Call Save
// between steps or from a Recorder. It fails with ErrSettings if a source cannot be
// saved: it must be an encoding.BinaryMarshaler and BinaryUnmarshaler, as rand.PCG
// and rand.ChaCha8 are; a *rand.Rand is not, and NewTrainer does not take it.
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
	kept := trainerState{
		Settings: tr.s.kept(), Step: tr.step, Faults: tr.faults, Shrink: tr.shrink, Source: fmt.Sprintf("%T", tr.s.Src),
	}
	if tr.s.Optimizer.Plateau != nil {
		kept.Plateau = tr.plateau
	}
	var held []byte
	if tr.held != nil {
		if held, err = stateOf(tr.s.Evaluation.Src); err != nil {
			return err
		}
		kept.Held = fmt.Sprintf("%T", tr.s.Evaluation.Src)
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
// estimates and averages become those in the file. What follows is, to the bit,
// what would have followed there.
//
// The trainer must have been made with an equal model, target, schedules and
// settings (Steps and Recorder apart) and sources of the same types. Another
// architecture or arithmetic, other settings and other types are refused. The
// file cannot tell whether the target, Schedule, Anneal, a loss of one's own and
// the configurations of Data are the same.
//
// All errors but those of the reader wrap ErrCheckpoint; the trainer and the model
// are then as they were.
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
	s, err := tr.stateIn(f)
	if err != nil {
		return err
	}
	values, err := tr.m.valuesIn(f, false)
	if err != nil {
		return err
	}
	arrays, err := tr.arraysIn(f)
	if err != nil {
		return err
	}
	window, err := windowIn(f, min(s.Step, tr.s.Window), tr.s.Batch)
	if err != nil {
		return err
	}
	var sources sources
	if err := sources.add(f, sourceArray, s.Source, tr.s.Src); err != nil {
		return err
	}
	if tr.held != nil {
		if err := sources.add(f, heldArray, s.Held, tr.s.Evaluation.Src); err != nil {
			return err
		}
	}
	// Nothing has been changed so far, and nothing can fail after this.
	if err := sources.set(); err != nil {
		return err
	}
	values.set()
	arrays.set(tr)
	tr.window = window
	tr.step, tr.adam.step, tr.faults, tr.shrink = s.Step, s.Step, s.Faults, s.Shrink
	if tr.s.Optimizer.Plateau != nil {
		tr.plateau = s.Plateau
	}
	return nil
}

// stateIn is the state in a file, checked against the trainer.
func (tr *Trainer) stateIn(f *safetensors.File) (s trainerState, err error) {
	text := f.Meta[trainerKey]
	if len(text) > maxState {
		return s, fmt.Errorf("state of the trainer in %d bytes", len(text))
	}
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return s, fmt.Errorf("state of the trainer: %v", err)
	}
	if differ := differences(s.Settings, tr.s.kept()); differ != "" {
		return s, fmt.Errorf("saved with other settings: %s", differ)
	}
	if was, is := f.Meta[dtypeKey], tr.m.dtype.String(); was != is {
		return s, fmt.Errorf("saved in arithmetic of %.40s, the model of the trainer has %s", was, is)
	}
	if s.Step < 0 || s.Faults < 0 || !(s.Shrink >= minShrink && s.Shrink <= 1) {
		return s, fmt.Errorf("step %d, %d faults, factor %g", s.Step, s.Faults, s.Shrink)
	}
	if p := tr.s.Optimizer.Plateau; p != nil {
		err = s.Plateau.check(p, tr.s.Window, s.Step)
	}
	return s, err
}

// trainerArrays are the arrays of a file with a number for every value of the
// parameters: moments of the optimiser and, if the trainer has them, averages.
type trainerArrays struct{ m, v, mean safetensors.Floats }

func (tr *Trainer) arraysIn(f *safetensors.File) (a trainerArrays, err error) {
	if a.m, err = float64s(f, adamM, len(tr.gradient)); err != nil {
		return a, err
	}
	if a.v, err = float64s(f, adamV, len(tr.gradient)); err != nil {
		return a, err
	}
	for i := range a.v.Len() {
		if x := a.v.At(i); x < 0 {
			return a, fmt.Errorf("array %q: value %d is %g", adamV, i, x)
		}
	}
	if tr.averages != nil {
		a.mean, err = float64s(f, averageArray, len(tr.gradient))
	}
	return a, err
}

// set copies the arrays to the trainer.
func (a *trainerArrays) set(tr *Trainer) {
	at := 0
	for k := range tr.adam.m {
		a.m.Copy(tr.adam.m[k], at)
		a.v.Copy(tr.adam.v[k], at)
		if tr.averages != nil {
			a.mean.Copy(tr.averages[k], at)
		}
		at += len(tr.adam.m[k])
	}
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
