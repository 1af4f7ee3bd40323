package lattice

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestSize(t *testing.T) {
	ones := slices.Repeat([]int{1}, MaxAxes)
	for _, c := range []struct {
		shape []int
		want  int
		text  string // of the error
	}{
		{[]int{1}, 1, ""},
		{[]int{3, 4, 5}, 60, ""},
		{[]int{8192, 8192}, MaxSites, ""},
		{[]int{1, MaxSites, 1}, MaxSites, ""},
		{ones, 1, ""},
		{nil, 0, "without extents"},
		{append(ones, 1), 0, "65 axes"},
		{[]int{4, 0}, 0, "[4 0]: extent 0 of axis 1"},
		{[]int{-3}, 0, "[-3]: extent -3 of axis 0"},
		{[]int{math.MinInt, 2}, 0, "axis 0"},
		{[]int{8192, 8193}, 0, "[8192 8193] has more than 67108864 sites"},
		{[]int{MaxSites + 1}, 0, "more than"},
		{[]int{1 << 16, 1 << 16}, 0, "more than"}, // 0 in 32 bits
		{[]int{math.MaxInt, math.MaxInt}, 0, "more than"},
		{[]int{math.MaxInt/2 + 1, 4}, 0, "more than"}, // 0 in an int
		{[]int{math.MaxInt/2 + 1, 2, 0}, 0, "axis 2"},
	} {
		got, err := Size(c.shape)
		if got != c.want || (err == nil) != (c.text == "") {
			t.Errorf("%v: %d, %v, want %d and an error with %q", c.shape, got, err, c.want, c.text)
		} else if err != nil && !strings.Contains(err.Error(), c.text) {
			t.Errorf("%v: error %v, want one with %q", c.shape, err, c.text)
		}
	}
}

// Size is the product of the extents, in integers of any length, or an error.
func TestSizeIsTheProduct(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	fits := 0
	for range 2000 {
		shape := make([]int, 1+rnd.IntN(5))
		product := big.NewInt(1)
		for i := range shape {
			shape[i] = 1 + rnd.IntN(1<<(1+rnd.IntN(30)))
			product.Mul(product, big.NewInt(int64(shape[i])))
		}
		got, err := Size(shape)
		if product.Cmp(big.NewInt(MaxSites)) <= 0 {
			fits++
			if err != nil || int64(got) != product.Int64() {
				t.Fatalf("%v: %d, %v, want %v", shape, got, err, product)
			}
		} else if err == nil {
			t.Fatalf("%v: %d, want an error: the product is %v", shape, got, product)
		}
	}
	if fits < 100 || fits > 1900 {
		t.Fatalf("%d of 2000 shapes fit: no test", fits)
	}
}
