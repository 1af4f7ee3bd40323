package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// comparison is a mean over the spins with its exact value.
type comparison struct {
	name             string
	mean, err, exact float64
}

// off is the distance from the exact value in errors.
func (c *comparison) off() float64 { return (c.mean - c.exact) / c.err }

// modes compares weighted samples of spins on a graph with exact sums.
type modes struct {
	ising  *target.IsingGraph
	bonds  []target.Bond
	ground float64 // the least energy, in units of the temperature
	seed   uint64
}

// compare returns the weight of all ground states, the mean overlap squared and the correlations
// of all bonds. It returns nothing for a graph without exact sums.
func (m *modes) compare(ctx context.Context, a *flow.AISResult) ([]comparison, error) {
	logZ, ok := m.ising.ExactSpinLogZ()
	if !ok {
		return nil, nil
	}
	n, dim := a.X.Dims()
	states := mat.NewDense(n, dim, nil)
	if err := m.ising.Spins(states, a.X, rand.NewPCG(m.seed, 8)); err != nil {
		return nil, err
	}
	largest, weights := slices.Max(a.LogWeights), make([]float64, n)
	for i, v := range a.LogWeights {
		weights[i] = math.Exp(v - largest)
	}
	mean := func(name string, f func(row int) float64, exact float64) comparison {
		v, e := weightedMean(f, weights)
		return comparison{name, v, e, exact}
	}
	number, err := m.groundStates()
	if err != nil {
		return nil, err
	}
	all := []comparison{mean(fmt.Sprintf("weight of the %.0f ground states", number), func(row int) float64 {
		if spinEnergy(states.RawRowView(row), m.bonds) < m.ground+1e-6*math.Abs(m.ground) {
			return 1
		}
		return 0
	}, number*math.Exp(-m.ground-logZ))}
	if m2, ok := m.ising.ExactStructureFactor(); ok {
		all = append(all, mean("mean square of the overlap with one of them", func(row int) float64 {
			return m.ising.StructureFactor(a.X.RawRowView(row))
		}, m2))
	}
	for k, b := range m.bonds {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		exact, err := m.bond(k, logZ)
		if err != nil {
			return nil, err
		}
		all = append(all, mean("bond", func(row int) float64 {
			x := a.X.RawRowView(row)
			return math.Tanh(x[b.I]) * math.Tanh(x[b.J])
		}, exact))
	}
	return all, nil
}

// groundStates returns the exact number of ground states, from ln Z at a low temperature.
func (m *modes) groundStates() (float64, error) {
	const beta = 15
	cold := slices.Clone(m.bonds)
	size := math.Abs(cold[0].K)
	for i := range cold {
		cold[i].K *= beta / size
	}
	logZ, err := spinLogZ(m.ising.Dim(), cold)
	number := math.Round(math.Exp(logZ + beta*m.ground/size))
	if err == nil && !(number < 1e20) {
		err = fmt.Errorf("simulated annealing found no ground state")
	}
	return number, err
}

// bond returns the exact ⟨s_i s_j⟩ of a bond. With K_ij greater by δ, Z is greater by the factor
// cosh δ + ⟨s_i s_j⟩ sinh δ.
func (m *modes) bond(k int, logZ float64) (float64, error) {
	const delta = 0.5
	bonds := slices.Clone(m.bonds)
	bonds[k].K += delta
	changed, err := spinLogZ(m.ising.Dim(), bonds)
	return (math.Exp(changed-logZ) - math.Cosh(delta)) / math.Sinh(delta), err
}

func spinLogZ(sites int, bonds []target.Bond) (float64, error) {
	g, err := target.NewIsingGraph(sites, bonds, nil)
	if err != nil {
		return 0, err
	}
	logZ, ok := g.ExactSpinLogZ()
	if !ok {
		return 0, fmt.Errorf("no exact sum")
	}
	return logZ, nil
}

// weightedMean returns the mean of f over rows with weights, and its standard error.
func weightedMean(f func(row int) float64, weights []float64) (mean, err float64) {
	total, values := 0.0, make([]float64, len(weights))
	for i, w := range weights {
		values[i] = f(i)
		total += w
		mean += w * values[i]
	}
	mean /= total
	for i, w := range weights {
		d := w * (values[i] - mean)
		err += d * d
	}
	return mean, math.Sqrt(err) / total
}

// printComparisons tells how far the means are from their exact values: those of the bonds together.
func printComparisons(all []comparison) string {
	text, bonds, sum, worst := "", 0, 0.0, 0.0
	for _, c := range all {
		if c.name != "bond" {
			text += fmt.Sprintf("  %s: %.5f ± %.5f, exact %.5f: %+.1f errors\n",
				c.name, c.mean, c.err, c.exact, c.off())
			continue
		}
		bonds++
		sum += c.off() * c.off()
		worst = max(worst, math.Abs(c.off()))
	}
	if bonds > 0 {
		text += fmt.Sprintf("  correlations of the %d bonds: %.2f errors from exact in the mean square, %.1f at most\n",
			bonds, math.Sqrt(sum/float64(bonds)), worst)
	}
	return text
}
