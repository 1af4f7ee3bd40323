package flow

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/neuralrg/neuralrg/internal/safetensors"
)

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

// repeated joins n times the same item.
func repeated(item string, n int) string { return list(n, func(int) string { return item }) }

// each joins what a makes of 0 … n−1.
func each(n int, a func(k int) []safetensors.Array) (all []safetensors.Array) {
	for k := range n {
		all = append(all, a(k)...)
	}
	return all
}
