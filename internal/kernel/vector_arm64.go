//go:build !purego

package kernel

// vectorVariants lists the variants in vector code. All processors of arm64 have NEON.
func vectorVariants() []variant { return []variant{{"neon", &neonF32, &neonF64}} }

var neonF32 = vector[float32]{
	dense:                denseF32NEON,
	denseGrad:            denseGradF32NEON,
	elu:                  eluF32NEON,
	tanh:                 tanhF32NEON,
	exp:                  expF32NEON,
	sincos:               sincosF32NEON,
	add:                  addF32NEON,
	affineForward:        affineForwardF32NEON,
	affineInverse:        affineInverseF32NEON,
	affineForwardGrad:    affineForwardGradF32NEON,
	affineInverseGrad:    affineInverseGradF32NEON,
	affineForwardTangent: affineForwardTangentF32NEON,
	affineInverseTangent: affineInverseTangentF32NEON,
	mix:                  mixF32NEON,
	softmax:              softmaxF32NEON,
	softmaxGrad:          softmaxGradF32NEON,
	splineBins:           splineBinsF32NEON,
	smoothForward:        smoothForwardF32NEON,
	smoothInverse:        smoothInverseF32NEON,
	smoothForwardGrad:    smoothForwardGradF32NEON,
	smoothInverseGrad:    smoothInverseGradF32NEON,
	circleForward:        circleForwardF32NEON,
	circleInverse:        circleInverseF32NEON,
	circleSoftmaxGrad:    circleSoftmaxGradF32NEON,
}

var neonF64 = vector[float64]{
	dense:                denseF64NEON,
	denseGrad:            denseGradF64NEON,
	elu:                  eluF64NEON,
	tanh:                 tanhF64NEON,
	exp:                  expF64NEON,
	sincos:               sincosF64NEON,
	add:                  addF64NEON,
	affineForward:        affineForwardF64NEON,
	affineInverse:        affineInverseF64NEON,
	affineForwardGrad:    affineForwardGradF64NEON,
	affineInverseGrad:    affineInverseGradF64NEON,
	affineForwardTangent: affineForwardTangentF64NEON,
	affineInverseTangent: affineInverseTangentF64NEON,
	mix:                  mixF64NEON,
	softmax:              softmaxF64NEON,
	softmaxGrad:          softmaxGradF64NEON,
	splineBins:           splineBinsF64NEON,
	smoothForward:        smoothForwardF64NEON,
	smoothInverse:        smoothInverseF64NEON,
	smoothForwardGrad:    smoothForwardGradF64NEON,
	smoothInverseGrad:    smoothInverseGradF64NEON,
	circleForward:        circleForwardF64NEON,
	circleInverse:        circleInverseF64NEON,
	circleSoftmaxGrad:    circleSoftmaxGradF64NEON,
}
