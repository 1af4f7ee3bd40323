//go:build mpi

package mpi_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// limit is the time in which a job must end once a rank has failed.
const limit = 10 * time.Second

// run starts a number of ranks by mpirun, or by what the variable MPIRUN says. It returns what
// they print, and the error of mpirun. A job that does not end is an error of the test.
func run(t *testing.T, ranks int, what, file string) (string, error) {
	t.Helper()
	return start(t, ranks, workerKey+"="+what, fileKey+"="+file, "GOMAXPROCS=1")
}

// start starts a number of ranks with some variables of their environment.
func start(t testing.TB, ranks int, env ...string) (string, error) {
	mpirun := cmp.Or(os.Getenv("MPIRUN"), "mpirun")
	if _, err := exec.LookPath(mpirun); err != nil {
		t.Skipf("no %s: %v", mpirun, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 12*limit)
	defer cancel()
	c := exec.CommandContext(ctx, mpirun, "-n", fmt.Sprint(ranks), os.Args[0])
	c.Env = append(append(os.Environ(), env...),
		// More ranks than cores, as root: for Open MPI 4 and 5. MPICH needs no permission.
		"OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1", "OMPI_MCA_rmaps_base_oversubscribe=1",
		"PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe")
	out, err := c.CombinedOutput()
	if ctx.Err() != nil {
		t.Errorf("%d ranks, %s: no end", ranks, env)
	}
	return string(out), err
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The number of ranks changes no bit.
func TestRanks(t *testing.T) {
	var want []byte
	for _, ranks := range []int{1, 2, 3, 4} {
		file := filepath.Join(t.TempDir(), "state")
		if out, err := run(t, ranks, "train", file); err != nil {
			t.Fatalf("%d ranks: %v\n%s", ranks, err, out)
		}
		got := read(t, file)
		if ranks == 1 {
			want = got
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d ranks: other bits", ranks)
		}
	}
}

// A rank that fails in any way ends the job, and training goes on from the last checkpoint with
// another number of ranks, to the bit.
func TestFailures(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "state")
	if out, err := run(t, 2, "recover", whole); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for what, says := range map[string][]string{
		"kill":  nil,
		"panic": {"bad luck"},
		"exit":  nil,
		"early": {"rank 1 of", "broken"},
		"error": {"rank 1 of", "broken", "another rank failed: rank 1"},
	} {
		file := filepath.Join(t.TempDir(), "state")
		out, err := run(t, 4, what, file)
		if err == nil {
			t.Errorf("%s: mpirun has no error\n%s", what, out)
		}
		missing := func(s string) bool { return !strings.Contains(out, s) }
		if slices.ContainsFunc(says[:min(2, len(says))], missing) {
			t.Errorf("%s: no %q in\n%s", what, says, out)
		}
		if what == "early" {
			continue
		}
		last, err := os.Stat(file) // written in the step of the failure or in the one before
		if err != nil {
			t.Fatalf("%s: %v\n%s", what, err, out)
		}
		d := time.Since(last.ModTime())
		if t.Logf("%s: the job ends within %v", what, d); d > limit {
			t.Errorf("%s: ended after %v, want %v at most", what, d, limit)
		}
		if out, err := run(t, 3, "resume", file); err != nil {
			t.Fatalf("%s: resume: %v\n%s", what, err, out)
		}
		if !bytes.Equal(read(t, file), read(t, whole)) {
			t.Errorf("%s: other bits after resuming", what)
		}
	}
}
