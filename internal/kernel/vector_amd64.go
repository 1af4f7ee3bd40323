//go:build !purego

package kernel

import "golang.org/x/sys/cpu"

// vectorVariants lists the variants in vector code that this processor can run.
func vectorVariants() []variant {
	x := &cpu.X86
	var v []variant
	if x.HasAVX512F && x.HasAVX512DQ && x.HasAVX512BW && x.HasAVX512VL {
		v = append(v, variant{"avx512", &avx512F32, &avx512F64})
	}
	if x.HasAVX2 && x.HasFMA {
		v = append(v, variant{"avx2", &avx2F32, &avx2F64})
	}
	return v
}

var avx512F32 = vector[float32]{
	dense:                denseF32AVX512,
	denseGrad:            denseGradF32AVX512,
	elu:                  eluF32AVX512,
	tanh:                 tanhF32AVX512,
	exp:                  expF32AVX512,
	sincos:               sincosF32AVX512,
	add:                  addF32AVX512,
	affineForward:        affineForwardF32AVX512,
	affineInverse:        affineInverseF32AVX512,
	affineForwardGrad:    affineForwardGradF32AVX512,
	affineInverseGrad:    affineInverseGradF32AVX512,
	affineForwardTangent: affineForwardTangentF32AVX512,
	affineInverseTangent: affineInverseTangentF32AVX512,
	mix:                  mixF32AVX512,
	softmax:              softmaxF32AVX512,
	softmaxGrad:          softmaxGradF32AVX512,
	splineBins:           splineBinsF32AVX512,
	smoothForward:        smoothForwardF32AVX512,
	smoothInverse:        smoothInverseF32AVX512,
	smoothForwardGrad:    smoothForwardGradF32AVX512,
	smoothInverseGrad:    smoothInverseGradF32AVX512,
	circleForward:        circleForwardF32AVX512,
	circleInverse:        circleInverseF32AVX512,
	circleSoftmaxGrad:    circleSoftmaxGradF32AVX512,
}

var avx512F64 = vector[float64]{
	dense:                denseF64AVX512,
	denseGrad:            denseGradF64AVX512,
	elu:                  eluF64AVX512,
	tanh:                 tanhF64AVX512,
	exp:                  expF64AVX512,
	sincos:               sincosF64AVX512,
	add:                  addF64AVX512,
	affineForward:        affineForwardF64AVX512,
	affineInverse:        affineInverseF64AVX512,
	affineForwardGrad:    affineForwardGradF64AVX512,
	affineInverseGrad:    affineInverseGradF64AVX512,
	affineForwardTangent: affineForwardTangentF64AVX512,
	affineInverseTangent: affineInverseTangentF64AVX512,
	mix:                  mixF64AVX512,
	softmax:              softmaxF64AVX512,
	softmaxGrad:          softmaxGradF64AVX512,
	splineBins:           splineBinsF64AVX512,
	smoothForward:        smoothForwardF64AVX512,
	smoothInverse:        smoothInverseF64AVX512,
	smoothForwardGrad:    smoothForwardGradF64AVX512,
	smoothInverseGrad:    smoothInverseGradF64AVX512,
	circleForward:        circleForwardF64AVX512,
	circleInverse:        circleInverseF64AVX512,
	circleSoftmaxGrad:    circleSoftmaxGradF64AVX512,
}

var avx2F32 = vector[float32]{
	dense:                denseF32AVX2,
	denseGrad:            denseGradF32AVX2,
	denseELU:             denseELUF32AVX2,
	elu:                  eluF32AVX2,
	tanh:                 tanhF32AVX2,
	exp:                  expF32AVX2,
	sincos:               sincosF32AVX2,
	add:                  addF32AVX2,
	affineForward:        affineForwardF32AVX2,
	affineInverse:        affineInverseF32AVX2,
	affineForwardGrad:    affineForwardGradF32AVX2,
	affineInverseGrad:    affineInverseGradF32AVX2,
	affineForwardTangent: affineForwardTangentF32AVX2,
	affineInverseTangent: affineInverseTangentF32AVX2,
	mix:                  mixF32AVX2,
	softmax:              softmaxF32AVX2,
	softmaxGrad:          softmaxGradF32AVX2,
	splineBins:           splineBinsF32AVX2,
	smoothForward:        smoothForwardF32AVX2,
	smoothInverse:        smoothInverseF32AVX2,
	smoothForwardGrad:    smoothForwardGradF32AVX2,
	smoothInverseGrad:    smoothInverseGradF32AVX2,
	circleForward:        circleForwardF32AVX2,
	circleInverse:        circleInverseF32AVX2,
	circleSoftmaxGrad:    circleSoftmaxGradF32AVX2,
}

var avx2F64 = vector[float64]{
	dense:                denseF64AVX2,
	denseGrad:            denseGradF64AVX2,
	elu:                  eluF64AVX2,
	tanh:                 tanhF64AVX2,
	exp:                  expF64AVX2,
	sincos:               sincosF64AVX2,
	add:                  addF64AVX2,
	affineForward:        affineForwardF64AVX2,
	affineInverse:        affineInverseF64AVX2,
	affineForwardGrad:    affineForwardGradF64AVX2,
	affineInverseGrad:    affineInverseGradF64AVX2,
	affineForwardTangent: affineForwardTangentF64AVX2,
	affineInverseTangent: affineInverseTangentF64AVX2,
	mix:                  mixF64AVX2,
	softmax:              softmaxF64AVX2,
	softmaxGrad:          softmaxGradF64AVX2,
	splineBins:           splineBinsF64AVX2,
	smoothForward:        smoothForwardF64AVX2,
	smoothInverse:        smoothInverseF64AVX2,
	smoothForwardGrad:    smoothForwardGradF64AVX2,
	smoothInverseGrad:    smoothInverseGradF64AVX2,
	circleForward:        circleForwardF64AVX2,
	circleInverse:        circleInverseF64AVX2,
	circleSoftmaxGrad:    circleSoftmaxGradF64AVX2,
}
