package target

// taylor is a quantity at one point with its first and second derivatives.
type taylor struct{ v, d, dd float64 }

// plus returns a + b.
func (a taylor) plus(b taylor) taylor { return taylor{a.v + b.v, a.d + b.d, a.dd + b.dd} }

// times returns the product ab.
func (a taylor) times(b taylor) taylor {
	return taylor{a.v * b.v, a.d*b.v + a.v*b.d, a.dd*b.v + 2*a.d*b.d + a.v*b.dd}
}

// scaled returns ca.
func (a taylor) scaled(c float64) taylor { return taylor{c * a.v, c * a.d, c * a.dd} }

// through returns f(a), given f and its two derivatives at a.
func (a taylor) through(f, f1, f2 float64) taylor {
	return taylor{f, f1 * a.d, f2*a.d*a.d + f1*a.dd}
}
