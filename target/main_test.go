package target

import (
	"testing"

	"github.com/neuralrg/neuralrg/internal/kernel/kerneltest"
)

// TestMain runs the tests in the kernel variant that NEURALRG_KERNEL names.
func TestMain(m *testing.M) { kerneltest.Main(m) }
