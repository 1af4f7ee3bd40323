package flow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/neuralrg/neuralrg/internal/safetensors"
	"github.com/neuralrg/neuralrg/target"
)

// costOf is what a call allocates in all, which is never less than what it holds
// at any time.
func costOf(call func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	call()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// allowed is what may be allocated for a file.
func allowed(size int) int { return 4*size + 16<<20 }

// forged is a file of a model that nobody made: nodes in JSON, and arrays.
func forged(t testing.TB, dim, symmetries int, nodes string, arrays ...safetensors.Array) []byte {
	t.Helper()
	text := fmt.Sprintf(`{"dim":%d,"prior":"normal","symmetries":%d,"nodes":[%s]}`, dim, symmetries, nodes)
	return forge(t, "model", &safetensors.File{
		Meta:   map[string]string{dtypeKey: "float64", archKey: text},
		Arrays: arrays,
	})
}

func blank(name string, shape ...int) safetensors.Array {
	return safetensors.Array{Name: name, Shape: shape, Values: make([]float64, volumeOf(shape))}
}

func octets(name string, shape ...int) safetensors.Array {
	return safetensors.Array{Name: name, Shape: shape, Values: make([]byte, volumeOf(shape))}
}

// counts are the numbers from first on.
func counts(name string, first int, shape ...int) safetensors.Array {
	v := make([]int64, volumeOf(shape))
	for i := range v {
		v[i] = int64(first + i)
	}
	return safetensors.Array{Name: name, Shape: shape, Values: v}
}

func volumeOf(shape []int) int {
	n := 1
	for _, s := range shape {
		n *= s
	}
	return n
}

// unitMatrix is the identity matrix.
func unitMatrix(name string, n int) safetensors.Array {
	a := blank(name, n, n)
	for i := range n {
		a.Values.([]float64)[i*n+i] = 1
	}
	return a
}

// turning rotates the first n of dim positions.
func turning(name string, from, n, dim int) safetensors.Array {
	a := counts(name, 0, dim)
	for i := range n {
		a.Values.([]int64)[from+i] = int64(from + (i+1)%n)
	}
	return a
}

func ones(name string, n int) safetensors.Array {
	return safetensors.Array{Name: name, Shape: []int{n}, Values: slices.Repeat([]float64{1}, n)}
}

// list joins what f makes of 0 … n−1.
func list(n int, f func(i int) string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = f(i)
	}
	return strings.Join(parts, ",")
}

func numbered(n int) string { return list(n, func(i int) string { return fmt.Sprint(i) }) }

// Whatever a file with a digest that fits describes, what is built of it costs
// less than four times its size and 16 MB. Those that are no models are refused;
// those that are, loaded.
func TestHostileFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("files of up to 50 MB")
	}
	const (
		million = 1000 * 1000
		// As many of each as Load builds.
		dense     = 20000
		couplings = 4000
		sites     = 55000
	)
	repeat := func(n int, a func(k int) []safetensors.Array) (all []safetensors.Array) {
		for k := range n {
			all = append(all, a(k)...)
		}
		return all
	}
	for _, c := range []struct {
		name string
		data func() []byte
		ok   bool
	}{
		{"nodes without anything", func() []byte {
			return forged(t, 2, 0, strings.TrimSuffix(strings.Repeat("{},", 170000), ","), blank("a", million))
		}, false},
		{"a long description", func() []byte {
			return forged(t, 2, 0, strings.TrimSuffix(strings.Repeat("{},", 1200000), ","), blank("a", million))
		}, false},
		{"many nodes", func() []byte {
			const n = 5000
			return forged(t, 2, 0, list(n, func(int) string { return `{"type":"orthogonal","dim":2}` }),
				repeat(n, func(k int) []safetensors.Array {
					return []safetensors.Array{blank(fmt.Sprintf("%d.orthogonal", k), 1)}
				})...)
		}, false}, // the model does not have them all
		{"empty lists", func() []byte {
			return forged(t, 2, 0, `{"type":"realnvp","dim":2,"keep":[`+strings.TrimSuffix(strings.Repeat("[],", 170000), ",")+`]}`)
		}, false},
		{"lists", func() []byte {
			return forged(t, 2, 0, `{"type":"realnvp","dim":2,"keep":[`+strings.TrimSuffix(strings.Repeat("[],", 10000), ",")+`]}`)
		}, false},
		{"a list of units", func() []byte {
			return forged(t, 2, 0, `{"type":"realnvp","dim":2,"keep":[[0]],"hidden":[`+strings.TrimSuffix(strings.Repeat("1,", 250000), ",")+`]}`)
		}, false},
		{"as many layers as there may be", func() []byte {
			return forged(t, 2, 0, `{"type":"realnvp","dim":2,"hidden":[`+strings.TrimSuffix(strings.Repeat("1,", dense-1), ",")+`],"keep":[[0]]}`, blank("0.realnvp", 4*dense+1))
		}, true},
		{"as many couplings as there may be", func() []byte {
			return forged(t, 2, 0, `{"type":"realnvp","dim":2,"keep":[`+strings.TrimSuffix(strings.Repeat("[0],", couplings), ",")+`]}`, blank("0.realnvp", 5*couplings))
		}, true},
		{"splines", func() []byte {
			return forged(t, 2, 0, `{"type":"spline","dim":2,"keep":[`+strings.TrimSuffix(strings.Repeat("[0],", couplings), ",")+`],"bins":2,"bound":6}`, blank("0.spline", 15*couplings))
		}, true},
		{"units", func() []byte {
			return forged(t, 2, 0, `{"type":"realnvp","dim":2,"hidden":[1700,1700],"keep":[[0]]}`, blank("0.realnvp", 2*(1700*2+1700*1701+1701)+1))
		}, true},
		{"moved positions", func() []byte {
			return forged(t, maxDim, 0, fmt.Sprintf(`{"type":"realnvp","dim":%d,"hidden":[20],"keep":[[0]]}`, maxDim), blank("0.realnvp", 2*(40+21*(maxDim-1))+maxDim-1))
		}, true},
		{"kept positions", func() []byte {
			return forged(t, maxDim, 0, fmt.Sprintf(`{"type":"realnvp","dim":%d,"hidden":[40],"keep":[[%s]]}`, maxDim, numbered(maxDim-1)), blank("0.realnvp", 2*(40*maxDim+41)+1))
		}, true},
		{"other types: a block", func() []byte {
			return forged(t, 2, 0, `{"type":"realnvp","dim":2,"hidden":[1700,1700],"keep":[[0]]}`, octets("0.realnvp", 2*(1700*2+1700*1701+1701)+1))
		}, false},
		{"other types: an orthogonal map", func() []byte {
			return forged(t, 3000, 0, `{"type":"orthogonal","dim":3000}`, octets("0.orthogonal", 3000*2999/2))
		}, false},
		{"other types: sites", func() []byte {
			return forged(t, 30*million, 0, fmt.Sprintf(`{"type":"permutation","dim":1},{"type":"hierarchy","dim":%d,"of":[0],"layers":[null]}`, 30*million),
				counts("0.perm", 0, 1), counts("1.tiles.0", 0, 1, 1), octets("a", 30*million))
		}, false},
		{"an orthogonal map", func() []byte {
			return forged(t, 3000, 0, `{"type":"orthogonal","dim":3000}`, blank("0.orthogonal", 3000*2999/2))
		}, true},
		{"a reflection", func() []byte {
			return forged(t, 500, 0, fmt.Sprintf(`{"type":"orthogonal","dim":%d,"flip":true}`, 500), blank("0.orthogonal", 500*499/2))
		}, true},
		{"a large reflection", func() []byte {
			return forged(t, 3000, 0, `{"type":"orthogonal","dim":3000,"flip":true}`, blank("0.orthogonal", 3000*2999/2))
		}, false},
		{"a matrix", func() []byte {
			return forged(t, 1300, 0, `{"type":"linear","dim":1300}`, unitMatrix("0.pivots", 1300), blank("0.linear", 1300, 1300))
		}, true},
		{"a matrix that is none", func() []byte {
			return forged(t, 1600, 0, `{"type":"linear","dim":1600}`, blank("0.pivots", 1600, 1600), blank("0.linear", 1600, 1600))
		}, false},
		{"permutations", func() []byte {
			return forged(t, maxDim, 0, list(90, func(int) string { return fmt.Sprintf(`{"type":"permutation","dim":%d}`, maxDim) })+fmt.Sprintf(`,{"type":"chain","dim":%d,"of":[%s]}`, maxDim, numbered(90)),
				repeat(90, func(k int) []safetensors.Array {
					return []safetensors.Array{counts(fmt.Sprintf("%d.perm", k), 0, maxDim)}
				})...)
		}, true},
		{"scales and shifts", func() []byte {
			const n = 40
			return forged(t, maxDim, 0, list(n, func(int) string { return fmt.Sprintf(`{"type":"actnorm","dim":%d}`, maxDim) })+fmt.Sprintf(`,{"type":"chain","dim":%d,"of":[%s]}`, maxDim, numbered(n)),
				repeat(n, func(k int) []safetensors.Array {
					return []safetensors.Array{blank(fmt.Sprintf("%d.actnorm", k), 2, maxDim)}
				})...)
		}, true},
		{"many scales and shifts", func() []byte {
			const n, dim = 2000, 129 // of an awkward size
			return forged(t, dim, 0, list(n, func(int) string { return fmt.Sprintf(`{"type":"actnorm","dim":%d}`, dim) })+fmt.Sprintf(`,{"type":"chain","dim":%d,"of":[%s]}`, dim, numbered(n)),
				repeat(n, func(k int) []safetensors.Array {
					return []safetensors.Array{blank(fmt.Sprintf("%d.actnorm", k), 2, dim)}
				})...)
		}, true},
		{"scales without shifts", func() []byte {
			return forged(t, maxDim, 0, fmt.Sprintf(`{"type":"actnorm","dim":%d}`, maxDim), blank("0.actnorm", maxDim))
		}, false},
		{"scales and shifts that are not there", func() []byte {
			return forged(t, maxDim, 0, fmt.Sprintf(`{"type":"actnorm","dim":%d}`, maxDim))
		}, false},
		{"other types: scales and shifts", func() []byte {
			return forged(t, maxDim, 0, fmt.Sprintf(`{"type":"actnorm","dim":%d}`, maxDim), octets("0.actnorm", 2, maxDim))
		}, false},
		{"spectra", func() []byte {
			return forged(t, maxDim, 0, list(90, func(int) string {
				return fmt.Sprintf(`{"type":"spectral","dim":%d,"shape":[%d]}`, maxDim, maxDim)
			}),
				repeat(90, func(k int) []safetensors.Array {
					return []safetensors.Array{ones(fmt.Sprintf("%d.spectrum", k), maxDim)}
				})...)
		}, false},
		{"as large a spectrum as there may be", func() []byte {
			return forged(t, maxDim, 0, fmt.Sprintf(`{"type":"spectral","dim":%d,"shape":[256,256]}`, maxDim), ones("0.spectrum", maxDim))
		}, true},
		{"chains that double", func() []byte {
			return forged(t, 2, 0, `{"type":"permutation","dim":2},`+list(60, func(k int) string {
				return fmt.Sprintf(`{"type":"chain","dim":2,"of":[%d,%d]}`, k, k)
			}), counts("0.perm", 0, 2))
		}, false},
		{"chains that grow", func() []byte {
			const n = 2000
			return forged(t, 2, 0, list(n, func(int) string { return `{"type":"orthogonal","dim":2}` })+","+list(n-1, func(k int) string {
				return fmt.Sprintf(`{"type":"chain","dim":2,"of":[%d,%d]}`, max(n+k-1, 0), k)
			}), repeat(n, func(k int) []safetensors.Array {
				return []safetensors.Array{blank(fmt.Sprintf("%d.orthogonal", k), 1)}
			})...)
		}, false},
		{"a long chain", func() []byte {
			return forged(t, 2, 0, `{"type":"permutation","dim":2},{"type":"chain","dim":2,"of":[`+strings.TrimSuffix(strings.Repeat("0,", 70000), ",")+`]}`, counts("0.perm", 0, 2))
		}, true},
		{"as many sites as there may be", func() []byte {
			return forged(t, sites, 0, fmt.Sprintf(`{"type":"permutation","dim":1},{"type":"hierarchy","dim":%d,"of":[0],"layers":[null]}`, sites),
				counts("0.perm", 0, 1), counts("1.tiles.0", 0, sites, 1))
		}, true},
		{"blocks on as many sites as there may be", func() []byte {
			return forged(t, sites, 0, fmt.Sprintf(`{"type":"linear","dim":1},{"type":"hierarchy","dim":%d,"of":[0],"layers":[null]}`, sites),
				unitMatrix("0.pivots", 1), blank("0.linear", 1, 1), counts("1.tiles.0", 0, sites, 1))
		}, true},
		{"conditional on as many sites as there may be", func() []byte {
			pairs := make([]int64, sites) // tile k reads site 0 and moves site k + 1
			for k := 1; k < sites; k += 2 {
				pairs[k] = int64(k+1) / 2
			}
			return forged(t, sites, 0, fmt.Sprintf(`{"type":"permutation","dim":2},{"type":"hierarchy","dim":%d,"of":[0],"layers":[[0]],"given":[0]}`, sites),
				counts("0.perm", 0, 2), safetensors.Array{Name: "1.tiles.0", Shape: []int{sites / 2, 2}, Values: pairs})
		}, true},
		{"a layer that is none is conditional", func() []byte {
			return forged(t, 2, 0, `{"type":"permutation","dim":2},{"type":"hierarchy","dim":2,"of":[0],"layers":[[0]],"given":[1]}`,
				counts("0.perm", 0, 2), counts("1.tiles.0", 0, 1, 2))
		}, false},
		{"a permutation of its context", func() []byte {
			return forged(t, 2, 0, `{"type":"permutation","dim":2},{"type":"hierarchy","dim":2,"of":[0],"layers":[[0]],"given":[0]}`,
				turning("0.perm", 0, 2, 2), counts("1.tiles.0", 0, 1, 2))
		}, false},
		{"more sites", func() []byte {
			return forged(t, 6*million, 0, fmt.Sprintf(`{"type":"permutation","dim":1},{"type":"hierarchy","dim":%d,"of":[0],"layers":[null]}`, 6*million),
				counts("0.perm", 0, 1), counts("1.tiles.0", 0, 6*million, 1))
		}, false},
		{"layers of many sites", func() []byte {
			return forged(t, maxDim, 0, fmt.Sprintf(`{"type":"permutation","dim":1},{"type":"hierarchy","dim":%d,"of":[%s],"layers":[%s]}`, maxDim,
				list(90, func(int) string { return "0" }), list(90, func(int) string { return "null" })),
				append(repeat(90, func(k int) []safetensors.Array {
					return []safetensors.Array{counts(fmt.Sprintf("1.tiles.%d", k), 0, maxDim, 1)}
				}), counts("0.perm", 0, 1))...)
		}, false},
		{"hierarchies of many sites", func() []byte {
			return forged(t, maxDim, 0, `{"type":"permutation","dim":1},`+list(2000, func(int) string {
				return fmt.Sprintf(`{"type":"hierarchy","dim":%d,"of":[0],"layers":[null]}`, maxDim)
			}), append(repeat(2000, func(k int) []safetensors.Array {
				return []safetensors.Array{counts(fmt.Sprintf("%d.tiles.0", k+1), 0, 1, 1)}
			}), counts("0.perm", 0, 1))...)
		}, false},
		{"layers of layers", func() []byte {
			const n = 500 // a hierarchy in the block of a hierarchy …
			return forged(t, 2, 0, `{"type":"permutation","dim":2},`+list(n, func(k int) string {
				return fmt.Sprintf(`{"type":"hierarchy","dim":2,"of":[%d,%d],"layers":[null,null]}`, k, k)
			}), append(repeat(n, func(k int) []safetensors.Array {
				return []safetensors.Array{counts(fmt.Sprintf("%d.tiles.0", k+1), 0, 1, 2), counts(fmt.Sprintf("%d.tiles.1", k+1), 0, 1, 2)}
			}), counts("0.perm", 0, 2))...)
		}, false},
		{"a large group", func() []byte {
			const dim = maxDim
			return forged(t, dim, 1, fmt.Sprintf(`{"type":"permutation","dim":%d}`, dim), counts("0.perm", 0, dim),
				turning("symmetry.0.perm", 0, 1000, dim), ones("symmetry.0.sign", dim))
		}, false},
		{"as large a group as there may be", func() []byte {
			const dim = 512
			return forged(t, dim, 1, fmt.Sprintf(`{"type":"permutation","dim":%d}`, dim), counts("0.perm", 0, dim),
				turning("symmetry.0.perm", 0, dim, dim), ones("symmetry.0.sign", dim))
		}, true},
		{"as large a group of short rows as there may be", func() []byte {
			const dim = 11 // all signs, and turns
			sign := ones("symmetry.0.sign", dim)
			sign.Values.([]float64)[0] = -1
			return forged(t, dim, 2, fmt.Sprintf(`{"type":"permutation","dim":%d}`, dim), counts("0.perm", 0, dim),
				turning("symmetry.0.perm", 0, 1, dim), sign, turning("symmetry.1.perm", 0, dim, dim), ones("symmetry.1.sign", dim))
		}, true},
		{"a group of short rows without end", func() []byte {
			const dim = 12
			return forged(t, dim, 2, fmt.Sprintf(`{"type":"permutation","dim":%d}`, dim), counts("0.perm", 0, dim),
				turning("symmetry.0.perm", 0, 2, dim), ones("symmetry.0.sign", dim), turning("symmetry.1.perm", 0, dim, dim), ones("symmetry.1.sign", dim))
		}, false},
		{"a group without end", func() []byte {
			const dim = 512
			return forged(t, dim, 2, fmt.Sprintf(`{"type":"permutation","dim":%d}`, dim), counts("0.perm", 0, dim),
				turning("symmetry.0.perm", 0, dim, dim), ones("symmetry.0.sign", dim), turning("symmetry.1.perm", 0, 2, dim), ones("symmetry.1.sign", dim))
		}, false},
		{"many generators", func() []byte {
			const dim = 4000
			return forged(t, dim, 700, fmt.Sprintf(`{"type":"permutation","dim":%d}`, dim), append(repeat(700, func(k int) []safetensors.Array {
				return []safetensors.Array{turning(fmt.Sprintf("symmetry.%d.perm", k), 2*k, 2, dim), ones(fmt.Sprintf("symmetry.%d.sign", k), dim)}
			}), counts("0.perm", 0, dim))...)
		}, false},
		{"as many generators as there may be", func() []byte {
			const dim = maxDim
			return forged(t, dim, 40, fmt.Sprintf(`{"type":"permutation","dim":%d}`, dim), append(repeat(40, func(k int) []safetensors.Array {
				return []safetensors.Array{turning(fmt.Sprintf("symmetry.%d.perm", k), 0, 2, dim), ones(fmt.Sprintf("symmetry.%d.sign", k), dim)}
			}), counts("0.perm", 0, dim))...)
		}, true},
		{"arrays that nobody asks for", func() []byte {
			return forged(t, 1, 0, `{"type":"permutation","dim":1}`, append(repeat(16000, func(k int) []safetensors.Array {
				return []safetensors.Array{blank(fmt.Sprint("a", k), 0)}
			}), counts("0.perm", 0, 1))...)
		}, true},
		{"a bit of everything", func() []byte {
			return forged(t, 2, 1, `{"type":"realnvp","dim":2,"keep":[`+strings.TrimSuffix(strings.Repeat("[0],", couplings/2), ",")+`]},{"type":"chain","dim":2,"of":[`+strings.TrimSuffix(strings.Repeat("0,", 20000), ",")+`]}`,
				blank("0.realnvp", 5*couplings/2), turning("symmetry.0.perm", 0, 2, 2), ones("symmetry.0.sign", 2))
		}, true},
		{"too much of everything", func() []byte {
			return forged(t, sites, 0, `{"type":"linear","dim":1},{"type":"realnvp","dim":2,"hidden":[],"keep":[`+strings.TrimSuffix(strings.Repeat("[0],", couplings), ",")+`]}`+
				fmt.Sprintf(`,{"type":"hierarchy","dim":%d,"of":[0],"layers":[null]}`, sites),
				unitMatrix("0.pivots", 1), blank("0.linear", 1, 1), blank("1.realnvp", 5*couplings), counts("2.tiles.0", 0, sites, 1))
		}, false},
		{"a long name of a type", func() []byte {
			return forged(t, 1, 0, `{"type":"`+strings.Repeat(`\\`, 100000)+`","dim":1}`)
		}, false},
	} {
		data := c.data()
		var err error
		used := costOf(func() { _, err = Load(bytes.NewReader(data)) })
		t.Logf("%-42s %5.1f MB, allocates %6.1f MB of %6.1f: %.90v", c.name, float64(len(data))/1e6, float64(used)/1e6, float64(allowed(len(data)))/1e6, err)
		if used > allowed(len(data)) {
			t.Errorf("%s: %d bytes allocated for a file of %d", c.name, used, len(data))
		}
		if c.ok != (err == nil) || err != nil && !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%s: %.300v", c.name, err)
		}
	}
}

// The same for files of the authors' code and for states of trainers.
func TestHostileStates(t *testing.T) {
	if testing.Short() {
		t.Skip("files of up to 50 MB")
	}
	torch := func(hidden, couplings int) []byte {
		f := &safetensors.File{Meta: map[string]string{}}
		add := func(name string, shape ...int) {
			f.Arrays = append(f.Arrays, safetensors.Array{Name: name, Shape: shape, Values: make([]float32, volumeOf(shape))})
		}
		for k := range 2 {
			for c := range min(couplings, 1) {
				for _, net := range []string{"s", "t"} {
					sizes := []int{4, hidden, hidden, 4}
					for i := range len(sizes) - 1 {
						add(fmt.Sprintf("layerList.%d.%sList.%d.layerList.%d.weight", k, net, c, 2*i), sizes[i+1], sizes[i])
						add(fmt.Sprintf("layerList.%d.%sList.%d.layerList.%d.bias", k, net, c, 2*i), sizes[i+1])
					}
				}
				add(fmt.Sprintf("layerList.%d.sList.%d.layerList.5.scale", k, c), 4)
			}
			masks := make([]float32, 4*couplings)
			for i := range couplings {
				masks[4*i] = 1
			}
			f.Arrays = append(f.Arrays, safetensors.Array{Name: fmt.Sprintf("layerList.%d.maskList", k), Shape: []int{couplings, 1, 2, 2}, Values: masks})
		}
		var b bytes.Buffer
		if err := safetensors.Write(&b, f); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	state := func(change func(f *safetensors.File)) []byte {
		_, tr := observed(t, 1)
		f, err := tr.m.file()
		if err == nil {
			err = tr.addTo(f)
		}
		if err != nil {
			t.Fatal(err)
		}
		change(f)
		return forge(t, "trainer", f)
	}
	_, tr := observed(t, 1)
	load := func(L int) func(data []byte) error {
		return func(data []byte) error { _, err := LoadTorch(bytes.NewReader(data), L); return err }
	}
	restore := func(data []byte) error { return tr.Restore(bytes.NewReader(data)) }
	for _, c := range []struct {
		name string
		data []byte
		read func(data []byte) error
		ok   bool
	}{
		{"authors' model of many units", torch(1700, 1), load(2), true},
		{"authors' model on a large lattice", torch(10, 1), load(1 << 20), false},
		{"masks", torch(10, 1500000), load(2), false},
		{"trainer with more arrays", state(func(f *safetensors.File) { f.Arrays = append(f.Arrays, blank("a", 6000000)) }), restore, true},
		{"window", state(func(f *safetensors.File) {
			for i := range f.Arrays {
				if f.Arrays[i].Name == windowArray {
					f.Arrays[i] = blank(windowArray, 1000000, windowFields)
				}
			}
			var s trainerState
			if err := json.Unmarshal([]byte(f.Meta[trainerKey]), &s); err != nil {
				t.Fatal(err)
			}
			s.Step = 1000000
			text, _ := json.Marshal(s)
			f.Meta[trainerKey] = string(text)
		}), restore, false},
		{"sources", state(func(f *safetensors.File) {
			for i := range f.Arrays {
				if name := f.Arrays[i].Name; name == sourceArray || name == heldArray {
					f.Arrays[i] = octets(name, 25000000)
				}
			}
		}), restore, false},
		{"average", state(func(f *safetensors.File) {
			for i := range f.Arrays {
				if f.Arrays[i].Name == averageArray {
					f.Arrays[i] = blank(averageArray, 6000000)
				}
			}
		}), restore, false},
		{"text", state(func(f *safetensors.File) { f.Meta[trainerKey] += strings.Repeat(" ", 4000000) }), restore, false},
		{"architecture", state(func(f *safetensors.File) { f.Meta[archKey] = strings.Repeat(`"`, 4000000) }), restore, false},
	} {
		var err error
		used := costOf(func() { err = c.read(c.data) })
		t.Logf("%-42s %5.1f MB, allocates %6.1f MB of %6.1f: %.90v", c.name, float64(len(c.data))/1e6, float64(used)/1e6, float64(allowed(len(c.data)))/1e6, err)
		if used > allowed(len(c.data)) {
			t.Errorf("%s: %d bytes allocated for a file of %d", c.name, used, len(c.data))
		}
		if c.ok != (err == nil) || err != nil && !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%s: %.300v", c.name, err)
		}
	}
}

// A trainer takes over no state that it could not have.
func TestRestoreTrainerValidates(t *testing.T) {
	_, saved := observed(t, 1)
	if err := saved.Run(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(tr *Trainer){
		"m is NaN":            func(tr *Trainer) { tr.adam.m[0][3] = math.NaN() },
		"m is ∞":              func(tr *Trainer) { tr.adam.m[0][3] = math.Inf(-1) },
		"v is ∞":              func(tr *Trainer) { tr.adam.v[1][0] = math.Inf(1) },
		"v is negative":       func(tr *Trainer) { tr.adam.v[1][0] = -1e-300 },
		"loss is NaN":         func(tr *Trainer) { tr.window[1].mean = math.NaN() },
		"other batches":       func(tr *Trainer) { tr.window[1].n++ },
		"variance":            func(tr *Trainer) { tr.window[1].m2 = -1 },
		"weights":             func(tr *Trainer) { tr.window[1].lw2 = math.Inf(1) },
		"factor":              func(tr *Trainer) { tr.shrink = 1e-9 },
		"steps":               func(tr *Trainer) { tr.step = 2 },
		"steps that are none": func(tr *Trainer) { tr.step = -1 },
		"faults":              func(tr *Trainer) { tr.faults = -1 },
		"average is NaN":      func(tr *Trainer) { tr.averages[0][3] = math.NaN() },
		"average is ∞":        func(tr *Trainer) { tr.averages[1][0] = math.Inf(-1) },
		"plateau":             func(tr *Trainer) { tr.plateau.Factor = 2 },
		"plateau's steps":     func(tr *Trainer) { tr.plateau.Since = 4 },
	} {
		_, tr := observed(t, 1)
		if err := tr.Run(t.Context(), 3); err != nil {
			t.Fatal(err)
		}
		change(tr)
		var b bytes.Buffer
		if err := tr.Save(&b); err != nil {
			t.Fatal(err)
		}
		m, other := observed(t, 2)
		before := params(m)
		if err := other.Restore(&b); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%s: %v", name, err)
		}
		if !slices.Equal(before, params(m)) || other.step != 0 || slices.ContainsFunc(slices.Concat(other.adam.m...), func(v float64) bool { return v != 0 }) {
			t.Errorf("%s: the trainer has changed", name)
		}
	}
	// As it was, it is taken over.
	var b bytes.Buffer
	if err := saved.Save(&b); err != nil {
		t.Fatal(err)
	}
	_, other := observed(t, 2)
	if err := other.Restore(&b); err != nil {
		t.Error(err)
	}
}

// Whatever is moved from a finite gradient by a finite factor, it stays finite.
func TestNoStepIntoNothing(t *testing.T) {
	for name, c := range map[string]struct {
		gradient float64
		schedule Schedule
		s        Settings
	}{
		"gradient whose square is ∞":   {1e200, nil, Settings{OnFault: FaultSkip, MaxFaults: 3}},
		"gradient whose norm is ∞":     {1.7e308, nil, Settings{OnFault: FaultSkip, MaxFaults: 3, ClipNorm: 1}},
		"factor of the learning rate":  {1, func(int) float64 { return math.MaxFloat64 }, Settings{OnFault: FaultSkip, MaxFaults: 3, LearnRate: 1e9}},
		"factor that shrinking spares": {1, func(int) float64 { return math.MaxFloat64 }, Settings{OnFault: FaultShrink, MaxFaults: 3, LearnRate: 1e9}},
		"stop":                         {1e200, nil, Settings{}},
	} {
		m := mera(t, 2, 1)
		before := params(m)
		c.s.Batch, c.s.Schedule, c.s.Src = 4, c.schedule, rand.NewPCG(1, 1)
		tr, err := NewTrainer(m, steep(c.gradient), &c.s)
		if err != nil {
			t.Fatal(err)
		}
		if err := tr.Run(t.Context(), 5); !errors.Is(err, ErrNotFinite) {
			t.Errorf("%s: %v", name, err)
		}
		if res := tr.Result(); res.Steps != 0 || res.Faults != c.s.MaxFaults%100 {
			t.Errorf("%s: %d steps, %d faults", name, res.Steps, res.Faults)
		}
		if !slices.Equal(before, params(m)) || tr.adam.step != 0 {
			t.Errorf("%s: parameters have changed", name)
		}
		if err := tr.Save(&bytes.Buffer{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What clipping makes good is no fault.
	m := mera(t, 2, 1)
	tr, err := NewTrainer(m, steep(1e200), &Settings{Batch: 4, ClipNorm: 10, Src: rand.NewPCG(1, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.Run(t.Context(), 5); err != nil {
		t.Error(err)
	}
}

// steep is a density that says of its gradient what it pleases.
func steep(gradient float64) target.Density {
	return target.Func(4, func(grad, x []float64) float64 {
		for i := range grad {
			grad[i] = gradient
		}
		return x[0]
	})
}
