package kernel

import (
	"fmt"
	"unsafe"
)

//go:generate go -C gen run . ..

// vector holds the primitives in vector code for one precision. They take
// pointers to the first values of the slices that the plain functions take. In
// elu, tanh, exp and add, n is a multiple of Lanes.
type vector[T Float] struct {
	// dense reads the weight of output j and input i at w[j*sj+i*si]. Unless a is
	// nil, it multiplies the result by the slope of ELU at the value a.
	dense     func(out, w, b, in, a *T, no, ni, sj, si int)
	denseGrad func(dw, dz, in, part *T, no, ni int)
	denseELU  func(out, w, b, in *T, no, ni int) // or nil

	elu, tanh, exp func(z *T, n int)
	sincos         func(sin, cos *T, n int)
	add            func(to, z *T, n int)

	affineForward, affineInverse         func(y, logDet, f, u, th, t, scale *T)
	affineForwardGrad, affineInverseGrad func(dScale, d, ds, dt, dLogDet, f, u, th, scale *T)

	affineForwardTangent, affineInverseTangent func(t, q, s, f, u, th, scale *T)

	mix func(to, x, f, p *T, n int)

	softmax     func(r *T, n int)
	softmaxGrad func(d, p, bin, dSize, dStart, scale *T, n int)
	splineBins  func(v, along, across, bin, start, end, wide, high, numbers *T, n int)

	smoothForward, smoothInverse         func(y, slope, p, saved, numbers *T, n int)
	smoothForwardGrad, smoothInverseGrad func(dr, d, dLogDet, p, saved, numbers *T, n int)

	circleForward, circleInverse func(y, slope, p, saved, numbers *T, n int)
	circleSoftmaxGrad            func(dr, p, g, numbers *T, n int)
}

// variant is one set of implementations of the primitives: vector code in both
// precisions, or nil for plain Go.
type variant struct {
	name string
	f32  *vector[float32]
	f64  *vector[float64]
}

// variants lists what this processor can run, the fastest first. Plain Go is the
// last.
var variants = append(vectorVariants(), variant{name: "plain"})

// current is the variant in use. Only tests change it.
var current = variants[0]

// Variants names the variants of the kernels that this processor can run. The
// first is the default. Results of different variants differ by rounding.
func Variants() []string {
	names := make([]string, len(variants))
	for i, v := range variants {
		names[i] = v.name
	}
	return names
}

// Variant names the variant in use.
func Variant() string { return current.name }

// UseVariant makes all kernels run in the named variant, or in the default one
// for "". It is for tests: it must not be called while any kernel runs. See
// kerneltest.Main.
func UseVariant(name string) error {
	for _, v := range variants {
		if v.name == name || name == "" {
			current = v
			return nil
		}
	}
	return fmt.Errorf("kernel: this processor has no variant %q, only %q", name, Variants())
}

// inUse is the vector code for T in the current variant, nil for plain Go.
func inUse[T Float]() *vector[T] {
	// The size of T says which type it is, so that each conversion is between
	// identical types. A type switch would cost a few percent of the time of a
	// small network.
	if unsafe.Sizeof(T(0)) == 4 {
		return (*vector[T])(unsafe.Pointer(current.f32))
	}
	return (*vector[T])(unsafe.Pointer(current.f64))
}

// first is the address of the first value of x, nil for an empty slice.
func first[T Float](x []T) *T {
	if len(x) == 0 {
		return nil
	}
	return &x[0]
}

// partials is the length of the scratch space that the vector code of denseGrad
// needs: a vector of 32 bytes, which is at most eight values, for every weight
// of five outputs or for every bias, and 16 vectors more.
func partials(no, ni int) int { return (max(5*ni, no) + 16) * 8 }
