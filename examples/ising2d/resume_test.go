package main

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"io/fs"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/neuralrg/neuralrg/examples/internal/checkpoint"
	"github.com/neuralrg/neuralrg/flow"
)

var kills = flag.Int("kills", 8, "times that TestKill kills the program")

// program is this program, compiled, and the directory of its files.
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
	args := strings.Fields("-recipe none -couplings 2 -hidden 4 -batch 32 -chains 8 -steps 120 -every 30 -between 1 " +
		"-adapt 0.2 -sweeps 60 -physical 60 -cosine -average 0.9 -samples 3000 -measure 0 -ais 500 -rungs 4")
	args = append(args, "-out", p.file(name), "-model", p.file(name+".safetensors"), "-json", p.file(name+".json"))
	return exec.Command(p.binary, append(args, more...)...)
}

// whole makes the run without a stop and returns its results.
func (p program) whole(t *testing.T) string {
	t.Helper()
	if out, err := p.run("whole").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return p.results(t, "whole")
}

// varying are the results that no two runs share: times, and memory.
var varying = regexp.MustCompile(`"(\w*seconds\w*|peak_mb)": [^,\n]*`)

// results are the model and the numbers that a run writes, without the varying
// ones.
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
	return string(model) + varying.ReplaceAllString(string(report), "")
}

// point is how far a run is.
type point struct{ steps, sweeps int }

// stateOf reads a state file.
func stateOf(t *testing.T, name string) (s checkpoint.State) {
	t.Helper()
	err := checkpoint.Read(name, func(r io.Reader) (err error) { s, err = checkpoint.ReadState(r); return err })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// nowhere is the point of a run without a file.
var nowhere = point{-1, 0}

// standing is how far the run of a file is. A file that cannot be read is a
// failure.
func standing(t *testing.T, name string) point {
	t.Helper()
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		return nowhere
	}
	s := stateOf(t, name)
	var r record
	if err := s.ReadJSON(recordPart, &r); err != nil {
		t.Fatal(err)
	}
	const chains = 8
	_, latent := chainParts("latent")
	_, physical := chainParts("physical")
	return point{len(s[lossPart]) / 8, (len(s[latent]) + len(s[physical])) / (8 * chains)}
}

var resumed = regexp.MustCompile(`resumed\s+from\s+\S+\s+after\s+(\d+)\s+training\s+steps\s+and\s+(\d+)\s+sweeps`)

// resumption is the point after which a program said that it was resumed.
func resumption(out []byte) point {
	m := resumed.FindSubmatch(out)
	if m == nil {
		return nowhere
	}
	steps, _ := strconv.Atoi(string(m[1]))
	sweeps, _ := strconv.Atoi(string(m[2]))
	return point{steps, sweeps}
}

// start runs the program until it ends by itself or interrupt, after a time,
// makes it end. Without interrupt it comes to its end.
func start(t *testing.T, cmd *exec.Cmd, after time.Duration, interrupt func(*os.Process)) (out []byte, err error) {
	t.Helper()
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if interrupt != nil {
		timer := time.AfterFunc(after, func() { interrupt(cmd.Process) })
		defer timer.Stop()
	}
	err = cmd.Wait()
	return b.Bytes(), err
}

// killing is a run that is killed again and again.
type killing struct {
	program
	file, want string
	at         point // of the file
	// Counts of what happened.
	killed, resumptions, silent, runs int
}

// A program that is killed again and again ends with what an uninterrupted
// run ends with, to the bit. It goes on where the file says. The file is never
// damaged, and never of an earlier time than before.
func TestKill(t *testing.T) {
	p := build(t)
	begin := time.Now()
	k := &killing{program: p, file: p.file("checkpoint"), want: p.whole(t), at: nowhere}
	whole := time.Since(begin)
	rnd := rand.New(rand.NewPCG(1, 1))
	for k.killed < *kills || k.at != nowhere {
		cmd := p.run("killed", "-checkpoint", k.file, "-resume", "-save", "1")
		kill := func(p *os.Process) { p.Kill() }
		if k.killed >= *kills { // the last run comes to its end
			kill = nil
		}
		out, err := start(t, cmd, time.Duration(rnd.Float64()*float64(whole)), kill)
		k.tookUp(t, out)
		if err == nil {
			k.ended(t, out)
		} else {
			k.wasKilled(t, out, err)
		}
	}
	t.Logf("%d kills, %d runs came to their end, %d resumptions, %d killed before they said so; %v uninterrupted",
		k.killed, k.runs, k.resumptions, k.silent, whole)
	if k.resumptions == 0 || k.resumptions < k.killed/4 {
		t.Errorf("%d resumptions in %d kills", k.resumptions, k.killed)
	}
	left, err := filepath.Glob(p.file(".*"))
	if err != nil || len(left) > 1 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// tookUp checks that the program went on from the point of the file, if it came to
// say so.
func (k *killing) tookUp(t *testing.T, out []byte) {
	t.Helper()
	switch at := resumption(out); {
	case at != nowhere && at != k.at:
		t.Fatalf("after %d kills: resumed at %v, the file was at %v\n%s", k.killed, at, k.at, out)
	case at != nowhere:
		k.resumptions++
	case k.at != nowhere && bytes.Contains(out, []byte("beginning")):
		t.Fatalf("after %d kills: started again, the file was at %v", k.killed, k.at)
	case k.at != nowhere:
		k.silent++
	}
}

// ended checks the results of a run that came to its end, and lets another one
// begin.
func (k *killing) ended(t *testing.T, out []byte) {
	t.Helper()
	k.runs++
	if k.at != nowhere && resumption(out) == nowhere {
		t.Fatalf("after %d kills: not resumed\n%s", k.killed, out)
	}
	if got := k.results(t, "killed"); got != k.want {
		t.Fatalf("after %d kills:\n%s\nuninterrupted:\n%s", k.killed, got, k.want)
	}
	for _, name := range []string{k.file, k.file + ".1", k.file + ".2"} {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	k.at = nowhere
}

// wasKilled checks the files that a killed run leaves.
func (k *killing) wasKilled(t *testing.T, out []byte, err error) {
	t.Helper()
	exit, ok := err.(*exec.ExitError)
	if !ok || exit.ExitCode() >= 0 || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("after %d kills: %v\n%s", k.killed, err, out)
	}
	k.killed++
	at := standing(t, k.file)
	if at.steps < k.at.steps || at.sweeps < k.at.sweeps {
		t.Fatalf("after %d kills: the file is at %v, it was at %v", k.killed, at, k.at)
	}
	for _, old := range []string{k.file + ".1", k.file + ".2"} {
		standing(t, old)
	}
	k.at = at
}

// SIGTERM ends the program in whatever phase it is. The file it leaves is taken
// up, and no other run takes it up.
func TestTerminate(t *testing.T) {
	p := build(t)
	want := p.whole(t)
	file := p.file("checkpoint")
	stops := p.terminated(t, file)
	if p.results(t, "stopped") != want {
		t.Errorf("another result after %d stops", stops)
	}
	t.Logf("%d stops", stops)
	for flag, want := range map[string]string{
		"-seed 2":    "-seed was 1, now 2",
		"-steps 119": "-steps was 120, now 119",
		"-lr 0.5":    "-lr was 0.001, now 0.5",
	} {
		args := append([]string{"-checkpoint", file, "-resume"}, strings.Fields(flag)...)
		out, err := p.run("stopped", args...).CombinedOutput()
		if err == nil || !bytes.Contains(out, []byte(want)) {
			t.Errorf("%s: %v\n%s", flag, err, out)
		}
	}
	out, err := p.run("stopped", "-checkpoint", file).CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("exists")) {
		t.Errorf("without -resume: %v\n%s", err, out)
	}
	// With the youngest state gone the one before it is taken, which the program
	// says.
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	out, err = p.run("stopped", "-checkpoint", file, "-resume").CombinedOutput()
	words := strings.Join(strings.Fields(string(out)), " ")
	if err != nil || !strings.Contains(words, "is missing, taking the earlier one "+file+".1") ||
		!strings.Contains(words, "resumed from "+file+".1 after") {
		t.Errorf("%v\n%s", err, out)
	}
	if p.results(t, "stopped") != want {
		t.Error("another result from the state before the last")
	}
}

// terminated resumes a run and terminates it until it comes to its end.
func (p program) terminated(t *testing.T, file string) (stops int) {
	t.Helper()
	for at := nowhere; ; {
		cmd := p.run("stopped", "-checkpoint", file, "-resume", "-save", "1000000") // saved on request alone
		after := time.Duration(150+100*stops) * time.Millisecond
		out, err := start(t, cmd, after, func(p *os.Process) { p.Signal(syscall.SIGTERM) })
		if got := resumption(out); at != nowhere && len(out) > 0 && got != at {
			t.Fatalf("resumed at %v, the file was at %v\n%s", got, at, out)
		}
		if err == nil {
			return stops
		}
		exit, ok := err.(*exec.ExitError)
		early := len(out) == 0 // before there was a handler
		if !ok || !early && (exit.ExitCode() != 1 || !bytes.Contains(out, []byte(errStopped.Error()))) {
			t.Fatalf("%v\n%s", err, out)
		}
		if stops++; stops > 100 {
			t.Fatal("it does not come to an end")
		}
		at = standing(t, file)
	}
}

// No byte of a file can change without notice, and no file of another program or
// version is taken up.
func TestDamagedCheckpoint(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "checkpoint")
	options := func(more ...string) *options {
		args := strings.Fields("-recipe none -couplings 2 -hidden 4 -batch 8 -chains 2 -steps 3 " +
			"-sweeps 3 -physical 3 -save 1 -samples 100")
		args = append(args, "-out", filepath.Join(dir, "out"), "-checkpoint", file)
		o, err := parse(append(args, more...))
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
	refused := func(data []byte) {
		t.Helper()
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		err := run(options("-resume"))
		if !errors.Is(err, checkpoint.ErrDamaged) || !strings.Contains(err.Error(), "version before") {
			t.Fatal(err)
		}
	}
	for k := 0; k < len(data); k += 1 + len(data)/50 {
		bad := bytes.Clone(data)
		bad[k] ^= 1 << (k % 8)
		refused(bad)
	}
	// Without any one of its parts, the file is refused as well.
	s, err := checkpoint.ReadState(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for name := range s {
		other := maps.Clone(s)
		delete(other, name)
		var b bytes.Buffer
		if err := other.Write(&b); err != nil {
			t.Fatal(err)
		}
		refused(b.Bytes())
	}
}

// A file holds all of an estimate.
func TestEstimateIsKept(t *testing.T) {
	want := flow.Estimate{
		Samples: 7, Loss: -1.1, StdErr: 0.3, Variance: 1.7, ESS: 0.6, LogZ: 1.3, LogZErr: math.NaN(),
		TailIndex: 0.4, OutOfSupport: 2, Dropped: 1,
		Forward: &flow.Forward{Samples: 5, Bound: 1.6, TailIndex: math.Inf(1)},
	}
	s := checkpoint.State{}
	if err := s.AddJSON(recordPart, &record{Last: want, Judged: &want}); err != nil {
		t.Fatal(err)
	}
	var got record
	if err := s.ReadJSON(recordPart, &got); err != nil {
		t.Fatal(err)
	}
	for _, e := range []*flow.Estimate{&got.Last, got.Judged} {
		if !math.IsNaN(e.LogZErr) {
			t.Errorf("error of ln Z %v, want NaN", e.LogZErr)
		}
		e.LogZErr = 0
	}
	want.LogZErr = 0
	if !reflect.DeepEqual(got.Last, want) || !reflect.DeepEqual(got.Judged, &want) {
		t.Errorf("%+v and %+v, want %+v", got.Last, got.Judged, want)
	}
}
