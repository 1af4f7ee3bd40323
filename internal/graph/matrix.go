package graph

import "gonum.org/v1/gonum/mat"

// Contiguous returns the elements of m row after row: its own if they lie so,
// else a copy.
func Contiguous(m *mat.Dense) []float64 {
	r := m.RawMatrix()
	if r.Stride == r.Cols {
		return r.Data[:r.Rows*r.Cols]
	}
	c := make([]float64, 0, r.Rows*r.Cols)
	for i := range r.Rows {
		c = append(c, m.RawRowView(i)...)
	}
	return c
}

// Restore copies elements that were written to the slice of Contiguous back
// to m, if that was a copy.
func Restore(m *mat.Dense, data []float64) {
	r := m.RawMatrix()
	if r.Stride == r.Cols {
		return
	}
	for i := range r.Rows {
		copy(m.RawRowView(i), data[i*r.Cols:])
	}
}
