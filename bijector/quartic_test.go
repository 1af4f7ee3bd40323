package bijector_test

import (
	"testing"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/bijector/bijectortest"
)

// A Quartic is a bijector for wells of every kind.
func TestQuarticIsBijector(t *testing.T) {
	for _, s := range []*bijector.QuarticSettings{
		{Quartic: 6.975, Coupling: []float64{2, 2, 2, 2}},
		{Quadratic: 4, Quartic: .01, Coupling: []float64{1}, Field: .3},
		{Quadratic: -3, Quartic: 1, Coupling: []float64{.5, -1}},
		{Quadratic: -6, Quartic: 1, Coupling: []float64{.5, -1}},
		{Quadratic: 1, Quartic: 1e-12, Coupling: []float64{2, 0, 1}},
	} {
		b := must(bijector.NewQuartic(s))
		bijectortest.Check(t, b)
		tiles := [][]int{}
		n := len(s.Coupling)
		first := make([]int, n+1)
		second := make([]int, n+1)
		for j := range n {
			first[j], second[j] = j, n-1-j
		}
		first[n], second[n] = n, n+1
		tiles = append(tiles, first, second)
		l := must(bijector.ConditionalDecimator(b, tiles, first[:n]...))
		bijectortest.Check(t, must(l.On(n+2)))
	}
}
