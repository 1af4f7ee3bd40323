package bijector_test

import (
	"fmt"
	"log"

	"github.com/neuralrg/neuralrg/bijector"
)

// A copy begins with the same values and is trained by itself.
func ExampleCopy() {
	b, err := bijector.NewActNorm(2)
	if err != nil {
		log.Fatal(err)
	}
	shift := b.Params()[0].Value().Float64s()[2:]
	shift[0] = 1
	c, err := bijector.Copy(b)
	if err != nil {
		log.Fatal(err)
	}
	shift[1] = 5
	fmt.Println(b.Shift(), c.(*bijector.ActNorm).Shift())
	// Output: [1 5] [1 0]
}

// What a file says of a permutation.
func ExampleDescribe() {
	p, err := bijector.NewPermutation([]int{2, 0, 1})
	if err != nil {
		log.Fatal(err)
	}
	d, err := bijector.Describe(p)
	if err != nil {
		log.Fatal(err)
	}
	for _, a := range d.Arrays() {
		fmt.Println(d.Kind, a.Name, a.Ints)
	}
	// Output: permutation perm [2 0 1]
}
