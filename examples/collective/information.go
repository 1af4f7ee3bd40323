package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/examples/internal/console"
	"github.com/neuralrg/neuralrg/mi"
)

// information is the mutual information of all pairs, in nats.
type information struct {
	m            *mat.SymDense
	mean, stdErr float64
	baseline     float64 // mean after every column is permuted at random
	spread       float64 // standard deviation of single pairs after that
}

// inform estimates the mutual information of all pairs of columns. It prints the mean,
// with an error from groups of chains, and the same for columns that are permuted at
// random and so share no information.
func inform(ctx context.Context, name string, x *mat.Dense, src rand.Source) (*information, error) {
	settings := func(what string) *mi.Settings {
		last := time.Now()
		return &mi.Settings{Src: src, Progress: func(done, total int) {
			if time.Since(last) > 5*time.Second {
				last = time.Now()
				console.Printf("mutual information, %s%s: %d of %d pairs\n", name, what, done, total)
			}
		}}
	}
	var i information
	var err error
	if i.m, err = mi.Matrix(ctx, x, settings("")); err != nil {
		return nil, err
	}
	i.mean = mi.MeanOfPairs(i.m)
	if i.stdErr, err = mi.MeanOfPairsStdErr(ctx, x, groups, settings(", groups of chains")); err != nil {
		return nil, err
	}
	base, err := mi.Matrix(ctx, shuffle(x, src), settings(", shuffled"))
	if err != nil {
		return nil, err
	}
	// Two such pairs may have a column in common, but are still uncorrelated.
	pairs := offDiagonal(base)
	i.baseline, i.spread = stat.MeanStdDev(pairs, nil)
	console.Printf("mean mutual information of pairs of %s variables: %.5f ± %.5f nats; "+
		"shuffled %.5f ± %.5f, a single pair ± %.4f\n",
		name, i.mean, i.stdErr, i.baseline, i.spread/math.Sqrt(float64(len(pairs))), i.spread)
	return &i, nil
}

// shuffle returns x with every column permuted at random.
func shuffle(x *mat.Dense, src rand.Source) *mat.Dense {
	shuffled := mat.DenseCopyOf(x)
	rows, cols := x.Dims()
	rnd := rand.New(src)
	for j := range cols {
		for r, p := range rnd.Perm(rows) {
			shuffled.Set(r, j, x.At(p, j))
		}
	}
	return shuffled
}

// offDiagonal lists the entries below the diagonal.
func offDiagonal(m mat.Symmetric) []float64 {
	var pairs []float64
	for i := range m.SymmetricDim() {
		for j := range i {
			pairs = append(pairs, m.At(i, j))
		}
	}
	return pairs
}

// printLevels prints the mean over all pairs of latent variables of two levels, with
// the error that follows from the errors of single pairs.
func (i *information) printLevels(h *bijector.Hierarchy) {
	console.Printf("mean mutual information of pairs of latent variables by level, 0 the finest, nats:\n")
	for a := range h.Levels() {
		var b strings.Builder
		fmt.Fprintf(&b, "  %d:", a)
		for level := range a + 1 {
			var some []float64
			for _, u := range h.Latents(a) {
				for _, v := range h.Latents(level) {
					if u != v {
						some = append(some, i.m.At(u, v))
					}
				}
			}
			if len(some) > 0 { // the top level has one variable and no pair
				distinct := len(some)
				if a == level {
					distinct /= 2
				}
				fmt.Fprintf(&b, " %.4f ± %.4f", stat.Mean(some, nil), i.spread/math.Sqrt(float64(distinct)))
			}
		}
		console.Printf("%s\n", &b)
	}
}
