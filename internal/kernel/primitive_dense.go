package kernel

// Product sets out = W·in for a tile. W is (no, ni) row-major, in has ni values
// of Lanes rows and out no values of Lanes rows. in and out must not overlap. The
// result of a row does not depend on the other rows, to the bit.
func Product[T Float](out, w, in []T, no, ni int) { dense(out, w, nil, in, no, ni) }

// dense sets out = W·in + b for a tile. W is (no, ni) row-major, in has ni values
// of Lanes rows and out no values of Lanes rows. b may be nil.
func dense[T Float](out, w, b, in []T, no, ni int) {
	if b != nil {
		b = b[:no]
	}
	if v := inUse[T](); v != nil {
		w, in, out = w[:no*ni], in[:ni*Lanes], out[:no*Lanes]
		v.dense(&out[0], &w[0], first(b), &in[0], nil, no, ni, ni, 1)
		return
	}
	densePlain(out, w, b, in, no, ni, ni)
}

// denseELU sets out to the ELU of W·in + b for a tile, with the arguments of dense.
func denseELU[T Float](out, w, b, in []T, no, ni int) {
	if v := inUse[T](); v != nil && v.denseELU != nil {
		w, b, in, out = w[:no*ni], b[:no], in[:ni*Lanes], out[:no*Lanes]
		v.denseELU(&out[0], &w[0], &b[0], &in[0], no, ni)
		return
	}
	dense(out, w, b, in, no, ni)
	elu(out[:no*Lanes])
}

// denseBack sets din = Wᵀ·dz, the gradient with respect to the inputs of a dense
// layer. Unless a is nil, the inputs are the values a of ELU. denseBack then
// multiplies din by the slope of ELU, which is 1 for a > 0 and a + 1 otherwise.
// The result is the gradient with respect to the arguments of ELU. scratch is
// no·ni values.
func denseBack[T Float](din, w, dz, a, scratch []T, no, ni int) {
	din, w, dz = din[:ni*Lanes], w[:no*ni], dz[:no*Lanes]
	if a != nil {
		a = a[:ni*Lanes]
	}
	if v := inUse[T](); v != nil {
		v.dense(&din[0], &w[0], nil, &dz[0], first(a), ni, no, 1, ni)
		return
	}
	denseBackPlain(din, w, dz, scratch, no, ni)
	eluBackPlain(din, a)
}

// denseTangent sets out = W·in, the derivative of a dense layer whose inputs have
// the derivative in. Unless a is nil, ELU follows the layer and has the values a:
// denseTangent then multiplies out by the slope of ELU. Rows of W begin stride
// values apart in w.
func denseTangent[T Float](out, w, in, a []T, no, ni, stride int) {
	out, w, in = out[:no*Lanes], w[:(no-1)*stride+ni], in[:ni*Lanes]
	if a != nil {
		a = a[:no*Lanes]
	}
	if v := inUse[T](); v != nil {
		v.dense(&out[0], &w[0], nil, &in[0], first(a), no, ni, stride, 1)
		return
	}
	densePlain(out, w, nil, in, no, ni, stride)
	eluBackPlain(out, a)
}

// denseGrad adds to dw the gradients of the weights, dz·inᵀ, and then of the
// biases, Σ dz, summed over the rows of the tile. scratch is partials(no, ni)
// values.
func denseGrad[T Float](dw, dz, in, scratch []T, no, ni int) {
	dw, dz, in = dw[:no*(ni+1)], dz[:no*Lanes], in[:ni*Lanes]
	if v := inUse[T](); v != nil {
		v.denseGrad(&dw[0], &dz[0], &in[0], &scratch[:partials(no, ni)][0], no, ni)
		return
	}
	denseGradPlain(dw[:no*ni], dw[no*ni:], dz, in, no, ni)
}
