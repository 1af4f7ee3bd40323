package mi

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
)

func TestBadInput(t *testing.T) {
	x, y := normals(20, 2, 1, 0.5, 1)
	short, _ := normals(19, 1, 1, 0, 1)
	constant := mat.NewDense(20, 2, nil)
	constant.Copy(x)
	for i := range 20 {
		constant.Set(i, 1, 3)
	}
	nan := mat.DenseCopyOf(x)
	nan.Set(7, 1, math.NaN())
	coins, others := mat.NewDense(20, 1, nil), mat.NewDense(20, 1, nil)
	for i := range 10 {
		coins.Set(i, 0, 1)
		others.Set(i, 0, 1)
	}
	others.Set(0, 0, 0)
	robust, far := mat.DenseCopyOf(x), mat.DenseCopyOf(x)
	for i := range 15 {
		robust.Set(i, 0, 0)
	}
	far.Scale(1e-10, far)
	far.Set(4, 1, 1e308)
	var negative, shifted mat.Dense
	negative.Scale(-1, y)
	shifted.Apply(func(_, _ int, v float64) float64 { return 3*v + 7 }, y)
	src := rand.NewPCG(1, 1)
	for _, c := range []struct {
		name string
		x, y *mat.Dense
		s    *Settings
		want error
		text string
	}{
		{"nil x", nil, y, &Settings{Src: src}, ErrShape, "no samples"},
		{"empty y", x, &mat.Dense{}, &Settings{Src: src}, ErrShape, "no samples"},
		{"lengths", x, short, &Settings{Src: src}, ErrShape, "20 rows of x and 19"},
		{"k = n", x, y, &Settings{K: 20, Src: src}, ErrSettings, "20 neighbours among 20"},
		{"k < 0", x, y, &Settings{K: -1, Src: src}, ErrSettings, "-1 neighbours"},
		{"method", x, y, &Settings{Method: 2, Src: src}, ErrSettings, "method 2"},
		{"scale", x, y, &Settings{Scale: 3}, ErrSettings, "scale 3"},
		{"scale", x, y, &Settings{Scale: -1}, ErrSettings, "scale -1"},
		{"constant", constant, y, &Settings{Src: src}, ErrDegenerate, "column 1 of x is 3"},
		{"NaN", y, nan, &Settings{Src: src}, ErrNotFinite, "row 7, column 1 of y"},
		{"ties without a source", coins, others, nil, ErrSettings,
			"column 0 of x is 0 in rows 10 and 11: equal values"},
		{"ties without a source", x, others, nil, ErrSettings, "column 0 of y"},
		{"y = x", y, y, nil, ErrDegenerate, "column 0 of x is in the order of column 0 of y"},
		{"y = x of two", x, x.Slice(0, 20, 1, 2).(*mat.Dense), &Settings{Scale: Raw}, ErrDegenerate,
			"column 1 of x is in the order of column 0 of y"},
		{"y = −x", y, &negative, &Settings{Scale: Robust}, ErrDegenerate,
			"column 0 of x is in the order of column 0 of y"},
		{"y = 3x + 7", &shifted, y, nil, ErrDegenerate, "20 samples are too few"},
		{"half equal", robust, y, &Settings{Scale: Robust, Src: src}, ErrDegenerate,
			"column 0 of x has both quartiles at 0"},
		{"far", far, y, &Settings{Scale: Robust}, ErrNotFinite, "on the scale of its quartiles"},
	} {
		if _, err := Estimate(ctx, c.x, c.y, c.s); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, want %q", c.name, err, c.text)
		}
	}
	// With a source repeated values get an order.
	if v, err := Estimate(ctx, coins, others, &Settings{Src: src}); err != nil || !(v > 0) {
		t.Errorf("coins: %v, %v", v, err)
	}
}

func TestBadArguments(t *testing.T) {
	x, y := normals(20, 2, 1, 0.5, 1)
	src := rand.NewPCG(1, 1)
	var negative mat.Dense
	negative.Scale(-1, y)
	if _, _, err := Baseline(ctx, x, y, 1, &Settings{Src: src}); !errors.Is(err, ErrSettings) {
		t.Errorf("one permutation: %v", err)
	}
	if _, _, err := Baseline(ctx, x, y, 5, nil); !errors.Is(err, ErrSettings) {
		t.Errorf("permutations without a source: %v", err)
	}
	if _, err := StdErr(ctx, x, y, 7, &Settings{Src: src}); !errors.Is(err, ErrSettings) {
		t.Errorf("blocks of two: %v", err)
	}
	if _, err := Matrix(ctx, nil, &Settings{Src: src}); !errors.Is(err, ErrShape) {
		t.Errorf("nil: %v", err)
	}
	var none context.Context
	if _, err := Matrix(none, x, &Settings{Src: src}); !errors.Is(err, ErrSettings) {
		t.Errorf("nil context: %v", err)
	}
	// Permuted rows of one column share nothing with it.
	if v, _, err := Baseline(ctx, y, y, 5, &Settings{Src: src}); err != nil || v > 0.5 {
		t.Errorf("baseline of y and y: %v, %v", v, err)
	}
	if _, err := StdErr(ctx, y, &negative, 2, &Settings{Src: src}); !errors.Is(err, ErrDegenerate) {
		t.Errorf("error of y and −y: %v", err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	_, _, err := Baseline(cancelled, x, y, 5, &Settings{Src: src})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "0 of 5") {
		t.Errorf("cancelled: %v", err)
	}
	if _, _, err := Baseline(none, x, y, 5, &Settings{Src: src}); !errors.Is(err, ErrSettings) {
		t.Errorf("nil context: %v", err)
	}
}

// A matrix of columns fails if two of them are copies, or if values repeat and
// there is no source.
func TestBadMatrix(t *testing.T) {
	x, y := normals(20, 2, 1, 0.5, 1)
	src := rand.NewPCG(1, 1)
	var negative mat.Dense
	negative.Scale(-1, y)
	all := mat.NewDense(20, 4, nil)
	all.Slice(0, 20, 0, 2).(*mat.Dense).Copy(x)
	all.Slice(0, 20, 2, 3).(*mat.Dense).Copy(y)
	for _, twin := range []*mat.Dense{y, &negative} {
		all.Slice(0, 20, 3, 4).(*mat.Dense).Copy(twin)
		for _, s := range []*Settings{{Src: src}, nil} {
			_, err := Matrix(ctx, all, s)
			if !errors.Is(err, ErrDegenerate) ||
				!strings.Contains(err.Error(), "column 2 of x is in the order of column 3 of x") {
				t.Errorf("twins: %v", err)
			}
		}
	}
	coins := apply(x, func(v float64) float64 { return math.Copysign(1, v) })
	if _, err := Matrix(ctx, coins, nil); !errors.Is(err, ErrSettings) || !strings.Contains(err.Error(), "source") {
		t.Errorf("ties in a matrix: %v", err)
	}
}
