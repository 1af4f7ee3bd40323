package main

import (
	"context"
	"errors"
	"fmt"
	"image/color"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"time"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/plot/plotter"

	"github.com/neuralrg/neuralrg/examples/internal/figure"
	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/target"
)

// Umbrella windows of the dimer, and chains in each.
const (
	windows      = 27
	firstCenter  = 0.7
	centerStep   = 0.065
	stiffness    = 600.0
	dimerChains  = 8
	halfOfChains = dimerChains / 2
)

// profile is the free energy of the dimer's length.
type profile struct {
	R, Force, ForceErr []float64 // dF/dr, without the umbrella
	F, FErr            []float64 // F less that at the first point, and its standard error
	Seconds            float64
}

// runDimer measures the free energy of the length r of the dimer in the solvent,
// F(r) = −T ln p(r), by umbrella sampling with hybrid Monte Carlo.
func runDimer(ctx context.Context, o *options) error {
	p, err := umbrellas(ctx, o)
	if err != nil {
		return err
	}
	fmt.Print(p)
	return drawProfile(p, filepath.Join(o.out, "dimer.png"))
}

// umbrellas integrates the mean force. In the window at c the umbrella is ½K(r − c)², and if p
// is close to a Gaussian there, dF/dr at ⟨r⟩ is −K(⟨r⟩ − c) (J. Kästner and W. Thiel, J. Chem.
// Phys. 123, 144104 (2005)). Half of the chains go through the windows from the shortest to the
// longest dimer, and the others back, so that their difference shows what has not relaxed.
func umbrellas(ctx context.Context, o *options) (*profile, error) {
	start := time.Now()
	means, at := make([][]float64, windows), make([][]float64, windows)
	for way := range 2 {
		x := (*mat.Dense)(nil)
		for k := range windows {
			if way == 1 {
				k = windows - 1 - k
			}
			d, err := target.NewDimer(&target.DimerSettings{
				Temperature: o.temperature, Center: firstCenter + centerStep*float64(k), Stiffness: stiffness,
			})
			if err != nil {
				return nil, err
			}
			var r []float64
			if x, r, err = o.window(ctx, d, x, uint64(way*windows+k)); err != nil {
				return nil, err
			}
			for _, v := range r {
				means[k] = append(means[k], -stiffness*(v-d.Settings().Center))
				at[k] = append(at[k], v)
			}
		}
		fmt.Printf("umbrella windows, way %d of 2\n", way+1)
	}
	p := &profile{}
	for k := range windows {
		f, e := meanOf(means[k])
		r, _ := meanOf(at[k])
		p.R, p.Force, p.ForceErr = append(p.R, r), append(p.Force, f), append(p.ForceErr, e)
	}
	p.integrate()
	p.Seconds = time.Since(start).Seconds()
	return p, nil
}

// window runs chains in one window from the positions of the window before, and returns the
// mean length of each.
func (o *options) window(
	ctx context.Context, d *target.Dimer, x *mat.Dense, stream uint64,
) (*mat.Dense, []float64, error) {
	src := rand.NewPCG(o.seed, 100+stream)
	relax := o.sweeps / 2
	if x == nil {
		x, relax = mat.NewDense(halfOfChains, d.Dim(), nil), 4*o.sweeps
		rnd := rand.New(src)
		for k := range halfOfChains {
			d.Start(x.RawRowView(k), d.Settings().Center)
			for i := range x.RawRowView(k) {
				x.RawRowView(k)[i] += 0.05 * rnd.NormFloat64()
			}
		}
	}
	s, err := hmc.New(target.NewEvaluator(d), x, &hmc.Settings{Kernel: hmc.Mix{
		{Kernel: hmc.HMC{StepSize: 0.008, Steps: 60, MaxEnergyError: 1e100}},
		{Kernel: hmc.RandomWalk{Scale: 0.005}},
	}, Src: src})
	if err != nil {
		return nil, nil, err
	}
	r := make([]float64, halfOfChains)
	err = errors.Join(s.Run(ctx, relax, nil), s.Run(ctx, o.sweeps, func(int) error {
		for k := range r {
			r[k] += d.Distance(s.X().RawRowView(k)) / float64(o.sweeps)
		}
		return nil
	}))
	return s.X(), r, err
}

// meanOf is the mean of the chains and its standard error.
func meanOf(v []float64) (mean, err float64) {
	rows := make([][]float64, len(v))
	weights := make([]float64, len(v))
	for k, x := range v {
		rows[k], weights[k] = []float64{x}, 1
	}
	m, e := jackknife(rows, weights)
	return m[0], e[0]
}

// integrate sums the mean force by the trapezium rule. Windows are independent.
func (p *profile) integrate() {
	f, inner := 0.0, 0.0 // inner is the variance of the forces that no longer change their weight
	p.F, p.FErr = []float64{0}, []float64{0}
	for k := 1; k < len(p.R); k++ {
		step, before := p.R[k]-p.R[k-1], 0.0
		if k > 1 {
			before = p.R[k-1] - p.R[k-2]
		}
		f += step * (p.Force[k] + p.Force[k-1]) / 2
		inner += math.Pow((before+step)/2*p.ForceErr[k-1], 2)
		p.F = append(p.F, f)
		p.FErr = append(p.FErr, math.Sqrt(inner+math.Pow(step/2*p.ForceErr[k], 2)))
	}
}

// String is a table.
func (p *profile) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nDimer in 36 particles of solvent, umbrella sampling in %.0f s\n", p.Seconds)
	fmt.Fprintf(&b, "      r   dF/dr       ±       F      ±\n")
	for k, r := range p.R {
		fmt.Fprintf(&b, "%7.3f %7.2f %7.2f %7.2f %6.2f\n", r, p.Force[k], p.ForceErr[k], p.F[k], p.FErr[k])
	}
	return b.String()
}

func drawProfile(p *profile, name string) error {
	plot := figure.New("Free energy of the dimer, umbrella sampling", "r", "F(r) − F(first)")
	v := points{}
	for k, r := range p.R {
		v.XYs = append(v.XYs, plotter.XY{X: r, Y: p.F[k]})
		v.YErrors = append(v.YErrors, struct{ Low, High float64 }{p.FErr[k], p.FErr[k]})
	}
	line, err := plotter.NewLine(v)
	if err != nil {
		return err
	}
	bars, err := plotter.NewYErrorBars(v)
	if err != nil {
		return err
	}
	line.Color = color.RGBA{0x1f, 0x4e, 0x9c, 0xff}
	plot.Add(line, bars)
	return figure.Save(plot, name)
}
