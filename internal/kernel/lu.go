package kernel

import "math"

// LU is an invertible linear map x = P·L·U·z. Its parameters are a matrix,
// row-major. L takes the elements below the diagonal, and 1 on it. U takes the
// elements above the diagonal, and ±exp of those on it. The permutation P and
// the signs are fixed.
//
// It works in place, one position at a time: first U from the top, then L from
// the bottom.
type LU[T Float] struct {
	dim  int
	perm []int // x_i is element perm[i] of L·U·z
	sign []T   // of the diagonal of U
}

// NewLU returns the map with the given permutation and signs.
func NewLU[T Float](perm []int, negative []bool) *LU[T] {
	m := &LU[T]{len(perm), perm, make([]T, len(perm))}
	for i, n := range negative {
		m.sign[i] = 1
		if n {
			m.sign[i] = -1
		}
	}
	return m
}

func (m *LU[T]) Dim() int    { return m.dim }
func (m *LU[T]) Params() int { return m.dim * m.dim }

// Scratch has room for a permuted tile and, in Grad, for the value that every
// step overwrites.
func (m *LU[T]) Scratch() (run, grad int) { return m.dim * Lanes, 3 * m.dim * Lanes }

func (m *LU[T]) Run(x, logDet, w []T, inverse bool, scratch []T) {
	m.run(x, w, inverse, scratch, nil)
	if !inverse {
		m.permute(x, scratch, false)
	}
	var sum T
	for i := range m.dim {
		sum += w[i*m.dim+i]
	}
	if inverse {
		sum = -sum
	}
	shift(logDet, sum)
}

// run is Run without its final permutation and without the log-determinant.
// Unless saved is nil, it saves the value that every step overwrites.
func (m *LU[T]) run(x, w []T, inverse bool, scratch, saved []T) {
	if inverse {
		m.permute(x, scratch, true)
	}
	for k := range 2 * m.dim {
		s := m.step(inOrder(k, 2*m.dim, inverse), w)
		xi := x[s.i*Lanes : (s.i+1)*Lanes]
		if saved != nil {
			copy(saved[k*Lanes:(k+1)*Lanes], xi)
		}
		if !inverse {
			scale(xi, s.pivot)
		}
		for j := s.from; j < s.to; j++ {
			a := s.row[j]
			if inverse {
				a = -a
			}
			addScaled(xi, x[j*Lanes:], a)
		}
		if inverse {
			scale(xi, 1/s.pivot)
		}
	}
}

func (m *LU[T]) Grad(dw, dx, x, dLogDet, w []T, inverse bool, scratch []T) {
	n := m.dim * Lanes
	scratch, saved := scratch[:n], scratch[n:3*n]
	m.run(x, w, inverse, scratch, saved)
	if !inverse {
		m.permute(dx, scratch, true)
	}
	for k := 2*m.dim - 1; k >= 0; k-- {
		s := m.step(inOrder(k, 2*m.dim, inverse), w)
		xi, di := x[s.i*Lanes:(s.i+1)*Lanes], dx[s.i*Lanes:(s.i+1)*Lanes]
		old := saved[k*Lanes : (k+1)*Lanes]
		if dw != nil && s.upper {
			if inverse {
				dw[s.i*m.dim+s.i] -= dot(di, xi)
			} else {
				dw[s.i*m.dim+s.i] += s.pivot * dot(di, old)
			}
		}
		if inverse {
			scale(di, 1/s.pivot)
		}
		for j := s.from; j < s.to; j++ {
			a, sign := s.row[j], T(1)
			if inverse {
				a, sign = -a, -1
			}
			if dw != nil {
				dw[s.i*m.dim+j] += sign * dot(di, x[j*Lanes:])
			}
			addScaled(dx[j*Lanes:(j+1)*Lanes], di, a)
		}
		if !inverse {
			scale(di, s.pivot)
		}
		copy(xi, old)
	}
	if inverse {
		m.permute(dx, scratch, false)
	}
	if dw == nil {
		return
	}
	sum := total(dLogDet)
	if inverse {
		sum = -sum
	}
	for i := range m.dim {
		dw[i*m.dim+i] += sum
	}
}

// luStep is one step of the map: x_i becomes pivot·x_i + Σ_j row_j·x_j for
// from ≤ j < to.
type luStep[T Float] struct {
	i, from, to int
	row         []T
	pivot       T
	upper       bool
}

// step is step k of 2·dim, in the order of the direction z → x.
func (m *LU[T]) step(k int, w []T) luStep[T] {
	if k < m.dim {
		row := w[k*m.dim : (k+1)*m.dim]
		return luStep[T]{k, k + 1, m.dim, row, m.sign[k] * T(math.Exp(float64(row[k]))), true}
	}
	i := 2*m.dim - 1 - k
	return luStep[T]{i, 0, i, w[i*m.dim : (i+1)*m.dim], 1, false}
}

// permute applies the permutation, or its inverse if back is set, to a tile.
func (m *LU[T]) permute(x, scratch []T, back bool) {
	copy(scratch, x)
	for i, p := range m.perm {
		if back {
			i, p = p, i
		}
		copy(x[i*Lanes:(i+1)*Lanes], scratch[p*Lanes:])
	}
}
