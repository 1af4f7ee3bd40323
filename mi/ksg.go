package mi

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/spatial/kdtree"
)

// estimator is an estimator for n samples. It is safe for concurrent use.
type estimator struct {
	n, k   int
	method Method
	// harmonic[m] is 1 + 1/2 + … + 1/m = ψ(m+1) + γ. Euler's constant cancels.
	harmonic []float64
}

func newEstimator(n, k int, method Method) *estimator {
	e := &estimator{n: n, k: k, method: method, harmonic: make([]float64, n)}
	for m := 1; m < n; m++ {
		e.harmonic[m] = e.harmonic[m-1] + 1/float64(m)
	}
	return e
}

// column is one variable in all samples.
type column struct {
	v      []float64 // by sample
	order  []int     // samples, the smallest value first
	sorted []float64

	name     string    // for errors
	standard []float64 // by sample, with mean 0 and variance 1, without noise
}

func newColumn(v []float64) *column {
	c := &column{v: v, order: make([]int, len(v)), sorted: make([]float64, len(v))}
	for i := range c.order {
		c.order[i] = i
	}
	slices.SortFunc(c.order, func(i, j int) int { return cmp.Or(cmp.Compare(v[i], v[j]), i-j) })
	for r, i := range c.order {
		c.sorted[r] = v[i]
	}
	return c
}

// count is the number of other samples nearer than radius to one at v, or,
// unless strict, at the radius too.
func (c *column) count(v, radius float64, strict bool) int {
	low, high := -radius, radius
	if strict {
		low = math.Nextafter(low, math.Inf(1))
	} else {
		high = math.Nextafter(high, math.Inf(1))
	}
	return below(c.sorted, v, high) - below(c.sorted, v, low) - 1
}

// below is the number of values u with u − v < d in ascending order. Which half
// of what is left the search goes on with is arithmetic on a sign: a branch
// could not be predicted.
func below(sorted []float64, v, d float64) int {
	base := 0
	for left := len(sorted); left > 0; {
		half := (left + 1) / 2
		less := int(int64(math.Float64bits(sorted[base+half-1]-v-d)) >> 63) // −1 or 0
		base += half & less
		left -= half
	}
	return base
}

// neighbour is a near sample, its distance from the one in question in each
// of the two groups, in maximum norm.
type neighbour struct{ dx, dy float64 }

func (n neighbour) distance() float64 {
	if n.dx > n.dy { // max would ask for NaN as well
		return n.dx
	}
	return n.dy
}

// summary turns sums over samples into the estimate.
func (e *estimator) summary(sum float64) float64 {
	v := e.harmonic[e.k-1] + e.harmonic[e.n-1] - sum/float64(e.n)
	if e.method == KSG2 {
		v -= 1 / float64(e.k)
	}
	return v
}

// radii are those within which the neighbours of a sample are counted in x and
// in y, of the given nearest ones. It is false if they are at no distance.
func (e *estimator) radii(near []neighbour) (x, y float64, ok bool) {
	for _, n := range near {
		x, y = max(x, n.dx), max(y, n.dy)
	}
	if e.method == KSG1 {
		x = max(x, y)
		y = x
	}
	return x, y, x > 0 && y > 0
}

// term is ψ(n_x+1) + ψ(n_y+1), or ψ(n_x) + ψ(n_y) for KSG2, plus 2γ, of a
// sample with so many others nearer than the radii or, for KSG2, within them.
func (e *estimator) term(nx, ny int) float64 {
	if e.method == KSG2 {
		nx, ny = nx-1, ny-1
	}
	return e.harmonic[nx] + e.harmonic[ny]
}

func repeated(sample int) error {
	return fmt.Errorf("%w: the nearest neighbours of sample %d are at no distance", ErrDegenerate, sample)
}

// groups is the estimate for two groups of columns.
func (e *estimator) groups(x, y []*column) (float64, error) {
	if len(x) == 1 && len(y) == 1 {
		return e.pair(x[0], y[0])
	}
	joint := newTree(append(slices.Clone(x), y...))
	countX, countY := e.counter(x), e.counter(y)
	sum := 0.0
	for i := range e.n {
		rx, ry, ok := e.radii(joint.nearest(i, e.k, len(x)))
		if !ok {
			return 0, repeated(i)
		}
		sum += e.term(countX(i, rx), countY(i, ry))
	}
	return e.summary(sum), nil
}

// counter returns the function that counts the neighbours of a sample in one
// group.
func (e *estimator) counter(group []*column) func(i int, radius float64) int {
	strict := e.method == KSG1
	if len(group) == 1 {
		c := group[0]
		return func(i int, radius float64) int { return c.count(c.v[i], radius, strict) }
	}
	t := newTree(group)
	return func(i int, radius float64) int { return t.count(i, radius, strict) }
}

// pair is the estimate for two variables. Neighbours are sought outwards
// from every sample in the order of x, a few at a time on either side, as far as
// they can be among the nearest: some √n of them.
func (e *estimator) pair(x, y *column) (float64, error) {
	n, strict := e.n, e.method == KSG1
	xs, ys := x.sorted, make([]float64, n)
	for r, i := range x.order {
		ys[r] = y.v[i]
	}
	const stride = 8
	near := nearest{all: make([]neighbour, e.k)}
	sum := 0.0
	for r, v := range xs {
		w := ys[r]
		near.reset()
		for left, right := r-1, r+1; left >= 0 || right < n; {
			for end := min(right+stride, n); right < end; right++ {
				dx, dy := xs[right]-v, math.Abs(ys[right]-w)
				if dx >= near.farthest {
					right = n
					break
				}
				if dy < near.farthest {
					near.add(neighbour{dx, dy})
				}
			}
			for end := max(left-stride, -1); left > end; left-- {
				dx, dy := v-xs[left], math.Abs(ys[left]-w)
				if dx >= near.farthest {
					left = -1
					break
				}
				if dy < near.farthest {
					near.add(neighbour{dx, dy})
				}
			}
		}
		rx, ry, ok := e.radii(near.all)
		if !ok {
			return 0, repeated(x.order[r])
		}
		sum += e.term(x.count(v, rx, strict), y.count(w, ry, strict))
	}
	return e.summary(sum), nil
}

// nearest are the nearest neighbours so far, the nearest first.
type nearest struct {
	all      []neighbour
	farthest float64 // distance of the last
}

func (s *nearest) reset() {
	s.farthest = math.Inf(1)
	for j := range s.all {
		s.all[j] = neighbour{s.farthest, s.farthest}
	}
}

// add puts a neighbour nearer than the farthest in its place.
func (s *nearest) add(c neighbour) {
	all := s.all
	d, j := c.distance(), len(all)-1
	for ; j > 0 && all[j-1].distance() > d; j-- {
		all[j] = all[j-1]
	}
	all[j] = c
	s.farthest = all[len(all)-1].distance()
}

// tree finds neighbours in maximum norm among the samples of several columns.
type tree struct {
	scale  float64 // a power of two that brings coordinates near 1: squares must not overflow
	points []point // scaled
	tree   *kdtree.Tree
}

// point is one sample; it meets kdtree.Comparable.
type point struct {
	sample int
	at     []float64
}

func newTree(group []*column) *tree {
	n, dims := len(group[0].v), len(group)
	t := &tree{points: make([]point, n)}
	largest := 0.0
	for _, c := range group {
		largest = max(largest, -c.sorted[0], c.sorted[n-1])
	}
	_, exponent := math.Frexp(largest)
	t.scale = math.Ldexp(1, max(-1000, min(1000, -exponent)))
	for i := range t.points {
		t.points[i] = point{i, make([]float64, dims)}
		for d, c := range group {
			t.points[i].at[d] = t.scale * c.v[i]
		}
	}
	t.tree = kdtree.New(points(slices.Clone(t.points)), false)
	return t
}

func (p point) Compare(q kdtree.Comparable, d kdtree.Dim) float64 { return p.at[d] - q.(point).at[d] }
func (p point) Dims() int                                         { return len(p.at) }

// Distance is the square of the distance: kdtree compares it with squares of
// distances from planes.
func (p point) Distance(q kdtree.Comparable) float64 {
	d := distance(p.at, q.(point).at)
	return d * d
}

func distance(a, b []float64) float64 {
	d := 0.0
	for i, v := range a {
		d = max(d, math.Abs(v-b[i]))
	}
	return d
}

// nearest returns the k nearest neighbours of a sample; the first dims columns
// are those of x.
func (t *tree) nearest(sample, k, dims int) []neighbour {
	p := t.points[sample]
	keep := kdtree.NewNKeeper(k + 1) // the sample itself is there too
	t.tree.NearestSet(keep, p)
	near := make([]neighbour, 0, k+1)
	for _, c := range keep.Heap {
		q := c.Comparable.(point)
		if q.sample == sample {
			continue
		}
		near = append(near, neighbour{distance(p.at[:dims], q.at[:dims]) / t.scale, distance(p.at[dims:], q.at[dims:]) / t.scale})
	}
	return near[:k]
}

// count is the number of other samples nearer than radius, or, unless strict,
// at the radius too.
func (t *tree) count(sample int, radius float64, strict bool) int {
	p := t.points[sample]
	radius *= t.scale
	low, high := make([]float64, len(p.at)), make([]float64, len(p.at))
	for d, v := range p.at {
		// The search leaves out what is on the border: go a little beyond.
		reach := radius + 1e-9*(radius+math.Abs(v))
		low[d], high[d] = v-reach, v+reach
	}
	count := -1 // the sample itself
	t.tree.DoBounded(&kdtree.Bounding{Min: point{at: low}, Max: point{at: high}}, func(c kdtree.Comparable, _ *kdtree.Bounding, _ int) bool {
		if d := distance(p.at, c.(point).at); d < radius || !strict && d == radius {
			count++
		}
		return false
	})
	return count
}

// points meets kdtree.Interface. Its pivots are drawn by nobody.
type points []point

func (p points) Index(i int) kdtree.Comparable         { return p[i] }
func (p points) Len() int                              { return len(p) }
func (p points) Slice(start, end int) kdtree.Interface { return p[start:end] }
func (p points) Pivot(d kdtree.Dim) int {
	a := along{p, d}
	return kdtree.Partition(a, kdtree.MedianOfMedians(a))
}

// along orders points by one coordinate.
type along struct {
	points
	dim kdtree.Dim
}

func (a along) Less(i, j int) bool { return a.points[i].at[a.dim] < a.points[j].at[a.dim] }
func (a along) Swap(i, j int)      { a.points[i], a.points[j] = a.points[j], a.points[i] }
func (a along) Slice(start, end int) kdtree.SortSlicer {
	return along{a.points[start:end], a.dim}
}
