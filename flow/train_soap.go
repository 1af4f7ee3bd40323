package flow

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/num"
	"github.com/neuralrg/neuralrg/internal/safetensors"
)

const (
	soapMemory = 0.95 // decay of the sums of GGᵀ and GᵀG
	soapEvery  = 10   // steps from one basis of a matrix to the next
	soapSide   = 128  // longest side that gets a basis of its own
)

// matrix turns the gradient G of one matrix of parameters into G' = LᵀGR. The columns of
// L are the eigenvectors of the mean of GGᵀ over the last steps, those of R the eigenvectors
// of the mean of GᵀG. Adam then works on G' (Vyas et al., arXiv:2409.11321, algorithm 3).
type matrix struct {
	param, at   int // of the first element: its parameter, and its position there
	rows, cols  int
	left, right side
	room        blas64.General
}

// side is one side of a matrix: the mean of GGᵀ and its eigenvectors, now and after the
// step that is being made. A side longer than soapSide has none and is not turned.
type side struct {
	n           int
	mean, next  blas64.Symmetric
	basis, then blas64.General
	fresh       bool // then is a new basis
}

func newSide(n int) side {
	if n > soapSide {
		return side{n: n}
	}
	square := func() blas64.General {
		g := blas64.General{Rows: n, Cols: n, Stride: n, Data: make([]float64, n*n)}
		for i := range n {
			g.Data[i*(n+1)] = 1
		}
		return g
	}
	mean := func() blas64.Symmetric {
		return blas64.Symmetric{Uplo: blas.Upper, N: n, Stride: n, Data: make([]float64, n*n)}
	}
	return side{n, mean(), mean(), square(), square(), false}
}

// turned tells whether the side has a basis.
func (s *side) turned() bool { return s.basis.Data != nil }

// learn adds GGᵀ to the mean, or GᵀG with blas.Trans, and finds a new basis if it is due. If
// no eigenvectors can be found, the basis stays.
func (s *side) learn(t blas.Transpose, g blas64.General, due bool) {
	if !s.turned() {
		return
	}
	copy(s.next.Data, s.mean.Data)
	blas64.Syrk(t, 1-soapMemory, g, soapMemory, s.next)
	s.fresh = false
	for i := range s.n {
		due = due && num.Finite(s.next.Data[i*(s.n+1)]) // the step fails otherwise
	}
	if due {
		var e mat.EigenSym
		if s.fresh = e.Factorize(mat.NewSymDense(s.n, slices.Clone(s.next.Data)), true); s.fresh {
			e.VectorsTo(mat.NewDense(s.n, s.n, s.then.Data))
		}
	}
	if !s.fresh {
		copy(s.then.Data, s.basis.Data)
	}
}

// commit ends a step.
func (s *side) commit() {
	s.mean, s.next = s.next, s.mean
	s.basis, s.then = s.then, s.basis
}

// to turns a to the bases: LᵀaR.
func (r *matrix) to(a, left, right blas64.General) { r.turn(a, left, right, blas.Trans, blas.NoTrans) }

// from turns a back: LaRᵀ.
func (r *matrix) from(a, left, right blas64.General) {
	r.turn(a, left, right, blas.NoTrans, blas.Trans)
}

func (r *matrix) turn(a, left, right blas64.General, tl, tr blas.Transpose) {
	if r.left.turned() {
		blas64.Gemm(tl, blas.NoTrans, 1, left, a, 0, r.room)
		copy(a.Data, r.room.Data)
	}
	if r.right.turned() {
		blas64.Gemm(blas.NoTrans, tr, 1, a, right, 0, r.room)
		copy(a.Data, r.room.Data)
	}
}

// in returns the matrix in a slice for each parameter.
func (r *matrix) in(all [][]float64) blas64.General {
	n := r.rows * r.cols
	return blas64.General{Rows: r.rows, Cols: r.cols, Stride: r.cols, Data: all[r.param][r.at : r.at+n]}
}

// learn learns from the gradient, which it then turns to the next bases, with the first
// moment.
func (r *matrix) learn(grads, moments [][]float64, due bool) {
	g := r.in(grads)
	r.left.learn(blas.NoTrans, g, due)
	r.right.learn(blas.Trans, g, due)
	if r.left.fresh || r.right.fresh {
		m := r.in(moments)
		r.from(m, r.left.basis, r.right.basis)
		r.to(m, r.left.then, r.right.then)
	}
	r.to(g, r.left.then, r.right.then)
}

// back turns the step of Adam back to the parameters. Where the basis is new, Adam's second
// moments are those of another one and some elements may be far too large: a root mean square
// above the rate is scaled down to it.
func (r *matrix) back(moves [][]float64, rate float64) {
	if !r.left.turned() && !r.right.turned() {
		return
	}
	a := r.in(moves)
	if rms := floats.Norm(a.Data, 2) / math.Sqrt(float64(len(a.Data))); rms > rate {
		floats.Scale(rate/rms, a.Data)
	}
	r.from(a, r.left.then, r.right.then)
}

// commit ends a step.
func (r *matrix) commit() {
	r.left.commit()
	r.right.commit()
}

// bases returns what Soap has learned of all matrices, the mean and then the basis of every
// side. Writing to it changes the state.
func (a *adam) bases() (parts [][]float64) {
	for _, m := range a.matrices {
		for _, s := range []*side{&m.left, &m.right} {
			if s.turned() {
				parts = append(parts, s.mean.Data, s.basis.Data)
			}
		}
	}
	return parts
}

// checkBases fails if the values of bases cannot come from training.
func (a *adam) checkBases(all safetensors.Floats) error {
	at := 0
	for k, part := range a.bases() {
		n := int(math.Sqrt(float64(len(part))))
		for i := range n {
			diagonal, norm := all.At(at+i*n+i), 0.0
			for j := range n {
				norm += all.At(at+i*n+j) * all.At(at+i*n+j)
			}
			if k%2 == 0 && diagonal < 0 || k%2 == 1 && math.Abs(norm-1) > 1e-6 {
				return fmt.Errorf("array %q: values from %d on are no basis with its mean", soapArray, at)
			}
		}
		at += n * n
	}
	return nil
}

// matricesOf returns the matrices of all matrices of a model. params are the values of its
// parameters.
func matricesOf(m *Model, params [][]float64) (all []*matrix) {
	index := map[*float64]int{} // of parameters, by their first value
	for k, p := range params {
		index[&p[0]] = k
	}
	for _, b := range partsOf(m.b) {
		w, ok := b.(bijector.Weighted)
		if !ok {
			continue
		}
		for _, p := range b.Params() {
			k, ok := index[&p.Value().Float64s()[0]]
			if !ok {
				continue
			}
			for _, a := range w.Weights() {
				raw := a.RawMatrix()
				at := position(params[k], raw.Data)
				if at < 0 || raw.Stride != raw.Cols || min(raw.Rows, raw.Cols) == 1 {
					continue
				}
				all = append(all, &matrix{
					param: k, at: at, rows: raw.Rows, cols: raw.Cols, left: newSide(raw.Rows), right: newSide(raw.Cols),
					room: blas64.General{
						Rows: raw.Rows, Cols: raw.Cols, Stride: raw.Cols, Data: make([]float64, raw.Rows*raw.Cols),
					},
				})
			}
		}
	}
	return all
}

// position returns where in p the memory of a begins; −1 if a is no part of p.
func position(p, a []float64) int {
	for i := range len(p) - len(a) + 1 {
		if &p[i] == &a[0] {
			return i
		}
	}
	return -1
}
