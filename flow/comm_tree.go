package flow

import "gonum.org/v1/gonum/floats"

// tree adds vectors, the leaves, in the order of a binary tree: leaves 2k and 2k+1, then the
// sums of four, and so on. What is left over at the right end is added to its left
// neighbours last. The tree depends on the number of leaves alone. A rank that has a range
// of leaves sums those subtrees that lie within it; these are its nodes. The sum of the
// nodes of all ranks is therefore the same to the bit for any number of ranks.
type tree struct {
	nodes []subtree // from left to right
	free  [][]float64
}

// subtree is the sum of the leaves index·2^level … (index+1)·2^level − 1.
type subtree struct {
	level, index int
	values       []float64
}

// vector returns room for a leaf of n values. It is not cleared.
func (t *tree) vector(n int) []float64 {
	if k := len(t.free); k > 0 {
		v := t.free[k-1]
		t.free = t.free[:k-1]
		return v[:n]
	}
	return make([]float64, n)
}

// clear forgets all nodes.
func (t *tree) clear() {
	for _, n := range t.nodes {
		t.free = append(t.free, n.values)
	}
	t.nodes = t.nodes[:0]
}

// push adds a node to the right of the others and takes its values over.
func (t *tree) push(n subtree) {
	t.nodes = append(t.nodes, n)
	for len(t.nodes) > 1 {
		a, b := t.nodes[len(t.nodes)-2], t.nodes[len(t.nodes)-1]
		if a.level != b.level || a.index%2 != 0 {
			return
		}
		t.join()
	}
}

// join replaces the last two nodes by their sum.
func (t *tree) join() {
	last := len(t.nodes) - 1
	a, b := &t.nodes[last-1], t.nodes[last]
	floats.Add(a.values, b.values)
	a.level, a.index = a.level+1, a.index/2
	t.free = append(t.free, b.values)
	t.nodes = t.nodes[:last]
}

// root returns the sum of all leaves, once all are there. It remains valid until the next
// call of clear.
func (t *tree) root() []float64 {
	for len(t.nodes) > 1 {
		t.join()
	}
	return t.nodes[0].values
}

// shape returns the tree of the leaves from ≤ leaf < to, without values.
func shape(from, to int) *tree {
	t := &tree{}
	for leaf := from; leaf < to; leaf++ {
		t.push(subtree{index: leaf})
	}
	return t
}

// pack appends the values from ≤ i < to of every node to all.
func (t *tree) pack(all []float64, from, to int) []float64 {
	for _, n := range t.nodes {
		all = append(all, n.values[from:to]...)
	}
	return all
}
