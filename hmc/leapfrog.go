package hmc

import "gonum.org/v1/gonum/mat"

// trajectory carries every chain through phase space.
type trajectory struct {
	state
	v     *mat.Dense
	alive []bool // false once a chain has met a number that is not finite
}

func newTrajectory(from state) *trajectory {
	chains, dim := from.x.Dims()
	return &trajectory{
		state: newState(from.x),
		v:     mat.NewDense(chains, dim, nil),
		alive: make([]bool, chains),
	}
}

// begin puts every chain at rest at its state in from; the velocities are for
// the caller to set.
func (t *trajectory) begin(from *state) {
	t.copyFrom(from)
	for i := range t.alive {
		t.alive[i] = true
	}
}

// leapfrog advances every living chain by one step of size eps at the cost of
// one evaluation. A chain that meets a number that is not finite dies and waits
// at its position in home, so that the density is never asked about anything
// but finite positions.
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
		// A gradient that is not finite makes a velocity that is not finite, and
		// no later kick mends it: it shows in the next position or, after the
		// last step, in the kinetic energy.
		t.kick(i, eps/2)
	}
	return nil
}

// kick lets the force act on the velocity of chain i for a time dt.
func (t *trajectory) kick(i int, dt float64) {
	v := t.v.RawRowView(i)
	for j, g := range t.grad.RawRowView(i) {
		v[j] += dt * g
	}
}

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
