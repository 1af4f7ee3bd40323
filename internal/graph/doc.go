// Package graph is the one room that knows Gorgonia. It makes custom
// operations that survive Gorgonia's merging and buffer reuse (Apply), the
// few operations a flow needs (ops.go, rows.go, tiles.go), parameters whose
// values live outside any graph (Param), and programs that compile a graph
// per number of rows and run it on plain slices (Program).
//
// Rules that keep it correct, each of which fails silently when broken:
// every operation has an identity of its own, so that no two are merged; an
// operation rewrites its whole output at every run; a gradient operation
// takes the forward output as an input when it relies on what the forward
// operation left behind; a graph is differentiated once; nothing panics out.
package graph

import (
	"errors"
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	// Gorgonia imports this package, whose older versions refuse to start on
	// current Go. Naming it here keeps the version that starts in go.mod.
	_ "go4.org/unsafe/assume-no-moving-gc"
)

// ErrShape reports a node or slice whose shape is not the expected one.
var ErrShape = errors.New("wrong shape")

// Guard calls f and turns a panic into an error. Gorgonia panics on much
// misuse while a graph is being built.
func Guard(f func() error) (err error) {
	defer recovered(&err)
	return f()
}

// recovered is for deferring: it turns a panic into an error.
func recovered(err *error) {
	if p := recover(); p != nil {
		if e, ok := p.(error); ok {
			*err = fmt.Errorf("panic: %w", e)
		} else {
			*err = fmt.Errorf("panic: %v", p)
		}
	}
}

// Rows checks that x is a (rows, dim) matrix of float32 or float64 and returns
// its number of rows.
func Rows(x *gorgonia.Node, dim int) (int, error) {
	if x == nil {
		return 0, fmt.Errorf("%w: nil node, want (rows, %d)", ErrShape, dim)
	}
	s := x.Shape()
	if !x.IsMatrix() || s[1] != dim {
		return 0, fmt.Errorf("%w: node of shape %v, want (rows, %d)", ErrShape, s, dim)
	}
	if s[0] < 1 {
		return 0, fmt.Errorf("%w: node without rows, want (rows, %d)", ErrShape, dim)
	}
	if dt := x.Dtype(); dt != tensor.Float64 && dt != tensor.Float32 {
		return 0, fmt.Errorf("%w: node of type %v, want float64 or float32", ErrShape, dt)
	}
	return s[0], nil
}
