package main

import (
	"context"
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/floats"
)

// bins is the number of bins of g(r), from 0 to half of the edge.
const bins = 40

// radial is the radial distribution function with its standard errors.
type radial struct{ R, G, Err []float64 }

// measure returns the number of pairs in every bin, and last the virial.
func (r *report) measure(x []float64) []float64 {
	n := r.o.n
	distances, row := make([]float64, n*(n-1)/2), make([]float64, bins+1)
	r.fluid.Distances(distances, x)
	for _, d := range distances {
		if k := int(2 * d / r.o.edge() * bins); k < bins {
			row[k]++
		}
	}
	row[bins] = r.fluid.Virial(x)
	return row
}

// averages are those of independent measurements with weights. Errors are by the jackknife.
func (r *report) averages(rows [][]float64, weights []float64) (g *radial, pressure, pressureErr float64) {
	mean, err := jackknife(rows, weights)
	n, d := float64(r.o.n), r.o.axes
	g = &radial{}
	for k := range bins {
		low, high := float64(k)*r.o.edge()/(2*bins), float64(k+1)*r.o.edge()/(2*bins)
		shell := []float64{0, 0, math.Pi, 4 * math.Pi / 3}[d] *
			(math.Pow(high, float64(d)) - math.Pow(low, float64(d)))
		norm := n * (n - 1) / 2 * shell / r.fluid.Volume()
		g.R, g.G, g.Err = append(g.R, (low+high)/2), append(g.G, mean[k]/norm), append(g.Err, err[k]/norm)
	}
	volume := r.fluid.Volume()
	return g, (n*r.o.temperature + mean[bins]/float64(d)) / volume, err[bins] / float64(d) / volume
}

// jackknife returns weighted means and their standard errors.
func jackknife(rows [][]float64, weights []float64) (mean, err []float64) {
	blocks := min(32, len(rows))
	size := len(rows[0])
	sums, totals := make([][]float64, blocks), make([]float64, blocks)
	for b := range sums {
		sums[b] = make([]float64, size)
	}
	all, total := make([]float64, size), 0.0
	for i, row := range rows {
		b := i * blocks / len(rows)
		floats.AddScaled(sums[b], weights[i], row)
		floats.AddScaled(all, weights[i], row)
		totals[b] += weights[i]
		total += weights[i]
	}
	mean, err = slices.Clone(all), make([]float64, size)
	floats.Scale(1/total, mean)
	for b, sum := range sums {
		for k, v := range sum {
			d := (all[k]-v)/(total-totals[b]) - mean[k]
			err[k] += d * d * float64(blocks-1) / float64(blocks)
		}
	}
	for k, v := range err {
		err[k] = math.Sqrt(v)
	}
	return mean, err
}

// plain measures by hybrid Monte Carlo. The means of its chains are independent.
func (r *report) plain(ctx context.Context) error {
	start := time.Now()
	rows, k := make([][]float64, plainChains), 0
	c := r.chains()
	// Particles that overlap are pushed apart step by step, from high temperatures on.
	for factor := 1e4; factor > 1.5; factor /= math.Sqrt(10) {
		hot, err := r.o.fluid(factor * r.o.temperature)
		if err == nil {
			err = c.run(ctx, hot, r.o.sweeps/4, func([]float64) {})
		}
		if err != nil {
			return err
		}
	}
	err := c.run(ctx, r.fluid, 4*r.o.sweeps, func(x []float64) {
		row := r.measure(x)
		if chain := k % plainChains; rows[chain] == nil {
			rows[chain] = row
		} else {
			floats.Add(rows[chain], row)
		}
		k++
	})
	if err != nil {
		return err
	}
	weights := make([]float64, plainChains)
	for i := range rows {
		floats.Scale(1/float64(4*r.o.sweeps), rows[i])
		weights[i] = 1
	}
	r.plainRadial, r.HMC.Pressure, r.HMC.PressureErr = r.averages(rows, weights)
	r.HMC.Seconds = time.Since(start).Seconds()
	return nil
}
