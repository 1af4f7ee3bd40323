package target

import (
	"math"
	"math/bits"
)

// maxTransferWidth is the largest width that torusM2 accepts. The cost grows as 4^width
// at a given length; 12×12 takes about half a second.
const maxTransferWidth = 12

// maxTransferCost is the largest 4^width·length that torusM2 accepts: about a minute.
const maxTransferCost int64 = 1 << 34

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
	strip := newIsingStrip(width, length, T)
	var z, m float64
	for b := range uint(1) << width {
		first, size := rowClass(b, width)
		if first != b {
			continue // the first state of its class stands for all of them
		}
		zb, mb := strip.sum(b)
		z += float64(size) * zb
		m += float64(size) * float64(rowSum(b, width)) * mb
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
		z:      make([]float64, 1<<width),
		m:      make([]float64, 1<<width),
	}
}

// sum returns the sums of weight and of weight × magnetisation over the
// configurations of the torus whose first row is b.
func (s *isingStrip) sum(b uint) (z, m float64) {
	clear(s.z)
	clear(s.m)
	brokenBonds := bits.OnesCount(b ^ rotateRow(b, 1, s.width))
	s.z[b] = math.Pow(s.site[0], float64(s.width)) * math.Pow(s.broken, float64(brokenBonds))
	s.m[b] = float64(rowSum(b, s.width)) * s.z[b]
	for range s.length - 1 {
		for j := range s.width {
			s.addSite(j)
		}
	}
	for state := range s.z {
		closing := math.Pow(s.broken, float64(bits.OnesCount(uint(state)^b)))
		z += closing * s.z[state]
		m += closing * s.m[state]
	}
	return z, m
}

// addSite adds a new spin in column j. It has bonds to the old spin of the column, to
// the new spin on its left and, if it is the last of its row, to the first spin of it.
func (s *isingStrip) addSite(j int) {
	bit := 1 << j
	for down := range s.z {
		if down&bit != 0 {
			continue
		}
		up := down | bit
		bonds, ups := 0, 0 // new bonds within the row, and how many of them end at an up spin
		if j > 0 {
			bonds, ups = 1, down>>(j-1)&1
		}
		if j == s.width-1 {
			bonds, ups = bonds+1, ups+down&1
		}
		siteDown, siteUp := s.site[ups], s.site[bonds-ups]

		zDown := siteDown * (s.z[down] + s.broken*s.z[up])
		zUp := siteUp * (s.z[up] + s.broken*s.z[down])
		mDown := siteDown * (s.m[down] + s.broken*s.m[up])
		mUp := siteUp * (s.m[up] + s.broken*s.m[down])
		s.z[down], s.z[up] = zDown, zUp
		s.m[down], s.m[up] = mDown-zDown, mUp+zUp
	}
}

// rowClass returns the least state in the class of b and the number of states of the
// class. Rotations and the flip of all spins map the states of a class to one another.
func rowClass(b uint, width int) (first uint, size int) {
	mask := uint(1)<<width - 1
	first = b
	fixed := 0 // number of operations that map b to itself
	for r := range width {
		turned := rotateRow(b, r, width)
		for _, c := range [...]uint{turned, ^turned & mask} {
			first = min(first, c)
			if c == b {
				fixed++
			}
		}
	}
	return first, 2 * width / fixed
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
