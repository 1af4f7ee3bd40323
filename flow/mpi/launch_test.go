package mpi

import (
	"errors"
	"testing"
)

// A program that mpirun has started several times and that is alone does not start.
func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name, value string
		size        int
		ok          bool
	}{
		{"PMI_SIZE", "", 1, true},
		{"PMI_SIZE", "1", 1, true},
		{"PMI_SIZE", "4", 4, true},
		{"PMI_SIZE", "4", 1, false},
		{"OMPI_COMM_WORLD_SIZE", "2", 1, false},
		{"OMPI_COMM_WORLD_SIZE", "many", 1, true},
	} {
		t.Run(c.name+c.value, func(t *testing.T) {
			t.Setenv("PMI_SIZE", "")
			t.Setenv("OMPI_COMM_WORLD_SIZE", "")
			t.Setenv(c.name, c.value)
			if err := check(c.size); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrSettings) {
				t.Errorf("%d ranks: %v", c.size, err)
			}
		})
	}
}
