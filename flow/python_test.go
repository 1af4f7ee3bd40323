package flow

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/target"
)

// readBack prints what Python's reader finds in files: whether the digest is
// right, kind, and the arrays with their types, shapes and sums, in the order of
// their names.
const readBack = `
import hashlib, json, struct, sys
import numpy, safetensors, safetensors.numpy
for name in sys.argv[1:]:
    data = open(name, "rb").python(t, )
    meta = safetensors.safe_open(name, "numpy").metadata()
    digest = meta["sha256"]
    zero = data.replace(digest.encode(), b"0" * 64, 1)
    print(meta["kind"], meta["neuralrg"], hashlib.sha256(zero).hexdigest() == digest)
    for key in ("architecture", "trainer", "sampler"):
        if key in meta:
            json.loads(meta[key])
    arrays = safetensors.numpy.load_file(name)
    for key in sorted(arrays):
        a = arrays[key]
        total = float(a.astype(numpy.float64).ravel()[:1].sum())
        print(key, a.dtype, list(a.shape), "%.17g" % total)
`

// needPython skips a test where Python has no reader of safetensors.
func needPython(t *testing.T) {
	t.Helper()
	if exec.Command("python3", "-c", "import safetensors.numpy").Run() != nil {
		t.Skip("no Python with safetensors and numpy")
	}
}

// python returns the lines that readBack prints of files.
func python(t *testing.T, names ...string) []string {
	t.Helper()
	out, err := exec.Command("python3", append([]string{"-c", readBack}, names...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// hasLine requires a line that begins with want.
func hasLine(t *testing.T, lines []string, want string) {
	t.Helper()
	for _, l := range lines {
		if strings.HasPrefix(l, want) {
			return
		}
	}
	t.Errorf("no line %q in\n%s", want, strings.Join(lines, "\n"))
}

func number(v float64) string { return strings.TrimSpace(fmt.Sprintf("%.17g", v)) }

// Python reads from files of models, trainers and samplers what was written there.
func TestPython(t *testing.T) {
	needPython(t)
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, data, 0o666); err != nil {
			t.Fatal(err)
		}
		return name
	}
	var b bytes.Buffer
	m, tr := trainer(t, 1, Settings{})
	if err := tr.Run(context.Background(), 3); err != nil {
		t.Fatal(err)
	}
	if err := tr.Save(&b); err != nil {
		t.Fatal(err)
	}
	model, trainer := write("model", save(t, m)), write("trainer", bytes.Clone(b.Bytes()))
	b.Reset()
	s, err := hmc.New(target.NewEvaluator(Latent(m, ising(t, 4))), randn(1, 3, 16),
		&hmc.Settings{Src: rand.NewPCG(1, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(context.Background(), 2, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(&b); err != nil {
		t.Fatal(err)
	}
	sampler := write("sampler", b.Bytes())

	got := python(t, model)
	hasLine(t, got, "model 1 True")
	_, e := encode(m)
	for _, p := range e.params {
		v := p.Value()
		hasLine(t, got, fmt.Sprintf("%s float64 [%d] %s", p.name, v.DataSize(), number(v.Float64s()[0])))
	}
	hasLine(t, got, "symmetry.0.perm int64 [16] 0")
	hasLine(t, got, "symmetry.0.sign float64 [16] -1")
	hasLine(t, got, fmt.Sprintf("%d.tiles.0 int64 [4, 4] ", len(e.nodes)-1))
	got = python(t, trainer)
	hasLine(t, got, "trainer 1 True")
	hasLine(t, got, fmt.Sprintf("adam.m float64 [%d] %s", len(tr.gradient), number(tr.adam.m[0][0])))
	hasLine(t, got, fmt.Sprintf("adam.v float64 [%d] %s", len(tr.gradient), number(tr.adam.v[0][0])))
	hasLine(t, got, "window float64 [3, 5] 32")
	hasLine(t, got, "source uint8 [20] ")
	got = python(t, sampler)
	hasLine(t, got, "sampler 1 True")
	hasLine(t, got, "x float64 [3, 16] "+number(s.X().At(0, 0)))
	hasLine(t, got, "logp float64 [3] "+number(s.LogProb()[0]))
	hasLine(t, got, "grad float64 [3, 16] ")
}

// Python reads the files of version 1.
func TestPythonReadsOldFiles(t *testing.T) {
	needPython(t)
	old, err := filepath.Glob("testdata/v1*.safetensors")
	if err != nil || len(old) < 2 {
		t.Fatalf("%q, %v", old, err)
	}
	n := 0
	for _, l := range python(t, old...) {
		if strings.HasSuffix(l, " 1 True") {
			n++
		}
	}
	if n != len(old) {
		t.Errorf("%d of %d files of version 1 are right", n, len(old))
	}
}
