package kernel

// The compiler makes the best code of a loop over the rows that has all the weights
// of one output in registers and no slices, only arrays of a fixed size. Ten weights
// and their sums fit in the 15 registers of amd64.

// densePlain is dense where rows of W begin stride values apart in w.
func densePlain[T Float](out, w, b, in []T, no, ni, stride int) {
	var part [Lanes]T
	for j := range no {
		o := (*[Lanes]T)(out[j*Lanes:])
		var bias T
		if b != nil {
			bias = b[j]
		}
		to := o
		for v, x := w[j*stride:][:ni], in; len(v) > 0; {
			n := 1
			switch {
			case len(v) >= 10:
				n = 10
				dotTen(to, (*[10]T)(v), (*[10 * Lanes]T)(x), bias)
			case len(v) >= 4:
				n = 4
				dotFour(to, (*[4]T)(v), (*[4 * Lanes]T)(x), bias)
			case len(v) >= 2:
				n = 2
				dotTwo(to, (*[2]T)(v), (*[2 * Lanes]T)(x), bias)
			default:
				dotOne(to, v[0], (*[Lanes]T)(x), bias)
			}
			if to == &part {
				for l := 0; l < Lanes; l += 2 {
					o[l] += part[l]
					o[l+1] += part[l+1]
				}
			}
			v, x = v[n:], x[n*Lanes:]
			to, bias = &part, 0
		}
	}
}

// dotTen sets o = v·x + b for every row. It adds in pairs, which a processor can do
// at the same time.
func dotTen[T Float](o *[Lanes]T, v *[10]T, x *[10 * Lanes]T, b T) {
	v0, v1, v2, v3, v4, v5, v6, v7, v8, v9 := v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9]
	_, _ = o[0], x[0] // checks the pointers once, not for every row
	for l := 0; l < Lanes; l += 2 {
		s := v0*x[l] + v1*x[l+Lanes]
		t := v2*x[l+2*Lanes] + v3*x[l+3*Lanes]
		s += v4*x[l+4*Lanes] + v5*x[l+5*Lanes]
		t += v6*x[l+6*Lanes] + v7*x[l+7*Lanes]
		s += v8*x[l+8*Lanes] + v9*x[l+9*Lanes]
		o[l] = b + (s + t)
		s = v0*x[l+1] + v1*x[l+1+Lanes]
		t = v2*x[l+1+2*Lanes] + v3*x[l+1+3*Lanes]
		s += v4*x[l+1+4*Lanes] + v5*x[l+1+5*Lanes]
		t += v6*x[l+1+6*Lanes] + v7*x[l+1+7*Lanes]
		s += v8*x[l+1+8*Lanes] + v9*x[l+1+9*Lanes]
		o[l+1] = b + (s + t)
	}
}

// dotFour is dotTen for four inputs.
func dotFour[T Float](o *[Lanes]T, v *[4]T, x *[4 * Lanes]T, b T) {
	v0, v1, v2, v3 := v[0], v[1], v[2], v[3]
	_, _ = o[0], x[0]
	for l := range Lanes {
		s := v0*x[l] + v1*x[l+Lanes]
		t := v2*x[l+2*Lanes] + v3*x[l+3*Lanes]
		o[l] = b + (s + t)
	}
}

// dotTwo is dotTen for two inputs.
func dotTwo[T Float](o *[Lanes]T, v *[2]T, x *[2 * Lanes]T, b T) {
	v0, v1 := v[0], v[1]
	_, _ = o[0], x[0]
	for l := 0; l < Lanes; l += 2 {
		o[l] = b + (v0*x[l] + v1*x[l+Lanes])
		o[l+1] = b + (v0*x[l+1] + v1*x[l+1+Lanes])
	}
}

// dotOne is dotTen for one input.
func dotOne[T Float](o *[Lanes]T, v T, x *[Lanes]T, b T) {
	_, _ = o[0], x[0]
	for l := 0; l < Lanes; l += 2 {
		o[l] = b + v*x[l]
		o[l+1] = b + v*x[l+1]
	}
}

// denseBackPlain transposes W into wt. This is cheap: the weights are few, and
// every row of the tile uses them.
func denseBackPlain[T Float](din, w, dz, wt []T, no, ni int) {
	wt = wt[:no*ni]
	for j := range no {
		at := j
		for _, v := range w[j*ni : (j+1)*ni] {
			wt[at] = v
			at += no
		}
	}
	densePlain(din, wt, nil, dz, ni, no, no)
}

func denseGradPlain[T Float](dw, db, dz, in []T, no, ni int) {
	for j := range no {
		z := (*[Lanes]T)(dz[j*Lanes:])
		db[j] += sumRows(z)
		d, x := dw[j*ni:(j+1)*ni], in
		for ; len(d) >= 5; d, x = d[5:], x[5*Lanes:] {
			gradFive((*[5]T)(d), z, (*[5 * Lanes]T)(x))
		}
		for ; len(d) >= 2; d, x = d[2:], x[2*Lanes:] {
			gradTwo((*[2]T)(d), z, (*[2 * Lanes]T)(x))
		}
		if len(d) > 0 {
			gradOne(&d[0], z, (*[Lanes]T)(x))
		}
	}
}

// gradFive adds to d the sums of z·x over the rows, two rows at a time. The compiler
// keeps five sums and their products in registers, but not ten.
func gradFive[T Float](d *[5]T, z *[Lanes]T, x *[5 * Lanes]T) {
	var s0, s1, s2, s3, s4 T
	_, _ = z[0], x[0]
	for l := 0; l < Lanes; l += 2 {
		g, h := z[l], z[l+1]
		s0 += g*x[l] + h*x[l+1]
		s1 += g*x[l+Lanes] + h*x[l+1+Lanes]
		s2 += g*x[l+2*Lanes] + h*x[l+1+2*Lanes]
		s3 += g*x[l+3*Lanes] + h*x[l+1+3*Lanes]
		s4 += g*x[l+4*Lanes] + h*x[l+1+4*Lanes]
	}
	d[0] += s0
	d[1] += s1
	d[2] += s2
	d[3] += s3
	d[4] += s4
}

// gradTwo is gradFive for two inputs. It takes even and odd rows apart, so that a sum
// does not wait for the last.
func gradTwo[T Float](d *[2]T, z *[Lanes]T, x *[2 * Lanes]T) {
	var s0, s1, t0, t1 T
	_, _ = z[0], x[0]
	for l := 0; l < Lanes; l += 2 {
		g, h := z[l], z[l+1]
		s0 += g * x[l]
		s1 += g * x[l+Lanes]
		t0 += h * x[l+1]
		t1 += h * x[l+1+Lanes]
	}
	d[0] += s0 + t0
	d[1] += s1 + t1
}

// gradOne is gradTwo for one input.
func gradOne[T Float](d *T, z, x *[Lanes]T) {
	var s, t T
	_, _ = z[0], x[0]
	for l := 0; l < Lanes; l += 2 {
		s += z[l] * x[l]
		t += z[l+1] * x[l+1]
	}
	*d += s + t
}

// sumRows is the sum of z over the rows, in four parts that do not wait for each
// other.
func sumRows[T Float](z *[Lanes]T) T {
	var a, b, c, d T
	for l := 0; l < Lanes; l += 4 {
		a += z[l]
		b += z[l+1]
		c += z[l+2]
		d += z[l+3]
	}
	return (a + b) + (c + d)
}
