package kernel

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// The sum over chunks has the same bits in whatever order the chunks are done, on one goroutine
// or on several, and it is right: sums of integers are exact.
func TestSums(t *testing.T) {
	rnd := rand.New(rand.NewPCG(19, 1))
	s := new(sums[float32])
	for _, n := range []int{1, 2, 3, 5, 16, 65, 127, 128} {
		const params = Lanes + 3
		parts, exact := make([][]float32, n), make([]float32, params)
		for c := range parts {
			k := float32(rnd.IntN(1000))
			parts[c] = append(normal[float32](rnd, params-1), k)
			exact[params-1] += k
		}
		do := func(c int) {
			b := s.buffer()
			if slices.Max(b) != 0 || slices.Min(b) != 0 {
				t.Error("a buffer is not zero")
			}
			copy(b, parts[c])
			s.add(c, b)
		}
		s.begin(n, params)
		for c := range n {
			do(c)
			if used := s.used(); used > 7 { // log2(128)
				t.Fatalf("%d of %d chunks done: %d buffers", c+1, n, used)
			}
		}
		want := slices.Clone(s.total)
		if got := want[params-1]; got != exact[params-1] {
			t.Errorf("%d chunks: sum %g, want %g", n, got, exact[params-1])
		}
		for range 20 {
			s.begin(n, params)
			order := rnd.Perm(n)
			var wg sync.WaitGroup
			for w := range 4 {
				wg.Go(func() {
					for i := w; i < n; i += 4 {
						do(order[i])
					}
				})
			}
			wg.Wait()
			if !slices.Equal(s.total, want) {
				t.Fatalf("%d chunks: the bits depend on the order", n)
			}
		}
	}
}

// used is the number of buffers that hold a sum.
func (s *sums[T]) used() int {
	n := 0
	for _, b := range append(s.wait[:], s.total) {
		if b != nil {
			n++
		}
	}
	return n
}
