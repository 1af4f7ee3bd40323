package main

import (
	"bytes"
	"flag"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// widest is the longest line, in characters.
func widest(text string) int {
	n := 0
	for _, line := range strings.Split(text, "\n") {
		n = max(n, utf8.RuneCountInString(line))
	}
	return n
}

// printed is what f prints to the standard output.
func printed(t *testing.T, f func()) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func(old *os.File) { os.Stdout = old }(os.Stdout)
	os.Stdout = w
	f()
	w.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// -h fits a screen.
func TestHelp(t *testing.T) {
	for _, c := range []struct {
		arg   string
		lines int
	}{{"-h", 24}, {"-help-all", 100}} {
		f := flag.NewFlagSet("ising2d", flag.ContinueOnError)
		(&options{}).define(f)
		var b bytes.Buffer
		if err := help.Parse(f, []string{c.arg}, &b, 80); err != flag.ErrHelp {
			t.Fatal(err)
		}
		if n := strings.Count(b.String(), "\n"); n > c.lines || widest(b.String()) > 80 || n < 10 {
			t.Errorf("%s: %d lines of up to %d characters\n%s", c.arg, n, widest(b.String()), &b)
		}
	}
}

// What is printed fits 80 columns, on the largest lattice, and the table 40.
func TestWidth(t *testing.T) {
	o, err := parse(strings.Fields("-paper -L 64 -recipe best -out a-directory-of-some-length"))
	if err != nil {
		t.Fatal(err)
	}
	s := &summary{
		Loss: -9567.12345, LossErr: 12.3456, Exact: -9570.98765, Gap: 13.8642, ESS: 0.0012,
		LogZ: 9571.2345, LogZErr: 1.2345,
	}
	r := sampling{M2: 0.4321, M2Err: 0.0123, Accept: 0.98, Tau: 12345, Seconds: 12345.678, Cost: 1234567.8}
	rows := []row{
		{[2]string{"physical", "HMC"}, &r, "it drifts by 12.3 standard errors and has not forgotten its start",
			false, ""},
		{[2]string{"latent", "HMC"}, &r, "", true, ""},
		{[2]string{"latent", "mix"}, &r, "", true, ""},
		{[2]string{"weighted", "samples"}, &r, "", true, ""},
	}
	text := printed(t, func() {
		small := &options{L: 4, size: 2, couplings: 1, repeat: 1, single: o.single}
		m := must(newModel(small, nil, must(target.NewIsing([]int{4, 4}, 2)), rand.NewPCG(1, 1)))
		printBanner(o, must(target.NewIsing([]int{64, 64}, o.T)))
		printFlow(o, m)
		printFlow(must(parse(strings.Fields("-L 64 -budget 200h"))), m)
		s.printEnergy(&flow.Estimate{Samples: 10000})
		printSamplers(rows, 0.4444, 12345)
		s.printEnd(o)
	})
	if widest(text) > 80 {
		t.Errorf("%d columns:\n%s", widest(text), text)
	}
	if tab := table(rows, 0.4444); widest(tab) > 40 {
		t.Errorf("a table of %d columns:\n%s", widest(tab), tab)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A bar leaves room for what Ctrl-C prints, on every terminal.
func TestBar(t *testing.T) {
	escapes := regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]")
	for _, columns := range []int{40, 80} {
		var b bytes.Buffer
		p := newBar(&b, columns, "physical HMC", 4999, 4997)
		p.setTotal(5000)
		for range 3 {
			p.step("loss -590.6810 ± 0.0170")
		}
		p.done()
		text := strings.ReplaceAll(escapes.ReplaceAllString(b.String(), ""), "\r", "")
		whole := strings.Contains(text, "5000/5000 ") && strings.Contains(text, "loss -590.68")
		if widest(text) > columns-4 || !whole {
			t.Errorf("%d columns: %d in %q", columns, widest(text), text)
		}
	}
}

// The weighted mean of values with equal weights is the mean, with its standard
// error; a weight of two is as good as a value twice.
func TestWeightedMean(t *testing.T) {
	mean, stdErr, ess := weightedMean([]float64{1, 2, 3, 6}, []float64{800, 800, 800, 800})
	if mean != 3 || math.Abs(stdErr-math.Sqrt(14)/4) > 1e-12 || math.Abs(ess-1) > 1e-12 {
		t.Errorf("%v ± %v, effective fraction %v", mean, stdErr, ess)
	}
	mean, _, ess = weightedMean([]float64{1, 4}, []float64{math.Log(2), 0})
	if math.Abs(mean-2) > 1e-12 || math.Abs(ess-0.9) > 1e-12 {
		t.Errorf("%v, effective fraction %v", mean, ess)
	}
}

// The verdict follows from the numbers that can be trusted, and from no others.
func TestVerdict(t *testing.T) {
	rows := func(latent, physical, weighted float64, doubts string) []row {
		r := []row{{[2]string{"latent", "HMC"}, &sampling{Cost: number(latent)}, "", true, ""},
			{[2]string{"physical", "HMC"}, &sampling{Cost: number(physical)}, "", false, ""},
			{[2]string{"weighted", "samples"}, &sampling{Cost: number(weighted)}, "", true, ""}}
		for i, c := range doubts {
			if c == 'x' {
				r[i].doubt = "why not"
			}
		}
		return r
	}
	for _, c := range []struct {
		rows []row
		want string
	}{
		{rows(9, 5, 7, "   "),
			"physical HMC, 5 s for a standard error of 0.001. On this lattice the flow does not pay"},
		// At an error of 0.0005 both take 104 s: 100 + 4·1 and 4·26.
		{rows(9, 26, 1, "   "), "weighted samples, 1 s for a standard error of 0.001. Training took 100 s: " +
			"it pays for errors below 0.0005, for larger ones physical HMC"},
		{rows(9, 1, 2, " xx"), "latent HMC, 9 s for a standard error of 0.001. Training took 100 s."},
		{rows(9, 1, math.NaN(), "xx "), "None of them"},
	} {
		if got := verdict(c.rows, 100); !strings.Contains(got, c.want) {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	good := sampling{M2: 1, M2Err: 0.01, Accept: 0.5, Tau: 1}
	if d := doubt(good, 0, 0, 0.9); !strings.Contains(d, "10 of its errors") {
		t.Errorf("%q", d)
	}
	tau, nan := number(math.NaN()), math.NaN()
	for want, d := range map[string]string{
		"accepts nothing": doubt(sampling{}, 0, 0, 0),
		"too few sweeps":  doubt(sampling{Accept: 1}, 0, nan, nan),
		"drifts":          doubt(sampling{Accept: 1}, 0, 5, nan),
		"too short a run": doubt(sampling{Accept: 1, Tau: tau}, 0, 0, nan),
		"3 of its chains": doubt(sampling{Accept: 1}, 3, 0, 0),
	} {
		if !strings.Contains(d, want) {
			t.Errorf("%q, want %q", d, want)
		}
	}
	if d := doubt(good, 0, 0, math.NaN()); d != "" {
		t.Errorf("%q", d)
	}
}
