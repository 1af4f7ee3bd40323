package flow

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/hmc/diag"
	"github.com/neuralrg/neuralrg/internal/fourier"
	"github.com/neuralrg/neuralrg/target"
)

// chains finds the size and the covariance of the field by hybrid Monte Carlo.
func (r *piloting) chains(ctx context.Context) error {
	x0 := r.normal(r.s.Chains, r.start)
	kernel := hmc.HMC{StepSize: 0.1 * r.start}
	s, err := hmc.New(target.NewEvaluator(r.t), x0, &hmc.Settings{Kernel: kernel, Src: r.source()})
	if err != nil {
		return fmt.Errorf("chains: %w", err)
	}
	if err := s.WarmUp(ctx, r.s.Sweeps, nil); err != nil {
		return fmt.Errorf("chains: warm-up: %w", err)
	}
	c := newFieldSums(r.Shape, r.s.Chains, r.s.Sweeps)
	err = s.Run(ctx, r.s.Sweeps, func(k int) error {
		c.add(k, s.X(), r.held.translations())
		return nil
	})
	if err != nil {
		return fmt.Errorf("chains: %w", err)
	}
	return r.judge(c, s.Warnings())
}

// fieldSums are measurements of the chains.
type fieldSums struct {
	power        *fourier.Power
	mean, square []float64  // of every site
	spectrum     []float64  // of the power
	squares      *mat.Dense // of a configuration, (sweeps, chains): mean over its sites
	long         *mat.Dense // |Σφ|²/N, (sweeps, chains)
	n            float64
}

func newFieldSums(shape []int, chains, sweeps int) *fieldSums {
	n := 1
	for _, extent := range shape {
		n *= extent
	}
	return &fieldSums{
		power: fourier.NewPower(shape),
		mean:  make([]float64, n), square: make([]float64, n), spectrum: make([]float64, n),
		squares: mat.NewDense(sweeps, chains, nil), long: mat.NewDense(sweeps, chains, nil),
	}
}

// add measures the chains after a sweep.
func (c *fieldSums) add(sweep int, x *mat.Dense, waves bool) {
	rows, cols := x.Dims()
	for k := range rows {
		phi := x.RawRowView(k)
		sum := 0.0
		for i, v := range phi {
			c.mean[i] += v
			c.square[i] += v * v
			sum += v
		}
		if waves {
			c.power.Add(c.spectrum, phi)
		}
		c.squares.Set(sweep, k, floats.Dot(phi, phi)/float64(cols))
		c.long.Set(sweep, k, sum*sum/float64(cols))
		c.n++
	}
}

// judge tells what the chains say and whether to believe it.
func (r *piloting) judge(c *fieldSums, warnings []string) error {
	f := &r.Field
	summary, err := diag.Summarize([]diag.Named{{Name: "φ²", X: c.squares}, {Name: "|Σφ|²/N", X: c.long}})
	if err != nil {
		return fmt.Errorf("chains: %w", err)
	}
	f.Warnings = append(warnings, summary.Warnings...)
	means := make([]float64, len(c.mean)) // squared
	for i, v := range c.mean {
		if !r.held.invert {
			means[i] = v * v / (c.n * c.n)
		}
	}
	variance := (floats.Sum(c.square)/c.n - floats.Sum(means)) / float64(len(c.mean))
	f.RMS, f.RMSErr = math.Sqrt(variance), summary.Rows[0].MCSE/(2*math.Sqrt(variance))
	if !(f.RMS > 0 && f.RMS < math.Inf(1)) {
		return fmt.Errorf("chains: %w: the field has the standard deviation %g", ErrNotFinite, f.RMS)
	}
	if len(f.Warnings) > 0 || !r.held.translations() {
		return nil
	}
	f.Spectrum = c.spectrum
	floats.Scale(1/c.n, f.Spectrum)
	if !r.held.invert { // the mean is that of all sites
		m := stat.Mean(c.mean, nil) / c.n
		f.Spectrum[0] -= m * m * float64(len(c.mean))
	}
	r.held.average(r.Shape, f.Spectrum)
	if slices.Min(f.Spectrum) <= 0 || floats.HasNaN(f.Spectrum) {
		f.Spectrum = nil
		f.Warnings = append(f.Warnings, "the measured spectrum is not positive")
	}
	return nil
}

// canceled tells whether an error is that of a context.
func canceled(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
