package kernel

import "sync"

// sums adds up the gradients of the parameters that chunks of work have found, two and two,
// along a binary tree. The tree follows from the number of chunks alone, and so do the bits of
// the sum. A sum that waits for its sibling keeps a buffer. In the order of the chunks, as one
// processor does them, at most log2(chunks) sums wait while one more is made.
type sums[T Float] struct {
	mu     sync.Mutex
	chunks int
	len    int                // number of parameters
	wait   [2 * maxChunks][]T // sums that wait, by node
	free   [][]T              // buffers that nobody uses
	total  []T                // the sum of all chunks
}

// begin prepares the sum of the gradients of n parameters.
func (s *sums[T]) begin(chunks, n int) {
	if s.len != n {
		s.free = nil
	}
	s.chunks, s.len = chunks, n
	clear(s.wait[:]) // a panic may have left some
	if s.total != nil {
		s.free, s.total = append(s.free, s.total), nil
	}
}

// buffer returns zeros for the gradient of a chunk.
func (s *sums[T]) buffer() []T {
	s.mu.Lock()
	var b []T
	if last := len(s.free) - 1; last >= 0 {
		b, s.free = s.free[last], s.free[:last]
	}
	s.mu.Unlock()
	if b == nil {
		return make([]T, s.len)
	}
	clear(b)
	return b
}

// add hands over the gradient b of a chunk. Level l of the tree joins the sums of 2^l
// neighbouring chunks. Of two siblings the second one adds the first one and goes on with the
// sum; a + b and b + a are the same bits.
func (s *sums[T]) add(chunk int, b []T) {
	nodes, at := s.chunks, 0 // nodes of this level; the first of them in wait
	for k := chunk; nodes > 1; k /= 2 {
		if k^1 < nodes { // the last node of a level may have no sibling
			other := s.meet(at+k, at+(k^1), b)
			if other == nil {
				return
			}
			accumulate(b, other)
			s.release(other)
		}
		at += nodes
		nodes = (nodes + 1) / 2
	}
	s.total = b
}

// meet takes the sum that waits at the sibling of a node. If there is none, b waits at the node.
func (s *sums[T]) meet(node, sibling int, b []T) []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	other := s.wait[sibling]
	if other == nil {
		s.wait[node] = b
	}
	s.wait[sibling] = nil
	return other
}

func (s *sums[T]) release(b []T) {
	s.mu.Lock()
	s.free = append(s.free, b)
	s.mu.Unlock()
}

// accumulate adds b to a.
func accumulate[T Float](a, b []T) {
	whole := len(a) / Lanes * Lanes
	if whole > 0 {
		add(a[:whole], b[:whole])
	}
	for i, v := range b[whole:] {
		a[whole+i] += v
	}
}
