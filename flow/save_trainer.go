package flow

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/neuralrg/neuralrg/internal/safetensors"
)

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
		return fmt.Errorf("%w: state of the trainer in %d bytes, at most %d are read again", ErrCheckpoint, len(text),
			maxState)
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

// maxState bounds the state of a trainer in JSON.
const maxState = 1 << 14
