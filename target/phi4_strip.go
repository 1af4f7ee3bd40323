package target

import (
	"math"
	"math/bits"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/internal/lattice"
)

// phi4Strip is a φ⁴ theory on a torus of rows of at most four sites. A width of 1 means a
// chain. The sites of a row come in the order 1, 3, 2, 4, as far as they exist.
//
// Fields are in units of √(bond/2): neighbours have the weight exp(bond·uu').
type phi4Strip struct {
	width, length int
	bond          float64
	// node has equidistant fields u from −1 to 1, and weight their weights
	// exp(−(2d+m²)φ² − λφ⁴)dφ divided by exp(logScale). Beyond the nodes exp(−m²φ²−λφ⁴),
	// which bounds the density of a site, is below e^−45 of its maximum.
	node, weight []float64
	logScale     float64
}

// stripTolerance bounds the error of ln Z from the nodes, and that from the series.
const stripTolerance = 1e-7

// newPhi4Strip returns the strip, and false if the nodes are too far from one another. For
// nodes at distance h the sum over a field has a relative error of 2exp(−2π²σ²/h²), where σ
// is the least width of the density of a site given its neighbours.
func newPhi4Strip(p *Phi4, width, length int) (*phi4Strip, bool) {
	const (
		nodes = 128
		depth = 45
	)
	d := float64(len(p.shape))
	rise := max(0, p.mass2) // of m²φ² + λφ⁴ at its minimum, as a function of φ²
	square := max(0, -p.mass2/(2*p.lambda)) + 2*depth/(rise+math.Hypot(rise, 2*math.Sqrt(depth*p.lambda)))
	s := &phi4Strip{width: width, length: length, bond: 2 * square}
	c := 2*d + p.mass2
	if c < 0 {
		s.logScale = c * c / (4 * p.lambda)
	}
	step := 2 * math.Sqrt(square) / (nodes - 1)
	for i := range nodes {
		u := (2*float64(i) - (nodes - 1)) / (nodes - 1)
		s.node = append(s.node, u)
		s.weight = append(s.weight, step*math.Exp(-u*u*square*(c+p.lambda*u*u*square)-s.logScale))
	}
	narrow := step * step * 4 * (math.Abs(p.mass2) + d) // h²/σ²
	return s, 2*float64(p.dim)*math.Exp(-2*math.Pi*math.Pi/narrow) <= stripTolerance
}

// states returns the number of lists of width exponents with a sum up to degree.
func (s *phi4Strip) states(degree int) int {
	n := 1
	for i := 1; i <= s.width; i++ {
		n = n * (degree + i) / i
	}
	return n
}

// rowIntegrals returns the integrals over the fields of a row
//
//	∫ Π_i du_i u_i^{s_i} w(u_i) · Π exp(bond·u_iu_{i+1}),
//
// with the weights w of the nodes, for all exponents s_i < n, row-major. The second product
// is over the bonds of the row. Sites 2 and 4 are neighbours of 1 and 3: the integral over
// the field of one of them depends on u_1 + u_3.
func (s *phi4Strip) rowIntegrals(n int) (integrals []float64) {
	powers := mat.NewDense(len(s.node), n, nil) // w(u)u^s
	for i, u := range s.node {
		f := s.weight[i]
		for j := range n {
			powers.Set(i, j, f)
			f *= u
		}
	}
	if s.width == 1 {
		for j := range n {
			integrals = append(integrals, mat.Sum(powers.ColView(j)))
		}
		return integrals
	}
	middle := s.middleIntegrals(powers)
	pairs := int(math.Pow(float64(n), float64(s.width-2))) // of exponents of the sites 2 and 4
	integrals = make([]float64, n*n*pairs)
	bond := mat.NewDense(len(s.node), len(s.node), nil)
	var half, part mat.Dense
	for k := range pairs {
		if s.width == 4 && k/n > k%n { // equal to that of the exchanged exponents
			for i := range n * n {
				integrals[i*pairs+k] = integrals[i*pairs+k%n*n+k/n]
			}
			continue
		}
		bond.Apply(func(i, j int, _ float64) float64 {
			switch s.width {
			case 2: // two bonds
				return math.Exp(2 * s.bond * s.node[i] * s.node[j])
			case 3:
				return math.Exp(s.bond*s.node[i]*s.node[j]) * middle.At(k, i+j)
			default:
				return middle.At(k/n, i+j) * middle.At(k%n, i+j)
			}
		}, bond)
		half.Mul(bond, powers)
		part.Mul(powers.T(), &half)
		for i := range n {
			for j := range n {
				integrals[(i*n+j)*pairs+k] = part.At(i, j)
			}
		}
	}
	return integrals
}

// middleIntegrals returns ∫ du w(u) u^s exp(bond·uh). Row s is for the exponent s, column j
// for h, the sum of two nodes whose indices add up to j.
func (s *phi4Strip) middleIntegrals(powers *mat.Dense) *mat.Dense {
	growth := mat.NewDense(len(s.node), 2*len(s.node)-1, nil)
	growth.Apply(func(i, j int, _ float64) float64 {
		return math.Exp(s.bond * s.node[i] * (s.node[j/2] + s.node[(j+1)/2]))
	}, growth)
	m := new(mat.Dense)
	m.Mul(powers.T(), growth)
	return m
}

// rowStates are the states of a row that belong to one block of the transfer matrix. A
// state is even or odd under φ → −φ and under each of the exchanges of sites 1 and 3 and of
// sites 2 and 4. A list of exponents stands for its images under the exchanges.
type rowStates struct {
	sign   []float64 // of the images: the identity and the exchanges
	index  [][]int   // of row integrals, for every list and image
	factor []float64 // Π √(bond^k/k!), normalised
}

// transfer returns the block of the transfer matrix
//
//	T(k, l) = Π_i √(bond^{k_i+l_i}/(k_i! l_i!)) · row integral with the exponents k_i + l_i.
func (b *rowStates) transfer(integrals []float64) *mat.Dense {
	t := mat.NewDense(len(b.index), len(b.index), nil)
	t.Apply(func(i, j int, _ float64) float64 {
		sum, k := 0.0, b.index[i][0]
		for g, l := range b.index[j] {
			sum += b.sign[g] * integrals[k+l]
		}
		return b.factor[i] * b.factor[j] * sum
	}, t)
	return t
}

// blocks returns all blocks of the transfer matrix that are not empty.
func (s *phi4Strip) blocks(degree int) (all []*rowStates) {
	exchanges := s.width / 2
	for symmetry := range 2 << exchanges { // bit 0 for φ → −φ, then a bit for each exchange
		b := &rowStates{}
		for g := range 1 << exchanges {
			odd := bits.OnesCount(uint(g&(symmetry>>1))) % 2
			b.sign = append(b.sign, 1-2*float64(odd))
		}
		for _, k := range lattice.Points(slices.Repeat([]int{degree + 1}, s.width)) {
			if stands(k, symmetry, degree) {
				b.index = append(b.index, images(k, 2*degree+1))
				b.factor = append(b.factor, stateFactor(k, s.bond))
			}
		}
		if len(b.index) > 0 {
			all = append(all, b)
		}
	}
	return all
}

// stands reports whether the exponents k stand for a state of the given symmetry: the
// first of each pair of exchanged sites has the lower one. Equal ones make no odd state.
func stands(k []int, symmetry, degree int) bool {
	sum := 0
	for _, v := range k {
		sum += v
	}
	for e := range len(k) / 2 {
		if k[2*e]+symmetry>>(e+1)&1 > k[2*e+1] {
			return false
		}
	}
	return sum <= degree && sum%2 == symmetry&1
}

// images returns the index of the exponents k and of their images, row-major with the
// extent n.
func images(k []int, n int) (index []int) {
	extents := slices.Repeat([]int{n}, len(k))
	for g := range 1 << (len(k) / 2) {
		image := slices.Clone(k)
		for e := range len(k) / 2 {
			if g>>e&1 == 1 {
				image[2*e], image[2*e+1] = image[2*e+1], image[2*e]
			}
		}
		index = append(index, lattice.Site(extents, image))
	}
	return index
}

// stateFactor returns Π √(bond^k/k!), divided by √2 for every exchange that changes
// nothing.
func stateFactor(k []int, bond float64) float64 {
	logarithm := 0.0
	for _, v := range k {
		factorial, _ := math.Lgamma(float64(v + 1))
		logarithm += float64(v)*math.Log(bond) - factorial
	}
	for e := range len(k) / 2 {
		if k[2*e] == k[2*e+1] {
			logarithm -= math.Ln2
		}
	}
	return math.Exp(logarithm / 2)
}
