package target

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/internal/lattice"
)

// bigCosines returns cos 2πj/n to bigBits for extents where they are known roots.
func bigCosines(n int) []*big.Float {
	frac := func(a, b float64) *big.Float { return new(big.Float).Quo(newBig(a), newBig(b)) }
	half, one := frac(1, 2), newBig(1)
	minus := func(v *big.Float) *big.Float { return new(big.Float).Neg(v) }
	root5 := new(big.Float).SetPrec(bigBits).Sqrt(newBig(5))
	short := new(big.Float).Quo(new(big.Float).Sub(root5, one), newBig(4)) // cos 72°
	long := new(big.Float).Quo(new(big.Float).Add(root5, one), newBig(4))  // cos 36°
	return map[int][]*big.Float{
		2: {one, minus(one)},
		3: {one, minus(half), minus(half)},
		4: {one, newBig(0), minus(one), newBig(0)},
		5: {one, short, minus(long), minus(long), short},
		6: {one, half, minus(half), minus(one), minus(half), half},
	}[n]
}

// bigSpectrum returns diagonal + 2·bond·(cos k_1 + cos k_2) for all wave vectors.
func bigSpectrum(rows, cols int, bond, diagonal *big.Float) []*big.Float {
	var all []*big.Float
	for _, a := range bigCosines(rows) {
		for _, b := range bigCosines(cols) {
			v := new(big.Float).SetPrec(bigBits).Add(a, b)
			v.Mul(v, bond)
			v.Mul(v, newBig(2))
			all = append(all, v.Add(v, diagonal))
		}
	}
	return all
}

func checkSpectrum(t *testing.T, what string, got []float64, want []*big.Float) {
	t.Helper()
	for k, v := range want {
		w, _ := v.Float64()
		if !(math.Abs(got[k]-w) <= 1e-15*w) {
			t.Errorf("%s: eigenvalue %d is %.17g, want %.17g (relative error %.1e)", what, k, got[k], w, got[k]/w-1)
			return
		}
	}
}

var bigShapes = [][]int{{2, 2}, {3, 3}, {4, 4}, {5, 5}, {6, 6}, {3, 4}, {5, 6}, {5, 2}}

// Every eigenvalue of K+αI keeps all its digits, however close α is to its bound.
func TestIsingSpectrumKeepsAllDigits(t *testing.T) {
	for _, shape := range bigShapes {
		for _, T := range []float64{1e-20, 1e-6, 1e-3, 1, criticalT, 7, 1e3, 1e6, 1e20} {
			bond := new(big.Float).Quo(newBig(1), newBig(T))
			bound := newBig(0) // the greatest of −2/T·(cos + cos)
			for _, v := range bigSpectrum(shape[0], shape[1], bond, newBig(0)) {
				if v.Neg(v).Cmp(bound) > 0 {
					bound = v
				}
			}
			rule := isingOf(t, shape, T, byRule)
			diagonal := new(big.Float).Add(bound, newBig(0.1))
			checkSpectrum(t, fmt.Sprint(shape, " T=", T, " by the rule"), rule.Spectrum(),
				bigSpectrum(shape[0], shape[1], bond, diagonal))
			for _, above := range []float64{3e-16, 1e-15, 1e-12, 1e-9, 1e-6, 1e-3, 1, 1e3} {
				alpha, _ := new(big.Float).Mul(bound, newBig(1+above)).Float64()
				want := bigSpectrum(shape[0], shape[1], bond, newBig(alpha))
				m := isingOf(t, shape, T, alpha)
				what := fmt.Sprintf("%v T=%g, α %g beyond the bound", shape, T, above)
				checkSpectrum(t, what, m.Spectrum(), want)
				lnDet := 0.0
				for _, v := range want {
					w, _ := v.Float64()
					lnDet += math.Log(w)
				}
				n := float64(m.Dim())
				checkRelative(t, what+": ln Z", m.LogZ(), m.SpinLogZ()+0.5*lnDet+n/2*(math.Log(math.Pi/2)+alpha), 1e-14)
			}
		}
	}
}

// NewIsingOffset decides without rounding whether K+αI is positive definite.
func TestIsingBoundIsExact(t *testing.T) {
	for _, shape := range bigShapes {
		for _, T := range []float64{1e-6, 0.7, criticalT, 3, 9, 1e6} {
			bond := new(big.Float).Quo(newBig(1), newBig(T))
			alpha := -couplingMin(shape, T)
			for range 6 {
				alpha = math.Nextafter(alpha, 0)
			}
			for range 12 {
				definite := true
				for _, v := range bigSpectrum(shape[0], shape[1], bond, newBig(alpha)) {
					definite = definite && v.Sign() > 0
				}
				if m, err := NewIsingOffset(shape, T, alpha); (err == nil) != definite || (m == nil) == definite {
					t.Errorf("%v T=%g α=%.17g: error %v, positive definite: %t", shape, T, alpha, err, definite)
				} else if err != nil && !errors.Is(err, ErrSettings) {
					t.Error(err)
				}
				alpha = math.Nextafter(alpha, math.Inf(1))
			}
		}
	}
}

var masses = []float64{1e-308, // below the least normal number
	1e-300, 1e-100, 1e-30, 1e-17, 1e-16, 1e-15, 1e-9, 1e-3, 1, 1e6, 1e100, 1e300}

// The eigenvalues m² + Σ 4 sin²(k/2) of a free field keep all their digits, however
// small m² is.
func TestFreeFieldSpectrumKeepsAllDigits(t *testing.T) {
	for _, shape := range bigShapes {
		for _, mass2 := range masses {
			f, err := NewFreeField(shape, mass2)
			if err != nil {
				t.Fatal(err)
			}
			// A precision that holds 4 + m² for any m².
			diagonal := new(big.Float).SetPrec(2200).Add(newBig(4), newBig(mass2))
			bond := newBig(-1)
			var want []*big.Float
			for _, a := range bigCosines(shape[0]) {
				for _, b := range bigCosines(shape[1]) {
					v := new(big.Float).SetPrec(2200).Add(a, b)
					v.Mul(v, bond)
					v.Mul(v, newBig(2))
					v.Add(v, diagonal)
					want = append(want, v.Quo(newBig(1), v))
				}
			}
			checkSpectrum(t, fmt.Sprintf("%v m²=%g", shape, mass2), f.Spectrum(), want)
		}
	}
}

// Near the least eigenvalue, the eigenvalues of a long chain rise as
// 2 − 2 cos θ = θ² − θ⁴/12. In float64, 1 − cos θ would lose most digits.
func TestLongChainSpectrum(t *testing.T) {
	for _, n := range []int{1 << 16, 1<<16 + 1} {
		theta := 2 * math.Pi / float64(n)
		f, err := NewFreeField([]int{n}, 1e-12)
		if err != nil {
			t.Fatal(err)
		}
		checkRelative(t, fmt.Sprint("free field ", n), 1/f.Spectrum()[1], 1e-12+theta*theta*(1-theta*theta/12), 1e-15)

		const T = 2.0
		m := isingOf(t, []int{n}, T, math.Nextafter(-couplingMin([]int{n}, T), 3))
		lambda := m.Spectrum()
		h := n / 2
		rise := theta * theta * (1 - theta*theta/12) / T
		if n%2 == 1 { // the least is at half a step from π
			rise = 2 * theta * theta * (1 - 5*theta*theta/24) / T
		}
		checkRelative(t, fmt.Sprint("Ising ", n), lambda[h-1]-lambda[h], rise, 1e-14)
	}
}

// The determinant of −Δ+m² on a ring of n is 4 sinh²(nγ/2) with 4 sinh²(γ/2) = m²;
// that in more dimensions is a product of those of rings with m² + Σ 4 sin²(k/2).
func TestFreeFieldLogZAnalytic(t *testing.T) {
	ring := func(n int, mass2 float64) float64 {
		half := float64(n) * math.Asinh(math.Sqrt(mass2)/2)
		if half > 20 {
			return 2 * half
		}
		return 2 * math.Log(2*math.Sinh(half))
	}
	for _, shape := range [][]int{{2}, {3}, {8}, {1000}, {2, 2}, {3, 5}, {8, 8}, {7, 16}, {128, 128},
		{2, 2, 2}, {3, 4, 5}, {16, 16, 16}, {4, 4, 4, 4}, {2, 3, 5, 7}} {
		for _, mass2 := range masses {
			f, err := NewFreeField(shape, mass2)
			if err != nil {
				t.Fatal(err)
			}
			// size is the sum of the magnitudes of the terms: ln m² and the rest of ln det may cancel.
			lnDet, size := 0.0, math.Abs(0.5*float64(f.Dim())*math.Log(2*math.Pi))+math.Abs(math.Log(mass2))
			last := len(shape) - 1
			for _, wave := range lattice.Points(shape[:last]) { // once, without axes, on a chain
				transverse := mass2
				for axis, j := range wave {
					s := 2 * math.Sin(math.Pi*float64(j)/float64(shape[axis]))
					transverse += s * s
				}
				lnDet += ring(shape[last], transverse)
			}
			want := 0.5*float64(f.Dim())*math.Log(2*math.Pi) - 0.5*lnDet
			if got := f.LogZ(); !(math.Abs(got-want) <= 1e-15*(size+math.Abs(lnDet))) {
				t.Errorf("%v m²=%g: ln Z is %.16g, want %.16g", shape, mass2, got, want)
			}
			if c := f.Correlator(); len(shape) >= 2 && mass2 < 1e-9 { // the zero mode rules
				checkRelative(t, fmt.Sprintf("%v m²=%g: correlator", shape, mass2), c[len(c)/2],
					1/(float64(f.Dim())*mass2), 1e-6)
			}
		}
	}
	f, err := NewFreeField([]int{8, 8}, 1e-15)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.LogZ(); math.Abs(got-37.2137) > 5e-5 {
		t.Errorf("ln Z is %.4f, want 37.2137", got)
	}
}

// At very high T the sites are independent; each bond adds ½/T² to ln Z. At very low T
// only the two ground states remain.
func TestIsingLogZLimits(t *testing.T) {
	for _, shape := range [][]int{{5}, {16}, {3, 5}, {8, 8}} {
		const alpha = 3
		n := 1.0
		for _, l := range shape {
			n *= float64(l)
		}
		bonds := n * float64(len(shape))
		for _, T := range []float64{1e6, 1e9, 1e100, 1e308} {
			m := isingOf(t, shape, T, alpha)
			checkRelative(t, fmt.Sprint(shape, " T=", T, " spins"), m.SpinLogZ(), n*math.Ln2+bonds/2/T/T, 1e-15)
			// ∫ exp(−x²/2α) cosh x dx = √(2πα) exp(α/2); tr K² = 2·bonds/T².
			free := n/2*(math.Log(2*math.Pi*alpha)+alpha) - bonds/T/T/2/alpha/alpha + bonds/2/T/T
			checkRelative(t, fmt.Sprint(shape, " T=", T), m.LogZ(), free, 1e-15)
		}
		for _, T := range []float64{1e-299, 1e-100, 1e-9, 1e-6} {
			m := isingOf(t, shape, T, byRule)
			checkRelative(t, fmt.Sprint(shape, " T=", T, " spins"), m.SpinLogZ(), bonds/T+math.Ln2, 1e-15)
		}
	}
	for _, T := range []float64{1e6, 1e9} { // 1 + 4t + 12t² + … with t = tanh 1/T
		m2, _ := isingOf(t, []int{6, 6}, T, byRule).ExactStructureFactor()
		checkRelative(t, fmt.Sprint("⟨m²⟩ T=", T), m2, (1+4/T+12/T/T)/36, 1e-14)
	}
}

// ln π is accurate also at temperatures where K+αI is nearly singular in float64. On 4×4
// all cosines are 0 or ±1, so that the reference is exact.
func TestIsingColdDensity(t *testing.T) {
	cosines := []float64{1, 0, -1, 0}
	sines := []float64{0, 1, 0, -1}
	for _, T := range []float64{1e-6, 1e-3, 1, 1e3, 1e6} {
		m := isingOf(t, []int{4, 4}, T, byRule)
		x := mat.NewDense(1, 16, normalRows(11, 16))
		x.Apply(func(_, _ int, v float64) float64 { return 8/T + v }, x) // a cold configuration
		logp := make([]float64, 1)
		if err := NewEvaluator(m).LogProbs(logp, x); err != nil {
			t.Fatal(err)
		}
		want, size := newBig(0), 0.0
		for k := range 16 {
			re, im := newBig(0), newBig(0)
			for i, v := range x.RawRowView(0) {
				at := (k/4*(i/4) + k%4*(i%4)) % 4
				re.Add(re, new(big.Float).Mul(newBig(v), newBig(cosines[at])))
				im.Add(im, new(big.Float).Mul(newBig(v), newBig(sines[at])))
			}
			lambda := newBig(2 + cosines[k/4] + cosines[k%4])
			lambda.Mul(lambda, newBig(2))
			lambda.Quo(lambda, newBig(T)).Add(lambda, newBig(0.1))
			power := new(big.Float).Add(re.Mul(re, re), im.Mul(im, im))
			want.Sub(want, power.Quo(power, lambda.Mul(lambda, newBig(32))))
		}
		for _, v := range x.RawRowView(0) {
			size += math.Abs(v)
			want.Add(want, newBig(math.Abs(v)))
			want.Add(want, newBig(math.Log1p(math.Exp(-2*math.Abs(v)))-math.Ln2))
		}
		if w, _ := want.Float64(); !(math.Abs(logp[0]-w) <= 1e-15*size*10) {
			t.Errorf("T=%g: ln π is %.17g, want %.17g", T, logp[0], w)
		}
	}
}
