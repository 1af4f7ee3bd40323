package flow

// Report describes one training step.
type Report struct {
	Step       int       // number of this step, from 1
	Steps      int       // number of the last step of the running call of Train or Run; 0 in a call of Trainer.Step
	Estimate             // from the batch of this step, before the update, and the failed batches before it
	Running    Estimate  // from the batches of the last Settings.Window steps
	Evaluation *Estimate // by Settings.Evaluation, after the update; nil if this step has none
	LearnRate  float64   // of this step, with the factors of Schedule, Plateau and faults
	Faults     int       // batches and evaluations that were dropped so far
	Data       float64   // mean of ln q over the configurations of Settings.Data, in nats; 0 without Data
}

// Recorder receives a report after every training step. It may use the model. If it
// returns an error, training stops.
type Recorder interface {
	Record(r *Report) error // r may be kept; the trainer does not change it later
}

// RecorderFunc is a function that is used as a Recorder.
type RecorderFunc func(r *Report) error

// Record calls f.
func (f RecorderFunc) Record(r *Report) error { return f(r) }

// Result is the result of training. Its Estimate comes from the last Settings.Window
// steps, while the model still changed, and its errors do not include weights larger than
// any seen. Use Evaluate to judge the final model.
type Result struct {
	Steps  int // number of steps made
	Faults int // number of batches and evaluations that were dropped
	Estimate
}
