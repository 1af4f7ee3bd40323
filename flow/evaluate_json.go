package flow

import (
	"encoding/json"
	"math"
	"strconv"

	"github.com/neuralrg/neuralrg/internal/num"
)

// maybe is a number whose values NaN, +∞ and −∞ are the strings "NaN", "+Inf" and
// "-Inf" in JSON, because JSON has no such numbers.
type maybe float64

func (m maybe) MarshalJSON() ([]byte, error) {
	if v := float64(m); !num.Finite(v) {
		return json.Marshal(strconv.FormatFloat(v, 'g', -1, 64))
	}
	return json.Marshal(float64(m))
}

func (m *maybe) UnmarshalJSON(text []byte) error {
	words := map[string]float64{`"NaN"`: math.NaN(), `"+Inf"`: math.Inf(1), `"-Inf"`: math.Inf(-1)}
	if v, ok := words[string(text)]; ok {
		*m = maybe(v)
		return nil
	}
	return json.Unmarshal(text, (*float64)(m))
}

// estimateJSON is an Estimate in JSON.
type estimateJSON struct {
	Samples                                    int
	Loss, StdErr, Variance, ESS, LogZ, LogZErr maybe
	TailIndex                                  maybe
	AcceptRate                                 float64      `json:",omitzero"`
	OutOfSupport, Dropped                      int          `json:",omitzero"`
	Forward                                    *forwardJSON `json:",omitzero"`
}

// forwardJSON is a Forward in JSON.
type forwardJSON struct {
	Samples                                      int
	Bound, StdErr, ESS, LogZ, LogZErr, TailIndex maybe
	OutOfSupport                                 int `json:",omitzero"`
	Deviation                                    maybe
}

func (e *Estimate) json() estimateJSON {
	j := estimateJSON{
		e.Samples, maybe(e.Loss), maybe(e.StdErr), maybe(e.Variance), maybe(e.ESS), maybe(e.LogZ), maybe(e.LogZErr),
		maybe(e.TailIndex), e.AcceptRate, e.OutOfSupport, e.Dropped, nil,
	}
	if f := e.Forward; f != nil {
		j.Forward = &forwardJSON{
			f.Samples, maybe(f.Bound), maybe(f.StdErr), maybe(f.ESS), maybe(f.LogZ), maybe(f.LogZErr),
			maybe(f.TailIndex), f.OutOfSupport, maybe(f.Deviation),
		}
	}
	return j
}

func (j *estimateJSON) estimate() Estimate {
	e := Estimate{
		j.Samples, float64(j.Loss), float64(j.StdErr), float64(j.Variance), float64(j.ESS), float64(j.LogZ),
		float64(j.LogZErr), float64(j.TailIndex), j.AcceptRate, j.OutOfSupport, j.Dropped, nil,
	}
	if f := j.Forward; f != nil {
		e.Forward = &Forward{
			f.Samples, float64(f.Bound), float64(f.StdErr), float64(f.ESS), float64(f.LogZ), float64(f.LogZErr),
			float64(f.TailIndex), f.OutOfSupport, float64(f.Deviation),
		}
	}
	return e
}

// MarshalJSON writes the fields by their names. A number that is not finite is the
// string "NaN", "+Inf" or "-Inf".
func (e Estimate) MarshalJSON() ([]byte, error) { return json.Marshal(e.json()) }

// UnmarshalJSON reads what MarshalJSON writes.
func (e *Estimate) UnmarshalJSON(text []byte) error {
	var j estimateJSON
	err := json.Unmarshal(text, &j)
	if err == nil {
		*e = j.estimate()
	}
	return err
}

type reportJSON struct {
	Step, Steps int
	estimateJSON
	Running    Estimate
	Evaluation *Estimate
	LearnRate  maybe
	Faults     int
	Data       maybe
}

// MarshalJSON writes the fields by their names, with the fields of the embedded Estimate
// beside the others. A number that is not finite is the string "NaN", "+Inf" or "-Inf".
func (r Report) MarshalJSON() ([]byte, error) {
	return json.Marshal(reportJSON{
		r.Step, r.Steps, r.Estimate.json(), r.Running, r.Evaluation, maybe(r.LearnRate), r.Faults, maybe(r.Data),
	})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (r *Report) UnmarshalJSON(text []byte) error {
	var j reportJSON
	err := json.Unmarshal(text, &j)
	if err == nil {
		*r = Report{
			j.Step, j.Steps, j.estimate(), j.Running, j.Evaluation, float64(j.LearnRate), j.Faults, float64(j.Data),
		}
	}
	return err
}

type resultJSON struct {
	Steps, Faults int
	estimateJSON
}

// MarshalJSON writes the fields by their names, with the fields of the embedded Estimate
// beside the others. A number that is not finite is the string "NaN", "+Inf" or "-Inf".
func (r Result) MarshalJSON() ([]byte, error) {
	return json.Marshal(resultJSON{r.Steps, r.Faults, r.Estimate.json()})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (r *Result) UnmarshalJSON(text []byte) error {
	var j resultJSON
	err := json.Unmarshal(text, &j)
	if err == nil {
		*r = Result{j.Steps, j.Faults, j.estimate()}
	}
	return err
}
