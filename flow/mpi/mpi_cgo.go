//go:build mpi

package mpi

/*
#include <mpi.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

// Faults of Go are handled by Go: MPI_Init may install handlers of its own, which do not run
// on Go's stacks.
static const int kept[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGINT, SIGTERM, SIGHUP, SIGPIPE};
enum { nkept = sizeof kept / sizeof kept[0] };

static int nrg_open(int *provided, int *rank, int *size) {
	struct sigaction was[nkept];
	for (int i = 0; i < nkept; i++) sigaction(kept[i], NULL, &was[i]);
	int e = MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, provided);
	for (int i = 0; i < nkept; i++) sigaction(kept[i], &was[i], NULL);
	if (e == MPI_SUCCESS) e = MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	if (e == MPI_SUCCESS) e = MPI_Comm_rank(MPI_COMM_WORLD, rank);
	if (e == MPI_SUCCESS) e = MPI_Comm_size(MPI_COMM_WORLD, size);
	return e;
}

// nrg_sendrecv sends and receives at the same time. It polls, and sleeps after a while: the
// waiting of MPI itself takes a whole core from ranks that compute.
static int nrg_sendrecv(double *send, int ns, int to, double *recv, int nr, int from) {
	enum { tag = 1, spins = 2000 };
	MPI_Request req[2] = {MPI_REQUEST_NULL, MPI_REQUEST_NULL};
	int e = MPI_SUCCESS, done = 0;
	if (nr > 0) e = MPI_Irecv(recv, nr, MPI_DOUBLE, from, tag, MPI_COMM_WORLD, &req[0]);
	if (e == MPI_SUCCESS && ns > 0) e = MPI_Isend(send, ns, MPI_DOUBLE, to, tag, MPI_COMM_WORLD, &req[1]);
	for (long i = 0; e == MPI_SUCCESS; i++) {
		MPI_Status status[2];
		e = MPI_Testall(2, req, &done, status);
		if (done) {
			int n = nr;
			if (e == MPI_SUCCESS && nr > 0) e = MPI_Get_count(&status[0], MPI_DOUBLE, &n);
			return e != MPI_SUCCESS ? e : n == nr ? MPI_SUCCESS : MPI_ERR_TRUNCATE;
		}
		if (i > spins) nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
	}
	return e;
}

static int nrg_text(int e, char *text) { // of MPI_MAX_ERROR_STRING bytes
	int n = 0;
	MPI_Error_string(e, text, &n);
	return n;
}

static int nrg_library(char *text) { // of MPI_MAX_LIBRARY_VERSION_STRING bytes
	int n = 0;
	MPI_Get_library_version(text, &n);
	return n;
}

static void nrg_abort(void) { MPI_Abort(MPI_COMM_WORLD, 1); }

enum { textlen = MPI_MAX_ERROR_STRING, versionlen = MPI_MAX_LIBRARY_VERSION_STRING,
	serialized = MPI_THREAD_SERIALIZED };
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"
)

func open() (rank, size int, err error) {
	var provided, r, n C.int
	if e := C.nrg_open(&provided, &r, &n); e != C.MPI_SUCCESS {
		return 0, 0, errors.New(text(e))
	}
	if provided < C.serialized {
		return 0, 0, fmt.Errorf("threads cannot take turns (MPI_THREAD_SERIALIZED) in a program built %s", library())
	}
	return int(r), int(n), nil
}

func sendRecv(send []float64, to int, recv []float64, from int) error {
	e := C.nrg_sendrecv((*C.double)(unsafe.SliceData(send)), C.int(len(send)), C.int(to),
		(*C.double)(unsafe.SliceData(recv)), C.int(len(recv)), C.int(from))
	if e != C.MPI_SUCCESS {
		return errors.New(text(e))
	}
	return nil
}

func finish() { C.MPI_Finalize() }
func abort()  { C.nrg_abort() }

func text(e C.int) string {
	var b [C.textlen]C.char
	return C.GoStringN(&b[0], C.nrg_text(e, &b[0]))
}

// library says for which MPI the program is built.
func library() string {
	var b [C.versionlen]C.char
	return "for " + C.GoStringN(&b[0], C.nrg_library(&b[0]))
}
