package flow

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/internal/safetensors"
)

// paperFile is a flow of the authors' code as its state_dict has it.
func paperFile(t testing.TB, g *golden, prefix string) *safetensors.File {
	t.Helper()
	f := &safetensors.File{Meta: map[string]string{"format": "pt"}}
	add := func(name string, v []float64, shape ...int) {
		f.Arrays = append(f.Arrays, safetensors.Array{Name: name, Shape: shape, Values: v})
	}
	add("prior.sigma", []float64{1}, 1)
	for k, l := range g.Layers {
		layer := fmt.Sprintf("%slayerList.%d.", prefix, k)
		var masks, inverse []float64
		for i, c := range l.Couplings {
			for _, v := range c.Keep {
				masks, inverse = append(masks, float64(v)), append(inverse, float64(1-v))
			}
			for name, n := range map[string]goldenNet{"s": c.S, "t": c.T} {
				for j := range n.W {
					p := fmt.Sprintf("%s%sList.%d.layerList.", layer, name, i)
					out := len(n.B[j])
					add(fmt.Sprintf("%s%d.weight", p, 2*j), n.W[j], out, len(n.W[j])/out)
					add(fmt.Sprintf("%s%d.bias", p, 2*j), n.B[j], out)
					if n.Scale != nil && j == len(n.W)-1 {
						add(fmt.Sprintf("%s%d.scale", p, 2*j+1), n.Scale, 4)
					}
				}
			}
		}
		add(layer+"maskList", masks, len(l.Couplings), 1, 2, 2)
		add(layer+"maskListR", inverse, len(l.Couplings), 1, 2, 2)
	}
	return f
}

func TestLoadPaper(t *testing.T) {
	for _, name := range []string{"mera_L4", "mera_L8"} {
		g := readGolden(t, "testdata/golden/"+name+".json")
		n := g.L * g.L
		x := mat.NewDense(len(g.X2)/n, n, g.X2)
		for prefix, want := range map[string][]float64{"": g.LogQ, "flow.": g.LogQSym} {
			var b bytes.Buffer
			if err := safetensors.Write(&b, paperFile(t, g, prefix)); err != nil {
				t.Fatal(err)
			}
			m, err := LoadPaper(&b, g.L)
			if err != nil {
				t.Fatal(err)
			}
			d := deviations{}
			d.add("ln q", logProbs(t, m, x), want)
			if !(d["ln q"] <= 1e-9) {
				t.Errorf("%s, prefix %q: ln q deviates by %.2g", name, prefix, d["ln q"])
			}
		}
	}
}

func TestLoadPaperRefuses(t *testing.T) {
	g := readGolden(t, "testdata/golden/mera_L4.json")
	for name, c := range map[string]struct {
		L      int
		change func(f *safetensors.File)
	}{
		"another lattice": {8, func(*safetensors.File) {}},
		"no lattice":      {0, func(*safetensors.File) {}},
		"no power of two": {12, func(*safetensors.File) {}},
		"not theirs":      {4, func(f *safetensors.File) { f.Arrays = f.Arrays[:1] }},
		"sigma":           {4, func(f *safetensors.File) { f.Arrays[0].Values = []float64{2} }},
		"no scale": {4, func(f *safetensors.File) {
			f.Arrays = slices.DeleteFunc(f.Arrays, func(a safetensors.Array) bool {
				return len(a.Shape) == 1 && a.Shape[0] == 4 && a.Name[len(a.Name)-5:] == "scale"
			})
		}},
		"mask": {4, func(f *safetensors.File) {
			i := slices.IndexFunc(f.Arrays, func(a safetensors.Array) bool { return a.Name == "layerList.2.maskList" })
			f.Arrays[i].Values.([]float64)[1] = 0.5
		}},
		// In a part that is used, and in one that is not.
		"NaN": {4, func(f *safetensors.File) {
			named(f, "layerList.0.sList.0.layerList.2.", "weight")[1] = math.NaN()
		}},
		"∞": {4, func(f *safetensors.File) { named(f, "layerList.3.tList.1.layerList.0.", "bias")[0] = math.Inf(1) }},
		"a scale": {4, func(f *safetensors.File) {
			clear(named(f, "layerList.0.sList.0.", "scale"))
			named(f, "layerList.0.sList.0.", "scale")[3] = math.Inf(-1)
		}},
		"unused": {4, func(f *safetensors.File) {
			for i := range 4 {
				named(f, "layerList.0.sList.0.layerList.0.", "weight")[i] = math.NaN()
			}
		}},
	} {
		f := paperFile(t, g, "")
		c.change(f)
		var b bytes.Buffer
		if err := safetensors.Write(&b, f); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadPaper(&b, c.L); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := LoadPaper(nil, 4); err == nil {
		t.Error("nil reader: no error")
	}
	if _, err := LoadPaper(io.LimitReader(bytes.NewReader(nil), 0), 4); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("empty: %v", err)
	}
}

// named are the values of the first array whose name begins and ends so.
func named(f *safetensors.File, prefix, suffix string) []float64 {
	i := slices.IndexFunc(f.Arrays, func(a safetensors.Array) bool {
		return strings.HasPrefix(a.Name, prefix) && strings.HasSuffix(a.Name, suffix)
	})
	v := slices.Clone(f.Arrays[i].Values.([]float64))
	f.Arrays[i].Values = v
	return v
}

// Whatever arrays there are, they make a model with finite parameters or an error.
func FuzzLoadPaper(f *testing.F) {
	minimizeBriefly()
	g := readGolden(f, "testdata/golden/mera_L4.json")
	for _, prefix := range []string{"", "flow."} {
		file := paperFile(f, g, prefix)
		// Two layers are a model of the 2×2 lattice, and fewer bytes to change.
		file.Arrays = slices.DeleteFunc(file.Arrays, func(a safetensors.Array) bool {
			return !strings.Contains(a.Name, "prior") && !strings.Contains(a.Name, "layerList.0.m") &&
				!strings.Contains(a.Name, "layerList.1.m") &&
				!strings.HasPrefix(a.Name, prefix+"layerList.0.") && !strings.HasPrefix(a.Name, prefix+"layerList.1.")
		})
		var b bytes.Buffer
		if err := safetensors.Write(&b, file); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes(), 2)
		f.Add(b.Bytes(), 4)
	}
	f.Fuzz(func(t *testing.T, data []byte, L int) {
		data = bytes.Clone(data)
		seal(data)
		var m *Model
		var err error
		if used := costOf(func() { m, err = LoadPaper(bytes.NewReader(data), L) }); used > allowed(len(data)) {
			t.Errorf("%d bytes allocated for a file of %d", used, len(data))
		}
		if err != nil {
			if !errors.Is(err, ErrCheckpoint) {
				t.Errorf("%v", err)
			}
			return
		}
		for i, v := range params(m) {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				t.Errorf("parameter %d is %g", i, v)
			}
		}
		if again, err := Load(bytes.NewReader(save(t, m))); err != nil || !slices.Equal(params(m), params(again)) {
			t.Errorf("loaded, but not again: %v", err)
		}
	})
}

// A digest in metadata of the authors' files is theirs and not checked.
func TestLoadPaperForeignDigest(t *testing.T) {
	g := readGolden(t, "testdata/golden/mera_L4.json")
	var b bytes.Buffer
	if err := safetensors.Write(&b, paperFile(t, g, "")); err != nil {
		t.Fatal(err)
	}
	data := b.Bytes()
	at := bytes.Index(data, []byte(`"sha256":"`))
	if at < 0 {
		t.Fatal("no digest")
	}
	copy(data[at+len(`"sha256":"`):], bytes.Repeat([]byte("7"), 64))
	if _, err := LoadPaper(bytes.NewReader(data), 4); err != nil {
		t.Error(err)
	}
	// The digest of a file of ours is ours, also to LoadPaper.
	data = save(t, mera(t, 4, 3))
	data[len(data)-1] ^= 1
	_, err := LoadPaper(bytes.NewReader(data), 4)
	wantError(t, "a damaged file of ours", err, ErrCheckpoint, "SHA-256")
}
