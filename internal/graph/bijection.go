package graph

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/errs"
)

// Bijection is an invertible map with its log-determinants.
type Bijection interface {
	Dim() int
	Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error)
	Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error)
}

// Forward is b.Forward(z) with its argument and its results checked.
func Forward(b Bijection, z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	return mapped(b, b.Forward, z)
}

// Inverse is b.Inverse(x) with its argument and its results checked.
func Inverse(b Bijection, x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) {
	return mapped(b, b.Inverse, x)
}

// mapped is f(x), f being one of the two directions of b.
func mapped(b Bijection, f func(*gorgonia.Node) (y, logDet *gorgonia.Node, err error), x *gorgonia.Node) (
	y, logDet *gorgonia.Node, err error) {
	rows, err := Rows(x, b.Dim())
	if err != nil {
		return nil, nil, fmt.Errorf("bijector: %T: %w", b, err)
	}
	var failed error
	// A user's method may panic, as Gorgonia does on misuse.
	if err := Guard(func() error { y, logDet, failed = f(x); return nil }); err != nil {
		return nil, nil, fmt.Errorf("bijector: %T: %w", b, err)
	}
	if failed != nil {
		return nil, nil, failed
	}
	if r, err := Rows(y, b.Dim()); err != nil {
		return nil, nil, fmt.Errorf("bijector: %T: image: %w", b, err)
	} else if r != rows || y.Dtype() != x.Dtype() {
		return nil, nil, fmt.Errorf("bijector: %T: %w: image must have %d rows of %v",
			b, errs.ErrShape, rows, x.Dtype())
	}
	if err := Vector(fmt.Sprintf("bijector: %T: log-determinant", b), logDet, x); err != nil {
		return nil, nil, err
	}
	return y, logDet, nil
}
