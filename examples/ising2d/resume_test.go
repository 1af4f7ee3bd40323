package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/neuralrg/neuralrg/examples/internal/checkpoint"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/internal/safetensors"
)

var kills = flag.Int("kills", 8, "times that TestKill kills the program")

// program is this program, compiled, with what it writes in a directory.
type program struct {
	dir, binary string
}

func build(t *testing.T) program {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("signals differ there")
	}
	p := program{t.TempDir(), ""}
	p.binary = filepath.Join(p.dir, "ising2d")
	if out, err := exec.Command("go", "build", "-o", p.binary, ".").CombinedOutput(); err != nil {
		t.Skipf("no go command: %v\n%s", err, out)
	}
	return p
}

func (p program) file(name string) string { return filepath.Join(p.dir, name) }

// run is a small run, which writes files of the given name.
func (p program) run(name string, more ...string) *exec.Cmd {
	return exec.Command(p.binary, append([]string{
		"-recipe", "none", "-couplings", "2", "-hidden", "4", "-batch", "32", "-chains", "8",
		"-steps", "120", "-every", "30", "-between", "1", "-adapt", "0.2", "-sweeps", "60", "-physical", "60", "-cosine", "-average", "0.9", "-samples", "3000",
		"-out", p.file(name), "-model", p.file(name + ".safetensors"), "-json", p.file(name + ".json"),
	}, more...)...)
}

// results are the files that a run writes, but for what took how long, and how
// much memory.
func (p program) results(t *testing.T, name string) string {
	t.Helper()
	model, err := os.ReadFile(p.file(name + ".safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	report, err := os.ReadFile(p.file(name + ".json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(model) + regexp.MustCompile(`"(seconds_per_step|peak_mb|tau_seconds|seconds|cost_seconds)": [^,\n]*`).ReplaceAllString(string(report), "")
}

// standing is how far the run has come of which there is a file; −1 if there is
// none. A file that cannot be read is a failure.
func standing(t *testing.T, name string) (steps, sweeps int) {
	t.Helper()
	err := checkpoint.Read(name, func(r io.Reader) error {
		f, got, err := safetensors.Load(r)
		if err != nil {
			return err
		}
		loss, err := f.Array("history.loss")
		if err != nil || got != kind {
			t.Fatalf("%s: kind %q, %v", name, got, err)
		}
		steps = loss.Shape[0]
		for _, w := range []string{"latent", "physical"} {
			m2, err := f.Array(w + ".m2")
			if err != nil {
				return err
			}
			sweeps += m2.Shape[0]
		}
		var s record
		return json.Unmarshal([]byte(f.Meta[stateKey]), &s)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return -1, 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return steps, sweeps
}

var resumed = regexp.MustCompile(`resumed\s+from\s+\S+\s+after\s+(\d+)\s+training\s+steps\s+and\s+(\d+)\s+sweeps`)

// resumption is what a program said that it was resumed after, −1 if nothing.
func resumption(out []byte) (steps, sweeps int) {
	m := resumed.FindSubmatch(out)
	if m == nil {
		return -1, 0
	}
	steps, _ = strconv.Atoi(string(m[1]))
	sweeps, _ = strconv.Atoi(string(m[2]))
	return steps, sweeps
}

// A program that is killed again and again ends with what an uninterrupted
// run ends with, to the bit. It goes on where the file says, which is never
// damaged and never of an earlier time.
func TestKill(t *testing.T) {
	p := build(t)
	start := time.Now()
	if out, err := p.run("whole").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	whole := time.Since(start)
	want := p.results(t, "whole")

	file := p.file("checkpoint")
	rnd := rand.New(rand.NewPCG(1, 1))
	killed, resumptions, silent, runs := 0, 0, 0, 0
	for steps, sweeps := -1, 0; killed < *kills || steps >= 0; {
		cmd := p.run("killed", "-checkpoint", file, "-resume", "-save", "1")
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var timer *time.Timer
		if killed < *kills { // the last run is left to come to its end
			timer = time.AfterFunc(time.Duration(rnd.Float64()*float64(whole)), func() { cmd.Process.Kill() })
		}
		err := cmd.Wait()
		if timer != nil {
			timer.Stop()
		}
		// It took up what the file said, if it came to say so.
		switch k, n := resumption(out.Bytes()); {
		case k >= 0 && (k != steps || n != sweeps):
			t.Fatalf("after %d kills: resumed after %d steps and %d sweeps, the file had %d and %d\n%s", killed, k, n, steps, sweeps, &out)
		case k >= 0:
			resumptions++
		case steps >= 0 && out.Len() > 0 && strings.Contains(out.String(), "beginning"):
			t.Fatalf("after %d kills: started again, the file had %d steps", killed, steps)
		case steps >= 0:
			silent++
		}
		if err == nil {
			runs++
			if steps >= 0 && !resumed.Match(out.Bytes()) {
				t.Fatalf("after %d kills: not resumed\n%s", killed, &out)
			}
			if got := p.results(t, "killed"); got != want {
				t.Fatalf("after %d kills:\n%s\nuninterrupted:\n%s", killed, got, want)
			}
			for _, n := range []string{file, file + ".1", file + ".2"} {
				if err := os.Remove(n); err != nil {
					t.Fatal(err)
				}
			}
			steps, sweeps = -1, 0
			continue
		}
		exit, ok := err.(*exec.ExitError)
		if !ok || exit.ExitCode() >= 0 || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("after %d kills: %v\n%s", killed, err, &out)
		}
		killed++
		k, n := standing(t, file)
		if k < steps || n < sweeps {
			t.Fatalf("after %d kills: the file has %d steps and %d sweeps, it had %d and %d", killed, k, n, steps, sweeps)
		}
		for _, old := range []string{file + ".1", file + ".2"} {
			standing(t, old)
		}
		steps, sweeps = k, n
	}
	t.Logf("%d kills, %d runs came to their end, %d resumptions, %d killed before they said so; %v uninterrupted", killed, runs, resumptions, silent, whole)
	if resumptions == 0 || resumptions < killed/4 {
		t.Errorf("%d resumptions in %d kills", resumptions, killed)
	}
	left, err := filepath.Glob(p.file(".*"))
	if err != nil || len(left) > 1 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// A polite request ends the program in whatever phase it is, and what it leaves
// is taken up.
func TestTerminate(t *testing.T) {
	p := build(t)
	if out, err := p.run("whole").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	file := p.file("checkpoint")
	stops := 0
	for steps, sweeps := -1, 0; ; {
		cmd := p.run("stopped", "-checkpoint", file, "-resume", "-save", "1000000") // saved on request alone
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		var err error
		select {
		case err = <-done:
		case <-time.After(time.Duration(150+100*stops) * time.Millisecond):
			cmd.Process.Signal(syscall.SIGTERM)
			err = <-done
		}
		k, n := resumption(out.Bytes())
		if steps >= 0 && out.Len() > 0 && (k != steps || n != sweeps) {
			t.Fatalf("resumed after %d steps and %d sweeps, the file had %d and %d\n%s", k, n, steps, sweeps, &out)
		}
		if err == nil {
			break
		}
		exit, ok := err.(*exec.ExitError)
		switch early := out.Len() == 0; { // before there was a handler
		case !ok, !early && (exit.ExitCode() != 1 || !strings.Contains(out.String(), errStopped.Error())):
			t.Fatalf("%v\n%s", err, &out)
		}
		if stops++; stops > 100 {
			t.Fatal("it does not come to an end")
		}
		steps, sweeps = standing(t, file)
	}
	if p.results(t, "stopped") != p.results(t, "whole") {
		t.Errorf("another result after %d stops", stops)
	}
	t.Logf("%d stops", stops)
	// Another run is not taken up, and not written over.
	for flag, want := range map[string]string{"-seed 2": "-seed was 1, now 2", "-steps 119": "-steps was 120, now 119", "-lr 0.5": "-lr was 0.001, now 0.5"} {
		out, err := p.run("stopped", append([]string{"-checkpoint", file, "-resume"}, strings.Fields(flag)...)...).CombinedOutput()
		if err == nil || !bytes.Contains(out, []byte(want)) {
			t.Errorf("%s: %v\n%s", flag, err, out)
		}
	}
	if out, err := p.run("stopped", "-checkpoint", file).CombinedOutput(); err == nil || !bytes.Contains(out, []byte("exists")) {
		t.Errorf("%v\n%s", err, out)
	}
	// With the youngest state gone the one before it is taken, which the program
	// says.
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	out, err := p.run("stopped", "-checkpoint", file, "-resume").CombinedOutput()
	words := strings.Join(strings.Fields(string(out)), " ")
	if err != nil || !strings.Contains(words, "is missing, taking the earlier one "+file+".1") || !strings.Contains(words, "resumed from "+file+".1 after") {
		t.Errorf("%v\n%s", err, out)
	}
	if p.results(t, "stopped") != p.results(t, "whole") {
		t.Error("another result from the state before the last")
	}
}

// No byte of a file can change without notice.
func TestDamagedCheckpoint(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "checkpoint")
	options := func(more ...string) *options {
		o, err := parse(append([]string{"-recipe", "none", "-couplings", "2", "-hidden", "4", "-batch", "8", "-chains", "2", "-steps", "3", "-sweeps", "3", "-physical", "3", "-save", "1", "-samples", "100",
			"-out", filepath.Join(dir, "out"), "-checkpoint", file}, more...))
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	if err := run(options()); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for k := 0; k < len(data); k += 1 + len(data)/50 {
		bad := bytes.Clone(data)
		bad[k] ^= 1 << (k % 8)
		if err := os.WriteFile(file, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := run(options("-resume")); !errors.Is(err, flow.ErrCheckpoint) || !strings.Contains(err.Error(), "version before") {
			t.Fatalf("byte %d of %d: %v", k, len(data), err)
		}
	}
}
