package flow

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/bijector/bijectortest"
	"github.com/neuralrg/neuralrg/target"
)

// A symmetry of sites maps the field of each component as it maps the sites.
func TestWithComponentsMapsEachComponent(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	shape, sites := []int{3, 4}, 12
	all := append(must(Translations(shape)), must(Reflections(shape))...)
	signed := Symmetry{Perm: rnd.Perm(sites), Sign: make([]float64, sites)}
	for i := range signed.Sign {
		signed.Sign[i] = float64(2*rnd.IntN(2) - 1)
	}
	all = append(all, signed, Inversion(sites), Symmetry{Perm: signed.Perm}, Symmetry{})
	for _, n := range []int{1, 2, 3} {
		lifted := must(WithComponents(all, n))
		if len(lifted) != len(all) {
			t.Fatalf("%d symmetries of %d", len(lifted), len(all))
		}
		for k, s := range all {
			x, y := make([]float64, sites*n), make([]float64, sites*n)
			for i := range x {
				x[i] = rnd.NormFloat64()
			}
			full := must(lifted[k].complete(sites * n))
			full.apply(y, x)
			site := must(s.complete(sites))
			for a := range n {
				one, image := make([]float64, sites), make([]float64, sites)
				for i := range one {
					one[i] = x[i*n+a]
				}
				site.apply(image, one)
				for i, v := range image {
					if y[i*n+a] != v {
						t.Errorf("symmetry %d: component %d of site %d is %g, want %g", k, a, i, y[i*n+a], v)
					}
				}
			}
		}
	}
}

// The internal symmetries are all signed permutations of n components, the same at every
// site, once each. They commute with those of the lattice.
func TestInternalSymmetries(t *testing.T) {
	for n, want := range []int{1: 2, 2: 8, 3: 48, 4: 384} {
		if n == 0 {
			continue
		}
		const sites = 3
		group := must(generate(sites*n, must(InternalSymmetries(sites, n)), 1000))
		if len(group) != want {
			t.Errorf("%d components: %d elements, want %d", n, len(group), want)
		}
		for _, g := range group {
			for i := range sites {
				for a := range n {
					if g.Perm[i*n+a] != i*n+g.Perm[a] || g.Sign[i*n+a] != g.Sign[a] {
						t.Fatalf("%d components: %v is not the same at every site", n, g)
					}
				}
			}
		}
		lattice := must(WithComponents(must(Translations([]int{sites})), n))
		if all := must(generate(sites*n, append(lattice, group...), 2000)); len(all) != sites*want {
			t.Errorf("%d components: %d elements with translations, want %d", n, len(all), sites*want)
		}
	}
	if got, want := must(InternalSymmetries(5, 1)), []Symmetry{Inversion(5)}; !reflect.DeepEqual(got, want) {
		t.Errorf("one component: %v", got)
	}
}

func TestComponentSymmetryErrors(t *testing.T) {
	const huge = 1<<63 - 1
	for _, n := range []int{0, -1, huge, 1 << 26} {
		_, err := WithComponents([]Symmetry{Inversion(4)}, n)
		wantError(t, "WithComponents", err, ErrSymmetry, fmt.Sprintf("%d components", n))
		_, err = InternalSymmetries(4, n)
		wantError(t, "InternalSymmetries", err, ErrSymmetry, fmt.Sprintf("%d components at each of 4 sites", n))
	}
	for _, sites := range []int{0, -1, huge} {
		_, err := InternalSymmetries(sites, 2)
		wantError(t, "sites", err, ErrSymmetry, "InternalSymmetries")
	}
	for _, s := range []Symmetry{
		{Perm: []int{0, 0}}, {Perm: []int{0, -1}}, {Perm: []int{0, 2}}, {Sign: []float64{1, 2}},
		{Perm: []int{1, 0}, Sign: []float64{1}},
	} {
		_, err := WithComponents([]Symmetry{{}, s}, 2)
		wantError(t, "no symmetry", err, ErrSymmetry, "symmetry 1")
	}
}

// vectorRecipes are small recipes of fields with so many components.
func vectorRecipes(n int) map[string]*Recipe {
	fast, affine := FastRecipe(), &Recipe{ConditionalDecimators: true, Couplings: 1, Hidden: []int{2}}
	fast.Couplings, fast.Hidden = 1, []int{3}
	all := map[string]*Recipe{"board": boardRecipe(0), "fast": fast, "affine": affine,
		"paper": {Couplings: 1, Hidden: []int{3}}}
	for _, r := range all {
		r.Network.Components = n
	}
	return all
}

// Models of fields with components are bijectors. Their density has the symmetries that it is
// given, and a file keeps it.
func TestComponentsModels(t *testing.T) {
	for name, r := range vectorRecipes(2) {
		for _, shape := range [][]int{{4}, {2, 2}} {
			sites := 1
			for _, l := range shape {
				sites *= l
			}
			name := fmt.Sprintf("%s, %v", name, shape)
			d := must(target.NewPhi4(shape, &target.Phi4Settings{Lambda: 1, Components: 2}))
			m := must(r.Model(shape, d.Spectrum(), rand.NewPCG(3, 4)))
			if m.Dim() != 2*sites {
				t.Fatalf("%s: %d values", name, m.Dim())
			}
			scramble(m, 5, 0.2)
			bijectortest.Check(t, m.Bijector())
			translations := must(WithComponents(must(Translations(shape)), 2))
			generators := append(must(InternalSymmetries(sites, 2)), translations...)
			s := symmetrize(t, m, generators...)
			x := randn(7, 3, m.Dim())
			want := logProbs(t, s, x)
			for k, g := range s.group {
				image := mat.NewDense(3, m.Dim(), nil)
				for i := range 3 {
					g.apply(image.RawRowView(i), x.RawRowView(i))
				}
				wantClose(t, fmt.Sprintf("%s: ln q of image %d", name, k), logProbs(t, s, image), want, 1e-9)
			}
			wantDensity(t, name, s)
			again := must(Load(bytes.NewReader(save(t, m))))
			a, b := must(r.networkOf(m, true)), must(r.networkOf(again, true))
			if b.Components() != 2 || !reflect.DeepEqual(a.Cells(0), b.Cells(0)) {
				t.Errorf("%s: a loaded network has %d components, cells %v", name, b.Components(), b.Cells(0))
			}
		}
	}
}

// Whitening gives every component the spectrum, and correlates no two of them.
func TestComponentsWhite(t *testing.T) {
	shape, n := []int{4, 3}, 3
	d := must(target.NewPhi4(shape, &target.Phi4Settings{Mass2: 1, Lambda: 1, Components: n}))
	r := BestRecipe()
	r.Network.Components = n
	decode := func(b bijector.Bijector, z *mat.Dense) *mat.Dense {
		x := mat.DenseCopyOf(z)
		if err := must(New(target.NewNormal(b.Dim()), b)).Decode(x, nil, z); err != nil {
			t.Fatal(err)
		}
		return x
	}
	z := randn(1, 2, d.Dim())
	got := decode(must(r.white(shape, d.Spectrum())), z)
	for a := range n {
		one := mat.NewDense(2, d.Dim()/n, nil)
		one.Apply(func(row, site int, _ float64) float64 { return z.At(row, site*n+a) }, one)
		want := decode(must(bijector.NewSpectral(shape, d.Spectrum())), one)
		one.Apply(func(row, site int, _ float64) float64 { return got.At(row, site*n+a) }, one)
		wantClose(t, fmt.Sprintf("component %d", a), one.RawMatrix().Data, want.RawMatrix().Data, 1e-12)
	}
}

// A grown field with components begins as copies of the layers that one component would
// begin as, and its density is that of a bijection.
func TestGrowComponents(t *testing.T) {
	for name, r := range vectorRecipes(2) {
		for _, c := range []struct{ from, to []int }{
			{[]int{4, 4}, []int{8, 8}}, {[]int{4}, []int{16}}, {[]int{8}, []int{8}}, {[]int{6, 6}, []int{12, 12}},
		} {
			one := *r
			one.Network.Components = 0
			name := fmt.Sprintf("%s, %v to %v", name, c.from, c.to)
			small := must(r.Model(c.from, flat(r, c.from), rand.NewPCG(1, 1)))
			scramble(small, 2, 0.15)
			m := must(r.Grow(small, c.to, flat(r, c.to)))
			olds, news := must(r.networkOf(small, true)).Layers(), must(r.networkOf(m, true)).Layers()
			sources := must(sourcesOf(&one, c.from, c.to))
			var want []*bijector.Layer
			for _, k := range sources {
				want = append(want, olds[k])
			}
			wantCopies(t, name, news, want)
			wantDensity(t, name, m)
		}
	}
}

// sourcesOf returns, for every layer of a grown model of one component, the layer of the small
// model that it is a copy of.
func sourcesOf(r *Recipe, from, to []int) (at []int, err error) {
	small, err := r.Model(from, flat(r, from), rand.NewPCG(1, 1))
	if err != nil {
		return nil, err
	}
	m, err := r.Grow(small, to, flat(r, to))
	if err != nil {
		return nil, err
	}
	olds, news := must(r.networkOf(small, true)).Layers(), must(r.networkOf(m, true)).Layers()
	for _, l := range news {
		at = append(at, slices.IndexFunc(olds, func(o *bijector.Layer) bool {
			return slices.Equal(o.Block().Params()[0].Value().Float64s(), l.Block().Params()[0].Value().Float64s())
		}))
	}
	return at, nil
}

func TestComponentsRecipeErrors(t *testing.T) {
	src := rand.NewPCG(1, 1)
	for _, n := range []int{-1, 1 << 40, 1<<63 - 1, 1 << 23} {
		for _, r := range []*Recipe{BestRecipe(), FastRecipe(), PaperRecipe()} {
			r.Network.Components = n
			_, err := r.Model([]int{4, 4}, nil, src)
			wantError(t, "components", err, ErrSettings)
		}
	}
	r := BestRecipe()
	r.Network.Components = 200
	_, err := r.Model([]int{4, 4}, nil, src)
	wantError(t, "large blocks", err, ErrSettings, "a block of 200 variables given 2400")
	r.Network.Components, r.Whiten = 2, false
	r.Exact = &QuarticAction{Quartic: 1, Coupling: 2}
	_, err = r.Model([]int{4, 4}, nil, src)
	wantError(t, "exact", err, ErrSettings, "exact sites of 2 components")
	r.Exact = nil
	small := must(r.Model([]int{4, 4}, nil, src))
	r.Network.Components = 1
	_, err = r.Grow(small, []int{8, 8}, nil)
	wantError(t, "other components", err, bijector.ErrHierarchy, "2 values at each site, the recipe has 1")
	r.Network.Components, r.Whiten = 2, true
	_, err = r.Model([]int{4, 4}, []float64{1, 1}, src)
	wantError(t, "spectrum", err, ErrShape)
	// The price of a block is the number of its parameters.
	layers := small.Bijector().(*bijector.Hierarchy).Layers()
	got, want := r.onColours().givenParams(24, 2), float64(layers[0].Block().Params()[0].Value().DataSize())
	if got != want {
		t.Errorf("a layer is priced at %g parameters, has %g", got, want)
	}
}

// A flow learns the ring of four sites with O(2) symmetry, and its weights give ln Z by the
// transfer matrix.
func TestComponentsLearn(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for some seconds")
	}
	const mass2, lambda = -1, 1.5
	d := must(target.NewPhi4([]int{4}, &target.Phi4Settings{Mass2: mass2, Lambda: lambda, Components: 2}))
	exact := ringLogZ(4, mass2, lambda)
	for name, r := range map[string]*Recipe{"fast": FastRecipe(), "best": BestRecipe()} {
		r.Network.Components = 2
		src := rand.NewPCG(1, 2)
		m := must(r.Model(d.Shape(), d.Spectrum(), src))
		generators := append(must(InternalSymmetries(4, 2)), must(WithComponents(must(Translations(d.Shape())), 2))...)
		m = symmetrize(t, m, generators...).Float32()
		s := r.Settings(150, src)
		s.Batch, s.Images = 64, 2
		must(Train(context.Background(), m, d, s))
		e := must(Evaluate(context.Background(), m, d, &EvaluateSettings{Samples: 4000, Src: src}))
		t.Logf("%s: ESS %.3f, gap %.4f ± %.4f, ln Z %.4f ± %.4f, exact %.4f",
			name, e.ESS, e.Loss+exact, e.StdErr, e.LogZ, e.LogZErr, exact)
		if e.ESS < 0.8 || !(math.Abs(e.LogZ-exact) < 4*e.LogZErr) || e.LogZErr > 0.02 {
			t.Errorf("%s: ESS %.3f, ln Z %.4f ± %.4f, exact %.4f", name, e.ESS, e.LogZ, e.LogZErr, exact)
		}
	}
}

// ringLogZ is ln Z of the O(2) theory on a ring, by the transfer matrix on a square grid of
// fields. The action falls so fast that the sum over the grid is exact to 1e-6.
func ringLogZ(sites int, mass2, lambda float64) float64 {
	const h, half = 0.3, 8
	var grid [][2]float64
	for i := -half; i <= half; i++ {
		for j := -half; j <= half; j++ {
			grid = append(grid, [2]float64{h * float64(i), h * float64(j)})
		}
	}
	t := mat.NewDense(len(grid), len(grid), nil)
	potential := func(p [2]float64) float64 {
		r2 := p[0]*p[0] + p[1]*p[1]
		return (mass2 + lambda*r2) * r2
	}
	t.Apply(func(i, j int, _ float64) float64 {
		a, b := grid[i], grid[j]
		x, y := a[0]-b[0], a[1]-b[1]
		return h * h * math.Exp(-x*x-y*y-(potential(a)+potential(b))/2)
	}, t)
	var power mat.Dense
	power.Pow(t, sites)
	return math.Log(mat.Trace(&power))
}

// A file whose components do not fit its values is refused.
func TestComponentsOfFiles(t *testing.T) {
	for _, c := range []struct {
		components int
		ok         bool
	}{
		{2, true}, {4, true},
		{3, false}, {8, false}, {-1, false}, {-1 << 63, false}, {1<<63 - 1, false},
	} {
		nodes := `{"type":"actnorm","dim":2},{"type":"hierarchy","dim":4,"of":[0],"layers":[null],"components":%d}`
		data := forged(t, 4, 0, fmt.Sprintf(nodes, c.components),
			blank("0.actnorm", 2, 2), counts("1.tiles.0", 0, 2, 2))
		m, err := Load(bytes.NewReader(data))
		if c.ok != (err == nil) {
			t.Errorf("%d components: %v", c.components, err)
		}
		if err == nil {
			if got := m.Bijector().(*bijector.Hierarchy).Components(); got != c.components {
				t.Errorf("%d components, want %d", got, c.components)
			}
		} else {
			says := fmt.Sprintf("%d components in rows of 4", c.components)
			wantError(t, "components", err, bijector.ErrHierarchy, says)
		}
	}
}
