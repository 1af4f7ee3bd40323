package flow

import (
	"fmt"
	"reflect"
	"strings"
)

// trainerState is the state of a trainer that a file holds as JSON. The rest are arrays.
type trainerState struct {
	Settings trainerSettings `json:"settings"`
	Step     int             `json:"step"`
	Faults   int             `json:"faults"`
	Shrink   float64         `json:"shrink"`
	Source   string          `json:"source"` // Go type
	Plateau  plateauState    `json:"plateau,omitzero"`
	Held     string          `json:"evaluate_source,omitempty"` // Go type
}

// trainerSettings are the settings that must be equal when training is resumed. The tag
// "field" names the place in Settings.
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

	// Zero values are left out, so that files are as in earlier versions without these fields.
	Method    Method       `json:"method,omitzero" field:"Optimizer.Method"`
	Plateau   keptPlateau  `json:"plateau,omitzero" field:"Optimizer.Plateau"`
	Average   float64      `json:"average,omitzero" field:"Optimizer.Average"`
	Evaluate  keptEvaluate `json:"evaluate,omitzero" field:"Evaluation"`
	Parts     int          `json:"parts,omitzero"`
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

// kept returns the settings in the form of the file.
func (s *Settings) kept() trainerSettings {
	o := s.Optimizer
	k := trainerSettings{
		Batch: s.Batch, Images: s.Images, Window: s.Window, Parts: s.Parts,
		Method: o.Method, LearnRate: o.LearnRate, ClipNorm: o.ClipNorm, MaxScale: o.MaxScale, Average: o.Average,
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

// differences lists the settings that differ, with their values. It returns "" if none
// differ.
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
