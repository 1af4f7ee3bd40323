package flow

// Report is the outcome of one training step.
type Report struct {
	Step       int       // from 1
	Steps      int       // Step at the end of the call of Train or Run; 0 if it is Trainer.Step that was called
	Estimate             // from the batch of this step, before its update, and those that failed before it
	Running    Estimate  // from the batches of the last Settings.Window steps
	Evaluation *Estimate // by Settings.Evaluation, after the update; nil at steps without
	LearnRate  float64   // of this step, after Schedule, Plateau and faults
	Faults     int       // batches and evaluations that were dropped so far
	Data       float64   // mean of ln q over the configurations of Settings.Data, in nats; 0 without
}

// Recorder is told of every training step as it ends; it may use the model. An
// error stops training.
type Recorder interface {
	Record(r *Report) error // r is not kept by the trainer
}

// RecorderFunc makes a function a Recorder.
type RecorderFunc func(r *Report) error

// Record calls f.
func (f RecorderFunc) Record(r *Report) error { return f(r) }

// Result is the outcome of training: the running estimate, from the last
// Settings.Window steps, in the course of which the model still changed. Its
// errors do not allow for what these samples have not seen; Evaluate judges the
// final model.
type Result struct {
	Steps  int // made
	Faults int // batches and evaluations that were dropped
	Estimate
}
