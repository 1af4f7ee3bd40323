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

// Main is for the TestMain of a package. It runs the tests in the variant that
// the environment variable NEURALRG_KERNEL names, and in the fastest one without
// the variable. If this processor cannot run the named variant, it runs no test.
// Cached test results do not depend on the variable: use -count=1.
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
