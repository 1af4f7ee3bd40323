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
	densePlain(out, w, b, in, no, ni)
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
	if stride == ni {
		densePlain(out, w, nil, in, no, ni)
	} else {
		for j := range no {
			densePlain(out[j*Lanes:], w[j*stride:], nil, in, 1, ni)
		}
	}
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

// densePlain keeps the sums of two outputs for four rows in registers while it
// goes through the inputs: six loads serve sixteen operations.
func densePlain[T Float](out, w, b, in []T, no, ni int) {
	w, in, out = w[:no*ni], in[:ni*Lanes], out[:no*Lanes]
	j := 0
	for ; j+1 < no; j += 2 {
		w0, w1 := w[j*ni:(j+1)*ni], w[(j+1)*ni:(j+2)*ni]
		w1 = w1[:len(w0)]
		var b0, b1 T
		if b != nil {
			b0, b1 = b[j], b[j+1]
		}
		o0, o1 := out[j*Lanes:(j+1)*Lanes], out[(j+1)*Lanes:(j+2)*Lanes]
		for l := 0; l < Lanes; l += 4 {
			p0, p1, p2, p3 := b0, b0, b0, b0
			q0, q1, q2, q3 := b1, b1, b1, b1
			at := l
			for i, u := range w0 {
				v := w1[i]
				x := (*[4]T)(in[at:])
				at += Lanes
				p0 += u * x[0]
				p1 += u * x[1]
				p2 += u * x[2]
				p3 += u * x[3]
				q0 += v * x[0]
				q1 += v * x[1]
				q2 += v * x[2]
				q3 += v * x[3]
			}
			*(*[4]T)(o0[l:]) = [4]T{p0, p1, p2, p3}
			*(*[4]T)(o1[l:]) = [4]T{q0, q1, q2, q3}
		}
	}
	for ; j < no; j++ {
		w0 := w[j*ni : (j+1)*ni]
		var b0 T
		if b != nil {
			b0 = b[j]
		}
		o0 := out[j*Lanes : (j+1)*Lanes]
		for l := 0; l < Lanes; l += 4 {
			p0, p1, p2, p3 := b0, b0, b0, b0
			at := l
			for _, u := range w0 {
				x := (*[4]T)(in[at:])
				at += Lanes
				p0 += u * x[0]
				p1 += u * x[1]
				p2 += u * x[2]
				p3 += u * x[3]
			}
			*(*[4]T)(o0[l:]) = [4]T{p0, p1, p2, p3}
		}
	}
}

// denseBackPlain transposes W into wt. This is cheap: the weights are few, and
// every row of the tile uses them.
func denseBackPlain[T Float](din, w, dz, wt []T, no, ni int) {
	wt = wt[:no*ni]
	for j := range no {
		for i, v := range w[j*ni : (j+1)*ni] {
			wt[i*no+j] = v
		}
	}
	densePlain(din, wt, nil, dz, ni, no)
}

func denseGradPlain[T Float](dw, db, dz, in []T, no, ni int) {
	j := 0
	for ; j+1 < no; j += 2 {
		z0, z1 := (*[Lanes]T)(dz[j*Lanes:]), (*[Lanes]T)(dz[(j+1)*Lanes:])
		var s0, s1 T
		for l := range Lanes {
			s0 += z0[l]
			s1 += z1[l]
		}
		db[j] += s0
		db[j+1] += s1
		d0, d1 := dw[j*ni:(j+1)*ni], dw[(j+1)*ni:(j+2)*ni]
		i := 0
		for ; i+1 < ni; i += 2 {
			x0, x1 := (*[Lanes]T)(in[i*Lanes:]), (*[Lanes]T)(in[(i+1)*Lanes:])
			var a, b, c, d, e, f, g, h T
			for l := 0; l < Lanes; l += 2 {
				a += z0[l] * x0[l]
				b += z0[l] * x1[l]
				c += z1[l] * x0[l]
				d += z1[l] * x1[l]
				e += z0[l+1] * x0[l+1]
				f += z0[l+1] * x1[l+1]
				g += z1[l+1] * x0[l+1]
				h += z1[l+1] * x1[l+1]
			}
			d0[i] += a + e
			d0[i+1] += b + f
			d1[i] += c + g
			d1[i+1] += d + h
		}
		for ; i < ni; i++ {
			x0 := (*[Lanes]T)(in[i*Lanes:])
			var a, c T
			for l := range Lanes {
				a += z0[l] * x0[l]
				c += z1[l] * x0[l]
			}
			d0[i] += a
			d1[i] += c
		}
	}
	for ; j < no; j++ {
		z0 := (*[Lanes]T)(dz[j*Lanes:])
		var s0 T
		for l := range Lanes {
			s0 += z0[l]
		}
		db[j] += s0
		for i := range ni {
			x0 := (*[Lanes]T)(in[i*Lanes:])
			var a T
			for l := range Lanes {
				a += z0[l] * x0[l]
			}
			dw[j*ni+i] += a
		}
	}
}
