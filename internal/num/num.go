// Package num holds small functions of numbers that several packages need.
package num

// Finite reports whether none of x is NaN or infinite.
func Finite(x ...float64) bool {
	for _, v := range x {
		if v-v != 0 {
			return false
		}
	}
	return true
}

// UpTo returns the integers 0 … n−1.
func UpTo(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}
