// Package kerneltest lets the tests of other packages run on a chosen variant
// of the kernels.
package kerneltest

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/neuralrg/neuralrg/internal/kernel"
)

// Main is for the TestMain of a package: it runs the tests with the variant
// that the environment variable NEURALRG_KERNEL names, or none of them if this
// processor does not have it. Without the variable the fastest is used. The go
// command does not see the variable: run it with -count=1.
func Main(m *testing.M) {
	name := os.Getenv("NEURALRG_KERNEL")
	if name != "" && !slices.Contains(kernel.Variants(), name) {
		fmt.Fprintf(os.Stdout, "no variant %q here, only %q\n", name, kernel.Variants())
		os.Exit(0)
	}
	if name != "" {
		if err := kernel.UseVariant(name); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
