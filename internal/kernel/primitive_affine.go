package kernel

// affineRun replaces one moved column y by y·exp(s) + t with s = scale·th, or by
// the inverse, (y − t)·exp(−s). It adds s, or −s, to logDet. For affineGrad it
// sets f to exp(s), or exp(−s), and u to the derivative of the result with
// respect to s. Each argument is one value of Lanes rows, but scale is one
// number.
func affineRun[T Float](y, logDet, f, u, th, t, scale []T, inverse bool) {
	y, logDet, f, u, th, t = y[:Lanes], logDet[:Lanes], f[:Lanes], u[:Lanes], th[:Lanes], t[:Lanes]
	v := inUse[T]()
	switch {
	case v == nil:
		affineRunPlain(y, logDet, f, u, th, t, scale[0], inverse)
	case inverse:
		v.affineInverse(&y[0], &logDet[0], &f[0], &u[0], &th[0], &t[0], &scale[0])
	default:
		v.affineForward(&y[0], &logDet[0], &f[0], &u[0], &th[0], &t[0], &scale[0])
	}
}

// affineGrad takes the gradient d of a moved column back through affineRun. It
// sets the gradients of the outputs of both nets: ds is that of the argument of
// the tanh whose value is th, and dt that of t. It adds the gradient of the scale
// to dScale[0].
func affineGrad[T Float](dScale, d, ds, dt, dLogDet, f, u, th, scale []T, inverse bool) {
	d, ds, dt, dLogDet = d[:Lanes], ds[:Lanes], dt[:Lanes], dLogDet[:Lanes]
	f, u, th = f[:Lanes], u[:Lanes], th[:Lanes]
	v := inUse[T]()
	switch {
	case v == nil:
		dScale[0] += affineGradPlain(d, ds, dt, dLogDet, f, u, th, scale[0], inverse)
	case inverse:
		v.affineInverseGrad(&dScale[0], &d[0], &ds[0], &dt[0], &dLogDet[0], &f[0], &u[0], &th[0], &scale[0])
	default:
		v.affineForwardGrad(&dScale[0], &d[0], &ds[0], &dt[0], &dLogDet[0], &f[0], &u[0], &th[0], &scale[0])
	}
}

// affineTangent takes derivatives with respect to one kept column through
// affineRun. s and t are the derivatives of the outputs of the nets: s of the
// argument of the tanh whose value is th, and t of the shift. affineTangent
// replaces t by the derivative of the moved column, whose own input is fixed, and
// adds the derivative of the log-determinant to q.
func affineTangent[T Float](t, q, s, f, u, th, scale []T, inverse bool) {
	t, q, s, f, u, th = t[:Lanes], q[:Lanes], s[:Lanes], f[:Lanes], u[:Lanes], th[:Lanes]
	v := inUse[T]()
	switch {
	case v == nil:
		affineTangentPlain(t, q, s, f, u, th, scale[0], inverse)
	case inverse:
		v.affineInverseTangent(&t[0], &q[0], &s[0], &f[0], &u[0], &th[0], &scale[0])
	default:
		v.affineForwardTangent(&t[0], &q[0], &s[0], &f[0], &u[0], &th[0], &scale[0])
	}
}

// mix replaces the n ≥ 1 values to of every row by f·to + p·x. f and p are one
// value of every row.
func mix[T Float](to, x, f, p []T, n int) {
	to, x, f, p = to[:n*Lanes], x[:n*Lanes], f[:Lanes], p[:Lanes]
	if v := inUse[T](); v != nil {
		v.mix(&to[0], &x[0], &f[0], &p[0], n)
		return
	}
	for ; len(to) > 0; to, x = to[Lanes:], x[Lanes:] {
		for l, v := range f {
			to[l] = v*to[l] + p[l]*x[l]
		}
	}
}

func affineRunPlain[T Float](y, logDet, f, u, th, t []T, a T, inverse bool) {
	e := a
	if inverse {
		e = -a
	}
	for l, v := range th {
		f[l] = e * v
		logDet[l] += e * v
	}
	expPlain(f)
	for l, e := range f {
		if inverse {
			v := (y[l] - t[l]) * e
			u[l], y[l] = -v, v
		} else {
			v := y[l] * e
			u[l], y[l] = v, v+t[l]
		}
	}
}

func affineGradPlain[T Float](d, ds, dt, dLogDet, f, u, th []T, a T, inverse bool) (dScale T) {
	sign := T(1)
	if inverse {
		sign = -1
	}
	for l, v := range th {
		g := d[l]*u[l] + sign*dLogDet[l]
		dScale += g * v
		ds[l] = g * a * (1 - v*v)
		df := d[l] * f[l]
		if inverse {
			dt[l] = -df
		} else {
			dt[l] = d[l]
		}
		d[l] = df
	}
	return dScale
}

func affineTangentPlain[T Float](t, q, s, f, u, th []T, a T, inverse bool) {
	for l, v := range th {
		ds := a * (1 - v*v) * s[l]
		if inverse {
			q[l] -= ds
			t[l] = u[l]*ds - f[l]*t[l]
		} else {
			q[l] += ds
			t[l] += u[l] * ds
		}
	}
}
