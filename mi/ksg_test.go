package mi

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// normals is n samples of two groups of p and q normal variables, column 0 of
// the first and the last column of the second with correlation rho.
func normals(n, p, q int, rho float64, seed uint64) (x, y *mat.Dense) {
	rnd := rand.New(rand.NewPCG(seed, 5))
	x, y = mat.NewDense(n, p, nil), mat.NewDense(n, q, nil)
	for i := range n {
		for j := range p {
			x.Set(i, j, rnd.NormFloat64())
		}
		for j := range q {
			y.Set(i, j, rnd.NormFloat64())
		}
		y.Set(i, q-1, rho*x.At(i, 0)+math.Sqrt(1-rho*rho)*y.At(i, q-1))
	}
	return x, y
}

// brute is the estimate by comparing all samples with all, and ψ by its
// recurrence.
func brute(x, y *mat.Dense, k int, method Method) float64 {
	n, _ := x.Dims()
	psi := func(m int) float64 {
		v := -0.57721566490153286061
		for j := 1; j < m; j++ {
			v += 1 / float64(j)
		}
		return v
	}
	sum := 0.0
	for i := range n {
		var near []neighbour
		for j := range n {
			if j != i {
				near = append(near, neighbour{distance(x.RawRowView(i), x.RawRowView(j)), distance(y.RawRowView(i), y.RawRowView(j))})
			}
		}
		all := slices.Clone(near)
		slices.SortFunc(near, func(a, b neighbour) int {
			if a.distance() < b.distance() {
				return -1
			}
			return 1
		})
		nx, ny := 0, 0
		if method == KSG1 {
			for _, c := range all {
				if c.dx < near[k-1].distance() {
					nx++
				}
				if c.dy < near[k-1].distance() {
					ny++
				}
			}
			sum += psi(nx+1) + psi(ny+1)
			continue
		}
		dx, dy := 0.0, 0.0
		for _, c := range near[:k] {
			dx, dy = max(dx, c.dx), max(dy, c.dy)
		}
		for _, c := range all {
			if c.dx <= dx {
				nx++
			}
			if c.dy <= dy {
				ny++
			}
		}
		sum += psi(nx) + psi(ny)
	}
	v := psi(k) + psi(n) - sum/float64(n)
	if method == KSG2 {
		v -= 1 / float64(k)
	}
	return v
}

// Both estimators agree with brute force, by the search for two variables and
// by trees, in several dimensions.
func TestAgainstBruteForce(t *testing.T) {
	for _, method := range []Method{KSG1, KSG2} {
		for _, dims := range [][2]int{{1, 1}, {1, 2}, {2, 1}, {3, 2}} {
			for _, n := range []int{5, 60, 301} {
				for _, k := range []int{1, 3, 4} {
					x, y := normals(n, dims[0], dims[1], 0.7, uint64(n+k))
					want := brute(x, y, k, method)
					s := &Settings{K: k, Method: method, Raw: true, Noise: -1}
					got, err := Estimate(x, y, s)
					if err != nil || math.Abs(got-want) > 1e-12 {
						t.Errorf("method %d, %v variables, n = %d, k = %d: %v, %v, want %v", method, dims, n, k, got, err, want)
					}
				}
			}
		}
	}
}

// Values on a grid are often at a distance that is exactly the radius, in the
// plane of a tree's node too: there strict and other counts differ.
func TestOnAGrid(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	values := make([]*column, 3)
	for d := range values {
		v := make([]float64, 200)
		for i := range v {
			v[i] = float64(rnd.IntN(12))
		}
		values[d] = newColumn(v)
	}
	tree := newTree(values)
	for i := range 200 {
		for _, radius := range []float64{1, 2, 3.5} {
			var strict, loose, column, columnLoose int
			for j := range 200 {
				if j == i {
					continue
				}
				d := 0.0
				for _, c := range values {
					d = max(d, math.Abs(c.v[i]-c.v[j]))
				}
				if d < radius {
					strict++
				}
				if d <= radius {
					loose++
				}
				if d := math.Abs(values[0].v[i] - values[0].v[j]); d < radius {
					column++
				}
				if d := math.Abs(values[0].v[i] - values[0].v[j]); d <= radius {
					columnLoose++
				}
			}
			if got := tree.count(i, radius, true); got != strict {
				t.Errorf("sample %d: %d nearer than %g, want %d", i, got, radius, strict)
			}
			if got := tree.count(i, radius, false); got != loose {
				t.Errorf("sample %d: %d within %g, want %d", i, got, radius, loose)
			}
			if got := values[0].count(values[0].v[i], radius, true); got != column {
				t.Errorf("sample %d: %d of the column nearer than %g, want %d", i, got, radius, column)
			}
			if got := values[0].count(values[0].v[i], radius, false); got != columnLoose {
				t.Errorf("sample %d: %d of the column within %g, want %d", i, got, radius, columnLoose)
			}
		}
	}
}

// Correlated normal variables: means over seeds against those measured by
// another implementation, whose spread is given.
func TestCorrelatedNormals(t *testing.T) {
	seeds := uint64(48)
	if testing.Short() {
		seeds = 12
	}
	for _, c := range []struct {
		n                 int
		rho, mean, spread float64
	}{
		{2000, 0, -0.002, 0.016},
		{2000, 0.6, 0.229, 0.016},
		{2000, 0.9, 0.854, 0.032},
		{500, 0.9999, 3.99, 0.03},
	} {
		for _, method := range []Method{KSG1, KSG2} {
			var values []float64
			for seed := range seeds {
				x, y := normals(c.n, 1, 1, c.rho, 100+seed)
				v, err := Estimate(x, y, &Settings{Method: method, Src: rand.NewPCG(seed, 1)})
				if err != nil {
					t.Fatal(err)
				}
				values = append(values, v)
			}
			mean, std := stat.MeanStdDev(values, nil)
			exact := -0.5 * math.Log1p(-c.rho*c.rho)
			t.Logf("n = %d, ρ = %g, method %d: %.4f, spread %.4f; exact %.4f", c.n, c.rho, method+1, mean, std, exact)
			if method == KSG1 && (math.Abs(mean-c.mean) > 2*c.spread || std > 2*c.spread || std < c.spread/3) {
				t.Errorf("n = %d, ρ = %g: %.4f, spread %.4f, want %.3f and %.3f", c.n, c.rho, mean, std, c.mean, c.spread)
			}
			if c.rho == 0 && slices.Min(values) >= 0 {
				t.Error("no estimate is negative where there is no dependence")
			}
		}
	}
}

func TestInvariance(t *testing.T) {
	x, y := normals(400, 2, 1, 0.8, 1)
	s := &Settings{Noise: -1}
	want, err := Estimate(x, y, s)
	if err != nil {
		t.Fatal(err)
	}
	swapped, _ := Estimate(y, x, s)
	raw, _ := Estimate(x, y, &Settings{Noise: -1, Raw: true})
	for _, scale := range []float64{1e200, 1e-200} {
		var bigX, bigY mat.Dense
		bigX.Scale(scale, x)
		bigY.Scale(scale, y)
		if v, err := Estimate(&bigX, &bigY, &Settings{Noise: -1, Raw: true}); err != nil || math.Abs(v-raw) > 1e-9 {
			t.Errorf("all scaled by %g: %v, %v, want %v", scale, v, err, raw)
		}
	}
	var scaled, reordered, reorderedY mat.Dense
	scaled.CloneFrom(x)
	reordered.CloneFrom(x)
	reorderedY.CloneFrom(y)
	for i, p := range rand.New(rand.NewPCG(1, 1)).Perm(400) {
		scaled.Set(i, 0, 1e200*x.At(i, 0))
		scaled.Set(i, 1, -5-1e-200*x.At(i, 1)*1e200)
		reordered.SetRow(i, x.RawRowView(p))
		reorderedY.SetRow(i, y.RawRowView(p))
	}
	rescaled, err := Estimate(&scaled, y, s)
	if err != nil {
		t.Fatal(err)
	}
	permuted, _ := Estimate(&reordered, &reorderedY, s)
	for name, v := range map[string]float64{"swapped": swapped, "scaled": rescaled, "reordered": permuted} {
		if math.Abs(v-want) > 1e-9 {
			t.Errorf("%s: %v, want %v", name, v, want)
		}
	}
}

// The matrix is that of the pairs, whatever the number of processors, and
// progress counts them all.
func TestMatrix(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	x, y := normals(300, 3, 3, 0.8, 2)
	all := mat.NewDense(300, 6, nil)
	all.Augment(x, y)
	var first *mat.SymDense
	for _, procs := range []int{1, 2, 5} {
		runtime.GOMAXPROCS(procs)
		last := 0
		m, err := Matrix(context.Background(), all, &Settings{Src: rand.NewPCG(1, 1), Progress: func(done, total int) {
			if done != last+1 || total != 15 {
				t.Errorf("progress %d of %d after %d", done, total, last)
			}
			last = done
		}})
		if err != nil {
			t.Fatal(err)
		}
		if last != 15 {
			t.Errorf("progress ends at %d", last)
		}
		if first == nil {
			first = m
		} else if !mat.Equal(first, m) {
			t.Errorf("another matrix on %d processors", procs)
		}
	}
	if !math.IsInf(first.At(2, 2), 1) {
		t.Errorf("diagonal %v", first.At(2, 2))
	}
	m, err := Matrix(context.Background(), all, &Settings{Noise: -1})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		for j := range i {
			v, err := Estimate(all.Slice(0, 300, i, i+1).(*mat.Dense), all.Slice(0, 300, j, j+1).(*mat.Dense), &Settings{Noise: -1})
			if err != nil || v != m.At(i, j) {
				t.Errorf("%d, %d: %v, %v, want %v", i, j, m.At(i, j), err, v)
			}
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Settings{Noise: -1, Progress: func(done, _ int) {
		if done == 3 {
			cancel()
		}
	}}
	if m, err := Matrix(ctx, all, s); m != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// The baseline is near zero, and the claimed error near the spread of
// estimates of fresh samples.
func TestErrors(t *testing.T) {
	x, y := normals(2000, 1, 1, 0.6, 9)
	mean, stdErr, err := Baseline(context.Background(), x, y, 10, &Settings{Src: rand.NewPCG(1, 1)})
	if err != nil || math.Abs(mean) > 4*stdErr+0.005 || !(stdErr > 0 && stdErr < 0.02) {
		t.Errorf("baseline %g ± %g, %v", mean, stdErr, err)
	}
	var values, claims []float64
	for seed := range uint64(60) {
		x, y := normals(1000, 1, 1, 0.6, 200+seed)
		v, err := Estimate(x, y, &Settings{Noise: -1})
		if err != nil {
			t.Fatal(err)
		}
		claim, err := StdErr(x, y, 10, &Settings{Noise: -1})
		if err != nil {
			t.Fatal(err)
		}
		values, claims = append(values, v), append(claims, claim)
	}
	spread, claimed := stat.StdDev(values, nil), stat.Mean(claims, nil)
	t.Logf("spread %.4f, claimed %.4f", spread, claimed)
	if claimed < 0.6*spread || claimed > 1.15*spread {
		t.Errorf("claimed error %.4f, spread %.4f", claimed, spread)
	}
}

// The claimed error holds for correlated rows, of two autoregressive series with
// correlated innovations and an autocorrelation time of nine rows, if blocks are
// long, and not if they are short.
func TestStdErrOfSeries(t *testing.T) {
	const n, rho, memory = 3000, 0.6, 0.8
	if testing.Short() {
		t.Skip("statistical")
	}
	var values, long, short []float64
	for seed := range uint64(40) {
		x, y := normals(n, 1, 1, rho, 600+seed)
		for _, series := range []*mat.Dense{x, y} {
			for i := 1; i < n; i++ {
				series.Set(i, 0, memory*series.At(i-1, 0)+math.Sqrt(1-memory*memory)*series.At(i, 0))
			}
		}
		s := &Settings{Noise: -1}
		v, err := Estimate(x, y, s)
		if err != nil {
			t.Fatal(err)
		}
		a, err := StdErr(x, y, 15, s)
		if err != nil {
			t.Fatal(err)
		}
		b, err := StdErr(x, y, 300, s)
		if err != nil {
			t.Fatal(err)
		}
		values, long, short = append(values, v), append(long, a), append(short, b)
	}
	spread := stat.StdDev(values, nil)
	t.Logf("spread %.4f; claimed %.4f by blocks of 200 rows, %.4f by blocks of 10", spread, stat.Mean(long, nil), stat.Mean(short, nil))
	if r := stat.Mean(long, nil) / spread; r < 0.7 || r > 1.4 {
		t.Errorf("claimed %.2f of the spread", r)
	}
}

// Pairs of a matrix depend on each other, and the claimed error of their mean
// allows for it.
func TestMeanOfPairs(t *testing.T) {
	if v := MeanOfPairs(mat.NewSymDense(3, []float64{math.Inf(1), 1, 2, 0, math.Inf(1), 6, 0, 0, math.Inf(1)})); v != 3 {
		t.Errorf("mean %v, want 3", v)
	}
	ctx, p := context.Background(), 8
	var values, claims []float64
	for seed := range uint64(40) {
		x, common := normals(600, p, 1, 0, 900+seed)
		for i := range 600 {
			for j := range p {
				x.Set(i, j, x.At(i, j)+common.At(i, 0))
			}
		}
		last := 0
		s := &Settings{Src: rand.NewPCG(seed, 1), Progress: func(done, total int) { last = done * 1000 / total }}
		m, err := Matrix(ctx, x, s)
		if err != nil {
			t.Fatal(err)
		}
		claim, err := MeanOfPairsStdErr(ctx, x, 10, s)
		if err != nil || last != 1000 {
			t.Fatal(err, last)
		}
		values, claims = append(values, MeanOfPairs(m)), append(claims, claim)
	}
	mean, spread := stat.MeanStdDev(values, nil)
	exact := -0.5 * math.Log(1-0.25)
	t.Logf("mean %.4f, exact %.4f; spread %.4f, claimed %.4f", mean, exact, spread, stat.Mean(claims, nil))
	if r := stat.Mean(claims, nil) / spread; r < 0.7 || r > 1.4 {
		t.Errorf("claimed %.2f of the spread", r)
	}
	if math.Abs(mean-exact) > 0.01 {
		t.Errorf("mean %.4f, want %.4f", mean, exact)
	}
	if _, err := MeanOfPairsStdErr(ctx, mat.NewDense(20, 2, nil), 1, &Settings{Noise: -1}); !errors.Is(err, ErrDegenerate) {
		t.Errorf("zeros: %v", err)
	}
	x, _ := normals(20, 2, 1, 0, 1)
	if _, err := MeanOfPairsStdErr(ctx, x, 7, &Settings{Noise: -1}); !errors.Is(err, ErrSettings) {
		t.Errorf("blocks of two: %v", err)
	}
}

func TestGaussian(t *testing.T) {
	const rho = 0.37
	sigma := mat.NewSymDense(2, []float64{4, 2 * 3 * rho, 0, 9})
	want := -0.5 * math.Log(1-rho*rho)
	if v, err := Gaussian(sigma); err != nil || math.Abs(v-want) > 1e-14 {
		t.Errorf("%v, %v, want %v", v, err, want)
	}
	// The chain rule: I(x; y, z) and the total correlations.
	s := mat.NewSymDense(3, []float64{2, 0.5, 0.3, 0, 1, -0.4, 0, 0, 3})
	whole, _ := Gaussian(s)
	part, err := GaussianGroups(s, []int{2}, []int{0, 1})
	if err != nil {
		t.Fatal(err)
	}
	pair, _ := Gaussian(s.SliceSym(0, 2))
	if math.Abs(whole-part-pair) > 1e-14 {
		t.Errorf("%v, want %v + %v", whole, part, pair)
	}
	for name, f := range map[string]func() error{
		"nil":        func() error { _, err := Gaussian(nil); return err },
		"empty":      func() error { _, err := GaussianGroups(s, nil, []int{1}); return err },
		"twice":      func() error { _, err := GaussianGroups(s, []int{1}, []int{1}); return err },
		"range":      func() error { _, err := GaussianGroups(s, []int{1}, []int{3}); return err },
		"infinite":   func() error { _, err := Gaussian(mat.NewSymDense(1, []float64{math.Inf(1)})); return err },
		"indefinite": func() error { _, err := Gaussian(mat.NewSymDense(2, []float64{1, 2, 2, 1})); return err },
	} {
		want := ErrShape
		switch name {
		case "indefinite":
			want = ErrDegenerate
		case "infinite":
			want = ErrNotFinite
		}
		if err := f(); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

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
		{"nil settings", x, y, nil, ErrSettings, "nil settings"},
		{"no source", x, y, &Settings{}, ErrSettings, "source"},
		{"k = n", x, y, &Settings{K: 20, Src: src}, ErrSettings, "20 neighbours among 20"},
		{"k < 0", x, y, &Settings{K: -1, Src: src}, ErrSettings, "-1 neighbours"},
		{"method", x, y, &Settings{Method: 2, Src: src}, ErrSettings, "method 2"},
		{"noise", x, y, &Settings{Noise: math.NaN(), Src: src}, ErrSettings, "noise NaN"},
		{"constant", constant, y, &Settings{Src: src}, ErrDegenerate, "column 1 of x is 3"},
		{"NaN", y, nan, &Settings{Src: src}, ErrNotFinite, "row 7, column 1 of y"},
		{"repeated", coins, others, &Settings{Noise: -1}, ErrDegenerate, "sample"},
		{"y = x", y, y, &Settings{Noise: -1}, ErrDegenerate, "column 0 of x is column 0 of y"},
		{"y = x, noise", y, y, &Settings{Src: src}, ErrDegenerate, "column 0 of x is column 0 of y"},
		{"y = x of two, raw", x, x.Slice(0, 20, 1, 2).(*mat.Dense), &Settings{Raw: true, Src: src}, ErrDegenerate, "column 1 of x is column 0 of y"},
		{"y = −x", y, &negative, &Settings{Noise: -1}, ErrDegenerate, "column 0 of x is column 0 of y"},
		{"y = −x, noise", y, &negative, &Settings{Src: src, Noise: 1e-3}, ErrDegenerate, "column 0 of x is column 0 of y"},
		{"y = 3x + 7", &shifted, y, &Settings{Src: src}, ErrDegenerate, "but for scale and offset"},
	} {
		if _, err := Estimate(c.x, c.y, c.s); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, want %q", c.name, err, c.text)
		}
	}
	// With noise repeated values can be told apart.
	if v, err := Estimate(coins, others, &Settings{Src: src}); err != nil || !(v > 0) {
		t.Errorf("coins: %v, %v", v, err)
	}
	if _, _, err := Baseline(context.Background(), x, y, 1, &Settings{Src: src}); !errors.Is(err, ErrSettings) {
		t.Errorf("one permutation: %v", err)
	}
	if _, _, err := Baseline(context.Background(), x, y, 5, &Settings{Noise: -1}); !errors.Is(err, ErrSettings) {
		t.Errorf("permutations without a source: %v", err)
	}
	if _, err := StdErr(x, y, 7, &Settings{Src: src}); !errors.Is(err, ErrSettings) {
		t.Errorf("blocks of two: %v", err)
	}
	if _, err := Matrix(context.Background(), nil, &Settings{Src: src}); !errors.Is(err, ErrShape) {
		t.Errorf("nil: %v", err)
	}
	var none context.Context
	if _, err := Matrix(none, x, &Settings{Src: src}); !errors.Is(err, ErrSettings) {
		t.Errorf("nil context: %v", err)
	}
	// Columns that are the same share nothing if rows are permuted.
	if v, _, err := Baseline(context.Background(), y, y, 5, &Settings{Src: src}); err != nil || v > 0.5 {
		t.Errorf("baseline of y and y: %v, %v", v, err)
	}
	if _, err := StdErr(y, &negative, 2, &Settings{Src: src}); !errors.Is(err, ErrDegenerate) {
		t.Errorf("error of y and −y: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := Baseline(ctx, x, y, 5, &Settings{Src: src}); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "0 of 5") {
		t.Errorf("cancelled: %v", err)
	}
	if _, _, err := Baseline(none, x, y, 5, &Settings{Src: src}); !errors.Is(err, ErrSettings) {
		t.Errorf("nil context: %v", err)
	}
	all := mat.NewDense(20, 4, nil)
	all.Slice(0, 20, 0, 2).(*mat.Dense).Copy(x)
	all.Slice(0, 20, 2, 3).(*mat.Dense).Copy(y)
	for _, twin := range []*mat.Dense{y, &negative} {
		all.Slice(0, 20, 3, 4).(*mat.Dense).Copy(twin)
		for _, s := range []*Settings{{Src: src}, {Noise: -1}} {
			if _, err := Matrix(context.Background(), all, s); !errors.Is(err, ErrDegenerate) || !strings.Contains(err.Error(), "column 2 of x is column 3 of x") {
				t.Errorf("twins: %v", err)
			}
		}
	}
	both := mat.NewDense(20, 2, nil)
	both.Augment(coins, others)
	if _, err := Matrix(context.Background(), both, &Settings{Noise: -1}); !errors.Is(err, ErrDegenerate) || !strings.Contains(err.Error(), "columns 0 and 1") {
		t.Errorf("repeated: %v", err)
	}
}

// BenchmarkMatrix is that of Figs. 4(b) and (c) of the paper on a lattice of
// 16 × 16 sites, 32 640 pairs, and of a few of its variables.
func BenchmarkMatrix(b *testing.B) {
	for _, p := range []int{24, 256} {
		b.Run(fmt.Sprintf("%dx2000", p), func(b *testing.B) {
			if p > 24 && testing.Short() {
				b.Skip("long")
			}
			x, _ := normals(2000, p, 1, 0, 1)
			s := &Settings{Noise: -1}
			for b.Loop() {
				if _, err := Matrix(context.Background(), x, s); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/float64(p*(p-1)/2)*1e3, "ms/pair")
		})
	}
}

func ExampleEstimate() {
	x, y := normals(2000, 1, 1, 0.6, 1) // correlation 0.6
	v, err := Estimate(x, y, &Settings{Src: rand.NewPCG(1, 2)})
	if err != nil {
		panic(err)
	}
	stdErr, err := StdErr(x, y, 10, &Settings{Src: rand.NewPCG(1, 3)})
	if err != nil {
		panic(err)
	}
	fmt.Printf("%.2f ± %.2f nats, exact %.2f\n", v, stdErr, -0.5*math.Log(1-0.36))
	// Output: 0.27 ± 0.02 nats, exact 0.22
}

func ExampleGaussian() {
	v, err := Gaussian(mat.NewSymDense(2, []float64{1, 0.6, 0.6, 1}))
	fmt.Printf("%.4f %v\n", v, err)
	// Output: 0.2231 <nil>
}
