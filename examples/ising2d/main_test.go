package main

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/target"
)

func TestBadFlags(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"-steps 0", "-steps 0"},
		{"-batch -3", "-batch -3"},
		{"-couplings -1", "-couplings -1"},
		{"-recipe worst", "-recipe worst"},
		{"-sweeps 0", "-sweeps 0"},
		{"-chains 1", "-chains 1"},
		{"-samples 1", "-samples 1"},
		{"-hidden 10,x", "-hidden 10,x"},
		{"-hidden 10,,10", "-hidden 10,,10"},
		{"-hidden 10,0", "-hidden 10,0"},
		{"-lr 0", "-lr 0"},
		{"-anneal 0", "-anneal 0"},
		{"-every -1", "-every -1"},
		{"-adapt 1 -every 5", "-adapt 1"},
		{"-adapt 0.5", "-every"},
		{"-adapt 0.5 -every 50 -steps 20", "-every 50"},
		{"-size 1", "-size 1"},
		{"-recipe best -size 4", "-checkerboard -size 4"},
		{"-between 0", "-between 0"},
		{"-leapfrog 0", "-leapfrog 0"},
		{"-stepsize 0", "-stepsize 0"},
		{"-jitter 1", "-jitter 1"},
		{"-jitter -0.1", "-jitter -0.1"},
		{"-images -1", "-images -1"},
		{"-L 0", "-L 0"},
		{"-memory 0", "-memory 0"},
		{"-resume", "-checkpoint"},
		{"-budget -1s", "-budget -1s"},
		{"-budget 20", "-budget"},
		{"-budget 20m -steps 800", "-steps 800 -budget 20m0s"},
		{"-budget 20m -paper", "-every 100"},
		{"-budget 20m -every 5", "-every 5"},
		{"-nonsense", "-nonsense"},
		{"-dtype f16", "-dtype f16"},
		{"here", `"here"`},
	} {
		if _, err := parse(strings.Fields(c.args)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one that says %s", c.args, err, c.want)
		}
	}
	for _, c := range []struct{ args, want string }{
		{"-L 1", "extent"},
		{"-T 0", "temperature 0"},
		{"-T -1", "temperature -1"},
		{"-images 3", "1 to 2"},
	} {
		o, err := parse(append(strings.Fields(c.args), "-out", t.TempDir()))
		if err != nil {
			t.Errorf("%s: %v", c.args, err)
		} else if err := run(o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one that says %q", c.args, err, c.want)
		}
	}
}

// A short run writes every figure and a JSON object with the promised keys and
// sensible values, in both precisions.
func TestRun(t *testing.T) {
	for dtype, recipe := range map[string]string{"f32": "fast", "f64": "none"} {
		dir := t.TempDir()
		s := runFor(t, dir, "-dtype", dtype, "-recipe", recipe, "-steps", "30")
		params := map[string]float64{"fast": 24846, "none": 21840}[recipe]
		exact := s["exact"].(float64)
		if s["steps"] != 30.0 || s["params"] != params || math.Abs(exact+37.376731689944) > 1e-9 {
			t.Errorf("%s: steps %v, params %v, exact %v", dtype, s["steps"], s["params"], s["exact"])
		}
		if gap := s["gap"].(float64); !(gap > 0 && gap < 30) {
			t.Errorf("%s: gap %v", dtype, gap)
		}
	}
}

// All other parts of the program run: blocks of another size, conditional
// decimators, more symmetries, learning from the latent chains.
func TestRunWithAll(t *testing.T) {
	for _, args := range []string{
		"-size 4 -conditional -spline -white -path -adapt 0.3 -every 5",
		"-conditional -reflect -images 3 -path",
		"-translate -images 2 -symmetric=false -couplings 2",
		"-L 3 -spline -couplings 1",
	} {
		s := runFor(t, t.TempDir(), append(strings.Fields(args), "-recipe", "none", "-steps", "10")...)
		if gap := s["gap"].(float64); !(gap > 0 && gap < 30) {
			t.Errorf("%s: gap %v", args, gap)
		}
	}
}

// The best recipe runs, too.
func TestBest(t *testing.T) {
	s := runFor(t, t.TempDir(), "-recipe", "best", "-steps", "40")
	if gap := s["gap"].(float64); !(gap > 0 && gap < 10) || s["params"] != 22900.0 {
		t.Errorf("gap %v, %v parameters", gap, s["params"])
	}
}

// A flow of four sites goes on as one of sixteen.
func TestGrow(t *testing.T) {
	file := filepath.Join(t.TempDir(), "flow2")
	for _, c := range []struct {
		recipe string
		params float64
	}{{"best", 22900}, {"fast", 24846}} { // fast is the last one
		runFor(t, t.TempDir(), "-recipe", c.recipe, "-L", "2", "-steps", "30", "-model", file)
		s := runFor(t, t.TempDir(), "-recipe", c.recipe, "-steps", "20", "-grow", file)
		if gap := s["gap"].(float64); !(gap > 0 && gap < 10) || s["params"] != c.params {
			t.Errorf("%s: gap %v, %v parameters", c.recipe, gap, s["params"])
		}
	}
	o, err := parse(strings.Fields("-recipe best -lr 1e-2 -grow x"))
	if err != nil || o.lr != 1e-2 || o.anneal != 1 || o.repeat != 2 {
		t.Errorf("learning rate %g, from β = %g, %v", o.lr, o.anneal, err)
	}
	for want, args := range map[string]string{
		"no such file": "-grow nowhere", "hierarchy": "-recipe best -grow " + file,
	} {
		o, err := parse(append(strings.Fields(args), "-out", t.TempDir()))
		if err != nil {
			t.Fatal(err)
		}
		if err := run(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", args, err)
		}
	}
}

// Sampling alongside training adds to the sweeps.
func TestAlongside(t *testing.T) {
	runFor(t, t.TempDir(), "-recipe", "none", "-steps", "20", "-every", "10", "-between", "2")
}

// A flag that is given overrules the preset.
func TestPaper(t *testing.T) {
	o, err := parse(strings.Fields("-paper -steps 7"))
	if err != nil {
		t.Fatal(err)
	}
	if o.L != 16 || o.steps != 7 || o.batch != 512 || o.every != 100 || o.spline || !o.cosine || o.lr != 5e-3 {
		t.Errorf("L %d, steps %d, batch %d, every %d, spline %t, cosine %t, learning rate %g",
			o.L, o.steps, o.batch, o.every, o.spline, o.cosine, o.lr)
	}
}

// Ctrl-C ends training early and the rest is still done.
func TestInterrupt(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("cannot send an interrupt there")
	}
	dir := t.TempDir()
	go func() {
		// The handler is there before the directory is.
		made := func() bool { _, err := os.Stat(filepath.Join(dir, "figures")); return err == nil }
		for !made() {
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Second)
		p, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = p.Signal(os.Interrupt)
		}
		if err != nil {
			t.Error(err)
		}
	}()
	s := runFor(t, dir, "-recipe", "none", "-steps", "1000000")
	if steps := s["steps"].(float64); !(steps > 0 && steps < 1000000) {
		t.Errorf("%v steps", steps)
	}
}

// runFor runs the program with few sweeps and returns its JSON object.
func runFor(t *testing.T, dir string, args ...string) map[string]any {
	t.Helper()
	file := filepath.Join(dir, "result.json")
	o, err := parse(append(args,
		"-chains", "4", "-sweeps", "4", "-samples", "700",
		"-measure", "2s", "-relerr", "0.2", "-ais", "60", "-rungs", "5",
		"-out", filepath.Join(dir, "figures"), "-json", file))
	if err != nil {
		t.Fatal(err)
	}
	if err := run(o); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"loss.png", "free_energy.png", "m2.png", "configurations.png"} {
		if info, err := os.Stat(filepath.Join(dir, "figures", name)); err != nil || info.Size() < 5000 {
			t.Errorf("%s: %v", name, err)
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var s map[string]any
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	keys := slices.Sorted(maps.Keys(s))
	want := strings.Fields("ais ess exact gap latent log_z log_z_err loss loss_err params peak_mb physical sampling " +
		"seconds_per_step std steps training_seconds weighted")
	if !slices.Equal(keys, want) {
		t.Errorf("keys %v, want %v", keys, want)
	}
	const chains = "accept cost_seconds m2 m2_err seconds tau_leapfrogs tau_leapfrogs_err tau_seconds"
	for name, want := range map[string]string{
		"latent": chains, "physical": chains, "weighted": chains,
		"sampling": "ess m2 m2_err rhat seconds sweeps verdict",
		"ais":      "bound ess log_z log_z_err rungs samples seconds",
	} {
		inner := s[name].(map[string]any)
		if keys := slices.Sorted(maps.Keys(inner)); !slices.Equal(keys, strings.Fields(want)) {
			t.Errorf("%s: keys %v", name, keys)
		}
		if name == "ais" {
			if bound, exact := inner["bound"].(float64), s["exact"].(float64); inner["rungs"] != 5.0 ||
				inner["samples"] != 60.0 || !(bound > exact-1 && bound < s["loss"].(float64)+1) {
				t.Errorf("%v, exact %v", inner, exact)
			}
			continue
		}
		if inner["m2"] == nil && name == "sampling" { // no time for it
			continue
		}
		if m2 := inner["m2"].(float64); !(m2 > 0.3 || name != "physical" && m2 > 0) || m2 > 1 {
			t.Errorf("%s: m2 %v", name, m2)
		}
	}
	return s
}

// Acceptance and time are those of the sweeps of the final model alone.
func TestResultIsOfTheFinalModel(t *testing.T) {
	o, err := parse(strings.Fields("-chains 2"))
	if err != nil {
		t.Fatal(err)
	}
	w := &walkers{o: o}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 2100 {
		w.measured([]float64{rnd.Float64(), rnd.Float64()})
	}
	a, _ := w.result()
	w.final = 100
	w.accept, w.seconds = 0.5, 4
	b, _ := w.result()
	tau := float64(b.Tau) / float64(o.leapfrog) // sweeps
	if !(math.Abs(float64(b.TauSeconds)-tau*4/2000) < 1e-12) || b.Accept != 0.5 || a.M2 == b.M2 {
		t.Errorf("%+v", b)
	}
}

// chainsOf returns the Ising model of a run with these flags and the chains of a flow
// that is not trained: those in latent space, then those in physical space.
func chainsOf(t *testing.T, flags string, src *rand.PCG) (*target.Ising, []*walkers) {
	t.Helper()
	o, err := parse(strings.Fields(flags))
	if err != nil {
		t.Fatal(err)
	}
	ising, err := target.NewIsing([]int{o.L, o.L}, o.T)
	if err != nil {
		t.Fatal(err)
	}
	m, err := newModel(o, nil, ising, src)
	if err != nil {
		t.Fatal(err)
	}
	ws, err := newWalkers(m, ising, o, src)
	if err != nil {
		t.Fatal(err)
	}
	return ising, ws
}

// Sampling during training stops when training is stopped, and then leaves no trace.
func TestAlongsideIsInterrupted(t *testing.T) {
	src := rand.NewPCG(1, 1)
	_, ws := chainsOf(t, "-recipe none -couplings 2 -hidden 4 -chains 2", src)
	if err := alongside(context.Background(), ws, src, 3); err != nil {
		t.Fatal(err)
	}
	before, x := *src, mat.DenseCopyOf(ws[0].x)
	ctx, cancel := context.WithCancel(context.Background())
	image := ws[1].image
	ws[1].image = func(x, z *mat.Dense) error { cancel(); return image(x, z) } // in the second set's first sweep
	if err := alongside(ctx, ws, src, 3); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if *src != before || !mat.Equal(ws[0].x, x) || len(ws[0].m2) != 3 || len(ws[0].chains) != 3 || len(ws[1].m2) != 3 {
		t.Errorf("%d and %d sweeps, or other chains, or another state of the source", len(ws[0].m2), len(ws[1].m2))
	}
}
