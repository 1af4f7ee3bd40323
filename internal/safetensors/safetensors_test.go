package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/neuralrg/neuralrg/internal/errs"
)

func sample() *File {
	return &File{
		Meta: map[string]string{formatKey: version, "kind": "test", "text": "ü \"<\\>\" \n"},
		Arrays: []Array{
			{Name: "bytes", Shape: []int{3}, Values: []byte{1, 2, 255}},
			{Name: "a/b", Shape: []int{2, 2}, Values: []float64{1, math.Inf(-1), 0.5, math.Pi}},
			{Name: "single", Shape: []int{1, 3}, Values: []float32{0.5, -1, 0.25}},
			{Name: "counts", Shape: []int{2}, Values: []int64{-1, math.MaxInt64}},
			{Name: "scalar", Values: []float64{7}},
			{Name: "none", Shape: []int{0, 4}, Values: []float64{}},
		},
	}
}

func write(t testing.TB, f *File) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, f); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What was written is read again, and the same file is written to the byte.
func TestRoundTrip(t *testing.T) {
	data := write(t, sample())
	if n := binary.LittleEndian.Uint64(data); n%8 != 0 {
		t.Errorf("values start at %d, not aligned", n)
	}
	for name, r := range map[string]io.Reader{
		"whole": bytes.NewReader(data), "byte by byte": iotest.OneByteReader(bytes.NewReader(data)),
		"with the end": iotest.DataErrReader(bytes.NewReader(data)),
	} {
		f, err := Read(r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !f.Checked || f.Meta["text"] != "ü \"<\\>\" \n" || f.Meta["kind"] != "test" {
			t.Errorf("%s: checked %v, metadata %q", name, f.Checked, f.Meta)
		}
		for _, want := range sample().Arrays {
			var got any
			switch want.Values.(type) {
			case []float64:
				got, err = f.Float64s(want.Name, want.Shape...)
			case []float32:
				var v Floats
				v, err = f.Floats(want.Name, want.Shape...)
				all := make([]float64, v.Len())
				v.Copy(all, 0)
				got = all
			case []int64:
				got, err = f.Ints(want.Name, want.Shape...)
			case []byte:
				got, err = f.Bytes(want.Name, want.Shape...)
			}
			if err != nil || fmt.Sprint(got) != fmt.Sprint(want.Values) {
				t.Errorf("%s: array %q: %v, %v, want %v", name, want.Name, got, err, want.Values)
			}
		}
		if _, err := f.Float64s("a/b", 4); !errors.Is(err, errs.ErrFormat) {
			t.Errorf("%s: wrong shape: %v", name, err)
		}
		if _, err := f.Float64s("counts", 2); !errors.Is(err, errs.ErrFormat) {
			t.Errorf("%s: wrong type: %v", name, err)
		}
		if _, err := f.Bytes("missing", 2); !errors.Is(err, errs.ErrFormat) {
			t.Errorf("%s: missing: %v", name, err)
		}
		if err := f.Expect("a/b", "F64", -1, 2); err != nil {
			t.Error(err)
		}
		if _, err := f.Float64s("single", 1, 3); !errors.Is(err, errs.ErrFormat) {
			t.Errorf("%s: F32 for F64: %v", name, err)
		}
	}
	again := write(t, sample())
	if !bytes.Equal(again, data) {
		t.Error("the same file is written differently")
	}
}

// Every flip of one bit and every truncation is found.
func TestDamage(t *testing.T) {
	data := write(t, sample())
	for i := range data {
		for bit := range 8 {
			bad := bytes.Clone(data)
			bad[i] ^= 1 << bit
			// A bit in the name of the digest leaves a file without a digest.
			if f, err := Read(bytes.NewReader(bad)); err == nil && f.Checked {
				t.Errorf("byte %d, bit %d: not found", i, bit)
			} else if err != nil && !errors.Is(err, errs.ErrFormat) {
				t.Errorf("byte %d, bit %d: %v", i, bit, err)
			}
			if _, _, err := Load(bytes.NewReader(bad)); !errors.Is(err, errs.ErrFormat) {
				t.Errorf("byte %d, bit %d: Load: %v", i, bit, err)
			}
		}
		if _, err := Read(bytes.NewReader(data[:i])); !errors.Is(err, errs.ErrFormat) {
			t.Errorf("first %d bytes: %v", i, err)
		}
	}
	if _, err := Read(bytes.NewReader(append(bytes.Clone(data), 0))); !errors.Is(err, errs.ErrFormat) {
		t.Errorf("one byte more: %v", err)
	}
}

// raw is a file with the given header and number of bytes of values.
func raw(header string, values int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, values)...)
}

// Read accepts valid headers only, and fails with errs.ErrFormat for others.
func TestHostileHeaders(t *testing.T) {
	const a = `"dtype":"F64","shape":[2],"data_offsets":[0,16]`
	for name, c := range map[string]struct {
		header string
		values int
		ok     bool
	}{
		"plain":              {`{"a":{` + a + `}}`, 16, true},
		"empty":              {`{}`, 0, true},
		"padded":             {`{}      `, 0, true},
		"foreign metadata":   {`{"__metadata__":{"format":"pt"},"a":{` + a + `}}`, 16, true},
		"other order":        {`{"b":{"dtype":"U8","shape":[1],"data_offsets":[16,17]},"a":{` + a + `}}`, 17, true},
		"values missing":     {`{"a":{` + a + `}}`, 15, false},
		"values left over":   {`{"a":{` + a + `}}`, 17, false},
		"twice":              {`{"a":{` + a + `},"a":{` + a + `}}`, 16, false},
		"overlap":            {`{"a":{` + a + `},"b":{"dtype":"U8","shape":[1],"data_offsets":[15,16]}}`, 16, false},
		"overlap, end right": {`{"a":{` + a + `},"b":{"dtype":"F64","shape":[1],"data_offsets":[8,24]}}`, 24, false},
		"begins too late":    {`{"a":{` + a + `},"b":{"dtype":"F64","shape":[1],"data_offsets":[20,24]}}`, 24, false},
		"same place":         {`{"a":{` + a + `},"b":{` + a + `}}`, 16, false},
		"hole":               {`{"a":{"dtype":"F64","shape":[2],"data_offsets":[8,24]}}`, 24, false},
		"huge":               {`{"a":{"dtype":"F64","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`, 0, false},
		"huge but empty":     {`{"a":{"dtype":"F64","shape":[0,4611686018427387],"data_offsets":[0,0]}}`, 0, true},
		"negative":           {`{"a":{"dtype":"F64","shape":[-1],"data_offsets":[0,0]}}`, 0, false},
		"fraction":           {`{"a":{"dtype":"F64","shape":[1.5],"data_offsets":[0,12]}}`, 12, false},
		"offset beyond int":  {`{"a":{"dtype":"F64","shape":[2],"data_offsets":[0,99999999999999999999]}}`, 16, false},
		"backwards":          {`{"a":{"dtype":"F64","shape":[2],"data_offsets":[16,0]}}`, 16, false},
		"rank":               {`{"a":{"dtype":"F64","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,8]}}`, 8, false},
		"type":               {`{"a":{"dtype":"F63","shape":[2],"data_offsets":[0,16]}}`, 16, false},
		"no type":            {`{"a":{"shape":[2],"data_offsets":[0,16]}}`, 16, false},
		"more":               {`{"a":{` + a + `,"x":1}}`, 16, false},
		"key twice":          {`{"a":{` + a + `,"shape":[2]}}`, 16, false},
		"three offsets":      {`{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0,0]}}`, 0, false},
		"array":              {`[]`, 0, false},
		"two values":         {`{}{}`, 0, false},
		"metadata number":    {`{"__metadata__":{"a":1}}`, 0, false},
		"metadata twice":     {`{"__metadata__":{"a":"1","a":"2"}}`, 0, false},
		"deep":               {`{"a":` + strings.Repeat("[", 100000) + `}`, 0, false},
		"not JSON":           {`hello`, 0, false},
		"cut digest":         {`{"__metadata__":{"sha256":"00"}}`, 0, true},
	} {
		_, err := Read(bytes.NewReader(raw(c.header, c.values)))
		if c.ok && err != nil || !c.ok && !errors.Is(err, errs.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, n := range []uint64{0, 1, maxHeader + 1, 1 << 40, math.MaxUint64} {
		b := append(binary.LittleEndian.AppendUint64(nil, n), "{}"...)
		if _, err := Read(bytes.NewReader(b)); !errors.Is(err, errs.ErrFormat) {
			t.Errorf("header of %d bytes: %v", n, err)
		}
	}
	broken := errors.New("broken")
	if _, err := Read(iotest.ErrReader(broken)); !errors.Is(err, broken) || errors.Is(err, errs.ErrFormat) {
		t.Errorf("error of the reader: %v", err)
	}
}

// Values are right also where they begin at any byte and cross from one piece to the
// next.
func TestPieces(t *testing.T) {
	const n = 3*pieceSize/8 + 5
	want := make([]float64, n)
	for i := range want {
		want[i] = float64(i) + 0.5
	}
	odd := bytes.Repeat([]byte{7}, 3)
	values := slices.Clone(odd)
	for _, v := range want {
		values = binary.LittleEndian.AppendUint64(values, math.Float64bits(v))
	}
	header := fmt.Sprintf(`{"odd":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},`+
		`"v":{"dtype":"F64","shape":[%d],"data_offsets":[3,%d]}}`, n, 3+8*n)
	f, err := Read(bytes.NewReader(append(raw(header, 0), values...)))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f.Float64s("v", n); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, or other values", err)
	}
	if got, err := f.Bytes("odd", 3); err != nil || !bytes.Equal(got, odd) {
		t.Errorf("%v, %v", got, err)
	}
}

// The size of a file bounds the memory that it takes to read it, for any header.
func TestReadMemory(t *testing.T) {
	arrays := func(n int) string {
		var b strings.Builder
		b.WriteString("{")
		for i := range n {
			fmt.Fprintf(&b, `"%x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},`, i)
		}
		return strings.TrimSuffix(b.String(), ",") + "}"
	}
	long := strings.Repeat("x", maxHeader-60)
	escaped := strings.Repeat(`\"`, maxHeader/2-60)
	metadata := func() string {
		var b strings.Builder
		for i := range maxMeta {
			fmt.Fprintf(&b, `"%d":"%s",`, i, strings.Repeat(`\n`, 100))
		}
		return strings.TrimSuffix(b.String(), ",")
	}
	most := uint64(0)
	for name, data := range map[string][]byte{
		"as many arrays as there may be": raw(arrays(maxArrays), 0),
		"65 536 arrays":                  raw(arrays(1<<16), 0),
		"a long name":                    raw(`{"`+long+`":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, 0),
		"a long text":                    raw(`{"__metadata__":{"a":"`+long[:len(long)-60]+`"}}`, 0),
		"a long text to be decoded":      raw(`{"__metadata__":{"a":"`+escaped+`"}}`, 0),
		"metadata":                       raw(`{"__metadata__":{`+metadata()+`}}`, 0),
		"a long type":                    raw(`{"a":{"dtype":"`+escaped+`"}}`, 0),
		"values": raw(
			`{"a":{"dtype":"U8","shape":[50000000],"data_offsets":[0,50000000]}}`, 50000000),
		"values without a description": raw(`{}`, 50000000),
		"a header that is not there":   binary.LittleEndian.AppendUint64(nil, maxHeader),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Read(bytes.NewReader(data))
		runtime.ReadMemStats(&after)
		used := after.TotalAlloc - before.TotalAlloc
		if used > uint64(4*len(data)+16<<20) {
			t.Errorf("%s: %d bytes allocated for a file of %d", name, used, len(data))
		}
		t.Logf("%s: %.1f MB for %.1f MB, %.60v", name, float64(used)/1e6, float64(len(data))/1e6, err)
		most = max(most, used)
	}
	t.Logf("at most %.1f MB", float64(most)/1e6)
}

// Write fails before anything is written for files that Read would not accept.
func TestWriteRefuses(t *testing.T) {
	for name, f := range map[string]*File{
		"shape":         {Arrays: []Array{{Name: "a", Shape: []int{2}, Values: []float64{1}}}},
		"negative":      {Arrays: []Array{{Name: "a", Shape: []int{-1, -1}, Values: []float64{1}}}},
		"type":          {Arrays: []Array{{Name: "a", Shape: []int{1}, Values: []int{1}}}},
		"twice":         {Arrays: []Array{{Name: "a", Values: []byte{1}}, {Name: "a", Values: []byte{1}}}},
		"reserved name": {Arrays: []Array{{Name: "__metadata__", Values: []byte{1}}}},
		"reserved key":  {Meta: map[string]string{"sha256": ""}},
		"a bad name":    {Arrays: []Array{{Name: "\xff", Values: []byte{1}}}},
		"a bad key":     {Meta: map[string]string{"a\xff": ""}},
		"a bad text":    {Meta: map[string]string{"a": "\xff"}},
		"rank":          {Arrays: []Array{{Name: "a", Shape: slices.Repeat([]int{1}, maxRank+1), Values: []byte{1}}}},
		"many arrays":   {Arrays: slices.Repeat([]Array{{Name: "a", Values: []byte{1}}}, maxArrays)},
	} {
		if err := Write(brokenWriter{errors.New("written")}, f); !errors.Is(err, errs.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	broken := errors.New("broken")
	if err := Write(brokenWriter{broken}, sample()); !errors.Is(err, broken) {
		t.Errorf("error of the writer: %v", err)
	}
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

// Load returns the kind of a file, and refuses other files and versions.
func TestVersions(t *testing.T) {
	var b bytes.Buffer
	if err := Save(&b, "thing", &File{Meta: map[string]string{}}); err != nil {
		t.Fatal(err)
	}
	if _, kind, err := Load(&b); err != nil || kind != "thing" {
		t.Errorf("kind %q, %v", kind, err)
	}
	for name, meta := range map[string]map[string]string{"foreign": {}, "newer": {formatKey: "2"}} {
		if _, _, err := Load(bytes.NewReader(write(t, &File{Meta: meta}))); !errors.Is(err, errs.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// In a file of other programs, metadata of the name sha256 is not a digest and is not
// checked. In a file of this library it must be right.
func TestForeignDigest(t *testing.T) {
	digest := `"sha256":"` + strings.Repeat("ab", 32) + `"`
	for metadata, ok := range map[string]bool{
		`"format":"pt",` + digest:            true,
		digest + `,"neuralrg2":"1"`:          true,
		`"sha256":"short"`:                   true,
		digest + `,"a":"\"neuralrg\":\"1\""`: true,
		digest + `,"neuralrg":"1"`:           false,
		`"neuralrg":"1",` + digest:           false,
	} {
		header := `{"__metadata__":{` + metadata + `},"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}`
		f, err := Read(bytes.NewReader(raw(header, 8)))
		if (err == nil) != ok || err != nil && !errors.Is(err, errs.ErrFormat) {
			t.Errorf("%s: %v", header, err)
		}
		if err == nil && f.Checked {
			t.Errorf("%s: counts as checked", header)
		}
		if _, _, err := Load(bytes.NewReader(raw(header, 8))); !errors.Is(err, errs.ErrFormat) {
			t.Errorf("%s: Load accepts it: %v", header, err)
		}
	}
}

// Python's reader finds the same arrays, if it is installed.
func TestPython(t *testing.T) {
	if exec.Command("python3", "-c", "import safetensors.numpy").Run() != nil {
		t.Skip("no Python with safetensors and numpy")
	}
	name := filepath.Join(t.TempDir(), "f.safetensors")
	if err := os.WriteFile(name, write(t, sample()), 0o666); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("python3", "-c", `
import sys, safetensors, safetensors.numpy
a = safetensors.numpy.load_file(sys.argv[1])
print(sorted(a))
print(a["a/b"].tolist(), a["counts"].tolist(), a["bytes"].tolist())
print(a["none"].shape, a["scalar"].tolist(), a["single"].dtype)
print(repr(safetensors.safe_open(sys.argv[1], "numpy").metadata()["text"]))
`, name).CombinedOutput()
	want := `['a/b', 'bytes', 'counts', 'none', 'scalar', 'single']
[[1.0, -inf], [0.5, 3.141592653589793]] [-1, 9223372036854775807] [1, 2, 255]
(0, 4) 7.0 float32
'ü "<\\>" \n'
`
	if err != nil || string(out) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, out, want)
	}
}

// Read fails with errs.ErrFormat, or returns a file that can be written and read again. Its
// memory is bounded by the size of the file.
func FuzzRead(f *testing.F) {
	minimizeBriefly()
	f.Add(write(f, sample()))
	f.Add(raw(`{"__metadata__":{"a":"b"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8))
	f.Add(raw(`{}`, 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		file, err := Read(bytes.NewReader(data))
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > uint64(4*len(data)+16<<20) {
			t.Errorf("%d bytes allocated for a file of %d", used, len(data))
		}
		if err != nil {
			if !errors.Is(err, errs.ErrFormat) {
				t.Errorf("%v", err)
			}
			return
		}
		again := copyOf(t, file)
		back, err := Read(bytes.NewReader(write(t, again)))
		if err != nil {
			t.Fatal(err)
		}
		delete(back.Meta, digestKey)
		if !reflect.DeepEqual(back.Meta, again.Meta) || len(back.Arrays) != len(again.Arrays) {
			t.Errorf("%v became %v", again, back)
		}
	})
}

// copyOf returns a file to be written with the metadata and the arrays of one that
// was read, those of real numbers and of bytes.
func copyOf(t *testing.T, file *File) *File {
	t.Helper()
	again := &File{Meta: map[string]string{}}
	for k, v := range file.Meta {
		if k != digestKey {
			again.Meta[k] = v
		}
	}
	for _, a := range file.Arrays {
		var values any
		var err error
		switch a.dtype {
		case "F64", "F32":
			var v Floats
			v, err = file.Floats(a.Name, a.Shape...)
			all := make([]float64, v.Len())
			v.Copy(all, 0)
			values = all
		case "U8":
			values, err = file.Bytes(a.Name, a.Shape...)
		default:
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		again.Arrays = append(again.Arrays, Array{Name: a.Name, Shape: a.Shape, Values: values})
	}
	return again
}

// minimizeBriefly limits the time that a fuzzer spends on making an input smaller. The
// default is a minute for every input that reaches new code.
func minimizeBriefly() {
	const name = "test.fuzzminimizetime"
	if f := flag.Lookup(name); f.Value.String() == f.DefValue {
		flag.Set(name, "10x")
	}
}
