package mi

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// A count takes or leaves a box as a whole if it can, so that repeated values do
// not make it slow. The test makes all samples but one unreadable: nearly all are
// counted nevertheless, except a few in leaves that hold two values.
func TestCountOfTies(t *testing.T) {
	const n = 4000
	rnd := rand.New(rand.NewPCG(1, 2))
	spins := coin(apply(mat.NewDense(n, 2, nil), func(float64) float64 { return 1 }), 0.5, rnd)
	for _, scale := range []Scale{Rank, Raw} {
		e, group, _, err := prepare(ctx, spins, spins, &Settings{Scale: scale, Src: rnd})
		if err != nil {
			t.Fatal(err)
		}
		tree := newTree(group)
		for i := range 50 {
			alike := -1
			for j := range n {
				if spins.At(i, 0) == spins.At(j, 0) && spins.At(i, 1) == spins.At(j, 1) {
					alike++
				}
			}
			const radius = 0.1 // above the width of a repeated value, below the distance of two
			if got := tree.count(i, radius, true); got != alike {
				t.Errorf("scale %d: %d within %g of sample %d of %d, want %d", scale, got, radius, i, e.n, alike)
			}
			at := tree.at
			tree.at = make([]float64, len(at))
			for r := range tree.at {
				tree.at[r] = math.NaN()
			}
			r := tree.place[i]
			copy(tree.at[2*r:], at[2*r:2*r+2])
			if got := tree.count(i, radius, true); got < alike*9/10 || got > alike {
				t.Errorf("scale %d: of sample %d, %d of %d are counted as a whole", scale, i, got, alike)
			}
			tree.at = at
		}
	}
}

// The search of pair stops if a tree is faster, with the same result.
func TestPairByTrees(t *testing.T) {
	const n = 4000
	x, y := normals(n, 1, 1, 0.5, 3)
	narrow := apply(x, func(v float64) float64 { return math.Copysign(1, v) + 1e-6*v }) // two narrow peaks
	for _, c := range []struct {
		x     *mat.Dense
		trees bool
	}{{x, false}, {narrow, true}} {
		e, a, b, err := prepare(ctx, c.x, y, &Settings{Scale: Raw})
		if err != nil {
			t.Fatal(err)
		}
		const often = 1 << 30
		left := often
		pair, err := e.pair(patience{ctx, &left}, a[0], b[0])
		if err != nil {
			t.Fatal(err)
		}
		// pair and trees check the context once in 256 samples.
		if gaveUp := often-left > n/256+1; gaveUp != c.trees {
			t.Errorf("gave up: %v, want %v", gaveUp, c.trees)
		}
		if trees, err := e.trees(ctx, a, b); err != nil || math.Abs(trees-pair) > 1e-12 {
			t.Errorf("by trees %v, %v, want %v", trees, err, pair)
		}
	}
}

// patience is a context that is cancelled after so many checks.
type patience struct {
	context.Context
	left *int
}

func (p patience) Err() error {
	if *p.left--; *p.left < 0 {
		return context.Canceled
	}
	return nil
}

// A cancelled context ends every estimate in the middle.
func TestContext(t *testing.T) {
	x, y := normals(1200, 2, 1, 0.5, 5)
	column := x.Slice(0, 1200, 0, 1).(*mat.Dense)
	s := &Settings{Src: rand.NewPCG(1, 1)}
	for name, f := range map[string]func(ctx context.Context) error{
		"pair":     func(ctx context.Context) error { _, err := Estimate(ctx, column, y, s); return err },
		"vectors":  func(ctx context.Context) error { _, err := Estimate(ctx, x, y, s); return err },
		"StdErr":   func(ctx context.Context) error { _, err := StdErr(ctx, x, y, 4, s); return err },
		"Baseline": func(ctx context.Context) error { _, _, err := Baseline(ctx, x, y, 50, s); return err },
		"Matrix":   func(ctx context.Context) error { _, err := Matrix(ctx, x, s); return err },
		"pairs":    func(ctx context.Context) error { _, err := MeanOfPairsStdErr(ctx, x, 3, s); return err },
	} {
		for left := range 4 {
			if err := f(patience{ctx, &left}); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", name, err)
			}
		}
		var none context.Context
		if err := f(none); !errors.Is(err, ErrSettings) {
			t.Errorf("%s, nil: %v", name, err)
		}
	}
}
