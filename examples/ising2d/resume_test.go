package main

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"syscall"
	"testing"
	"time"
)

var kills = flag.Int("kills", 8, "times that TestKill kills the program")

// A program that is killed again and again ends with what an uninterrupted
// run ends with, to the bit.
func TestKill(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("signals differ there")
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "ising2d")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Skipf("no go command: %v\n%s", err, out)
	}
	run := func(name string, more ...string) *exec.Cmd {
		return exec.Command(program, append([]string{
			"-couplings", "2", "-hidden", "4", "-batch", "32", "-chains", "8",
			"-steps", "120", "-every", "30", "-between", "1", "-sweeps", "60", "-cosine",
			"-out", filepath.Join(dir, name), "-model", filepath.Join(dir, name+".safetensors"), "-json", filepath.Join(dir, name+".json"),
		}, more...)...)
	}
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		// What took how long, and how much memory, is not to be the same.
		return regexp.MustCompile(`"(seconds_per_step|peak_mb|tau_seconds)": [^,\n]*`).ReplaceAll(data, nil)
	}
	start := time.Now()
	if out, err := run("whole").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	whole := time.Since(start)

	file := filepath.Join(dir, "checkpoint")
	rnd := rand.New(rand.NewPCG(1, 1))
	for done, finished := 0, 0; done < *kills; done++ {
		cmd := run("killed", "-checkpoint", file, "-resume", "-save", "1")
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// Every fourth time a polite request.
		signal := os.Kill
		if done%4 == 3 {
			signal = syscall.SIGTERM
		}
		timer := time.AfterFunc(time.Duration(rnd.Float64()*float64(whole)), func() { cmd.Process.Signal(signal) })
		err := cmd.Wait()
		if timer.Stop() { // it came to its end before
			if err != nil {
				t.Fatalf("after %d kills: %v\n%s", done, err, &out)
			}
			if finished++; !bytes.Equal(read("killed.safetensors"), read("whole.safetensors")) {
				t.Fatalf("after %d kills: another model", done)
			}
			if !bytes.Equal(read("killed.json"), read("whole.json")) {
				t.Fatalf("after %d kills:\n%s\nuninterrupted:\n%s", done, read("killed.json"), read("whole.json"))
			}
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			done--
		} else if exit, ok := err.(*exec.ExitError); ok && exit.ExitCode() > 0 && signal == os.Kill {
			t.Fatalf("after %d kills: %v\n%s", done, err, &out)
		}
	}
	if out, err := run("killed", "-checkpoint", file, "-resume", "-save", "1").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !bytes.Equal(read("killed.safetensors"), read("whole.safetensors")) || !bytes.Equal(read("killed.json"), read("whole.json")) {
		t.Errorf("another result:\n%s\nuninterrupted:\n%s", read("killed.json"), read("whole.json"))
	}
	// Another run is not taken up.
	if out, err := run("killed", "-checkpoint", file, "-resume", "-steps", "121").CombinedOutput(); err == nil || !bytes.Contains(out, []byte("other flags")) {
		t.Errorf("%v\n%s", err, out)
	}
}
