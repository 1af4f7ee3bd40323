package target

import (
	"math"
	"math/bits"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/internal/num"
)

// ExactLogZ returns ln Z = ln ∫ exp(−S(φ)) dφ in nats from a transfer matrix, with an
// error of about 1e-7. It returns 0 and false where that takes too long: for more than one
// component, more than two dimensions, a shorter extent of more than 4, a longer one of
// more than 2²⁰, and for large fields, in the ordered phase or where m² and λ are small. On
// 4×4 with m² = −4 it knows ln Z from λ = 4.5 upwards. Strips of width 4 take up to some
// ten seconds, narrower ones and chains less.
//
// The transfer matrix takes one row of the shorter extent to the next. Every bond between
// rows is a series in powers of its two fields, exp(2φφ') = Σ_k 2^k φ^k φ'^k/k!. A state of
// a row is then a list of exponents, and their sum, the degree, is limited. All terms are
// positive, so that ln Z rises with the degree, in steps that fall ever faster.
func (p *Phi4) ExactLogZ() (logZ float64, ok bool) {
	width, length := slices.Min(p.shape), slices.Max(p.shape)
	if len(p.shape) == 1 {
		width = 1
	}
	if p.components > 1 || len(p.shape) > 2 || width > 4 || length > 1<<20 {
		return 0, false
	}
	const (
		mostDegree = 60
		mostStates = 950 // of a block of the transfer matrix, on average
	)
	strip, ok := newPhi4Strip(p, width, length)
	step, before := math.NaN(), math.NaN() // of ln Z, and ln Z before it
	for degree := 4; ok && degree <= mostDegree && strip.states(degree)>>(1+width/2) <= mostStates; degree += 2 {
		logZ = strip.logZ(degree)
		if !num.Finite(logZ) {
			return 0, false
		}
		// The steps to come are less than those of a geometric series.
		ratio := (logZ - before) / step
		step, before = logZ-before, logZ
		if step <= 0 || ratio < 0.5 && step*ratio/(1-ratio) <= stripTolerance {
			return logZ, true
		}
	}
	return 0, false
}

// logZ returns ln Z with the series cut at the given degree. T is a matrix of blocks, and
// the trace of a power is a sum over them.
func (s *phi4Strip) logZ(degree int) float64 {
	integrals := s.rowIntegrals(2*degree + 1)
	var parts []float64
	for _, block := range s.blocks(degree) {
		parts = append(parts, logTracePower(block.transfer(integrals), s.length))
	}
	return floats.LogSumExp(parts) + float64(s.width*s.length)*s.logScale
}

// logTracePower returns ln Tr T^n of a symmetric matrix T for n ≥ 2. It overwrites T.
func logTracePower(t *mat.Dense, n int) float64 {
	logT := normalise(t)
	if math.IsInf(logT, -1) {
		return logT // T = 0
	}
	half, logHalf := t, logT // T^(n/2), by the binary digits of n/2
	for bit := bits.Len(uint(n/2)) - 2; bit >= 0; bit-- {
		half, logHalf = product(half, half, 2*logHalf)
		if n/2>>bit&1 == 1 {
			half, logHalf = product(half, t, logHalf+logT)
		}
	}
	if n%2 == 0 {
		return 2 * logHalf // Tr T^n is the square of the norm of T^(n/2), which is now 1
	}
	rest, logRest := product(half, t, logHalf+logT)
	return logHalf + logRest + math.Log(floats.Dot(half.RawMatrix().Data, rest.RawMatrix().Data))
}

// product returns ab/|ab| and log + ln |ab|, with the Frobenius norm.
func product(a, b *mat.Dense, log float64) (*mat.Dense, float64) {
	c := new(mat.Dense)
	c.Mul(a, b)
	return c, log + normalise(c)
}

// normalise divides m by its Frobenius norm and returns the logarithm of the norm.
func normalise(m *mat.Dense) float64 {
	norm := mat.Norm(m, 2)
	m.Scale(1/norm, m)
	return math.Log(norm)
}
