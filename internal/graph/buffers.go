package graph

import (
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/internal/kernel"
)

// shareBuffers gives the results of operations that are not needed at the same
// time one place in memory: a chain of layers works in two buffers, and that of
// the gradients in two more. Built-in operations may return what they were
// given under another header, so that what one of them reads stays.
func (m *machine) shareBuffers() {
	last := make([]int, len(m.steps)) // step that reads the value last
	for i := range m.steps {
		s := &m.steps[i]
		for _, k := range s.args {
			last[k] = max(last[k], i)
			if _, ours := s.op.(*op); !ours {
				last[k] = len(m.steps)
			}
		}
	}
	ends := make([][]int, len(m.steps)) // values that each step reads last
	for k, i := range last {
		if i < len(m.steps) {
			ends[i] = append(ends[i], k)
		}
	}
	var free64 buffers[float64]
	var free32 buffers[float32]
	for i := range m.steps {
		if o, ok := m.steps[i].op.(*op); ok && len(o.spec.Shape) > 0 {
			if n := o.spec.Shape.TotalSize(); o.spec.Dtype == tensor.Float64 {
				o.lay(free64.take(n))
			} else {
				o.lay(free32.take(n))
			}
		}
		for _, k := range ends[i] {
			if o, ok := m.steps[k].op.(*op); ok {
				switch d := o.data.(type) {
				case []float64:
					free64 = append(free64, d)
				case []float32:
					free32 = append(free32, d)
				}
			}
		}
	}
}

// buffers are slices that nothing needs any more.
type buffers[T kernel.Float] [][]T

// take returns a slice of n values, of the smallest buffer that has room for them
// and at most twice as much, or a new one.
func (b *buffers[T]) take(n int) []T {
	best := -1
	for i, s := range *b {
		if cap(s) >= n && cap(s) <= 2*n && (best < 0 || cap(s) < cap((*b)[best])) {
			best = i
		}
	}
	if best < 0 {
		return make([]T, n)
	}
	s := (*b)[best][:n]
	(*b)[best] = (*b)[len(*b)-1]
	*b = (*b)[:len(*b)-1]
	return s
}
