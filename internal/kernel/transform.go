package kernel

// Transform is a bijection of rows of Dim values with Params parameters,
// evaluated on one tile at a time. Implementations are immutable and safe for
// concurrent use; everything they write is passed in.
type Transform[T Float] interface {
	Dim() int
	Params() int
	// Scratch is the length of the scratch space for Run and for Grad.
	Scratch() (run, grad int)
	// Run replaces the tile x by its image under the parameters w. It adds the
	// logarithm of the Jacobian determinant of each row to logDet.
	Run(x, logDet, w []T, inverse bool, scratch []T)
	// Grad is the gradient of Run at the tile x. dx holds the gradient with
	// respect to the image and dLogDet that of the log-determinants. Grad
	// replaces dx by the gradient with respect to x, adds that of the parameters
	// to dw unless dw is nil, and destroys x.
	Grad(dw, dx, x, dLogDet, w []T, inverse bool, scratch []T)
}

// Jacobian is a Transform that can compute the Jacobian matrix of every row
// while it runs. The gradient with respect to x is then one small product. Grad
// would evaluate the nets, with their exponentials, once more.
type Jacobian[T Float] interface {
	Transform[T]
	// HasJacobian reports whether the matrix costs less than Grad.
	HasJacobian() bool
	// RunJacobian is Run, and writes the Jacobian to j: Dim rows of Dim
	// derivatives of the image, then one row of derivatives of the
	// log-determinant. These are (Dim+1)·Dim values for every row of the tile.
	RunJacobian(x, logDet, j, w []T, inverse bool, scratch []T)
}

// Pusher is a Transform that can take a gradient along while it runs, from its arguments to its
// image. Grad would have to run the opposite map.
type Pusher[T Float] interface {
	Transform[T]
	// Push is Run at the tile x. With a nil logDet it leaves the log-determinants out. It also takes
	// the gradient g with respect to x to that with respect to the image. g is the gradient of the
	// values that the opposite map has at the image, and dLogDet that of its log-determinants. Push
	// replaces g by what Grad of the opposite map at the image would give. It needs the scratch
	// space of Grad.
	Push(x, logDet, g, dLogDet, w []T, inverse bool, scratch []T)
	// FromImage reports whether Push of the opposite map from the image costs less than Grad.
	FromImage(inverse bool) bool
}

// inOrder is the index of the i-th of n steps to be applied: the inverse takes
// them from the last to the first.
func inOrder(i, n int, inverse bool) int {
	if inverse {
		return n - 1 - i
	}
	return i
}
