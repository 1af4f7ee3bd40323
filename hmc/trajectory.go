package hmc

import (
	"math"

	"github.com/neuralrg/neuralrg/internal/num"
	"gonum.org/v1/gonum/mat"
)

// trajectory is one trajectory of every chain. The velocities are those of the
// coordinates x/scale, in which the mass is one.
type trajectory struct {
	state
	v     *mat.Dense
	alive []bool // false after a chain has met NaN or infinity

	scale []float64 // √InverseMass; nil: ones
	turn  *rotation // of HMC.Rotate; nil: the leapfrog
}

// newTrajectory returns a trajectory for the chains of from, with velocities if from
// has gradients.
func newTrajectory(from state) *trajectory {
	chains, dim := from.x.Dims()
	t := &trajectory{state: newState(from.x, from.grad != nil), alive: make([]bool, chains)}
	if from.grad != nil {
		t.v = mat.NewDense(chains, dim, nil)
	}
	return t
}

// begin puts every chain at its position in from. The caller sets the
// velocities.
func (t *trajectory) begin(from *state) {
	t.copyFrom(from)
	for i := range t.alive {
		t.alive[i] = true
	}
}

// leapfrog advances every chain that is alive by one step of size eps. It calls
// the density once. A chain that meets NaN or infinity is not alive any more and
// returns to its position in home, so that the density sees finite positions
// only.
func (t *trajectory) leapfrog(d LogDensity, eps float64, home *state) error {
	for i := range t.alive {
		if !t.alive[i] {
			continue
		}
		x, v := t.x.RawRowView(i), t.v.RawRowView(i)
		t.kick(i, eps/2)
		if t.turn != nil {
			t.turn.apply(x, v)
		} else {
			add(x, eps, t.scale, v)
		}
		if firstNotFinite(x) >= 0 {
			t.kill(i, home)
		}
	}
	if err := t.evaluate(d); err != nil {
		return err
	}
	for i := range t.alive {
		if !t.alive[i] {
			continue
		}
		if !num.Finite(t.logp[i]) {
			t.kill(i, home)
			continue
		}
		// A gradient that is not finite needs no test here: the velocity is then
		// not finite, which shows in the next position or, after the last step, in
		// the kinetic energy.
		t.kick(i, eps/2)
	}
	return nil
}

// kick adds force times dt to the velocity of chain i.
func (t *trajectory) kick(i int, dt float64) {
	v := t.v.RawRowView(i)
	add(v, dt, t.scale, t.grad.RawRowView(i))
	if t.turn != nil { // the rotation has the force −x
		add(v, dt, t.scale, t.x.RawRowView(i))
	}
}

// add adds a·scale·src to dst.
func add(dst []float64, a float64, scale, src []float64) {
	if scale == nil {
		for j, v := range src {
			dst[j] += a * v
		}
		return
	}
	for j, v := range src {
		dst[j] += a * scale[j] * v
	}
}

// kill ends the trajectory of chain i, which will be rejected.
func (t *trajectory) kill(i int, home *state) {
	t.alive[i] = false
	copy(t.x.RawRowView(i), home.x.RawRowView(i))
}

// kinetic is the kinetic energy vᵀv/2 of chain i.
func (t *trajectory) kinetic(i int) float64 {
	var sum float64
	for _, v := range t.v.RawRowView(i) {
		sum += v * v
	}
	return sum / 2
}

// rotation is the motion of harmonic oscillators of energy (x² + v²)/2 in the
// velocities of trajectory: coordinate j turns by the angle ε·scale_j.
type rotation struct {
	sin, cos []float64 // of every coordinate, or of all
}

func (r *rotation) set(eps float64, scale []float64) {
	r.sin, r.cos = r.sin[:0], r.cos[:0]
	if scale == nil {
		r.sin, r.cos = append(r.sin, math.Sin(eps)), append(r.cos, math.Cos(eps))
	}
	for _, w := range scale {
		r.sin, r.cos = append(r.sin, math.Sin(eps*w)), append(r.cos, math.Cos(eps*w))
	}
}

func (r *rotation) apply(x, v []float64) {
	sin, cos := r.sin[0], r.cos[0]
	for j := range x {
		if len(r.sin) > 1 {
			sin, cos = r.sin[j], r.cos[j]
		}
		x[j], v[j] = cos*x[j]+sin*v[j], cos*v[j]-sin*x[j]
	}
}
