package main

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// siteBySite is a flow of spins on a graph without symmetries: no two sites share a block.
// With R = √(K+αI) the field is x = Ry, and y has the mean Rs and unit variance given the
// spins s. Each y is drawn given all earlier ones by a smooth spline, coarse sites first.
func siteBySite(shape []int, bonds []target.Bond, alpha float64, src rand.Source) (*flow.Model, error) {
	order := coarseFirst(shape)
	n := len(order)
	var layers []*bijector.Layer // the last site first
	for c := n - 1; c > 0; c-- {
		earlier := make([]int, c)
		for i := range earlier {
			earlier[i] = i
		}
		block, err := bijector.NewSmoothSpline(c+1, &bijector.SplineSettings{
			Keep: [][]int{earlier}, Hidden: []int{32, 32}, Src: src,
		})
		if err != nil {
			return nil, err
		}
		layer, err := bijector.ConditionalDecimator(block, [][]int{order[:c+1]}, earlier...)
		if err != nil {
			return nil, err
		}
		layers = append(layers, layer)
	}
	h, err := bijector.NewHierarchy(n, layers...)
	if err != nil {
		return nil, err
	}
	root, err := couplingRoot(n, bonds, alpha)
	if err != nil {
		return nil, err
	}
	white, err := bijector.LinearFrom(root)
	if err != nil {
		return nil, err
	}
	chain, err := bijector.NewChain(h, white)
	if err != nil {
		return nil, err
	}
	return flow.New(target.NewNormal(n), chain)
}

// couplingRoot returns √(K+αI).
func couplingRoot(n int, bonds []target.Bond, alpha float64) (*mat.Dense, error) {
	k := mat.NewSymDense(n, nil)
	for i := range n {
		k.SetSym(i, i, alpha)
	}
	for _, b := range bonds {
		k.SetSym(b.I, b.J, k.At(b.I, b.J)+b.K)
	}
	var e mat.EigenSym
	if !e.Factorize(k, true) {
		return nil, fmt.Errorf("the eigenvalues of the coupling matrix were not found")
	}
	var v, scaled, root mat.Dense
	e.VectorsTo(&v)
	values := e.Values(nil)
	scaled.Apply(func(_, j int, x float64) float64 { return x * math.Sqrt(values[j]) }, &v)
	root.Mul(&scaled, v.T())
	return &root, nil
}

// coarseFirst orders the sites: those whose coordinates are all even come before the others,
// ordered in the same way among themselves. Of the others, those with an even sum of
// coordinates come first.
func coarseFirst(shape []int) []int {
	n := 1
	for _, extent := range shape {
		n *= extent
	}
	sites, fine := make([]int, n), make([]int, n) // fine falls from coarse sites to fine ones
	for i := range sites {
		sites[i], fine[i] = i, fineness(shape, i)
	}
	slices.SortStableFunc(sites, func(a, b int) int { return cmp.Compare(fine[b], fine[a]) })
	return sites
}

// fineness is 0 for a site with an odd sum of coordinates, 1 for another one that has an odd
// coordinate, and so on after division by 2.
func fineness(shape []int, site int) int {
	at := make([]int, len(shape))
	for a := len(shape) - 1; a >= 0; a-- {
		at[a], site = site%shape[a], site/shape[a]
	}
	for level := 0; ; level += 2 {
		sum, odd, zero := 0, false, true
		for a, x := range at {
			sum, odd, zero = sum+x, odd || x%2 != 0, zero && x == 0
			at[a] = x / 2
		}
		switch {
		case zero:
			return math.MaxInt
		case sum%2 != 0:
			return level
		case odd:
			return level + 1
		}
	}
}
