package mi

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// The matrix holds the estimates of the pairs, on any number of processors, and
// Progress counts all pairs.
func TestMatrix(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	x, y := normals(300, 3, 3, 0.8, 2)
	all := mat.NewDense(300, 6, nil)
	all.Augment(x, y)
	var first *mat.SymDense
	for _, procs := range []int{1, 2, 5} {
		runtime.GOMAXPROCS(procs)
		last := 0
		m, err := Matrix(ctx, all, &Settings{Src: rand.NewPCG(1, 1), Progress: func(done, total int) {
			if done != last+1 || total != 15 {
				t.Errorf("progress %d of %d after %d", done, total, last)
			}
			last = done
		}})
		if err != nil {
			t.Fatal(err)
		}
		if last != 15 {
			t.Errorf("progress ends at %d", last)
		}
		if first == nil {
			first = m
		} else if !mat.Equal(first, m) {
			t.Errorf("another matrix on %d processors", procs)
		}
	}
	if !math.IsInf(first.At(2, 2), 1) {
		t.Errorf("diagonal %v", first.At(2, 2))
	}
	m, err := Matrix(ctx, all, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		for j := range i {
			v, err := Estimate(ctx, all.Slice(0, 300, i, i+1).(*mat.Dense), all.Slice(0, 300, j, j+1).(*mat.Dense), nil)
			if err != nil || v != m.At(i, j) {
				t.Errorf("%d, %d: %v, %v, want %v", i, j, m.At(i, j), err, v)
			}
		}
	}
	cancelled, cancel := context.WithCancel(ctx)
	s := &Settings{Progress: func(done, _ int) {
		if done == 3 {
			cancel()
		}
	}}
	if m, err := Matrix(cancelled, all, s); m != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// BenchmarkMatrix is the cost of Figs. 4(b) and (c) of the paper for a lattice of
// 16 × 16 sites, 32 640 pairs, and for a few of its variables.
func BenchmarkMatrix(b *testing.B) {
	for _, p := range []int{24, 256} {
		b.Run(fmt.Sprintf("%dx2000", p), func(b *testing.B) {
			if p > 24 && testing.Short() {
				b.Skip("long")
			}
			x, _ := normals(2000, p, 1, 0, 1)
			for b.Loop() {
				if _, err := Matrix(ctx, x, nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/float64(p*(p-1)/2)*1e3, "ms/pair")
		})
	}
}
