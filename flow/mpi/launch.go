package mpi

import (
	"fmt"
	"os"
	"strconv"
)

// check fails if mpirun has started more ranks than the program sees: all of them would do the
// same work.
func check(size int) error {
	for _, name := range []string{"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"} { // Open MPI and MPICH
		if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n != size && n > 1 {
			return fmt.Errorf("%w: mpirun has started %d ranks (%s), the program sees %d; it is built %s", ErrSettings,
				n, name, size, library())
		}
	}
	return nil
}
