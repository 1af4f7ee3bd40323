// Package graph is the one room that knows Gorgonia. It makes custom
// operations that survive Gorgonia's merging and buffer reuse (Apply), the
// few operations a flow needs (ops.go, rows.go, tiles.go, layer.go), and
// programs that compile a graph per number of rows and run it on plain slices
// (Program).
//
// Rules that keep it correct, each of which fails silently when broken:
// every operation has an identity of its own, so that no two are merged; an
// operation rewrites its whole output at every run; a gradient operation
// takes the forward output as an input when it relies on what the forward
// operation left behind; a graph is differentiated once; nothing panics out.
package graph

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	// Gorgonia imports this package, whose older versions refuse to start on
	// current Go. Naming it here keeps the version that starts in go.mod.
	_ "go4.org/unsafe/assume-no-moving-gc"

	"github.com/neuralrg/neuralrg/internal/errs"
)

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
		return 0, fmt.Errorf("%w: nil node, want (rows, %d)", errs.ErrShape, dim)
	}
	s := x.Shape()
	if !x.IsMatrix() || s[1] != dim {
		return 0, fmt.Errorf("%w: node of shape %v, want (rows, %d)", errs.ErrShape, s, dim)
	}
	if s[0] < 1 {
		return 0, fmt.Errorf("%w: node without rows, want (rows, %d)", errs.ErrShape, dim)
	}
	if dt := x.Dtype(); dt != tensor.Float64 && dt != tensor.Float32 {
		return 0, fmt.Errorf("%w: node of type %v, want float64 or float32", errs.ErrShape, dt)
	}
	return s[0], nil
}

// Vector checks that v, the result of what, is a (rows) vector of x's
// precision, x being a (rows, dim) matrix.
func Vector(what string, v, x *gorgonia.Node) error {
	rows := x.Shape()[0]
	if v == nil {
		return fmt.Errorf("%s: %w: nil node, want a (%d) vector", what, errs.ErrShape, rows)
	}
	if s := v.Shape(); len(s) != 1 || s[0] != rows || !v.IsVector() {
		return fmt.Errorf("%s: %w: node of shape %v, want a (%d) vector", what, errs.ErrShape, s, rows)
	}
	if v.Dtype() != x.Dtype() {
		return fmt.Errorf("%s: %w: node of type %v, want %v", what, errs.ErrShape, v.Dtype(), x.Dtype())
	}
	return nil
}

// LogProber is a log-density.
type LogProber interface {
	Dim() int
	LogProb(x *gorgonia.Node) (*gorgonia.Node, error)
}

// LogProb is d.LogProb(x) with its argument and its result checked.
func LogProb(d LogProber, x *gorgonia.Node) (p *gorgonia.Node, err error) {
	if _, err := Rows(x, d.Dim()); err != nil {
		return nil, fmt.Errorf("%T: %w", d, err)
	}
	if err := Guard(func() error { p, err = d.LogProb(x); return err }); err != nil {
		return nil, err
	}
	return p, Vector(fmt.Sprintf("log-density of %T", d), p, x)
}

// NameOf is what messages call a value: what its method String says, or its Go type.
func NameOf(v any) string {
	if s, ok := v.(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprintf("%T", v)
}
