package lattice

import (
	"slices"
	"testing"
)

var shapes = [][]int{{1}, {5}, {2, 3}, {3, 1, 4}, {2, 2, 2, 3}}

// Points counts all sites once, in order, and Site and Strides agree with it.
func TestPoints(t *testing.T) {
	for _, shape := range shapes {
		size, err := Size(shape)
		if err != nil {
			t.Fatal(err)
		}
		strides := Strides(shape)
		want := 0
		var before []int
		for site, at := range Points(shape) {
			if site != want {
				t.Fatalf("%v: site %d, want %d", shape, site, want)
			}
			want++
			if got := Site(shape, at); got != site {
				t.Errorf("%v: Site(%v) = %d, want %d", shape, at, got, site)
			}
			sum := 0
			for axis, x := range at {
				if x < 0 || x >= shape[axis] {
					t.Fatalf("%v: site %d at %v", shape, site, at)
				}
				sum += x * strides[axis]
			}
			if sum != site {
				t.Errorf("%v: strides %v take %v to %d, want %d", shape, strides, at, sum, site)
			}
			if before != nil && slices.Compare(before, at) >= 0 {
				t.Errorf("%v: %v follows %v", shape, at, before)
			}
			before = slices.Clone(at)
		}
		if want != size {
			t.Errorf("%v: %d points, want %d", shape, want, size)
		}
	}
}

// A loop over Points may end early.
func TestPointsBreak(t *testing.T) {
	n := 0
	for site := range Points([]int{3, 3}) {
		if n++; site == 4 {
			break
		}
	}
	if n != 5 {
		t.Errorf("%d points, want 5", n)
	}
}

// The coordinates of a site and its opposite add up to zero, modulo the extents.
func TestOpposite(t *testing.T) {
	for _, shape := range shapes {
		var points [][]int
		for _, at := range Points(shape) {
			points = append(points, slices.Clone(at))
		}
		for site, at := range points {
			for axis, x := range points[Opposite(shape, site)] {
				if (x+at[axis])%shape[axis] != 0 {
					t.Errorf("%v: the opposite of %v is %v", shape, at, points[Opposite(shape, site)])
				}
			}
		}
	}
}
