package cluster

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/neuralrg/neuralrg/hmc/diag"
)

// BenchmarkReference measures square lattices at T_c, with 32 chains of 10000 updates:
//
//	go test ./hmc/cluster -run '^$' -bench Reference -benchtime 1x -cpu 1
//
// It prints ⟨m²⟩ and the energy per site with their errors, the distance of the energy from
// the exact one in standard errors, and both autocorrelation times in updates. It reports
// the median time of one update of one chain, and the time in which one core finds ⟨m²⟩ to
// 1 % with one chain, burn-in of 20 τ included.
func BenchmarkReference(b *testing.B) {
	for _, c := range []struct {
		L      int
		energy float64 // exact, from Kaufman's formula
	}{{16, -1.4530648528134769}, {32, -1.4336584661462481}, {64, -1.4239383898330107}} {
		for _, kind := range []struct {
			name   string
			update update
		}{
			{"SwendsenWang", (*Sampler).SwendsenWang},
			{"TwoWolff", func(s *Sampler, m2 []float64) error { return s.Wolff(m2, 2) }},
		} {
			b.Run(fmt.Sprintf("%s/L=%d", kind.name, c.L), func(b *testing.B) {
				for range b.N {
					const chains, steps = 32, 10000
					s := sampler(b, square(b, c.L, criticalK), chains, uint64(c.L), kind.update)
					m2, energy := mat.NewDense(steps, chains, nil), mat.NewDense(steps, chains, nil)
					seconds := make([]float64, steps)
					for k := -4 * 50; k < steps; k++ { // 50 updates have been made
						row, start := max(k, 0), time.Now()
						if err := kind.update(s, m2.RawRowView(row)); err != nil {
							b.Fatal(err)
						}
						seconds[row] = time.Since(start).Seconds() / chains
						if err := s.Energies(energy.RawRowView(row)); err != nil {
							b.Fatal(err)
						}
					}
					energy.Scale(1/(criticalK*float64(c.L*c.L)), energy)
					slices.Sort(seconds)
					reportReference(b, m2, energy, c.energy, seconds[steps/2])
				}
			})
		}
	}
}

// reportReference prints the averages of both series and the seconds to 1 %.
func reportReference(b *testing.B, m2, energy *mat.Dense, exact, seconds float64) {
	b.Helper()
	mean, stdErr, tau, spread := summary(b, m2)
	e, eErr, eTau, _ := summary(b, energy)
	b.Logf("⟨m²⟩ = %.5f ± %.5f, τ = %.2f; energy %.5f ± %.5f, z = %+.1f, τ = %.2f",
		mean, stdErr, tau, e, eErr, (e-exact)/eErr, eTau)
	b.ReportMetric(seconds*1e6, "µs/update")
	updates := 2*tau*math.Pow(spread/(0.01*mean), 2) + 20*tau
	b.ReportMetric(updates*seconds, "s/1%")
}

// summary returns the mean of a series, its error, the autocorrelation time and the
// standard deviation of one measurement.
func summary(b *testing.B, x *mat.Dense) (mean, stdErr, tau, spread float64) {
	b.Helper()
	tau, _, err := diag.AutocorrTime(x)
	if err != nil {
		b.Fatal(err)
	}
	_, chains := x.Dims()
	means := make([]float64, chains)
	for c := range means {
		means[c] = stat.Mean(mat.Col(nil, c, x), nil)
	}
	mean, stdErr = diag.MeanStdErr(means)
	return mean, stdErr, tau, stat.StdDev(x.RawMatrix().Data, nil)
}
