package flow

import (
	"fmt"

	"github.com/neuralrg/neuralrg/target"
)

// Names of priors in a file.
const (
	normalPrior = "normal"
	anglesPrior = "uniform angles"
)

// priorName returns the name of a prior in a file.
func priorName(p target.Prior) string {
	switch p.(type) {
	case *target.Normal:
		return normalPrior
	case *target.UniformAngles:
		return anglesPrior
	}
	return custom + fmt.Sprintf("%T", p)
}

// priorOf returns the prior of a description.
func priorOf(a *architecture) (target.Prior, error) {
	switch a.Prior {
	case normalPrior:
		return target.NewNormal(a.Dim), nil
	case anglesPrior:
		return target.NewUniformAngles(a.Dim), nil
	}
	return nil, fmt.Errorf("prior %.40q is neither target.Normal nor target.UniformAngles: "+
		"build the model and use Model.Restore", a.Prior)
}
