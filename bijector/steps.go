package bijector

import "gonum.org/v1/gonum/mat"

// Stepper is a bijector whose Forward is a sequence of maps, such as the couplings of a
// block. If a number is not finite, an error can then name the map in which it first
// appeared. RealNVP, Spline, Chain and Hierarchy are Steppers. For other bijectors it is
// optional.
type Stepper interface {
	Bijector
	// Steps returns the maps in the order in which Forward applies them.
	Steps() []Step
}

// Step is one map of a Stepper.
type Step struct {
	// Name is the name of the step in error messages, for example "coupling 3".
	Name string
	// Map is the step alone, on rows of Dim values. Its parameters must share memory with
	// those of the whole bijector: they are the same, or parts of them, made by
	// NewParam(name, values[i:j], j-i).
	Map Bijector
}

// LogScaler is a bijector that multiplies values by factors exp(s), where some of its
// parameters are upper bounds of |s|. Training can limit these parameters: see
// flow.OptimizerSettings.MaxScale. RealNVP and Spline are LogScalers. For other bijectors
// it is optional.
type LogScaler interface {
	Bijector
	// LogScales returns views of these parameters: writing to them changes the bijector.
	LogScales() []*mat.VecDense
}

// Weighted is a bijector with matrices among its parameters: the weights of its networks.
// An optimiser can treat such a matrix as a whole, see flow.Soap. RealNVP, Spline and
// CircularSpline are Weighted. For other bijectors it is optional.
type Weighted interface {
	Bijector
	// Weights returns views of the matrices: writing to them changes the bijector. They do
	// not overlap, and each is contiguous in one parameter.
	Weights() []*mat.Dense
}

// weightsOf returns the weights of networks.
func weightsOf(networks ...[]Dense) []*mat.Dense {
	var all []*mat.Dense
	for _, layers := range networks {
		for _, l := range layers {
			all = append(all, l.W)
		}
	}
	return all
}
