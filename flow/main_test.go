package flow

import (
	"testing"

	"github.com/neuralrg/neuralrg/internal/kernel/kerneltest"
)

func TestMain(m *testing.M) { kerneltest.Main(m) }
