package hmc_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/neuralrg/neuralrg/hmc"
)

// Every proposal leaves N(0, 1) invariant and is reversible: of a normal from, the
// moments E[from_i to_j] and E[from_i² to_i − from_i to_i²] are those of an
// exchangeable pair. Errors are those of 2·10⁵ draws; five of them are allowed.
func TestProposalsAreReversible(t *testing.T) {
	const draws, dim = 200_000, 3
	for name, p := range map[string]hmc.Proposal{
		"independence":   hmc.Independence{},
		"windows":        hmc.Windows{Sites: [][]int{{0}, {1, 2}, {2}}},
		"Crank–Nicolson": hmc.CrankNicolson{Beta: 0.4},
	} {
		rnd := rand.New(rand.NewPCG(1, 2))
		from, to := make([]float64, dim), make([]float64, dim)
		moments := map[string]float64{}
		for range draws {
			for i := range from {
				from[i] = rnd.NormFloat64()
			}
			p.Propose(to, from, rnd)
			for i := range from {
				moments["mean"] += to[i]
				moments["variance"] += to[i]*to[i] - 1
				moments["third"] += from[i]*from[i]*to[i] - from[i]*to[i]*to[i]
				moments["fourth"] += math.Pow(from[i], 3)*to[i] - from[i]*math.Pow(to[i], 3)
				moments["cross"] += to[i] * to[(i+1)%dim]
			}
		}
		for moment, sum := range moments {
			if z := math.Abs(sum) / math.Sqrt(draws*dim); z > 5*6 { // no moment has a deviation above 6
				t.Errorf("%s: %s is off by %g", name, moment, sum/(draws*dim))
			}
		}
	}
}

func TestProposalErrors(t *testing.T) {
	for name, p := range map[string]hmc.Proposal{
		"no windows":   hmc.Windows{},
		"empty window": hmc.Windows{Sites: [][]int{{0}, {}}},
		"out of range": hmc.Windows{Sites: [][]int{{3}}},
		"negative":     hmc.Windows{Sites: [][]int{{-1}}},
		"twice":        hmc.Windows{Sites: [][]int{{0, 0}}},
		"zero":         hmc.CrankNicolson{},
		"above one":    hmc.CrankNicolson{Beta: 1.1},
		"NaN":          hmc.CrankNicolson{Beta: math.NaN()},
	} {
		if err := p.Check(3); !errors.Is(err, hmc.ErrSettings) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (hmc.Windows{Sites: [][]int{{0, 1}, {1, 2}}}).Check(3); err != nil {
		t.Error(err)
	}
}
