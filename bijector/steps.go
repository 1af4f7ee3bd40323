package bijector

import "gonum.org/v1/gonum/mat"

// Stepper is a bijector whose Forward is a sequence of maps, such as the couplings of a
// block. If the numbers of a model cease to be finite, an error can so say in
// which of them. RealNVP, Spline, Chain and Hierarchy are Steppers; for other
// bijectors it is optional.
type Stepper interface {
	Bijector
	// Steps returns the maps in the order in which Forward applies them.
	Steps() []Step
}

// Step is one map of a Stepper.
type Step struct {
	// Name is what messages call it: "coupling 3".
	Name string
	// Map is the step alone, on rows of Dim values. Its parameters are those of
	// the whole, or have parts of their values: NewParam(name, values[i:j], j-i) makes
	// such a parameter.
	Map Bijector
}

// LogScaler is a bijector with factors exp(s), |s| at most the size of some of its
// parameters, whose growth training can limit: flow.Settings.MaxScale keeps these
// within ±MaxScale. RealNVP and Spline are LogScalers; for other bijectors it is optional.
type LogScaler interface {
	Bijector
	// LogScales returns these parameters as views: writing to them changes the
	// bijector.
	LogScales() []*mat.VecDense
}
