package target

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// laplacian is −Δ+m² written out: for every site and axis a bond to the next
// site.
func laplacian(shape []int, mass2 float64) *mat.SymDense {
	n := 1
	for _, l := range shape {
		n *= l
	}
	a := mat.NewSymDense(n, nil)
	add := func(i, j int, v float64) { a.SetSym(i, j, a.At(i, j)+v) }
	for i := range n {
		add(i, i, mass2)
		x, y, cols := 0, i, shape[len(shape)-1]
		if len(shape) == 2 {
			x, y = i/cols, i%cols
			j := (x+1)%shape[0]*cols + y
			add(i, i, 1)
			add(j, j, 1)
			add(i, j, -1)
		}
		j := x*cols + (y+1)%cols
		add(i, i, 1)
		add(j, j, 1)
		add(i, j, -1)
	}
	return a
}

var freeFields = []struct {
	shape []int
	mass2 float64
}{{[]int{8}, 0.3}, {[]int{5}, 2}, {[]int{2}, 1}, {[]int{4, 6}, 0.7}, {[]int{3, 2}, 1.5}, {[]int{8, 8}, 1.25}}

// The action, its gradient, ln Z and the correlator are those of the dense
// matrix.
func TestFreeFieldDense(t *testing.T) {
	for _, c := range freeFields {
		t.Run(fmt.Sprint(c.shape), func(t *testing.T) {
			f, err := NewFreeField(c.shape, c.mass2)
			if err != nil {
				t.Fatal(err)
			}
			a, n := laplacian(c.shape, c.mass2), f.Dim()
			x := mat.NewDense(2, n, nil)
			x.Apply(func(i, j int, _ float64) float64 { return math.Sin(float64(1 + 3*i + j*j)) }, x)
			var ax mat.Dense
			ax.Mul(x, a)
			logp, grad := make([]float64, 2), mat.NewDense(2, n, nil)
			if err := NewEvaluator(f).LogProbGrad(logp, grad, x); err != nil {
				t.Fatal(err)
			}
			for r := range 2 {
				if want := -0.5 * mat.Dot(ax.RowView(r), x.RowView(r)); math.Abs(logp[r]-want) > 1e-12*(1-want) {
					t.Errorf("ln π is %.15g, want %.15g", logp[r], want)
				}
			}
			ax.Scale(-1, &ax)
			if !mat.EqualApprox(grad, &ax, 1e-13) {
				t.Errorf("gradient %v, want %v", grad, &ax)
			}
			var chol mat.Cholesky
			if !chol.Factorize(a) {
				t.Fatal("not positive definite")
			}
			if want := 0.5 * (float64(n)*math.Log(2*math.Pi) - chol.LogDet()); math.Abs(f.LogZ()-want) > 1e-12*float64(n) {
				t.Errorf("ln Z is %.15g, want %.15g", f.LogZ(), want)
			}
			var inv mat.SymDense
			if err := chol.InverseTo(&inv); err != nil {
				t.Fatal(err)
			}
			for i, v := range f.Correlator() {
				if math.Abs(v-inv.At(0, i)) > 1e-13 {
					t.Errorf("correlator with site %d is %.15g, want %.15g", i, v, inv.At(0, i))
				}
			}
		})
	}
}

// The exact figure for 8×8 and m² = 1.25.
func TestFreeFieldLogZ(t *testing.T) {
	f, err := NewFreeField([]int{8, 8}, 1.25)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(f.LogZ()-8.608333638412) > 1e-11 {
		t.Errorf("ln Z is %.12f", f.LogZ())
	}
}

func TestFreeFieldErrors(t *testing.T) {
	for _, c := range []struct {
		shape []int
		mass2 float64
		is    error
		text  string
	}{
		{nil, 1, ErrShape, "target: free field:"},
		{[]int{2, 2, 2}, 1, ErrShape, "[2 2 2]"},
		{[]int{4, 1}, 1, ErrShape, "[4 1]"},
		{[]int{4}, 0, ErrSettings, "m² is 0"},
		{[]int{4}, -1, ErrSettings, "m² is -1"},
		{[]int{4}, math.NaN(), ErrSettings, "NaN"},
		{[]int{4}, math.Inf(1), ErrSettings, "Inf"},
	} {
		f, err := NewFreeField(c.shape, c.mass2)
		if f != nil || !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%v, m² = %g: error %v, want one that wraps %q and says %q", c.shape, c.mass2, err, c.is, c.text)
		}
	}
}
