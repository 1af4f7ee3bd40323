package main

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/neuralrg/neuralrg/target"
)

// The latent mix and annealing give the exact values within their errors, however poor
// the flow is. A resumed run repeats neither.
func TestMeasureAndAnneal(t *testing.T) {
	dir := t.TempDir()
	flags := "-every 0 -recipe fast -batch 128 -steps 80 -chains 32 " +
		"-relerr 0.02 -measure 5m -ais 400 -rungs 20 -save 100000"
	_, r := small(t, dir, flags)
	s, a := r["sampling"].(map[string]any), r["ais"].(map[string]any)
	number := func(of map[string]any, name string) float64 { return of[name].(float64) }
	const m2 = 0.761386
	off := math.Abs(number(s, "m2")-m2) / number(s, "m2_err")
	if s["verdict"] != "ok" || off > 3.5 || number(s, "m2_err") > 0.02*m2 || !(number(s, "rhat") > 0.9) ||
		!(number(s, "ess") > 100) || !(number(s, "sweeps") >= 100) {
		t.Errorf("%.1f errors off: %v", off, s)
	}
	off = math.Abs(number(a, "log_z")+number(r, "exact")) / number(a, "log_z_err")
	if off > 3.5 || number(a, "ess") < number(r, "ess") || number(a, "bound") > number(r, "loss") {
		t.Errorf("%.1f errors off: %v, the flow %v", off, a, r)
	}
	state := filepath.Join(dir, "state")
	was := recordOf(t, state)
	if _, again := small(t, dir, flags+" -resume"); !equal(t, again, r) {
		t.Errorf("resumed: %v, want %v", again, r)
	}
	if is := recordOf(t, state); *is.Measured != *was.Measured || *is.Annealed != *was.Annealed {
		t.Errorf("resumed: %v and %v, before %v and %v", is.Measured, is.Annealed, was.Measured, was.Annealed)
	}
}

// Without time to measure there is a warning and no number.
func TestMeasureIsStopped(t *testing.T) {
	text := printed(t, func() {
		_, r := small(t, t.TempDir(), "-steps 3 -measure 1ns")
		s := r["sampling"].(map[string]any)
		if s["m2"] != nil || s["rhat"] != nil || !strings.HasPrefix(s["verdict"].(string), "do not trust: it was") {
			t.Errorf("%v", s)
		}
	})
	text = strings.Join(strings.Fields(text), " ")
	if !strings.Contains(text, "WARNING: do not trust latent mix: it was stopped") {
		t.Errorf("no warning: %s", text)
	}
}

// An error that is not reached is no reason for distrust, but it is said.
func TestMissed(t *testing.T) {
	for verdict, want := range map[string][2]string{
		"ok":                               {"", "moves that flow.Measure chooses by itself"},
		"ok" + missed + "m2: 0.2":          {"", "after 7 sweeps, before the wanted error, m2: 0.2"},
		untrusted + "why":                  {"why", "by itself"},
		untrusted + "why" + missed + "0.3": {"why", "before the wanted error, 0.3"},
	} {
		r := &measured{M2: 1, M2Err: 0.1, Seconds: 2, Verdict: verdict, Sweeps: 7}
		if _, doubt, note := r.row(); doubt != want[0] || !strings.HasSuffix(note, want[1]) {
			t.Errorf("%q: %q, %q", verdict, doubt, note)
		}
	}
	_, r := small(t, t.TempDir(), "-every 0 -steps 3 -measure 2s -relerr 1e-3 -chains 4 -sweeps 2 -physical 2")
	s := r["sampling"].(map[string]any)
	if s["m2"] != nil && !strings.Contains(s["verdict"].(string), missed+"m2: standard error") {
		t.Errorf("%v", s)
	}
}

// -ais is on by default on small lattices alone. -measure 0 leaves the mix out.
func TestSamplingFlags(t *testing.T) {
	for args, want := range map[string][2]int{
		"": {1000, 30}, "-L 8": {1000, 30}, "-L 16": {0, 0}, "-L 16 -ais 70": {70, 0}, "-ais 70 -rungs 5": {70, 5},
		"-rungs 5": {1000, 5}, "-ais 70": {70, 0},
	} {
		if o := must(parse(strings.Fields(args))); o.ais != want[0] || o.rungs != want[1] {
			t.Errorf("%q: %d samples, %d rungs, want %v", args, o.ais, o.rungs, want)
		}
	}
	_, r := small(t, t.TempDir(), "-steps 3")
	if r["sampling"] != nil {
		t.Errorf("without: %v", r["sampling"])
	}
}

// Chains that never move are counted, and the run warns of them.
func TestStuck(t *testing.T) {
	w := &walkers{o: &options{chains: 3, leapfrog: 1}, accept: 0.5, final: 1}
	if w.stuck() != 0 {
		t.Errorf("%d chains stuck before the first sweep", w.stuck())
	}
	for _, m2 := range [][]float64{{1, 2, 3}, {4, 2, 5}, {4, 2, 6}, {4, 3, 6}, {4, 3, 6}} {
		w.measured(m2)
	}
	if w.stuck() != 1 { // the first one; what was before the model was final does not count
		t.Errorf("%d chains stuck, want 1", w.stuck())
	}
	text := printed(t, func() {
		small(t, t.TempDir(), "-steps 3 -every 0 -stepsize 5 -leapfrog 2 -L 8 -cold")
	})
	text = strings.Join(strings.Fields(text), " ")
	if !strings.Contains(text, "WARNING: do not trust latent HMC: it accepts nothing") {
		t.Errorf("no warning: %s", text)
	}
}

// Latent chains begin at samples of the flow, with -cold at one configuration.
func TestStart(t *testing.T) {
	for _, cold := range []string{"", "-cold"} {
		o := must(parse(strings.Fields("-recipe none -chains 20 -symmetric=false " + cold)))
		ising := must(target.NewIsing([]int{4, 4}, o.T))
		src := rand.NewPCG(1, 1)
		m := must(newModel(o, nil, ising, src))
		w := must(newWalkers(m, ising, o, src))[0]
		if _, err := w.begin(&keeper{}); err != nil {
			t.Fatal(err)
		}
		same := true
		for k := range o.chains {
			same = same && w.x.At(k, 0) == w.x.At(0, 0)
		}
		if same != (cold != "") {
			t.Errorf("%q: all chains begin at one configuration: %t", cold, same)
		}
	}
	if o := must(parse([]string{"-paper"})); !o.cold || o.measure != 0 {
		t.Errorf("-paper begins cold: %t, and runs the mix for %v", o.cold, o.measure)
	}
	if _, err := os.Stat("out"); err == nil {
		t.Error("files are left behind")
	}
}
