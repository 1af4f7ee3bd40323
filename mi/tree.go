package mi

import (
	"math"
)

// leaf is the largest number of samples that a tree does not divide any further.
const leaf = 8

// tree finds and counts neighbours, in maximum norm, among the samples of several
// columns. It is a k-d tree. Every node divides its samples into halves of equal
// size, so that repeated values do not make the tree deep. Every node knows the
// box that holds its samples, so that a count takes or leaves a box as a whole. A
// tree is safe for concurrent use.
type tree struct {
	n, dims int
	at      []float64 // (n, dims), in the order of the tree
	sample  []int     // by place in the tree
	place   []int     // by sample
	// low and high are the corners of the box of every node, (nodes, dims). Node i
	// has the children 2i+1 and 2i+2.
	low, high []float64
}

func newTree(group []*column) *tree {
	n, dims := len(group[0].v), len(group)
	nodes := 1
	for size := n; size > leaf; size = (size + 1) / 2 {
		nodes = 2*nodes + 1
	}
	t := &tree{
		n: n, dims: dims,
		at:     make([]float64, n*dims),
		sample: make([]int, n),
		place:  make([]int, n),
		low:    make([]float64, nodes*dims),
		high:   make([]float64, nodes*dims),
	}
	for i := range t.sample {
		t.sample[i] = i
	}
	t.build(group, 0, 0, n)
	for r, i := range t.sample {
		t.place[i] = r
		for d, c := range group {
			t.at[r*dims+d] = c.v[i]
		}
	}
	return t
}

// build makes the node that holds the places from, …, to−1, and all nodes below.
func (t *tree) build(group []*column, node, from, to int) {
	part := t.sample[from:to]
	widest, width := 0, -1.0
	for d, c := range group {
		low, high := math.Inf(1), math.Inf(-1)
		for _, i := range part {
			low, high = min(low, c.v[i]), max(high, c.v[i])
		}
		t.low[node*t.dims+d], t.high[node*t.dims+d] = low, high
		if high-low > width {
			widest, width = d, high-low
		}
	}
	if len(part) <= leaf {
		return
	}
	v := group[widest].v
	half := (len(part) + 1) / 2
	divide(part, half, v)
	t.build(group, 2*node+1, from, from+half)
	t.build(group, 2*node+2, from+half, to)
}

// divide reorders the samples so that those with the smallest values come first,
// as many as first says. Equal values are compared by the numbers of the samples.
// Pivots are deterministic, so that trees are reproducible.
func divide(samples []int, first int, v []float64) {
	less := func(a, b int) bool { return v[a] < v[b] || v[a] == v[b] && a < b }
	for low, high := 0, len(samples)-1; low < high; {
		// The pivot is the median of three samples. Both searches stop at it.
		mid := low + (high-low)/2
		a, b, c := samples[low], samples[mid], samples[high]
		pivot := b
		if less(a, b) != less(a, c) {
			pivot = a
		} else if less(c, a) != less(c, b) {
			pivot = c
		}
		i, j := low, high
		for i <= j {
			for less(samples[i], pivot) {
				i++
			}
			for less(pivot, samples[j]) {
				j--
			}
			if i <= j {
				samples[i], samples[j] = samples[j], samples[i]
				i++
				j--
			}
		}
		switch {
		case first <= j:
			high = j
		case first > i:
			low = i
		default:
			return
		}
	}
}

// distance returns the distance of two samples in maximum norm.
func distance(a, b []float64) float64 {
	d := 0.0
	for i, v := range a {
		d = max(d, math.Abs(v-b[i]))
	}
	return d
}

// nearest finds the nearest neighbours of a sample. The first dims columns are
// those of x.
func (t *tree) nearest(near *nearest, sample, dims int) {
	near.reset()
	place := t.place[sample]
	q := query{t.at[place*t.dims : (place+1)*t.dims], place, dims, near}
	t.search(&q, 0, 0, t.n)
}

// query is a search for the nearest neighbours of one sample.
type query struct {
	p     []float64 // values of the sample
	place int       // of the sample
	dims  int       // number of columns of x
	near  *nearest  // neighbours found so far
}

// search looks for neighbours in a node, whose places are from, …, to−1.
func (t *tree) search(q *query, node, from, to int) {
	p, place, dims, near := q.p, q.place, q.dims, q.near
	if to-from <= leaf {
		for r := from; r < to; r++ {
			if r == place {
				continue
			}
			other := t.at[r*t.dims : (r+1)*t.dims]
			c := neighbour{distance(p[:dims], other[:dims]), distance(p[dims:], other[dims:])}
			if c.distance() < near.farthest {
				near.add(c)
			}
		}
		return
	}
	half := from + (to-from+1)/2
	a, _ := t.reach(2*node+1, p)
	b, _ := t.reach(2*node+2, p)
	if a <= b {
		if a < near.farthest {
			t.search(q, 2*node+1, from, half)
		}
		if b < near.farthest {
			t.search(q, 2*node+2, half, to)
		}
		return
	}
	if b < near.farthest {
		t.search(q, 2*node+2, half, to)
	}
	if a < near.farthest {
		t.search(q, 2*node+1, from, half)
	}
}

// reach returns the smallest and the largest distance of the point p from points
// in the box of a node.
func (t *tree) reach(node int, p []float64) (nearest, farthest float64) {
	low, high := t.low[node*t.dims:][:len(p)], t.high[node*t.dims:][:len(p)]
	for d, v := range p {
		below, above := low[d]-v, v-high[d]
		nearest = max(nearest, below, above)
		farthest = max(farthest, -below, -above)
	}
	return nearest, farthest
}

// count returns the number of other samples at a distance less than radius;
// unless strict, also those at the radius.
func (t *tree) count(sample int, radius float64, strict bool) int {
	if !strict {
		radius = math.Nextafter(radius, math.Inf(1))
	}
	p := t.at[t.place[sample]*t.dims:][:t.dims]
	return t.within(p, radius, 0, 0, t.n) - 1
}

// within returns the number of samples of a node at a distance less than radius.
func (t *tree) within(p []float64, radius float64, node, from, to int) int {
	nearest, farthest := t.reach(node, p)
	switch {
	case nearest >= radius:
		return 0
	case farthest < radius:
		return to - from
	case to-from <= leaf:
		count := 0
		for r := from; r < to; r++ {
			if distance(p, t.at[r*t.dims:(r+1)*t.dims]) < radius {
				count++
			}
		}
		return count
	}
	half := from + (to-from+1)/2
	return t.within(p, radius, 2*node+1, from, half) + t.within(p, radius, 2*node+2, half, to)
}
