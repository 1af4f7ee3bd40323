package flow

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/neuralrg/neuralrg/internal/safetensors"
)

// Names of a trainer's arrays. Moments of the optimiser and averages are in the order of
// the parameters.
const (
	adamM        = "adam.m"
	adamV        = "adam.v"
	windowArray  = "window"
	sourceArray  = "source"
	heldArray    = "evaluate.source"
	averageArray = "average"
	soapArray    = "soap"
)

// Save writes the model, as Model.Save does, and everything else that Restore needs: the
// state of the optimiser, the states of the sources in Settings, the number of steps,
// running estimates and averages. Load reads the model alone from such a file. Call Save
// between steps or from a Recorder.
//
// Save fails as Model.Save does, and with ErrSettings if the state of a source cannot be
// saved. A source must be an encoding.BinaryMarshaler and an encoding.BinaryUnmarshaler,
// as rand.PCG and rand.ChaCha8 are.
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
	if tr.s.Optimizer.Method == Soap {
		all := slices.Concat(tr.adam.bases()...)
		f.Arrays = append(f.Arrays, safetensors.Array{Name: soapArray, Shape: []int{len(all)}, Values: all})
	}
	if tr.held != nil {
		f.Arrays = append(f.Arrays, safetensors.Array{Name: heldArray, Shape: []int{len(held)}, Values: held})
	}
	return nil
}

// Restore sets parameters, optimiser, sources, estimates and averages to those in a file
// that Save wrote. Training then continues to the bit as if it had not been interrupted.
//
// Make the trainer with an equal model, target, schedules and settings and with sources of
// the same types. Only Steps and Recorder may differ. Restore fails for another
// architecture or precision, for other settings and for other types of sources. It cannot
// check the target, Schedule, Anneal, a loss of your own and the configurations of Data:
// these are not in the file.
//
// With Settings.Comm every rank calls Restore, and only rank 0 reads. The number of ranks may
// be another one than that of the trainer that was saved.
//
// All errors but those of the reader wrap ErrCheckpoint. The trainer and the model are then
// unchanged.
func (tr *Trainer) Restore(r io.Reader) error {
	if !tr.ranks.alone() {
		return tr.restoreAll(r)
	}
	return tr.restoreFrom(r)
}

func (tr *Trainer) restoreFrom(r io.Reader) error {
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

// stateIn returns the state in a file, checked against the trainer.
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

// trainerArrays are arrays of a file: moments of the optimiser, averages of the parameters
// and what Soap knows of matrices, if the trainer has them.
type trainerArrays struct{ m, v, mean, bases safetensors.Floats }

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
		if a.mean, err = float64s(f, averageArray, len(tr.gradient)); err != nil {
			return a, err
		}
	}
	if tr.s.Optimizer.Method == Soap {
		if a.bases, err = float64s(f, soapArray, len(slices.Concat(tr.adam.bases()...))); err == nil {
			err = tr.adam.checkBases(a.bases)
		}
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
	at = 0
	for _, b := range tr.adam.bases() {
		a.bases.Copy(b, at)
		at += len(b)
	}
}

// maxState is the largest length of the state of a trainer in JSON.
const maxState = 1 << 14
