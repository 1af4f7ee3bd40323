package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"gonum.org/v1/gonum/integrate/quad"
	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/hmc/diag"
	"github.com/neuralrg/neuralrg/target"
)

// integrate computes ln Z by thermodynamic integration from infinite temperature,
//
//	ln Z = Dim ln 2π − ∫ ⟨U⟩_λ dλ/T from 0 to 1,
//
// with ⟨U⟩_λ by hybrid Monte Carlo at the temperature T/λ. Close to λ = 0 ⟨U⟩ falls fast;
// with λ = s⁵ the integrand over s is smooth, and Gauss–Legendre nodes suffice.
func (r *report) integrate(ctx context.Context) error {
	const power = 5
	start := time.Now()
	s, weight := make([]float64, r.o.nodes), make([]float64, r.o.nodes)
	quad.Legendre{}.FixedLocations(s, weight, 0, 1)
	sum, variance := 0.0, 0.0
	c := r.chains()
	fmt.Printf("thermodynamic integration with %d nodes\n", r.o.nodes)
	for k, s := range s {
		lambda := math.Pow(s, power)
		p, err := r.o.fluid(r.o.temperature / lambda)
		if err != nil {
			return err
		}
		var u []float64
		if err := c.run(ctx, p, r.o.sweeps, func(x []float64) { u = append(u, p.Energy(x)) }); err != nil {
			return err
		}
		d, err := diag.Summarize([]diag.Named{{Name: "U", X: mat.NewDense(r.o.sweeps, plainChains, u)}})
		if err != nil {
			return err
		}
		if !d.OK() {
			r.TI.Warning = fmt.Sprintf("at λ = %.3g: %s", lambda, d.Verdict())
		}
		f := weight[k] * power * math.Pow(s, power-1) / r.o.temperature
		sum += f * d.Rows[0].Mean
		variance += math.Pow(f*d.Rows[0].MCSE, 2)
	}
	r.TI.LogZ = float64(r.fluid.Dim())*math.Log(2*math.Pi) - sum
	r.TI.LogZErr, r.TI.Seconds = math.Sqrt(variance), time.Since(start).Seconds()
	return nil
}

// plainChains is the number of chains of hybrid Monte Carlo.
const plainChains = 64

// chains are chains of hybrid Monte Carlo that keep their positions from one temperature to
// the next.
type chains struct {
	x    *mat.Dense
	step float64 // of the leapfrog
	src  *rand.PCG
}

// chains start at uniform positions.
func (r *report) chains() *chains {
	c := &chains{mat.NewDense(plainChains, r.fluid.Dim(), nil), 0.05, rand.NewPCG(r.o.seed, 6)}
	rnd := rand.New(c.src)
	for k := range plainChains {
		target.NewUniformAngles(r.fluid.Dim()).Rand(c.x.RawRowView(k), rnd)
	}
	return c
}

// run makes sweeps over p and calls visit for every chain after each. Before, it tunes the
// step size.
//
// Half of the sweeps are small random steps: from an overlap of particles a trajectory gets so
// much kinetic energy that it is rejected again and again. The number of leapfrog steps stays
// 15: Sampler.WarmUp would choose hundreds, because angles that are not confined to a period
// spread without end.
func (c *chains) run(ctx context.Context, p *target.Particles, sweeps int, visit func(x []float64)) error {
	const rounds, leapfrog, acceptance = 25, 15, 0.85
	density := target.NewEvaluator(p)
	for round := range rounds + 1 {
		s, err := hmc.New(density, c.x, &hmc.Settings{
			Kernel: hmc.Mix{
				{Kernel: hmc.HMC{StepSize: c.step, Steps: leapfrog, MaxEnergyError: 1e100}},
				{Kernel: hmc.RandomWalk{Scale: 0.03}},
			},
			Src: c.src,
		})
		if err != nil {
			return err
		}
		if round < rounds {
			err = s.Run(ctx, max(1, sweeps/rounds), nil)
			if a := s.Stats()[0].AcceptRate; a >= 0 { // there was a trajectory
				c.step = min(0.3, c.step*math.Exp(a-acceptance))
			}
		} else {
			err = s.Run(ctx, sweeps, func(int) error {
				for k := range plainChains {
					visit(s.X().RawRowView(k))
				}
				return nil
			})
		}
		if err != nil {
			return err
		}
		c.x.Apply(func(_, _ int, v float64) float64 { return math.Remainder(v, 2*math.Pi) }, s.X())
	}
	return nil
}
