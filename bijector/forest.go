package bijector

// forest is a partition of the sites 0 … n−1 into groups (union–find). For every site it
// holds a site of the same group that is not larger.
type forest []int

// newForest returns the partition in which every site is a group.
func newForest(n int) forest {
	f := make(forest, n)
	for site := range f {
		f[site] = site
	}
	return f
}

// root returns the smallest site of the group of a site.
func (f forest) root(site int) int {
	for f[site] != site {
		f[site] = f[f[site]]
		site = f[site]
	}
	return site
}

// join puts sites in one group.
func (f forest) join(sites []int) {
	for _, site := range sites[1:] {
		a, b := f.root(sites[0]), f.root(site)
		f[max(a, b)] = min(a, b)
	}
}

// groups returns the given sites by group, in the given order.
func (f forest) groups(sites []int) [][]int {
	var groups [][]int
	at := map[int]int{}
	for _, site := range sites {
		k, ok := at[f.root(site)]
		if !ok {
			k = len(groups)
			at[f.root(site)], groups = k, append(groups, nil)
		}
		groups[k] = append(groups[k], site)
	}
	return groups
}
