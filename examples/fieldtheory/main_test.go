package main

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// One run makes all files, and its numbers agree with each other and with the exact ln Z.
func TestStudy(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "r.json")
	o, err := parse([]string{
		"-shape", "3x3", "-budget", "6s", "-batch", "64", "-samples", "1000", "-relerr", "0.05",
		"-json", file, "-out", dir,
	})
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
	for _, key := range []string{"ess", "acceptance", "log_z", "chi", "chi_err", "seconds", "steps", "hmc"} {
		if _, ok := got[key]; !ok {
			t.Errorf("%s is missing in %s", key, text)
		}
	}
	if _, err := os.Stat(o.figure()); err != nil {
		t.Error(err)
	}
	plain := got["hmc"].(map[string]any)
	number := func(m map[string]any, key string) float64 { v, _ := m[key].(float64); return v }
	apart := math.Abs(number(got, "chi") - number(plain, "chi"))
	e := math.Hypot(number(got, "chi_err"), number(plain, "chi_err"))
	if known := got["chi"] != nil && plain["chi"] != nil; known && !(apart < 5*e) { // on a busy machine it is not
		t.Errorf("χ differs by %g, error %g:\n%s", apart, e, text)
	}
	theory, err := o.theory()
	if err != nil {
		t.Fatal(err)
	}
	logZ, ok := theory.exact()
	if !ok {
		t.Fatal("no exact ln Z")
	}
	e, known := got["log_z_err"].(float64)
	if known && number(got, "ess") > 0.1 && math.Abs(number(got, "log_z")-logZ) > 5*e {
		t.Errorf("ln Z %g ± %g, exact %g", number(got, "log_z"), e, logZ)
	}
}

func TestBadFlags(t *testing.T) {
	for args, want := range map[string]string{
		"-theory phi5": "-theory phi5", "-shape 6x1": "-shape 6x1", "-shape 6,6": "-shape 6,6", "-lambda -1": "λ is -1",
		"-budget 0s": "-budget 0s", "-recipe slow": "-recipe slow", "-images 0": "-images 0",
		"-rungs -1": "-rungs -1", "-theory ising -beta -1": "temperature -1", "-theory glass -beta -1": "-beta -1",
		"-theory glass -shape 20x20": "-shape 20x20", "-theory villain -shape 4x3": "-shape 4x3",
	} {
		o, err := parse(strings.Fields(args))
		if err == nil {
			_, err = o.theory()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", args, err)
		}
	}
}

// The correlation length of exp(−t/ξ) on a long chain, and the errors of a mean.
func TestTwoPoint(t *testing.T) {
	const n, xi = 400, 5.0
	c := make([]float64, n)
	for k := range c {
		c[k] = math.Exp(-float64(min(k, n-k)) / xi)
	}
	a := math.Exp(-1 / xi)
	wave := func(k float64) float64 { return (1 - a*a) / (1 + a*a - 2*a*math.Cos(k)) } // Σ_t a^|t| cos kt
	want := math.Sqrt(wave(0)/wave(2*math.Pi/n)-1) / (2 * math.Sin(math.Pi/n))
	if got := correlationLength(c); math.Abs(got-want) > 1e-6*want {
		t.Errorf("ξ is %g, want %g", got, want)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	samples, weights := make([][]float64, 3200), make([]float64, 3200)
	for k := range samples {
		samples[k], weights[k] = []float64{2 + rnd.NormFloat64(), 1, 0}, 1
	}
	g := twoPointOf(samples, weights)
	if e := 1 / math.Sqrt(3200); math.Abs(g.Err[0]-e) > 0.4*e || math.Abs(g.C[0]-2) > 4*e || g.Err[1] > 1e-9 {
		t.Errorf("C is %v ± %v", g.C, g.Err)
	}
	if e := 1 / math.Sqrt(3200); math.Abs(g.Chi-3) > 4*e || math.Abs(g.ChiErr-e) > 0.4*e {
		t.Errorf("χ is %g ± %g", g.Chi, g.ChiErr)
	}
}

// The Binder cumulant of a normal magnetisation is 0, that of one of fixed size 2/3.
func TestBinder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	normal, fixed, weights := make([][]float64, 3200), make([][]float64, 3200), make([]float64, 3200)
	for k := range normal {
		chi := rnd.NormFloat64()
		chi *= chi
		normal[k], fixed[k], weights[k] = []float64{chi, chi * chi}, []float64{2, 4}, 1
	}
	if g := twoPointOf(normal, weights); math.Abs(g.Binder) > 4*g.BinderErr || g.BinderErr > 0.1 {
		t.Errorf("normal: %g ± %g", g.Binder, g.BinderErr)
	}
	if g := twoPointOf(fixed, weights); math.Abs(g.Binder-2.0/3) > 1e-9 || g.BinderErr > 1e-9 {
		t.Errorf("fixed: %g ± %g", g.Binder, g.BinderErr)
	}
	chains := mat.NewDense(800, 64, nil)
	chains.Apply(func(_, _ int, _ float64) float64 { v := rnd.NormFloat64(); return v * v }, chains)
	if v, e := binderOf(chains); math.Abs(v) > 4*e || e > 0.02 {
		t.Errorf("chains: %g ± %g", v, e)
	}
}
