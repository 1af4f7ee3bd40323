package hmc

import "gonum.org/v1/gonum/mat"

// trajectory is one trajectory of every chain.
type trajectory struct {
	state
	v     *mat.Dense
	alive []bool // false after a chain has met NaN or infinity
}

func newTrajectory(from state) *trajectory {
	chains, dim := from.x.Dims()
	return &trajectory{
		state: newState(from.x),
		v:     mat.NewDense(chains, dim, nil),
		alive: make([]bool, chains),
	}
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
		x := t.x.RawRowView(i)
		t.kick(i, eps/2)
		for j, v := range t.v.RawRowView(i) {
			x[j] += eps * v
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
		if !finite(t.logp[i]) {
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
	for j, g := range t.grad.RawRowView(i) {
		v[j] += dt * g
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
