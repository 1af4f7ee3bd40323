package main

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/neuralrg/neuralrg/examples/internal/checkpoint"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// A run with -budget is the run of as many steps, to the bit, if the time suffices for
// them. Resumed, it keeps their number and does not train again.
func TestBudget(t *testing.T) {
	dir := t.TempDir()
	begin := time.Now()
	model, results := small(t, dir, "-every 0 -cosine -anneal 0.5 -save 100000 -batch 256 -budget 1s")
	if spent := time.Since(begin); spent > 10*time.Second {
		t.Errorf("it took %v", spent)
	}
	steps := int(results["steps"].(float64))
	if steps < 5 {
		t.Skipf("%d steps: a machine this slow tells nothing", steps)
	}
	m, r := small(t, dir, "-every 0 -cosine -anneal 0.5 -save 100000 -batch 256 -budget 1s -resume")
	if m != model || !equal(t, r, results) {
		t.Errorf("resumed: %v, want %v", r, results)
	}
	was := recordOf(t, filepath.Join(dir, "state"))
	if len(was.Legs) > 1 || was.Legs[0].Steps != steps {
		t.Skipf("%d steps, the machine became slower or faster: %v", steps, was.Legs)
	}
	m, r = small(t, t.TempDir(), "-every 0 -cosine -anneal 0.5 -save 100000 -batch 256 -steps "+strconv.Itoa(steps))
	if m != model || !equal(t, r, results) {
		t.Errorf("with -steps %d: %v, want %v", steps, r, results)
	}
	o := must(parse(strings.Fields("-budget 2s -resume -checkpoint " + filepath.Join(dir, "state"))))
	if d := checkpoint.Differences(was.Options, o.values); !strings.Contains(d, "-budget was 1s, now 2s") {
		t.Errorf("%q", d)
	}
}

// A run with a chain of lattices is taken up where its file is: at the end of the
// smaller lattice, which is not trained again, or at the end of all.
func TestChainIsResumed(t *testing.T) {
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	flags := "-every 0 -L 16 -budget 600ms -cosine -batch 64 -resume"
	o := must(parse(append(strings.Fields("-recipe none -couplings 2 -hidden 4 -chains 3 -sweeps 5 -physical 7 "+
		"-average 0.9 -save 4 -samples 100 -between 1 -measure 0 -ais 20 -rungs 3 "+flags), "-checkpoint", state)))
	i := newInterrupts(true)
	defer i.stop()
	m, spent, err := trainSmaller(i, o, rand.NewPCG(o.seed, 2018))
	if err != nil && strings.Contains(err.Error(), "too short") {
		t.Skipf("this machine is too slow: %v", err)
	}
	if err != nil || m == nil || m.Dim() != 64 || !(spent > 0) {
		t.Fatalf("%v after %v s, %v", m, spent, err)
	}
	r := recordOf(t, state)
	if r.Stage != 0 || !r.Trained || r.Seconds != spent || r.Legs[0].Steps == 0 || len(r.Walkers) > 0 {
		t.Errorf("after 8×8 sites: %+v", r)
	}
	model, results := small(t, dir, flags)
	if r := recordOf(t, state); r.Stage != 1 || r.Earlier != spent || r.Judged == nil {
		t.Errorf("at the end: stage %d, %v s before it, want %v", r.Stage, r.Earlier, spent)
	}
	if m, r := small(t, dir, flags); m != model || !equal(t, r, results) {
		t.Errorf("resumed: %v, want %v", r, results)
	}
}

// If steps turn out slower or faster than planned, the number of steps follows, and
// with it the learning rate and the inverse temperature.
func TestReplan(t *testing.T) {
	o := must(parse(strings.Fields("-budget 100s -anneal 0.5")))
	o.steps = 1000
	k := &keeper{o: o}
	k.Legs = []leg{{0, 1000}}
	r := &training{keeper: k, bar: newProgress("", 1000, 0)}
	defer r.bar.done()
	last := 10 * time.Second                          // since the last look
	at := func(made int, spent, left time.Duration) { // for the steps so far, and until the end
		now := time.Now()
		k.history.Loss = make([]float64, made)
		r.pacer, r.deadline = pacer{now.Add(-spent), 0, now.Add(-last)}, now.Add(left)
		r.replan()
	}
	last = 4 * time.Second // too early to look
	at(100, 10*time.Second, 45*time.Second)
	last = 10 * time.Second
	at(100, 10*time.Second, 92*time.Second)
	if len(k.Legs) != 1 {
		t.Fatalf("a plan that holds is changed: %v", k.Legs)
	}
	at(250, 50*time.Second, 50*time.Second)
	if len(k.Legs) != 2 || k.Legs[1].From != 250 || math.Abs(float64(o.steps-495)) > 2 || r.bar.total != o.steps {
		t.Errorf("at half the speed: %v, %d steps", k.Legs, o.steps)
	}
	if k.rate(250) < 0.8 || k.rate(251) > 0.6 || k.rate(o.steps) > 1e-4 || k.inverseTemperature(251) != 1 {
		t.Errorf("learning rates %v, %v, %v", k.rate(250), k.rate(251), k.rate(o.steps))
	}
	at(450, 75*time.Second, 25*time.Second)
	if len(k.Legs) != 3 || math.Abs(float64(o.steps-597)) > 2 {
		t.Errorf("faster again: %v", k.Legs)
	}
	made := o.steps - 1
	at(made, 100*time.Second, -time.Second)
	if o.steps != made+1 {
		t.Errorf("after the end: %d steps, want %d", o.steps, made+1)
	}
}

// A chain that is terminated again and again comes to its end.
func TestChainIsTerminated(t *testing.T) {
	p := build(t)
	for stops := 0; ; stops++ {
		args := strings.Fields("-recipe none -couplings 2 -hidden 4 -L 16 -batch 64 -chains 4 -sweeps 5 -physical 5 " +
			"-samples 100 -measure 0 -budget 3s -resume")
		cmd := exec.Command(p.binary, append(args, "-checkpoint", p.file("state"), "-out", p.file("out"))...)
		out, err := start(t, cmd, 700*time.Millisecond, func(p *os.Process) { p.Signal(syscall.SIGTERM) })
		if err == nil {
			r := recordOf(t, p.file("state"))
			if r.Stage != 1 || !r.Trained || stops == 0 || r.Earlier+r.Seconds > 4 {
				t.Errorf("after %d stops: %+v", stops, r)
			}
			return
		}
		if len(out) > 0 && !bytes.Contains(out, []byte(errStopped.Error())) || stops > 30 {
			t.Fatalf("after %d stops: %v\n%s", stops, err, out)
		}
	}
}

// recordOf is the record of a state file.
func recordOf(t *testing.T, file string) record {
	t.Helper()
	s, r := stateOf(t, file), record{}
	if err := s.ReadJSON(recordPart, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// When the time is over, training ends, even if it planned more steps.
func TestBudgetIsOver(t *testing.T) {
	o := must(parse(strings.Fields("-recipe none -couplings 2 -hidden 4 -batch 8 -budget 300ms")))
	o.steps = 1e9 // a plan that is wrong
	src := rand.NewPCG(1, 1)
	ising := must(target.NewIsing([]int{o.L, o.L}, o.T))
	k := &keeper{o: o, src: src, model: must(newModel(o, nil, ising, src))}
	i := newInterrupts(false)
	defer i.stop()
	begin := time.Now()
	if err := train(i, k, k.model, ising); err != nil {
		t.Fatal(err)
	}
	if n := len(k.history.Loss); n == 0 || !k.Trained || time.Since(begin) > 10*time.Second {
		t.Errorf("%d steps, over: %t, in %v", n, k.Trained, time.Since(begin))
	}
	o.steps, o.budget, o.share = 0, 1, 1 // ns
	k = &keeper{o: o, src: src, model: k.model}
	if err := train(i, k, k.model, ising); err == nil || !strings.Contains(err.Error(), "-budget 1ns") {
		t.Errorf("a budget that is too short: %v", err)
	}
}

// Each lattice of a chain can be grown from the one before it. The budgets are shares
// of the whole.
func TestChain(t *testing.T) {
	for args, want := range map[string][]int{
		"-L 4": {4}, "-L 8": {8}, "-L 16": {8, 16}, "-L 32": {8, 16, 32}, "-L 64": {8, 16, 32, 64},
		"-L 24": {12, 24}, "-L 14": {14}, "-L 18": {18}, "-L 20": {10, 20}, "-L 27 -size 3": {9, 27},
		"-L 64 -size 4": {16, 64}, "-L 28": {14, 28}, "-L 36": {36}, "-L 60": {60}, "-L 44": {22, 44},
		"-L 40": {10, 20, 40}, "-L 16 -recipe best": {8, 16}, "-L 36 -recipe best": {18, 36},
		"-L 16 -recipe none": {8, 16}, "-L 16 -grow x": {16},
	} {
		o := must(parse(append(strings.Fields(args), "-budget", "20m", "-out", t.TempDir())))
		var small *flow.Model
		sum, src := time.Duration(0), rand.NewPCG(1, 1)
		runs := append(o.smaller, o)
		if len(runs) != len(want) {
			t.Errorf("%s: %d lattices, want %v", args, len(runs), want)
			continue
		}
		for k, s := range runs {
			ising := must(target.NewIsing([]int{s.L, s.L}, s.T))
			if s.L != want[k] || s.steps != 0 || s.batch != batchOf(s.L) {
				t.Errorf("%s: lattice %d is of %d×%d sites, batch %d", args, k, s.L, s.L, s.batch)
			}
			if k > 0 && math.Abs(float64(s.share)/float64(runs[k-1].share)-1.5) > 1e-9 {
				t.Errorf("%s: %v after %v", args, s.share, runs[k-1].share)
			}
			if sum += s.share; s.grow != "" {
				break
			}
			if s.L > 40 {
				continue // takes long
			}
			var err error
			if small, err = newModel(s, small, ising, src); err != nil {
				t.Errorf("%s: %d×%d sites: %v", args, s.L, s.L, err)
				break
			}
		}
		if math.Abs(float64(sum-20*time.Minute)) > float64(time.Microsecond) {
			t.Errorf("%s: %v in all", args, sum)
		}
	}
}

// Only the first lattice of a chain begins at the full learning rate and at a high
// temperature. Flags that are given hold for all lattices.
func TestChainSettings(t *testing.T) {
	for _, c := range []struct {
		args        string
		first, last pace
		batches     [2]int
	}{
		{"-L 32", pace{1e-2, 0.5}, pace{5e-3, 1}, [2]int{512, 256}},
		{"-L 32 -lr 1e-3 -batch 100", pace{1e-3, 0.5}, pace{1e-3, 1}, [2]int{100, 100}},
		{"-L 32 -anneal 0.7", pace{1e-2, 0.7}, pace{5e-3, 0.7}, [2]int{512, 256}},
		{"-L 32 -recipe none", pace{1e-3, 1}, pace{1e-3, 1}, [2]int{512, 256}},
	} {
		o := must(parse(strings.Fields(c.args + " -budget 1m")))
		s := o.smaller[0]
		if first, last := (pace{s.lr, s.anneal}), (pace{o.lr, o.anneal}); first != c.first || last != c.last ||
			[2]int{s.batch, o.batch} != c.batches {
			t.Errorf("%s: %v and %v, batches of %d and %d", c.args, first, last, s.batch, o.batch)
		}
	}
}
