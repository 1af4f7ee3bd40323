package mi

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

var ctx = context.Background()

// normals returns n samples of two groups of p and q normal variables. Column 0 of
// x and the last column of y have correlation rho, all others are independent.
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

// brute returns the estimate by comparing each sample with all others, and ψ by
// its recurrence.
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
				near = append(near, neighbour{
					distance(x.RawRowView(i), x.RawRowView(j)),
					distance(y.RawRowView(i), y.RawRowView(j)),
				})
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

// Both estimators agree with brute force in several dimensions, whether they search
// in the order of x or by trees.
func TestAgainstBruteForce(t *testing.T) {
	for _, method := range []Method{KSG1, KSG2} {
		for _, dims := range [][2]int{{1, 1}, {1, 2}, {2, 1}, {3, 2}} {
			for _, n := range []int{7, 60, 301} {
				for _, k := range []int{1, 3, 4} {
					x, y := normals(n, dims[0], dims[1], 0.7, uint64(n+k))
					want := brute(x, y, k, method)
					s := &Settings{K: k, Method: method, Scale: Raw}
					got, err := Estimate(ctx, x, y, s)
					if err != nil || math.Abs(got-want) > 1e-12 {
						t.Errorf("method %d, %v variables, n = %d, k = %d: %v, %v, want %v",
							method, dims, n, k, got, err, want)
					}
				}
			}
		}
	}
}

// On a grid many distances equal the radius exactly, also at the border of a box of
// the tree: there the strict count differs from the other.
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

// For correlated normal variables the mean over seeds is that of another
// implementation, within its spread.
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
				v, err := Estimate(ctx, x, y, &Settings{Method: method, Src: rand.NewPCG(seed, 1)})
				if err != nil {
					t.Fatal(err)
				}
				values = append(values, v)
			}
			mean, std := stat.MeanStdDev(values, nil)
			exact := -0.5 * math.Log1p(-c.rho*c.rho)
			t.Logf("n = %d, ρ = %g, method %d: %.4f, spread %.4f; exact %.4f", c.n, c.rho, method+1, mean, std, exact)
			if method == KSG1 && (math.Abs(mean-c.mean) > 2*c.spread || std > 2*c.spread || std < c.spread/3) {
				t.Errorf("n = %d, ρ = %g: %.4f, spread %.4f, want %.3f and %.3f",
					c.n, c.rho, mean, std, c.mean, c.spread)
			}
			if c.rho == 0 && slices.Min(values) >= 0 {
				t.Error("no estimate is negative where there is no dependence")
			}
		}
	}
}

// The estimate by Rank does not change under monotone maps of any column, that by
// Robust if columns are scaled and shifted, that by Raw if all columns are scaled
// alike. None changes if x and y are exchanged or rows are reordered.
func TestInvariance(t *testing.T) {
	x, y := normals(400, 2, 1, 0.8, 1)
	estimate := func(x, y *mat.Dense, scale Scale) float64 {
		t.Helper()
		v, err := Estimate(ctx, x, y, &Settings{Scale: scale})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	mapped, scaled := mat.DenseCopyOf(x), mat.DenseCopyOf(x)
	reordered, reorderedY := mat.DenseCopyOf(x), mat.DenseCopyOf(y)
	for i, p := range rand.New(rand.NewPCG(1, 1)).Perm(400) {
		mapped.Set(i, 0, -math.Exp(100*x.At(i, 0)))
		mapped.Set(i, 1, math.Tan(math.Atan(x.At(i, 1))*0.999)*1e300)
		scaled.Set(i, 0, 1e200*x.At(i, 0))
		scaled.Set(i, 1, -5-x.At(i, 1))
		reordered.SetRow(i, x.RawRowView(p))
		reorderedY.SetRow(i, y.RawRowView(p))
	}
	for scale, exact := range map[Scale]float64{Rank: 0, Robust: 1e-9, Raw: 1e-9} {
		want := estimate(x, y, scale)
		got := map[string]float64{
			"swapped":   estimate(y, x, scale),
			"reordered": estimate(reordered, reorderedY, scale),
		}
		if scale != Raw {
			got["scaled"] = estimate(scaled, y, scale)
		}
		if scale == Rank {
			got["mapped"] = estimate(mapped, y, scale)
		}
		for _, factor := range []float64{1e200, 1e-200, math.MaxFloat64 / 5} {
			var bigX, bigY mat.Dense
			bigX.Scale(factor, x)
			bigY.Scale(factor, y)
			if factor < 1e300 || mat.Max(&bigX) <= math.MaxFloat64 && mat.Max(&bigY) <= math.MaxFloat64 {
				got[fmt.Sprintf("all scaled by %g", factor)] = estimate(&bigX, &bigY, scale)
			}
		}
		for name, v := range got {
			// Sums over samples depend on their order by rounding.
			if math.Abs(v-want) > exact+1e-14 {
				t.Errorf("scale %d, %s: %v, want %v", scale, name, v, want)
			}
		}
	}
}
