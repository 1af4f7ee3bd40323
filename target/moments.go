package target

import (
	"math"
	"math/bits"
)

// maxTransferWidth is the widest strip torusM2 takes on. The cost grows as 4^width
// for a given length; 12×12 takes about half a second.
const maxTransferWidth = 12

// maxTransferCost bounds 4^width·length: a minute or so.
const maxTransferCost int64 = 1 << 34

// torusM2 returns the exact ⟨m²⟩ = ⟨(Σ s_i)²⟩/N² of the Ising spins on the periodic
// rows×cols square lattice at temperature T > 0, and false if the shorter extent
// exceeds maxTransferWidth or the cost maxTransferCost. Both extents are at least 2; an extent of 2 has double
// bonds.
//
// The lattice is built site by site with a transfer matrix, with the first row held
// at one of its 2^width states b, which gives Z_b and the sum over configurations
// M_b of weight × Σ s_i. As all rows are alike, ⟨(Σ s_i)²⟩ is their number times
// ⟨(Σ of the first row) (Σ s_i)⟩, so first moments are enough.
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
			continue // Z_b and b·M_b are those of the first of its class
		}
		zb, mb := strip.sum(b)
		z += float64(size) * zb
		m += float64(size) * float64(rowSum(b, width)) * mb
	}
	return m / (z * float64(width) * float64(width*length)), true
}

// isingStrip holds, for every state of the last width sites laid down (bit j set:
// the spin in column j is up), the sum z of the weights of the configurations that
// end in this state and the sum m of weight × magnetisation.
type isingStrip struct {
	width, length int
	broken        float64    // exp(−2β), weight of a broken bond; whole ones weigh 1
	site          [3]float64 // weight of a site with 0, 1, 2 broken bonds in its row
	z, m          []float64
}

func newIsingStrip(width, length int, T float64) *isingStrip {
	broken := math.Exp(-2 / T)
	// With this factor per site all weights add up to 1, so that no length of the
	// strip makes the sums overflow or vanish. It drops out of the mean.
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

// addSite lays a new spin on column j: it is bound to the old spin there, to the
// new one on its left, and as the last of its row also to the first.
func (s *isingStrip) addSite(j int) {
	bit := 1 << j
	for down := range s.z {
		if down&bit != 0 {
			continue
		}
		up := down | bit
		bonds, ups := 0, 0 // in the row: laid with this site, and ending on an up spin
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

// rowClass returns the least of the row states that rotations and a flip of all
// spins make of b, and how many different states they make.
func rowClass(b uint, width int) (first uint, size int) {
	mask := uint(1)<<width - 1
	first = b
	fixed := 0 // operations that leave b as it is
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

// rotateRow returns the row state b moved on by r columns.
func rotateRow(b uint, r, width int) uint {
	return (b<<r | b>>(width-r)) & (1<<width - 1)
}

// rowSum returns the sum of the spins of a row state.
func rowSum(b uint, width int) int {
	return 2*bits.OnesCount(b) - width
}

// ringM2 returns the exact ⟨m²⟩ of the Ising spins on a ring of n ≥ 2 sites at
// temperature T > 0. With t = tanh β the transfer matrix gives the correlation
// (t^r + t^(n−r))/(1 + t^n) at distance r; its sum over r is
// e^(2β) (1−t^n)/(1+t^n), and −ln t = 2 artanh e^(−2β).
func ringM2(n int, T float64) float64 {
	x := math.Exp(-2 / T)
	if x == 0 {
		return 1
	}
	return math.Tanh(float64(n)*math.Atanh(x)) / (float64(n) * x)
}
