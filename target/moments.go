package target

import (
	"math"
	"math/bits"

	"github.com/neuralrg/neuralrg/internal/kernel"
)

// maxTransferWidth is the largest width that torusM2 accepts. The cost grows as 4^width
// at a given length.
const maxTransferWidth = 16

// maxTransferCost is the largest 4^width·length that torusM2 accepts: about a minute on
// one core. 12×12 takes about a tenth of a second and 16×16 half a minute.
const maxTransferCost int64 = 1 << 37

// torusM2 returns the exact ⟨m²⟩ = ⟨(Σ s_i)²⟩/N² of the Ising spins on the periodic
// rows×cols square lattice at temperature T > 0. It returns false if the shorter extent
// is more than maxTransferWidth or the cost more than maxTransferCost. Both extents are
// at least 2; along an extent of 2, neighbours share two bonds.
//
// A transfer matrix adds one site after the other, for each of the 2^width states b of
// the first row. This gives Z_b and M_b, the sums over configurations of the weight and
// of weight × Σ s_i. All rows have the same statistics. Hence ⟨(Σ s_i)²⟩ is the number of
// rows times ⟨(Σ of the first row)·(Σ s_i)⟩, and first moments are enough.
func torusM2(rows, cols int, T float64) (float64, bool) {
	width, length := min(rows, cols), max(rows, cols)
	if width > maxTransferWidth || int64(length) > maxTransferCost>>(2*width) {
		return 0, false
	}
	var firsts []uint // the first state of every class stands for all of them
	var sizes []float64
	for b := range uint(1) << width {
		if first, size := rowClass(b, width); first == b {
			firsts, sizes = append(firsts, b), append(sizes, float64(size))
		}
	}
	sums := make([][2]float64, len(firsts)) // Z_b and M_b
	kernel.Rows(len(firsts), func(from, to int) {
		strip := newIsingStrip(width, length, T)
		for k := from; k < to; k++ {
			sums[k][0], sums[k][1] = strip.sum(firsts[k])
		}
	})
	var z, m float64
	for k, b := range firsts {
		z += sizes[k] * sums[k][0]
		m += sizes[k] * float64(rowSum(b, width)) * sums[k][1]
	}
	return m / (z * float64(width) * float64(width*length)), true
}

// isingStrip holds two sums over configurations for every state of the last width sites
// that were added: the weights z and weight × magnetisation m. Bit j of a state is set if
// the spin in column j is up.
type isingStrip struct {
	width, length int
	broken        float64    // exp(−2β), weight of a bond between opposite spins; of equal spins: 1
	site          [3]float64 // weight of a site with 0, 1, 2 such bonds in its row
	z, m          []float64
	halfZ, halfM  []float64 // z and m after half of the rows
}

// newIsingStrip returns the strip of the given width and length at temperature T.
func newIsingStrip(width, length int, T float64) *isingStrip {
	broken := math.Exp(-2 / T)
	// With this factor per site all weights add up to 1, so that the sums of a long
	// strip neither overflow nor underflow. The factor cancels in the mean.
	scale := math.Exp(-torusLogZAboveGround(length, width, T) / float64(width*length))
	return &isingStrip{
		width: width, length: length,
		broken: broken,
		site:   [3]float64{scale, scale * broken, scale * broken * broken},
		z:      make([]float64, 1<<width), halfZ: make([]float64, 1<<width),
		m: make([]float64, 1<<width), halfM: make([]float64, 1<<width),
	}
}

// sum returns the sums of weight and of weight × magnetisation over the
// configurations of the torus whose first row is b.
//
// The torus is cut along the first row and along a row c in the middle. Both parts are
// strips from b to c. So a strip of half of the rows, and for an odd length one more row,
// gives the sums of both parts.
func (s *isingStrip) sum(b uint) (z, m float64) {
	clear(s.z)
	clear(s.m)
	first := s.rowWeight(b)
	s.z[b], s.m[b] = first, float64(rowSum(b, s.width))*first
	for range s.length / 2 {
		s.addRow()
	}
	copy(s.halfZ, s.z)
	copy(s.halfM, s.m)
	if s.length%2 == 1 {
		s.addRow()
	}
	for c, zc := range s.halfZ {
		if zc == 0 {
			continue // the weight of the row c may be 0, too
		}
		// Both parts have the rows b and c.
		zc /= s.rowWeight(uint(c)) * first
		mc := s.halfM[c] / (s.rowWeight(uint(c)) * first)
		twice := float64(rowSum(b, s.width) + rowSum(uint(c), s.width))
		z += zc * s.z[c]
		m += mc*s.z[c] + zc*s.m[c] - twice*zc*s.z[c]
	}
	return z, m
}

// rowWeight returns the weight of a row state: of its sites and of the bonds between them.
func (s *isingStrip) rowWeight(b uint) float64 {
	brokenBonds := bits.OnesCount(b ^ rotateRow(b, 1, s.width))
	return math.Pow(s.site[0], float64(s.width)) * math.Pow(s.broken, float64(brokenBonds))
}

// addRow adds a row, site by site.
func (s *isingStrip) addRow() {
	for j := range s.width {
		s.addSite(j)
	}
}

// addSite adds a new spin in column j. It has bonds to the old spin of the column, to
// the new spin on its left and, if it is the last of its row, to the first spin of it.
func (s *isingStrip) addSite(j int) {
	bit := 1 << j
	for from := 0; from < len(s.z); from += 2 * bit {
		low, high := from, from+bit
		switch {
		case j == 0:
			s.mix(low, high, bit, s.site[0], s.site[0])
		case j < s.width-1: // the spin on the left is down, then up
			s.mix(low, high, bit/2, s.site[0], s.site[1])
			s.mix(low+bit/2, high+bit/2, bit/2, s.site[1], s.site[0])
		default:
			for i := range bit {
				ups := i>>(j-1)&1 + i&1 // how many of the two new bonds of the row end at an up spin
				s.mix(low+i, high+i, 1, s.site[ups], s.site[2-ups])
			}
		}
	}
}

// mix replaces a spin of n neighbouring states: it was down in the states from low on and
// up in those from high on. down and up are the weights of the new spin.
func (s *isingStrip) mix(low, high, n int, down, up float64) {
	broken := s.broken
	zLow, zHigh := s.z[low:low+n], s.z[high:high+n]
	mLow, mHigh := s.m[low:low+n], s.m[high:high+n]
	for i, a := range zLow {
		b, c, d := zHigh[i], mLow[i], mHigh[i]
		zDown, zUp := down*(a+broken*b), up*(b+broken*a)
		zLow[i], zHigh[i] = zDown, zUp
		mLow[i], mHigh[i] = down*(c+broken*d)-zDown, up*(d+broken*c)+zUp
	}
}

// rowClass returns the least state in the class of b and the number of states of the
// class. Rotations, the reflection and the flip of all spins map the states of a class to
// one another.
func rowClass(b uint, width int) (first uint, size int) {
	mask := uint(1)<<width - 1
	mirrored := bits.Reverse(b) >> (bits.UintSize - width)
	first = b
	fixed := 0 // number of operations that map b to itself
	for r := range width {
		turned, back := rotateRow(b, r, width), rotateRow(mirrored, r, width)
		for _, c := range [...]uint{turned, ^turned & mask, back, ^back & mask} {
			first = min(first, c)
			if c == b {
				fixed++
			}
		}
	}
	return first, 4 * width / fixed
}

// rotateRow returns the row state b rotated by r columns.
func rotateRow(b uint, r, width int) uint {
	return (b<<r | b>>(width-r)) & (1<<width - 1)
}

// rowSum returns the sum of the spins of a row state.
func rowSum(b uint, width int) int {
	return 2*bits.OnesCount(b) - width
}

// ringM2 returns the exact ⟨m²⟩ of the Ising spins on a ring of n ≥ 2 sites at
// temperature T > 0. With t = tanh β, the transfer matrix gives the correlation
// (t^r + t^(n−r))/(1 + t^n) at distance r. The sum over r is e^(2β)(1−t^n)/(1+t^n), and
// −ln t = 2 artanh e^(−2β).
func ringM2(n int, T float64) float64 {
	x := math.Exp(-2 / T)
	if x == 0 {
		return 1
	}
	return math.Tanh(float64(n)*math.Atanh(x)) / (float64(n) * x)
}
