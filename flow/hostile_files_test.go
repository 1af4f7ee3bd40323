package flow

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/neuralrg/neuralrg/internal/safetensors"
)

// hostile is a file with a digest that fits, and whether it describes a model.
type hostile struct {
	name string
	data func() []byte
	ok   bool
}

// As many of each as Load builds.
const (
	million   = 1000 * 1000
	dense     = 20000
	couplings = 4000
	sites     = 55000
)

// hostileLists are files that describe more than is there: lists without end, nodes without anything.
func hostileLists(t testing.TB) []hostile {
	return []hostile{
		{"nodes without anything", func() []byte {
			return forged(t, 2, 0, repeated("{}", 170000), blank("a", million))
		}, false},
		{"a long description", func() []byte {
			return forged(t, 2, 0, repeated("{}", 1200000), blank("a", million))
		}, false},
		{"many nodes", func() []byte {
			const n = 5000
			return forged(t, 2, 0, list(n, func(int) string { return `{"type":"orthogonal","dim":2}` }),
				each(n, func(k int) []safetensors.Array {
					return []safetensors.Array{blank(fmt.Sprintf("%d.orthogonal", k), 1)}
				})...)
		}, false}, // the model does not have them all
		{"empty lists", func() []byte {
			return forged(t, 2, 0, `{"type":"realnvp","dim":2,"keep":[`+repeated("[]", 170000)+`]}`)
		}, false},
		{"lists", func() []byte {
			return forged(t, 2, 0, `{"type":"realnvp","dim":2,"keep":[`+repeated("[]", 10000)+`]}`)
		}, false},
		{"a list of units", func() []byte {
			return forged(t, 2, 0, `{"type":"realnvp","dim":2,"keep":[[0]],"hidden":[`+repeated("1", 250000)+`]}`)
		}, false},
		{"as many layers as there may be", func() []byte {
			return forged(t, 2, 0, `{"type":"realnvp","dim":2,"hidden":[`+repeated("1", dense-1)+`],"keep":[[0]]}`,
				blank("0.realnvp", 4*dense+1))
		}, true},
		{"as many couplings as there may be", func() []byte {
			return forged(t, 2, 0, `{"type":"realnvp","dim":2,"keep":[`+repeated("[0]", couplings)+`]}`,
				blank("0.realnvp", 5*couplings))
		}, true},
		{"splines", func() []byte {
			return forged(t, 2, 0, `{"type":"spline","dim":2,"keep":[`+repeated("[0]",
				couplings)+`],"bins":2,"bound":6}`,
				blank("0.spline", 15*couplings))
		}, true},
	}
}

// hostileValues are files that have large arrays, of the right type and of others.
func hostileValues(t testing.TB) []hostile {
	return []hostile{
		{"units", func() []byte {
			return forged(t, 2, 0, `{"type":"realnvp","dim":2,"hidden":[1200,1200],"keep":[[0]]}`,
				blank("0.realnvp", 2*(1200*2+1200*1201+1201)+1))
		}, true},
		{"moved positions", func() []byte {
			return forged(t, maxDim, 0, fmt.Sprintf(`{"type":"realnvp","dim":%d,"hidden":[20],"keep":[[0]]}`, maxDim),
				blank("0.realnvp", 2*(40+21*(maxDim-1))+maxDim-1))
		}, true},
		{"kept positions", func() []byte {
			return forged(t, maxDim, 0, fmt.Sprintf(`{"type":"realnvp","dim":%d,"hidden":[20],"keep":[[%s]]}`, maxDim,
				numbered(maxDim-1)), blank("0.realnvp", 2*(20*maxDim+21)+1))
		}, true},
		{"other types: a block", func() []byte {
			return forged(t, 2, 0, `{"type":"realnvp","dim":2,"hidden":[1700,1700],"keep":[[0]]}`,
				octets("0.realnvp", 2*(1700*2+1700*1701+1701)+1))
		}, false},
		{"other types: an orthogonal map", func() []byte {
			return forged(t, 3000, 0, `{"type":"orthogonal","dim":3000}`, octets("0.orthogonal", 3000*2999/2))
		}, false},
		{"other types: sites", func() []byte {
			return forged(t, 15*million, 0, fmt.Sprintf(
				`{"type":"permutation","dim":1},{"type":"hierarchy","dim":%d,"of":[0],"layers":[null]}`, 15*million),
				counts("0.perm", 0, 1), counts("1.tiles.0", 0, 1, 1), octets("a", 15*million))
		}, false},
		{"an orthogonal map", func() []byte {
			return forged(t, 2200, 0, `{"type":"orthogonal","dim":2200}`, blank("0.orthogonal", 2200*2199/2))
		}, true},
		{"a reflection", func() []byte {
			return forged(t, 500, 0, fmt.Sprintf(`{"type":"orthogonal","dim":%d,"flip":true}`, 500),
				blank("0.orthogonal", 500*499/2))
		}, true},
		{"a large reflection", func() []byte {
			return forged(t, 2000, 0, `{"type":"orthogonal","dim":2000,"flip":true}`,
				blank("0.orthogonal", 2000*1999/2))
		}, true},
		{"a matrix", func() []byte {
			return forged(t, 1300, 0, `{"type":"linear","dim":1300}`, unitMatrix("0.pivots", 1300),
				blank("0.linear", 1300, 1300))
		}, true},
		{"a matrix that is none", func() []byte {
			return forged(t, 1100, 0, `{"type":"linear","dim":1100}`, blank("0.pivots", 1100, 1100),
				blank("0.linear", 1100, 1100))
		}, false},
	}
}

// hostileMaps are files that describe maps of single values.
func hostileMaps(t testing.TB) []hostile {
	return []hostile{
		{"permutations", func() []byte {
			return forged(t, maxDim, 0, repeated(fmt.Sprintf(`{"type":"permutation","dim":%d}`, maxDim), 45)+
				fmt.Sprintf(`,{"type":"chain","dim":%d,"of":[%s]}`, maxDim, numbered(45)),
				each(45, func(k int) []safetensors.Array {
					return []safetensors.Array{counts(fmt.Sprintf("%d.perm", k), 0, maxDim)}
				})...)
		}, true},
		{"scales and shifts", func() []byte {
			const n = 20
			return forged(t, maxDim, 0, repeated(fmt.Sprintf(`{"type":"actnorm","dim":%d}`, maxDim), n)+
				fmt.Sprintf(`,{"type":"chain","dim":%d,"of":[%s]}`, maxDim, numbered(n)),
				each(n, func(k int) []safetensors.Array {
					return []safetensors.Array{blank(fmt.Sprintf("%d.actnorm", k), 2, maxDim)}
				})...)
		}, true},
		{"many scales and shifts", func() []byte {
			const n, dim = 2000, 129 // of an awkward size
			return forged(t, dim, 0, repeated(fmt.Sprintf(`{"type":"actnorm","dim":%d}`, dim), n)+
				fmt.Sprintf(`,{"type":"chain","dim":%d,"of":[%s]}`, dim, numbered(n)),
				each(n, func(k int) []safetensors.Array {
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
			return forged(t, maxDim, 0, fmt.Sprintf(`{"type":"actnorm","dim":%d}`, maxDim),
				octets("0.actnorm", 2, maxDim))
		}, false},
		{"spectra", func() []byte {
			return forged(t, maxDim, 0, list(45, func(int) string {
				return fmt.Sprintf(`{"type":"spectral","dim":%d,"shape":[%d]}`, maxDim, maxDim)
			}),
				each(45, func(k int) []safetensors.Array {
					return []safetensors.Array{ones(fmt.Sprintf("%d.spectrum", k), maxDim)}
				})...)
		}, false},
		{"as large a spectrum as there may be", func() []byte {
			return forged(t, maxDim, 0, fmt.Sprintf(`{"type":"spectral","dim":%d,"shape":[256,256]}`, maxDim),
				ones("0.spectrum", maxDim))
		}, true},
	}
}

// hostileLayers are files that describe chains and layers of many sites.
func hostileLayers(t testing.TB) []hostile {
	return []hostile{
		{"chains that double", func() []byte {
			return forged(t, 2, 0, `{"type":"permutation","dim":2},`+list(60, func(k int) string {
				return fmt.Sprintf(`{"type":"chain","dim":2,"of":[%d,%d]}`, k, k)
			}), counts("0.perm", 0, 2))
		}, false},
		{"chains that grow", func() []byte {
			const n = 2000
			chains := list(n-1, func(k int) string {
				return fmt.Sprintf(`{"type":"chain","dim":2,"of":[%d,%d]}`, max(n+k-1, 0), k)
			})
			return forged(t, 2, 0, repeated(`{"type":"orthogonal","dim":2}`, n)+","+chains,
				each(n, func(k int) []safetensors.Array {
					return []safetensors.Array{blank(fmt.Sprintf("%d.orthogonal", k), 1)}
				})...)
		}, false},
		{"a long chain", func() []byte {
			return forged(t, 2, 0, `{"type":"permutation","dim":2},`+
				`{"type":"chain","dim":2,"of":[`+repeated("0", 70000)+`]}`, counts("0.perm", 0, 2))
		}, true},
		{"as many sites as there may be", func() []byte {
			return forged(t, sites, 0, fmt.Sprintf(
				`{"type":"permutation","dim":1},{"type":"hierarchy","dim":%d,"of":[0],"layers":[null]}`, sites),
				counts("0.perm", 0, 1), counts("1.tiles.0", 0, sites, 1))
		}, true},
		{"blocks on as many sites as there may be", func() []byte {
			return forged(t, sites, 0, fmt.Sprintf(
				`{"type":"linear","dim":1},{"type":"hierarchy","dim":%d,"of":[0],"layers":[null]}`, sites),
				unitMatrix("0.pivots", 1), blank("0.linear", 1, 1), counts("1.tiles.0", 0, sites, 1))
		}, true},
		{"conditional on as many sites as there may be", func() []byte {
			pairs := make([]int64, sites) // tile k reads site 0 and moves site k + 1
			for k := 1; k < sites; k += 2 {
				pairs[k] = int64(k+1) / 2
			}
			return forged(t, sites, 0, fmt.Sprintf(
				`{"type":"permutation","dim":2},{"type":"hierarchy","dim":%d,"of":[0],"layers":[[0]],"given":[0]}`,
				sites),
				counts("0.perm", 0, 2), safetensors.Array{Name: "1.tiles.0", Shape: []int{sites / 2, 2}, Values: pairs})
		}, true},
		{"a layer that is none is conditional", func() []byte {
			return forged(t, 2, 0, `{"type":"permutation","dim":2},`+
				`{"type":"hierarchy","dim":2,"of":[0],"layers":[[0]],"given":[1]}`,
				counts("0.perm", 0, 2), counts("1.tiles.0", 0, 1, 2))
		}, false},
		{"a permutation of its context", func() []byte {
			return forged(t, 2, 0, `{"type":"permutation","dim":2},`+
				`{"type":"hierarchy","dim":2,"of":[0],"layers":[[0]],"given":[0]}`,
				turning("0.perm", 0, 2, 2), counts("1.tiles.0", 0, 1, 2))
		}, false},
		{"more sites", func() []byte {
			return forged(t, 3*million, 0, fmt.Sprintf(
				`{"type":"permutation","dim":1},{"type":"hierarchy","dim":%d,"of":[0],"layers":[null]}`, 3*million),
				counts("0.perm", 0, 1), counts("1.tiles.0", 0, 3*million, 1))
		}, false},
		{"layers of many sites", func() []byte {
			return forged(t, maxDim, 0, fmt.Sprintf(
				`{"type":"permutation","dim":1},{"type":"hierarchy","dim":%d,"of":[%s],"layers":[%s]}`, maxDim,
				repeated("0", 45), repeated("null", 45)),
				append(each(45, func(k int) []safetensors.Array {
					return []safetensors.Array{counts(fmt.Sprintf("1.tiles.%d", k), 0, maxDim, 1)}
				}), counts("0.perm", 0, 1))...)
		}, true},
		{"hierarchies of many sites", func() []byte {
			return forged(t, maxDim, 0, `{"type":"permutation","dim":1},`+list(2000, func(int) string {
				return fmt.Sprintf(`{"type":"hierarchy","dim":%d,"of":[0],"layers":[null]}`, maxDim)
			}), append(each(2000, func(k int) []safetensors.Array {
				return []safetensors.Array{counts(fmt.Sprintf("%d.tiles.0", k+1), 0, 1, 1)}
			}), counts("0.perm", 0, 1))...)
		}, false},
		{"layers of layers", func() []byte {
			const n = 500 // a hierarchy in the block of a hierarchy …
			return forged(t, 2, 0, `{"type":"permutation","dim":2},`+list(n, func(k int) string {
				return fmt.Sprintf(`{"type":"hierarchy","dim":2,"of":[%d,%d],"layers":[null,null]}`, k, k)
			}), append(each(n, func(k int) []safetensors.Array {
				return []safetensors.Array{counts(fmt.Sprintf("%d.tiles.0", k+1), 0, 1, 2),
					counts(fmt.Sprintf("%d.tiles.1", k+1), 0, 1, 2)}
			}), counts("0.perm", 0, 2))...)
		}, false},
	}
}

// hostileGroups are files that describe symmetry groups.
func hostileGroups(t testing.TB) []hostile {
	return []hostile{
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
				turning("symmetry.0.perm", 0, 1, dim), sign, turning("symmetry.1.perm", 0, dim, dim),
				ones("symmetry.1.sign", dim))
		}, true},
		{"a group of short rows without end", func() []byte {
			const dim = 12
			return forged(t, dim, 2, fmt.Sprintf(`{"type":"permutation","dim":%d}`, dim), counts("0.perm", 0, dim),
				turning("symmetry.0.perm", 0, 2, dim), ones("symmetry.0.sign", dim),
				turning("symmetry.1.perm", 0, dim, dim), ones("symmetry.1.sign", dim))
		}, false},
		{"a group without end", func() []byte {
			const dim = 512
			return forged(t, dim, 2, fmt.Sprintf(`{"type":"permutation","dim":%d}`, dim), counts("0.perm", 0, dim),
				turning("symmetry.0.perm", 0, dim, dim), ones("symmetry.0.sign", dim),
				turning("symmetry.1.perm", 0, 2, dim), ones("symmetry.1.sign", dim))
		}, false},
		{"many generators", func() []byte {
			const dim = 4000
			return forged(t, dim, 350, fmt.Sprintf(`{"type":"permutation","dim":%d}`, dim),
				append(each(350, func(k int) []safetensors.Array {
					return []safetensors.Array{turning(fmt.Sprintf("symmetry.%d.perm", k), 2*k, 2, dim),
						ones(fmt.Sprintf("symmetry.%d.sign", k), dim)}
				}), counts("0.perm", 0, dim))...)
		}, false},
		{"as many generators as there may be", func() []byte {
			const dim = maxDim
			return forged(t, dim, 40, fmt.Sprintf(`{"type":"permutation","dim":%d}`, dim),
				append(each(40, func(k int) []safetensors.Array {
					return []safetensors.Array{turning(fmt.Sprintf("symmetry.%d.perm", k), 0, 2, dim),
						ones(fmt.Sprintf("symmetry.%d.sign", k), dim)}
				}), counts("0.perm", 0, dim))...)
		}, true},
	}
}

// hostileRest are files that have a bit of everything.
func hostileRest(t testing.TB) []hostile {
	return []hostile{
		{"arrays that nobody asks for", func() []byte {
			return forged(t, 1, 0, `{"type":"permutation","dim":1}`,
				append(each(16000, func(k int) []safetensors.Array {
					return []safetensors.Array{blank(fmt.Sprint("a", k), 0)}
				}), counts("0.perm", 0, 1))...)
		}, true},
		{"a bit of everything", func() []byte {
			return forged(t, 2, 1, `{"type":"realnvp","dim":2,"keep":[`+repeated("[0]", couplings/2)+`]},`+
				`{"type":"chain","dim":2,"of":[`+repeated("0", 20000)+`]}`,
				blank("0.realnvp", 5*couplings/2), turning("symmetry.0.perm", 0, 2, 2), ones("symmetry.0.sign", 2))
		}, true},
		{"too much of everything", func() []byte {
			return forged(t, sites, 0, `{"type":"linear","dim":1},`+
				`{"type":"realnvp","dim":2,"hidden":[],"keep":[`+repeated("[0]", couplings)+`]}`+
				fmt.Sprintf(`,{"type":"hierarchy","dim":%d,"of":[0],"layers":[null]}`, sites),
				unitMatrix("0.pivots", 1), blank("0.linear", 1, 1), blank("1.realnvp", 5*couplings),
				counts("2.tiles.0", 0, sites, 1))
		}, false},
		{"a long name of a type", func() []byte {
			return forged(t, 1, 0, `{"type":"`+strings.Repeat(`\\`, 100000)+`","dim":1}`)
		}, false},
	}
}

// Whatever a file with a correct digest describes, reading it allocates at most four
// times its size and 16 MB, and what integers pay for and groups may take. Files of models are loaded. All others are refused.
func TestHostileFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("files of up to 40 MB")
	}
	extra := map[string]int{ // what integers pay for, and groups
		"layers of many sites": perInt * 45 * maxDim, "too much of everything": perInt * sites,
		"a large group": maxTable, "a group of short rows without end": maxTable, "a group without end": maxTable,
	}
	for _, c := range slices.Concat(hostileLists(t), hostileValues(t), hostileMaps(t), hostileLayers(t),
		hostileGroups(t), hostileRest(t)) {
		wantCheap(t, c.name, c.data(), c.ok, extra[c.name], func(data []byte) error {
			_, err := Load(bytes.NewReader(data))
			return err
		})
	}
}
