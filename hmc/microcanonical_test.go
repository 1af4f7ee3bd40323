package hmc

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// glide is launch with velocities of length 1.
func glide(t *testing.T, d LogDensity, x, v *mat.Dense, scale []float64) *flight {
	t.Helper()
	f := launch(t, d, x, v)
	f.scale, f.work = scale, make([]float64, len(f.alive))
	for i := range f.alive {
		f.direct(i)
	}
	return f
}

// A trajectory of velocities of length 1 is reversible, the energy change of the way back
// is the opposite one, and the energy error falls as the square of the step.
func TestMicrocanonicalIsReversible(t *testing.T) {
	d := &pointwise{dim: 2, f: anharmonic}
	x, v := randn(3, 20, 2, 1), randn(4, 20, 2, 1)
	for name, scale := range map[string][]float64{"no mass": nil, "mass": {1.3, 0.6}} {
		start := glide(t, d, x, v, scale)
		fly := func(steps int) *flight {
			f := glide(t, d, x, v, scale)
			f.fly(t, 1.3/float64(steps), steps)
			return f
		}
		there := fly(40)
		for i := range 20 {
			if u := floats.Norm(there.v.RawRowView(i), 2); math.Abs(u-1) > 1e-14 {
				t.Errorf("%s: velocity of length %v", name, u)
			}
		}
		back := mat.NewDense(20, 2, nil)
		back.Scale(-1, there.v)
		home := glide(t, d, there.x, back, scale)
		home.fly(t, 1.3/40, 40)
		if !mat.EqualApprox(home.x, x, 1e-10) || mat.EqualApprox(there.x, x, 0.1) {
			t.Errorf("%s: flying back does not return to the start", name)
		}
		if !floats.EqualFunc(home.work, there.work, func(a, b float64) bool { return math.Abs(a+b) < 1e-10 }) {
			t.Errorf("%s: work %v there, %v back", name, there.work, home.work)
		}
		coarse, fine := fly(400), fly(800)
		for i := range 20 {
			a := coarse.work[i] - coarse.logp[i] + start.logp[i]
			b := fine.work[i] - fine.logp[i] + start.logp[i]
			if math.Abs(a) > 1e-7 && math.Abs(a/b-4) > 0.05 {
				t.Errorf("%s: halving the step divides the energy error by %g, want 4", name, a/b)
			}
		}
	}
}

// A trajectory changes the volume in positions and angles by e^−work, so that the
// energy change is the exact logarithm of the Metropolis ratio, whatever the step.
func TestMicrocanonicalVolume(t *testing.T) {
	const h = 1e-5
	d := &pointwise{dim: 2, f: anharmonic}
	for seed := range uint64(10) {
		start := randn(seed, 1, 3, 1).RawRowView(0) // x and the angle of u
		x, v := mat.NewDense(7, 2, nil), mat.NewDense(7, 2, nil)
		for i := range 7 { // chain 6 is not displaced
			p := []float64{start[0], start[1], start[2]}
			if i < 6 {
				p[i/2] += h * float64(1-2*(i%2))
			}
			x.SetRow(i, p[:2])
			v.SetRow(i, []float64{math.Cos(p[2]), math.Sin(p[2])})
		}
		f := glide(t, d, x, v, []float64{1.3, 0.6})
		f.fly(t, 0.3, 5)
		jacobian := mat.NewDense(3, 3, nil)
		u := f.v.RawRowView(6)
		for j := range 3 {
			for k := range 2 {
				jacobian.Set(k, j, (f.x.At(2*j, k)-f.x.At(2*j+1, k))/(2*h))
			}
			turn := u[0]*(f.v.At(2*j, 1)-f.v.At(2*j+1, 1)) - u[1]*(f.v.At(2*j, 0)-f.v.At(2*j+1, 0))
			jacobian.Set(2, j, turn/(2*h))
		}
		if got, want := math.Log(math.Abs(mat.Det(jacobian))), -f.work[6]; math.Abs(got-want) > 1e-5 {
			t.Errorf("seed %d: logarithm of the volume %.7f, want %.7f", seed, got, want)
		}
	}
}

// A force of any size, along or against the velocity, gives a finite velocity of length 1
// and the energy change of the formula.
func TestBend(t *testing.T) {
	for _, grad := range []float64{0, 1e-200, 1e-9, 0.1, 30, 1e5} {
		for _, angle := range []float64{0, 1e-9, 0.3, math.Pi / 2, 3, math.Pi} {
			tr := newTrajectory(newState(mat.NewDense(1, 3, nil), true))
			tr.work = []float64{0}
			tr.v.SetRow(0, []float64{math.Cos(angle), math.Sin(angle), 0})
			tr.grad.SetRow(0, []float64{grad, 0, 0})
			tr.kick(0, 0.2)
			delta := 0.2 * grad / 2
			want := 2 * math.Log(math.Cosh(delta)+math.Cos(angle)*math.Sinh(delta))
			if delta > 300 { // cosh overflows
				want = 2 * (delta + math.Log((1+math.Cos(angle))/2))
			}
			if angle == math.Pi {
				want = -2 * delta
			}
			v := tr.v.RawRowView(0)
			if delta > 300 && angle == math.Pi {
				continue // divergent
			}
			if u := floats.Norm(v, 2); math.Abs(u-1) > 1e-14 || math.Abs(tr.work[0]-want) > 1e-12*(1+math.Abs(want)) {
				t.Errorf("force %v at angle %v: velocity %v, work %v, want %v", grad, angle, v, tr.work[0], want)
			}
		}
	}
}

func TestMicrocanonicalNeedsTwoCoordinates(t *testing.T) {
	_, err := New(&pointwise{dim: 1, f: normal}, mat.NewDense(3, 1, nil),
		&Settings{Kernel: Microcanonical{}, Src: rand.NewPCG(1, 2)})
	wantError(t, "one coordinate", err, ErrSettings, "Microcanonical with 1 coordinates")
}
