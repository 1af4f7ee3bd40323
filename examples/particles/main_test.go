package main

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// One run makes all files, and annealing, integration and hybrid Monte Carlo agree.
func TestStudy(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "r.json")
	o, err := parse(strings.Fields("-n 4 -density 0.4 -rungs 150 -samples 400 -nodes 12 -sweeps 60 -json " +
		file + " -out " + dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := run(o); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &got)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(o.figure()); err != nil {
		t.Error(err)
	}
	number := func(m any, key string) float64 {
		v, ok := m.(map[string]any)[key].(float64)
		if !ok {
			t.Errorf("no %s in %s", key, text)
		}
		return v
	}
	for _, c := range []struct{ other, key string }{{"ti", "log_z"}, {"hmc", "pressure"}} {
		a, b := number(got, c.key), number(got[c.other], c.key)
		e := math.Hypot(number(got, c.key+"_err"), number(got[c.other], c.key+"_err"))
		if !(math.Abs(a-b) < 4*e) {
			t.Errorf("%s: %g and %g differ by more than 4 errors of %g", c.key, a, b, e)
		}
	}
	if v := number(got, "ess"); !(v > 0.3) {
		t.Errorf("ESS %g", v)
	}
}

// ln Z of two particles is exact by quadrature, and so is their g(r).
func TestTwoParticles(t *testing.T) {
	o, err := parse(strings.Fields("-n 2 -density 0.25 -rungs 100 -samples 2000 -sweeps 100"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := o.fluid(1)
	if err != nil {
		t.Fatal(err)
	}
	r := &report{o: o, fluid: p}
	if err := r.anneal(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := r.integrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	// Q/V² = 1 + ∫ (exp(−u/T) − 1) d²r/V.
	energy := func(d float64) float64 { return p.Energy([]float64{2 * math.Pi * d / o.edge(), 0}) }
	ratio, cut := 1.0, math.Pow(2, 1.0/6)
	const points = 10000
	for k := range points {
		d := cut * (float64(k) + 0.5) / points
		ratio += 2 * math.Pi * d * math.Expm1(-energy(d)) * cut / points / p.Volume()
	}
	want := math.Log(ratio) + 2*math.Log(2*math.Pi)
	if !(math.Abs(r.LogZ-want) < 3*r.LogZErr && r.LogZErr < 0.05) {
		t.Errorf("ln Z is %.4f ± %.4f, want %.4f", r.LogZ, r.LogZErr, want)
	}
	if !(math.Abs(r.TI.LogZ-want) < 3*r.TI.LogZErr+0.005 && r.TI.LogZErr < 0.05) {
		t.Errorf("by integration ln Z is %.4f ± %.4f, want %.4f", r.TI.LogZ, r.TI.LogZErr, want)
	}
	for k, d := range r.radial.R {
		if g := math.Exp(-energy(d)) / ratio; !(math.Abs(r.radial.G[k]-g) < 5*r.radial.Err[k]+0.15) {
			t.Errorf("g(%.3f) is %.3f ± %.3f, want %.3f", d, r.radial.G[k], r.radial.Err[k], g)
		}
	}
}

// Displacements leave N(0, 1) invariant: mean squares stay 1, beyond the edges of a period
// too, and a step back is as likely.
func TestDisplacement(t *testing.T) {
	d := displacement{1, 1}
	rnd := rand.New(rand.NewPCG(1, 2))
	const n = 40000
	var square, fourth, forth, back float64
	for range n {
		from, to := []float64{rnd.NormFloat64()}, make([]float64, 1)
		d.Propose(to, from, rnd)
		square += to[0] * to[0] / n
		fourth += math.Pow(to[0], 4) / n
		if from[0] < 0 && to[0] > 1 {
			forth++
		}
		if from[0] > 1 && to[0] < 0 {
			back++
		}
	}
	if !(math.Abs(square-1) < 4*math.Sqrt(2./n) && math.Abs(fourth-3) < 4*math.Sqrt(96./n)) {
		t.Errorf("⟨z²⟩ is %.4f and ⟨z⁴⟩ %.4f, want 1 and 3", square, fourth)
	}
	if !(forth > 100 && math.Abs(forth-back) < 4*math.Sqrt(forth+back)) {
		t.Errorf("%.0f steps forth, %.0f back", forth, back)
	}
	if d.Check(3) != nil || (displacement{2, 1}).Check(3) == nil || (displacement{1, 4}).Check(3) == nil {
		t.Error("Check")
	}
}

// The jackknife has the mean and the error of a weighted mean.
func TestJackknife(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	rows, weights := make([][]float64, 3200), make([]float64, 3200)
	for k := range rows {
		rows[k], weights[k] = []float64{2 + rnd.NormFloat64(), 1}, 1+float64(k%2)
	}
	mean, err := jackknife(rows, weights)
	want := math.Sqrt(10. / 9 / 3200) // Σw²/(Σw)² = (1+4)/2/1.5²/n
	if math.Abs(err[0]-want) > 0.4*want || math.Abs(mean[0]-2) > 4*want || err[1] > 1e-9 || mean[1] != 1 {
		t.Errorf("%v ± %v", mean, err)
	}
}

func TestBadFlags(t *testing.T) {
	for args, want := range map[string]string{
		"-n 1": "-n 1", "-axes 4": "-axes 4", "-density -1": "-density", "-temperature 0": "-temperature",
		"-budget 0s": "-budget 0s", "-rungs -1": "-rungs -1", "-n 8 -density 3": "cut-off",
	} {
		o, err := parse(strings.Fields(args))
		if err == nil {
			_, err = o.fluid(o.temperature)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", args, err)
		}
	}
}

// The profile of the dimer has two wells with a barrier between, near those of the dimer
// alone.
func TestDimer(t *testing.T) {
	o, err := parse(strings.Fields("-dimer -sweeps 8 -out " + t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	p, err := umbrellas(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	lowest := func(from, to float64) (f float64) {
		f = math.Inf(1)
		for k, r := range p.R {
			if r > from && r < to {
				f = min(f, p.F[k])
			}
		}
		return f
	}
	barrier := -math.Inf(1)
	for k, r := range p.R {
		if r > 1.3 && r < 1.7 {
			barrier = max(barrier, p.F[k])
		}
	}
	for _, well := range []float64{lowest(0.8, 1.3), lowest(1.7, 2.2)} {
		if d := barrier - well; !(d > 10 && d < 22) {
			t.Errorf("a barrier of %.1f:\n%s", d, p)
		}
	}
	if err := drawProfile(p, o.files()[0]); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(o.files()[0]); err != nil {
		t.Error(err)
	}
}

// The trapezium rule, of a force that is linear in r.
func TestIntegrate(t *testing.T) {
	p := &profile{R: []float64{0, 1, 3}, Force: []float64{0, 2, 6}, ForceErr: []float64{1, 3, 2}}
	p.integrate()
	one, two := math.Sqrt(0.25+2.25), math.Sqrt(0.25+1.5*1.5*9+4) // weights ½, 1½ and 1 of the forces
	if p.F[1] != 1 || p.F[2] != 9 || math.Abs(p.FErr[1]-one) > 1e-12 || math.Abs(p.FErr[2]-two) > 1e-12 {
		t.Errorf("%v ± %v", p.F, p.FErr)
	}
}
