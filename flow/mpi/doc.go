// Package mpi lets the ranks of an MPI job train one model together, and share the chains of
// one measurement or the samples of AIS. Its Comm is a flow.Comm for flow.Settings.Comm,
// flow.MeasureSettings.Comm and flow.AISSettings.Comm:
//
//	comm, err := mpi.Open()
//	if err != nil { ... }
//	err = train(comm) // with flow.Settings{Comm: comm, ...}
//	comm.Close(err)
//
// The package needs the build tag mpi, cgo and an MPI library with its compiler wrapper mpicc,
// for example Open MPI or MPICH:
//
//	CC=mpicc go build -tags mpi
//	mpirun -n 4 ./program
//
// The mpirun must be that of the library. Without the tag the package has no need of MPI. Open
// then returns a Comm of one rank, so that the same program runs alone, and fails if mpirun has
// started several processes.
//
// A rank that ends without Close, for instance by a panic or a signal, ends the whole job:
// mpirun kills the other ranks and reports an error. Under srun of Slurm this needs the option
// --kill-on-bad-exit. The last checkpoint can be resumed with another number of ranks; see
// flow.Settings.
package mpi
