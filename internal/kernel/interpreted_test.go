//go:build amd64 || arm64

package kernel

import "testing"

// interpretedAVX512 is the variant avx512 for processors without AVX-512: an interpreter runs its code.
func interpretedAVX512(p *program) variant {
	f32, f64 := interpreted[float32](p, "F32AVX512"), interpreted[float64](p, "F64AVX512")
	return variant{"avx512, interpreted", &f32, &f64}
}

// interpreted are the primitives of a program in one precision.
func interpreted[T Float](p *program, suffix string) vector[T] {
	run := func(name string) func(args ...any) {
		return func(args ...any) { p.call(name+suffix, args...) }
	}
	inPlace := func(name string) func(z *T, n int) { f := run(name); return func(z *T, n int) { f(z, n) } }
	affine := func(name string) func(y, logDet, f, u, th, t, scale *T) {
		g := run(name)
		return func(y, logDet, f, u, th, t, scale *T) { g(y, logDet, f, u, th, t, scale) }
	}
	affineGrad := func(name string) func(dScale, d, ds, dt, dLogDet, f, u, th, scale *T) {
		g := run(name)
		return func(dScale, d, ds, dt, dLogDet, f, u, th, scale *T) {
			g(dScale, d, ds, dt, dLogDet, f, u, th, scale)
		}
	}
	curve := func(name string) func(y, slope, p, saved, numbers *T, n int) {
		g := run(name)
		return func(y, slope, p, saved, numbers *T, n int) { g(y, slope, p, saved, numbers, n) }
	}
	curveGrad := func(name string) func(dr, d, dLogDet, p, saved, numbers *T, n int) {
		g := run(name)
		return func(dr, d, dLogDet, p, saved, numbers *T, n int) { g(dr, d, dLogDet, p, saved, numbers, n) }
	}
	dense, denseGrad, sincos, mix := run("dense"), run("denseGrad"), run("sincos"), run("mix")
	add, softmaxGrad, splineBins := run("add"), run("softmaxGrad"), run("splineBins")
	circleGrad := run("circleSoftmaxGrad")
	return vector[T]{
		dense:     func(out, w, b, in, a *T, no, ni, sj, si int) { dense(out, w, b, in, a, no, ni, sj, si) },
		denseGrad: func(dw, dz, in, part *T, no, ni int) { denseGrad(dw, dz, in, part, no, ni) },
		elu:       inPlace("elu"), tanh: inPlace("tanh"), exp: inPlace("exp"), softmax: inPlace("softmax"),
		sincos: func(sin, cos *T, n int) { sincos(sin, cos, n) },
		add:    func(to, z *T, n int) { add(to, z, n) },

		affineForward: affine("affineForward"), affineInverse: affine("affineInverse"),
		affineForwardTangent: affine("affineForwardTangent"), affineInverseTangent: affine("affineInverseTangent"),
		affineForwardGrad: affineGrad("affineForwardGrad"), affineInverseGrad: affineGrad("affineInverseGrad"),
		mix: func(to, x, f, p *T, n int) { mix(to, x, f, p, n) },

		softmaxGrad: func(d, p, bin, dSize, dStart, scale *T, n int) {
			softmaxGrad(d, p, bin, dSize, dStart, scale, n)
		},
		splineBins: func(v, along, across, bin, start, end, wide, high, numbers *T, n int) {
			splineBins(v, along, across, bin, start, end, wide, high, numbers, n)
		},
		smoothForward: curve("smoothForward"), smoothInverse: curve("smoothInverse"),
		smoothForwardGrad: curveGrad("smoothForwardGrad"), smoothInverseGrad: curveGrad("smoothInverseGrad"),
		circleForward: curve("circleForward"), circleInverse: curve("circleInverse"),
		circleSoftmaxGrad: func(dr, p, g, numbers *T, n int) { circleGrad(dr, p, g, numbers, n) },
	}
}

// The code for AVX-512 does what it should on any processor: the tests of the primitives run with an
// interpreter of its instructions.
func TestAVX512Interpreted(t *testing.T) {
	if testing.Short() || variants[0].name == "avx512" {
		t.Skip("slow, and of no use where the processor runs the code")
	}
	old, now := variants, current
	defer func() { variants, current = old, now }()
	p, err := readProgram("vector_avx512_amd64.s")
	if err != nil {
		t.Fatal(err)
	}
	variants = []variant{interpretedAVX512(p), {name: "plain"}}
	current = variants[0]
	for name, test := range map[string]func(t *testing.T){
		"dense": func(t *testing.T) {
			for _, no := range []int{1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 23} {
				for _, ni := range []int{1, 2, 3, 4, 5, 6, 9, 10, 11, 23} {
					checkDense(t, normal[float32], no, ni)
					checkDense(t, normal[float64], no, ni)
				}
			}
		},
		"elementwise": TestElementwise, "slope of ELU": TestELUSlope, "sincos": TestSincos, "wrap": TestWrap,
		"NaN": TestDenseContainsNaN, "rows alike": TestRowsAlike,
		"affine": TestAffineUpdate, "tangent": TestTangent, "Jacobian": TestJacobian,
		"splines": TestSplinePrimitives, "spline variants": TestSplineVariants, "softmax": TestSoftmaxOfNaN,
		"smooth": TestSmoothPrimitives, "smooth accuracy": TestSmoothAccuracy, "circles": TestCirclePrimitives,
	} {
		t.Run(name, test)
	}
	for name := range p.functions {
		if _, ok := p.compiled[name]; !ok {
			t.Errorf("no test has run %s", name)
		}
	}
}
