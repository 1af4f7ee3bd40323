package target

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/internal/lattice"
)

func phi4Of(t testing.TB, shape []int, mass2, lambda float64, components int) *Phi4 {
	t.Helper()
	p, err := NewPhi4(shape, &Phi4Settings{Mass2: mass2, Lambda: lambda, Components: components})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// fieldCases are shapes with numbers of components.
var fieldCases = []struct {
	shape      []int
	components int
}{
	{[]int{2}, 1}, {[]int{7}, 1}, {[]int{4}, 2}, {[]int{3}, 5},
	{[]int{2, 2}, 1}, {[]int{4, 6}, 1}, {[]int{3, 2}, 3}, {[]int{5, 4}, 2},
	{[]int{2, 2, 2}, 1}, {[]int{3, 4, 2}, 1}, {[]int{2, 3, 4}, 2},
	{[]int{3, 2, 2, 4}, 1}, {[]int{2, 2, 3, 2}, 3}, {[]int{2, 2, 2, 2, 2}, 1},
}

// phi4Action is S by the formula, with coordinates computed per site.
func phi4Action(shape []int, phi []float64, mass2, lambda float64, components int) float64 {
	dot := func(i, j int) (sum float64) {
		for a := range components {
			sum += phi[i*components+a] * phi[j*components+a]
		}
		return sum
	}
	action := 0.0
	for x, at := range lattice.Points(shape) {
		square := dot(x, x)
		action += (2*float64(len(shape))+mass2)*square + lambda*square*square
		for axis, extent := range shape {
			for _, by := range []int{1, extent - 1} {
				next := slices.Clone(at)
				next[axis] = (at[axis] + by) % extent
				action -= dot(x, lattice.Site(shape, next))
			}
		}
	}
	return action
}

// ln π is −S for any shape and number of components, the gradient is right, and graphs of
// float32 agree.
func TestPhi4Action(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for _, c := range fieldCases {
		what := fmt.Sprint(c.shape, " ", c.components)
		mass2, lambda := 3*rnd.NormFloat64(), rnd.ExpFloat64()
		p := phi4Of(t, c.shape, mass2, lambda, c.components)
		x := mat.NewDense(5, p.Dim(), normalRows(2, 5*p.Dim()))
		logp, _ := evaluate(t, NewEvaluator(p), x)
		for r, v := range logp {
			checkRelative(t, what, v, -phi4Action(c.shape, x.RawRowView(r), mass2, lambda, c.components), 1e-12)
		}
		if err := CheckGrad(p, x, 1e-6); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		checkPrecisions(t, what, p, x)
	}
}

// checkPrecisions compares ln π and the gradient of d at x with those of graphs of both
// precisions.
func checkPrecisions(t *testing.T, what string, d Density, x *mat.Dense) {
	t.Helper()
	logp, grad := evaluate(t, NewEvaluator(d), x)
	rows, _ := x.Dims()
	ones := slices.Repeat([]float64{1}, rows)
	for dt, eps := range map[tensor.Dtype]float64{tensor.Float64: 1e-14, tensor.Float32: 1e-6} {
		logp2, grad2 := inPrecision(t, dt, d, x, ones)
		for r, v := range logp {
			size := mat.Norm(grad.RowView(r), 2) * mat.Norm(x.RowView(r), 2) // rounding of x matters
			if d := math.Abs(logp2[r] - v); !(d <= eps*(math.Abs(v)+size)) {
				t.Errorf("%s %v: ln π is %v, want %v", what, dt, logp2[r], v)
			}
		}
		if !mat.EqualApprox(grad, grad2, 10*eps*(1+mat.Max(grad))) {
			t.Errorf("%s %v: gradient differs", what, dt)
		}
	}
}

// A large mass and a small λ give the free field: −S(φ) is ln π of FreeField at √2 φ.
func TestPhi4IsFreeWithoutLambda(t *testing.T) {
	for _, shape := range [][]int{{5}, {4, 4}, {3, 2, 4}, {2, 3, 2, 4}} {
		const mass2 = 0.7
		p := phi4Of(t, shape, mass2, 1e-90, 1)
		f, err := NewFreeField(shape, mass2)
		if err != nil {
			t.Fatal(err)
		}
		x := mat.NewDense(3, p.Dim(), normalRows(3, 3*p.Dim()))
		logp, _ := evaluate(t, NewEvaluator(p), x)
		x.Scale(math.Sqrt2, x)
		free, _ := evaluate(t, NewEvaluator(f), x)
		for r := range free {
			checkRelative(t, fmt.Sprint(shape), logp[r], free[r], 1e-13)
		}
		half := f.Spectrum()
		for k, v := range p.Spectrum() {
			checkRelative(t, fmt.Sprint(shape, " spectrum ", k), v, half[k]/2, 1e-14)
		}
	}
}

// The action in the hopping form differs from S by the constant that Phi4Hopping states.
func TestPhi4Hopping(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 4))
	for _, c := range fieldCases {
		d := len(c.shape)
		kappa, lambda := 0.05+rnd.Float64(), 0.01+rnd.Float64()
		s, err := Phi4Hopping(d, kappa, lambda)
		if err != nil {
			t.Fatal(err)
		}
		s.Components = c.components
		p, err := NewPhi4(c.shape, s)
		if err != nil {
			t.Fatal(err)
		}
		psi := normalRows(5, p.Dim())
		sites := p.Dim() / c.components
		hopping := 0.0
		for i := range sites {
			square := 0.0
			for _, v := range psi[i*c.components:][:c.components] {
				square += v * v
			}
			hopping += square + lambda*(square-1)*(square-1)
		}
		for _, b := range latticeBonds(c.shape) {
			for a := range c.components {
				hopping -= 2 * kappa * psi[b[0]*c.components+a] * psi[b[1]*c.components+a]
			}
		}
		x := mat.NewDense(1, p.Dim(), psi)
		x.Scale(math.Sqrt(kappa), x)
		logp, _ := evaluate(t, NewEvaluator(p), x)
		if got := -logp[0] + lambda*float64(sites); math.Abs(got-hopping) > 1e-11*(1+float64(sites)) {
			t.Errorf("%v: S' is %.15g, want %.15g", c, got, hopping)
		}
	}
}

// ln Z' of two sites, which share two bonds, by a sum over ψ.
func TestPhi4HoppingLogZ(t *testing.T) {
	const kappa, lambda, h = 0.4, 0.5, 0.02
	s, err := Phi4Hopping(1, kappa, lambda)
	if err != nil {
		t.Fatal(err)
	}
	logZ, ok := phi4Of(t, []int{2}, s.Mass2, s.Lambda, 1).ExactLogZ()
	site := func(a float64) float64 { return a*a + lambda*(a*a-1)*(a*a-1) }
	sum := 0.0
	for i := -300; i <= 300; i++ {
		for j := -300; j <= 300; j++ {
			a, b := h*float64(i), h*float64(j)
			sum += h * h * math.Exp(4*kappa*a*b-site(a)-site(b))
		}
	}
	if got := logZ - math.Log(kappa) - 2*lambda; !ok || math.Abs(got-math.Log(sum)) > 1e-7 {
		t.Errorf("ln Z' is %.10f, %t, want %.10f", got, ok, math.Log(sum))
	}
}

func TestPhi4Errors(t *testing.T) {
	ok := Phi4Settings{Mass2: -4, Lambda: 6}
	for _, c := range []struct {
		shape []int
		s     *Phi4Settings
		is    error
		text  string
	}{
		{[]int{4}, nil, ErrSettings, "nil settings"},
		{[]int{4}, &Phi4Settings{}, ErrSettings, "λ is 0"},
		{[]int{4}, &Phi4Settings{Lambda: -1}, ErrSettings, "λ is -1"},
		{[]int{4}, &Phi4Settings{Lambda: 1e101}, ErrSettings, "λ is 1e+101"},
		{[]int{4}, &Phi4Settings{Lambda: math.NaN()}, ErrSettings, "λ is NaN"},
		{[]int{4}, &Phi4Settings{Lambda: 1, Mass2: math.Inf(-1)}, ErrSettings, "m² is -Inf"},
		{[]int{4}, &Phi4Settings{Lambda: 1, Mass2: math.NaN()}, ErrSettings, "m² is NaN"},
		{[]int{4}, &Phi4Settings{Lambda: 1, Components: -1}, ErrSettings, "-1 components"},
		{[]int{1 << 13, 1 << 13}, &Phi4Settings{Lambda: 1, Components: 2}, ErrShape, "2 components"},
		{[]int{4}, &Phi4Settings{Lambda: 1, Components: math.MaxInt}, ErrShape, "components"},
		{nil, &ok, ErrShape, "without extents"},
		{[]int{4, 1}, &ok, ErrShape, "[4 1]"},
		{[]int{4, 0, 4}, &ok, ErrShape, "[4 0 4]"},
		{[]int{1 << 32, 1 << 32}, &ok, ErrShape, "sites"},
	} {
		p, err := NewPhi4(c.shape, c.s)
		if p != nil {
			t.Errorf("%v: a theory in spite of the error", c)
		}
		checkError(t, fmt.Sprint(c), err, c.is, "target: Phi4: ", c.text)
	}
	for _, c := range [][2]float64{{0, 1}, {-1, 1}, {1, 0}, {1, -1}, {math.NaN(), 1}, {1, math.NaN()},
		{math.Inf(1), 1}, {1, math.Inf(1)}, {1e-300, 1}} {
		s, err := Phi4Hopping(2, c[0], c[1])
		if s != nil {
			t.Errorf("%v: settings in spite of the error", c)
		}
		checkError(t, fmt.Sprint(c), err, ErrSettings, "Phi4Hopping", fmt.Sprintf("κ = %g, λ' = %g", c[0], c[1]))
	}
	_, err := Phi4Hopping(0, 1, 1)
	checkError(t, "no dimension", err, ErrShape, "0 dimensions")
}

// Huge finite fields have ln π = −Inf, and ln π is finite at the origin, for all couplings.
func TestPhi4Overflow(t *testing.T) {
	for _, mass2 := range []float64{-mostMass2, -4, 0, mostMass2} {
		for _, lambda := range []float64{leastLambda, 1, mostLambda} {
			for _, n := range []int{1, 2} {
				p := phi4Of(t, []int{2, 3}, mass2, lambda, n)
				for _, size := range []float64{1e110, 1e154, 1e160, 1e200, 1e300, math.MaxFloat64} {
					x := mat.NewDense(2, p.Dim(), normalRows(6, 2*p.Dim()))
					x.Apply(func(r, j int, v float64) float64 { return max(-1, min(1, v)) * float64(r) * size }, x)
					logp, grad := evaluate(t, NewEvaluator(p), x)
					if logp[0] != 0 || !(mat.Norm(grad.RowView(0), 2) == 0) {
						t.Errorf("m² = %g, λ = %g: ln π is %g at the origin", mass2, lambda, logp[0])
					}
					if !(logp[1] < 0) {
						t.Errorf("m² = %g, λ = %g, φ = %g: ln π is %g", mass2, lambda, size, logp[1])
					}
				}
			}
		}
	}
}

// BenchmarkPhi4 measures ln π of 512 configurations with its gradient. BenchmarkIsing is
// the same for the Ising model on 16×16.
func BenchmarkPhi4(b *testing.B) {
	for _, c := range []struct {
		shape      []int
		components int
	}{{[]int{16, 16}, 1}, {[]int{16, 16}, 2}, {[]int{256}, 1}, {[]int{8, 8, 4}, 1}, {[]int{4, 4, 4, 4}, 1}} {
		b.Run(fmt.Sprintf("%v O(%d)", c.shape, c.components), func(b *testing.B) {
			benchmarkDensity(b, phi4Of(b, c.shape, -4, 6, c.components))
		})
	}
}
