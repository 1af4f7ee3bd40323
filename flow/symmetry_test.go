package flow

import (
	"context"
	"crypto/sha256"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/target"
)

// translation moves an L×L lattice by (down, right).
func translation(L, down, right int) Symmetry {
	return squareMap(L, func(i, j int) (int, int) { return (i + down) % L, (j + right) % L })
}

// rotation turns an L×L lattice by a quarter about the origin.
func rotation(L int) Symmetry {
	return squareMap(L, func(i, j int) (int, int) { return j, (L - i) % L })
}

func reflection(L int) Symmetry {
	return squareMap(L, func(i, j int) (int, int) { return j, i })
}

func squareMap(L int, from func(i, j int) (int, int)) Symmetry {
	s := Symmetry{Perm: make([]int, L*L)}
	for i := range L {
		for j := range L {
			a, b := from(i, j)
			s.Perm[i*L+j] = a*L + b
		}
	}
	return s
}

// transposition swaps two values, a cycle moves all.
func transposition(n int) Symmetry {
	p := span(n)
	p[0], p[1] = 1, 0
	return Symmetry{Perm: p}
}

func cycle(n int) Symmetry {
	p := span(n)
	return Symmetry{Perm: append(p[1:], 0)}
}

// flip changes one sign.
func flip(n int) Symmetry {
	s := Symmetry{Sign: slices.Repeat([]float64{1}, n)}
	s.Sign[0] = -1
	return s
}

// The generated group has the right order and is one: closed, with inverses,
// every element once and the identity first.
func TestSymmetryGroup(t *testing.T) {
	minus := func(s Symmetry) Symmetry {
		n := len(s.Perm)
		return Symmetry{Perm: s.Perm, Sign: Inversion(n).Sign}
	}
	for _, c := range []struct {
		name  string
		n     int
		gens  []Symmetry
		order int
	}{
		{"none", 4, nil, 1},
		{"identity", 4, []Symmetry{{}}, 1},
		{"inversion", 4, []Symmetry{Inversion(4)}, 2},
		{"one value", 1, []Symmetry{Inversion(1)}, 2},
		{"rotation", 16, []Symmetry{rotation(4)}, 4},
		{"rotation with inversion", 16, []Symmetry{minus(rotation(4))}, 4},
		{"rotation and inversion", 16, []Symmetry{rotation(4), Inversion(16)}, 8},
		{"rotation and reflection", 16, []Symmetry{rotation(4), reflection(4)}, 8},
		{"translations", 16, []Symmetry{translation(4, 1, 0), translation(4, 0, 1)}, 16},
		{"translations that change all signs", 16, []Symmetry{minus(translation(4, 1, 0)), minus(translation(4, 0, 1))},
			16},
		{"translations by two", 16, []Symmetry{translation(4, 2, 0), translation(4, 0, 2)}, 4},
		{"p4", 16, []Symmetry{translation(4, 1, 0), rotation(4)}, 64},
		{"p4m and inversion", 16, []Symmetry{translation(4, 1, 0), rotation(4), reflection(4), Inversion(16)}, 256},
		{"all permutations of 6", 6, []Symmetry{transposition(6), cycle(6)}, 720},
		{"all signed permutations of 4", 4, []Symmetry{transposition(4), cycle(4), flip(4)}, 384},
		{"all signs of 6 and turns", 6, []Symmetry{flip(6), cycle(6)}, 6 * 64},
		{"all permutations of 7", 7, []Symmetry{transposition(7), cycle(7)}, 5040},
		{"all signs of 12 and turns", 12, []Symmetry{flip(12), cycle(12)}, -1}, // 12·2¹²
		{"all permutations of 8", 8, []Symmetry{transposition(8), cycle(8)}, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			group, err := generate(c.n, c.gens, 6000)
			if c.order < 0 {
				wantError(t, "group", err, ErrSymmetry, "more elements", "6000")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(group) != c.order {
				t.Fatalf("order %d, want %d", len(group), c.order)
			}
			one := must(Symmetry{}.complete(c.n))
			if group[0].key() != one.key() {
				t.Errorf("the first element is %v", group[0])
			}
			seen := map[[sha256.Size]byte]bool{}
			for _, g := range group {
				if seen[g.key()] {
					t.Errorf("%v occurs twice", g)
				}
				seen[g.key()] = true
			}
			if c.order > 100 {
				return // squares take long
			}
			for _, g := range group {
				inverses := 0
				for _, h := range group {
					gh := g.then(h)
					if !seen[gh.key()] {
						t.Fatalf("%v then %v is not in the group", g, h)
					}
					if gh.key() == one.key() {
						inverses++
					}
				}
				if inverses != 1 {
					t.Errorf("%v has %d inverses", g, inverses)
				}
			}
		})
	}
}

// A symmetry maps x to y_i = Sign_i·x_Perm[i], then applies two in their
// order, and the node of a symmetry does as the slice.
func TestSymmetryApply(t *testing.T) {
	a := Symmetry{[]int{2, 0, 1}, []float64{1, -1, 1}}
	b := Symmetry{[]int{1, 0, 2}, []float64{-1, 1, 1}}
	x := []float64{10, 20, 30}
	y, want := make([]float64, 3), []float64{30, -10, 20}
	a.apply(y, x)
	wantSame(t, "apply", y, want)
	z, both := make([]float64, 3), make([]float64, 3)
	b.apply(z, y)
	a.then(b).apply(both, x)
	wantSame(t, "then", both, z)
	wantSame(t, "b after a", both, []float64{10, 30, 20})
}

// The symmetrised density is the mean over the group and invariant under it;
// the plain one is not.
func TestSymmetrizedDensity(t *testing.T) {
	plain := mera(t, 4, 1)
	for _, c := range []struct {
		name  string
		gens  []Symmetry
		order int
	}{
		{"inversion", []Symmetry{Inversion(16)}, 2},
		{"translations", []Symmetry{translation(4, 1, 0), translation(4, 0, 1)}, 16},
		{"translations by two, rotation and inversion", []Symmetry{translation(4, 2, 0), rotation(4), Inversion(16)},
			32},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := symmetrize(t, plain, c.gens...)
			if len(m.group) != c.order {
				t.Errorf("group of order %d, want %d", len(m.group), c.order)
			}
			x, _ := sample(t, m, 6, 2)
			logq, images := logProbs(t, m, x), mat.NewDense(6, 16, nil)
			sum := slices.Repeat([]float64{math.Inf(-1)}, 6)
			differ := 0
			for _, g := range m.group {
				for r := range 6 {
					g.apply(images.RawRowView(r), x.RawRowView(r))
				}
				wantClose(t, "ln q of images", logProbs(t, m, images), logq, 1e-10)
				for r, v := range logProbs(t, plain, images) {
					sum[r] = graph.LogAddExpOf(sum[r], v)
					if math.Abs(v-logProbs(t, plain, x)[r]) > 0.1 {
						differ++
					}
				}
			}
			if differ == 0 {
				t.Error("the plain model has the symmetry already")
			}
			for r := range sum {
				sum[r] -= math.Log(float64(c.order))
			}
			wantClose(t, "ln q", logq, sum, 1e-12)
			if ps := m.Params(); !slices.Equal(ps, plain.Params()) {
				t.Error("the parameters are not those of the plain model")
			}
		})
	}
}

// Samples of a symmetrised model are those of the plain one, moved by an
// element drawn uniformly from the group.
func TestSymmetrizedSamples(t *testing.T) {
	plain := mera(t, 4, 1)
	m := symmetrize(t, plain, translation(4, 1, 0), Inversion(16))
	const rows = 4000
	x, _ := sample(t, m, rows, 5)
	from, _ := sample(t, plain, rows, 5) // the same z
	counts := make([]int, len(m.group))
	y := make([]float64, 16)
	for r := range rows {
		k := slices.IndexFunc(m.group, func(g Symmetry) bool {
			g.apply(y, from.RawRowView(r))
			return slices.Equal(y, x.RawRowView(r))
		})
		if k < 0 {
			t.Fatalf("row %d is no image of g(z)", r)
		}
		counts[k]++
	}
	// Each count is binomial.
	p := 1 / float64(len(counts))
	for k, n := range counts {
		if math.Abs(float64(n)-p*rows) > 4*math.Sqrt(rows*p*(1-p)) {
			t.Errorf("element %d is used %d times of %d, want %.0f", k, n, rows, p*rows)
		}
	}

	worst, offset := 0.0, 0.0 // means in units of their errors
	for i := range 16 {
		mean, std := stat.MeanStdDev(mat.Col(nil, i, x), nil)
		worst = max(worst, math.Abs(mean)/(std/math.Sqrt(rows)))
		mean, std = stat.MeanStdDev(mat.Col(nil, i, from), nil)
		offset = max(offset, math.Abs(mean)/(std/math.Sqrt(rows)))
	}
	if worst > 4 {
		t.Errorf("mean of x is %.1f errors away from zero", worst)
	}
	if offset < 10 {
		t.Errorf("mean of the plain model's x is %.1f errors away from zero: no test", offset)
	}
}

func TestSymmetryErrors(t *testing.T) {
	m := pairOfFour(t)
	ones := []float64{1, 1, 1, 1}
	for _, c := range []struct {
		name  string
		bad   Symmetry
		texts []string
	}{
		{"short permutation", Symmetry{Perm: []int{0, 1, 2}}, []string{"3 positions", "4 values"}},
		{"long permutation", Symmetry{Perm: []int{0, 1, 2, 3, 4}}, []string{"5 positions"}},
		{"repeated position", Symmetry{Perm: []int{0, 1, 1, 3}}, []string{"entry 2 is 1"}},
		{"negative position", Symmetry{Perm: []int{0, -1, 2, 3}}, []string{"entry 1 is -1"}},
		{"position beyond the row", Symmetry{Perm: []int{0, 1, 2, 4}, Sign: ones}, []string{"entry 3 is 4"}},
		{"short signs", Symmetry{Sign: []float64{1, 1, 1}}, []string{"3 signs"}},
		{"zero sign", Symmetry{Sign: []float64{1, 1, 0, 1}}, []string{"sign 2 is 0"}},
		{"sign of 2", Symmetry{Sign: []float64{1, 1, 1, 2}}, []string{"sign 3 is 2"}},
		{"NaN sign", Symmetry{Sign: []float64{math.NaN(), 1, 1, 1}}, []string{"sign 0 is NaN"}},
		{"inversion of other rows", Inversion(5), []string{"5 signs for 4 values"}},
	} {
		s, err := Symmetrize(m, Inversion(4), c.bad)
		wantError(t, c.name, err, ErrSymmetry, append(c.texts, "flow: symmetry 1")...)
		if s != nil {
			t.Errorf("%s: a model beside the error", c.name)
		}
	}
	for _, n := range []int{0, -1, math.MinInt, 1 << 30, math.MaxInt} {
		_, err := Symmetrize(m, Inversion(n))
		wantError(t, "inversion of no rows", err, ErrSymmetry, "0 signs for 4 values")
	}
	_, err := Symmetrize(nil, Inversion(4))
	wantError(t, "nil model", err, ErrSettings)
	_, err = Symmetrize(symmetrize(t, m, Inversion(4)), Inversion(4))
	wantError(t, "symmetrised twice", err, ErrSymmetry, "already")
	if _, err := Symmetrize(symmetrize(t, m), Inversion(4)); err != nil { // nothing was done to it before
		t.Error(err)
	}
}

// off is a Gaussian around (2, 2, 2, 2), which no inversion leaves alone.
func off(grad, x []float64) float64 {
	s := 0.0
	for i, v := range x {
		s -= 0.5 * (v - 2) * (v - 2)
		if grad != nil {
			grad[i] = 2 - v
		}
	}
	return s
}

// A target without the symmetry of the model is refused: the loss would be no
// bound.
func TestTargetWithoutSymmetry(t *testing.T) {
	m := symmetrize(t, pairOfFour(t), Inversion(4))
	d := target.Func(4, off)
	src := rand.NewPCG(1, 1)
	_, err := NewTrainer(m, d, &Settings{Src: src})
	wantError(t, "NewTrainer", err, ErrSymmetry, "image under element 1")
	_, err = Evaluate(context.Background(), m, d, &EvaluateSettings{Src: src})
	wantError(t, "Evaluate", err, ErrSymmetry, "image under element 1")
	if _, err := NewTrainer(pairOfFour(t), d, &Settings{Src: src}); err != nil {
		t.Error(err)
	}
}

// ln π may differ at images by a millionth of 1 + |ln π|, which is rounding, and no more.
func TestSymmetryTolerance(t *testing.T) {
	m := symmetrize(t, pairOfFour(t), Inversion(4))
	for _, size := range []float64{0, -1e-3, 1, -700, 1e9} {
		for _, off := range []float64{0.9, 1.1} { // in units of the tolerance
			d := target.Func(4, func(grad, x []float64) float64 {
				clear(grad)
				return size + math.Copysign(off*1e-6*(1+math.Abs(size))/2, x[0])
			})
			err := checkSymmetry(m, d)
			if off < 1 && err != nil {
				t.Errorf("ln π of %g, off by %g of the tolerance: %v", size, off, err)
			} else if off > 1 {
				wantError(t, "beyond the tolerance", err, ErrSymmetry, "image under element 1")
			}
		}
	}
}

// Hard walls have the symmetry of the model, too.
func TestSymmetryOfWalls(t *testing.T) {
	m := symmetrize(t, pairOfFour(t), Inversion(4))
	walls := func(outside func(x float64) bool) target.Density {
		return target.Func(4, func(grad, x []float64) float64 {
			clear(grad)
			if outside(x[0]) {
				return math.Inf(-1)
			}
			return 0
		})
	}
	if err := checkSymmetry(m, walls(func(x float64) bool { return math.Abs(x) > 1e-3 })); err != nil {
		t.Errorf("both sides: %v", err)
	}
	for name, outside := range map[string]func(x float64) bool{
		"left":  func(x float64) bool { return x < 0 },
		"right": func(x float64) bool { return x > 0 },
	} {
		wantError(t, name, checkSymmetry(m, walls(outside)), ErrSymmetry, "-Inf")
	}
}

// Configurations decoded from latent samples of a symmetrised model lie on one
// side; their random images are the samples of the target.
func TestRandomImages(t *testing.T) {
	m := symmetrize(t, pairOfFour(t), Inversion(4))
	const rows = 4000
	x := mat.NewDense(rows, 4, nil)
	x.Apply(func(i, j int, _ float64) float64 { return 1 + float64(j) }, x)
	if err := m.RandomImages(x, rand.NewPCG(3, 3)); err != nil {
		t.Fatal(err)
	}
	up := 0
	for r := range rows {
		sign := x.At(r, 0)
		for j := range 4 {
			if x.At(r, j) != sign*(1+float64(j)) {
				t.Fatalf("row %d is %v", r, x.RawRowView(r))
			}
		}
		if sign > 0 {
			up++
		}
	}
	if math.Abs(float64(up)-rows/2) > 4*math.Sqrt(rows/4) {
		t.Errorf("%d of %d rows kept their sign", up, rows)
	}
	before := mat.DenseCopyOf(x)
	if err := pairOfFour(t).RandomImages(x, rand.NewPCG(3, 3)); err != nil || !mat.Equal(x, before) {
		t.Errorf("a model without symmetry: %v", err)
	}
	wantError(t, "nil source", m.RandomImages(x, nil), ErrSettings)
	wantError(t, "nil matrix", m.RandomImages(nil, rand.NewPCG(3, 3)), ErrShape)
}

// A generator may be changed after Symmetrize.
func TestSymmetryIsCopied(t *testing.T) {
	m := pairOfFour(t)
	g := Symmetry{[]int{1, 0, 2, 3}, []float64{1, 1, -1, 1}}
	s := symmetrize(t, m, g)
	x := randn(1, 3, 4)
	want := logProbs(t, s, x)
	g.Perm[0], g.Perm[1], g.Sign[2] = 0, 1, 1
	wantSame(t, "ln q", logProbs(t, s, x), want)
	other, _ := sample(t, s.as(s.dtype), 3, 1)
	again, _ := sample(t, s, 3, 1)
	wantSame(t, "samples", other.RawMatrix().Data, again.RawMatrix().Data)
}

func pairOfFour(t *testing.T) *Model {
	t.Helper()
	b := must(blocks(4, 3, 4)(0))
	m := model(t, b)
	scramble(m, 3, 0.4)
	return m
}

// key tells symmetries apart.
func (s Symmetry) key() [sha256.Size]byte { return sha256.Sum256(s.appendCode(nil)) }

// then is the symmetry that applies s, then t.
func (s Symmetry) then(t Symmetry) Symmetry {
	u := Symmetry{make([]int, len(s.Perm)), make([]float64, len(s.Perm))}
	u.product(s, t)
	return u
}
