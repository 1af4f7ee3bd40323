package mi

import (
	"context"
	"fmt"
	"math"
	"slices"
)

// estimator estimates mutual information from n samples. It is safe for
// concurrent use.
type estimator struct {
	n, k   int
	method Method
	// harmonic[m] is 1 + 1/2 + … + 1/m = ψ(m+1) + γ. Euler's constant γ cancels in
	// the estimate.
	harmonic []float64
}

func newEstimator(n, k int, method Method) *estimator {
	e := &estimator{n: n, k: k, method: method, harmonic: make([]float64, n)}
	for m := 1; m < n; m++ {
		e.harmonic[m] = e.harmonic[m-1] + 1/float64(m)
	}
	return e
}

// count returns the number of other samples at a distance less than radius from
// the sample at v; unless strict, also those at the radius.
func (c *column) count(v, radius float64, strict bool) int {
	low, high := -radius, radius
	if strict {
		low = math.Nextafter(low, math.Inf(1))
	} else {
		high = math.Nextafter(high, math.Inf(1))
	}
	return below(c.sorted, v, high) - below(c.sorted, v, low) - 1
}

// below returns the number of values u with u − v < d, of values in ascending
// order. The binary search has no branch, which the processor could not predict.
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

// neighbour is a near sample: its distance in each of the two groups, in maximum
// norm.
type neighbour struct{ dx, dy float64 }

func (n neighbour) distance() float64 {
	if n.dx > n.dy { // faster than max, which looks for NaN
		return n.dx
	}
	return n.dy
}

// summary returns the estimate, given the sum of term over all samples.
func (e *estimator) summary(sum float64) float64 {
	v := e.harmonic[e.k-1] + e.harmonic[e.n-1] - sum/float64(e.n)
	if e.method == KSG2 {
		v -= 1 / float64(e.k)
	}
	return v
}

// radii returns the radii within which samples are counted in x and in y, given
// the nearest neighbours. ok is false if a radius is zero.
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

// term returns ψ(n_x+1) + ψ(n_y+1) + 2γ, or ψ(n_x) + ψ(n_y) + 2γ for KSG2, where
// n_x and n_y are the numbers of samples counted within the radii.
func (e *estimator) term(nx, ny int) float64 {
	if e.method == KSG2 {
		nx, ny = nx-1, ny-1
	}
	return e.harmonic[nx] + e.harmonic[ny]
}

// repeated is the error for neighbours at distance zero.
func repeated(sample int) error {
	return fmt.Errorf("%w: the nearest neighbours of sample %d are at distance zero", ErrDegenerate, sample)
}

// groups returns the estimate for two groups of columns.
func (e *estimator) groups(ctx context.Context, x, y []*column) (float64, error) {
	if len(x) == 1 && len(y) == 1 {
		return e.pair(ctx, x[0], y[0])
	}
	return e.trees(ctx, x, y)
}

// trees returns the estimate for two groups of columns by k-d trees.
func (e *estimator) trees(ctx context.Context, x, y []*column) (float64, error) {
	joint := newTree(append(slices.Clone(x), y...))
	countX, countY := e.counter(x), e.counter(y)
	near := nearest{all: make([]neighbour, e.k)}
	sum := 0.0
	for i := range e.n {
		if err := look(ctx, i); err != nil {
			return 0, err
		}
		joint.nearest(&near, i, len(x))
		rx, ry, ok := e.radii(near.all)
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

// look returns the error of ctx in one of 256 steps; i is the number of the step.
func look(ctx context.Context, i int) error {
	if i%256 != 0 {
		return nil
	}
	return ctx.Err()
}

// strip is the largest number of candidates that pair compares with one sample,
// on average. A tree is faster if there are more.
const strip = 1000

// pair returns the estimate for two variables. The search for the neighbours of a
// sample goes outwards in the order of x, a few candidates at a time on either
// side, up to the distance of the K-th neighbour so far. About √n candidates are
// compared, unless many values of x are close to each other.
func (e *estimator) pair(ctx context.Context, x, y *column) (float64, error) {
	n, strict := e.n, e.method == KSG1
	xs, ys := x.sorted, make([]float64, n)
	for r, i := range x.order {
		ys[r] = y.v[i]
	}
	const stride = 8
	near := nearest{all: make([]neighbour, e.k)}
	sum, steps := 0.0, 0
	for r, v := range xs {
		if err := look(ctx, r); err != nil {
			return 0, err
		}
		if steps > strip*n/stride {
			return e.trees(ctx, []*column{x}, []*column{y})
		}
		w := ys[r]
		near.reset()
		for left, right := r-1, r+1; left >= 0 || right < n; steps += 2 {
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

// nearest holds the nearest neighbours found so far, the nearest first.
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

// add inserts a neighbour that is nearer than the farthest.
func (s *nearest) add(c neighbour) {
	all := s.all
	d, j := c.distance(), len(all)-1
	for ; j > 0 && all[j-1].distance() > d; j-- {
		all[j] = all[j-1]
	}
	all[j] = c
	s.farthest = all[len(all)-1].distance()
}
