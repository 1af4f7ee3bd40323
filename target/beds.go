package target

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/floats"
	"gorgonia.org/gorgonia"
)

// Funnel is the density of R. M. Neal, Ann. Statist. 31, 705 (2003). The first value v is
// normal with variance 9. The others are independent given v, normal with variance e^v:
//
//	ln π(x) = −v²/18 − ½ Σ_{i≥1} (x_i² e^(−v) + v) − ½ ln 9 − (Dim/2) ln 2π, v = x_0.
//
// It is a test bed with widths from e^(−4) to e^4: no step size of a Markov chain suits all
// of it. It is normalised, ln Z = 0, and draws are exact. It is safe for concurrent use.
type Funnel struct{ dim int }

// funnelStd is the standard deviation of v.
const funnelStd = 3.0

// NewFunnel returns the funnel of the given number of values; Neal has 10. It fails with
// ErrSettings for fewer than 2.
func NewFunnel(dim int) (*Funnel, error) {
	if dim < 2 {
		return nil, fmt.Errorf("target: funnel: %w: %d values, want 2 or more", ErrSettings, dim)
	}
	return &Funnel{dim}, nil
}

// Dim returns the number of values of one configuration.
func (f *Funnel) Dim() int { return f.dim }

// LogProb returns the node ln π(x) in nats, of shape (rows), for x of shape (rows, Dim). It
// fails with ErrShape for other shapes. A finite x so large that the terms overflow has
// ln π = −Inf.
func (f *Funnel) LogProb(x *gorgonia.Node) (*gorgonia.Node, error) {
	return eachRow("target: funnel", x, f.dim, f.row)
}

func (f *Funnel) row(grad, x []float64) float64 {
	v, rest := x[0], float64(f.dim-1)
	inverse, squares := math.Exp(-v), 0.0
	clear(grad)
	for i, y := range x[1:] {
		if y == 0 {
			continue // 1/e^v may be infinite
		}
		squares += y * y * inverse
		if grad != nil {
			grad[i+1] = -y * inverse
		}
	}
	if grad != nil {
		grad[0] = -v/(funnelStd*funnelStd) + 0.5*(squares-rest)
	}
	norm := math.Log(funnelStd) + 0.5*float64(f.dim)*math.Log(2*math.Pi)
	return -0.5*(v*v/(funnelStd*funnelStd)+squares+rest*v) - norm
}

// Rand stores one draw in dst, of length Dim. It panics if rnd is nil.
func (f *Funnel) Rand(dst []float64, rnd *rand.Rand) {
	dst[0] = funnelStd * rnd.NormFloat64()
	std := math.Exp(dst[0] / 2)
	for i := range dst[1:] {
		dst[i+1] = std * rnd.NormFloat64()
	}
}

// Ring is a ring in the plane,
//
//	ln π(x) = −(|x| − R)²/2σ², |x|² = x_0² + x_1².
//
// It is a test bed with a hole that a flow from a normal prior must open. It is safe for
// concurrent use.
type Ring struct{ radius, std float64 }

// NewRing returns the ring of the given radius R and width σ. It fails with ErrSettings
// unless both are positive numbers from 1e-100 to 1e100 and R/σ is at most 1e100.
func NewRing(radius, std float64) (*Ring, error) {
	for _, v := range []float64{radius, std} {
		if !(v >= 1e-100 && v <= 1e100) || radius/std > 1e100 {
			const text = "target: ring: %w: radius %g and width %g, want positive numbers between 1e-100 and 1e100"
			return nil, fmt.Errorf(text, ErrSettings, radius, std)
		}
	}
	return &Ring{radius, std}, nil
}

// Dim returns 2.
func (r *Ring) Dim() int { return 2 }

// LogProb returns the node ln π(x) in nats, of shape (rows), for x of shape (rows, 2). It
// fails with ErrShape for other shapes. The gradient at the centre, where there is none,
// is 0.
func (r *Ring) LogProb(x *gorgonia.Node) (*gorgonia.Node, error) {
	return eachRow("target: ring", x, 2, r.row)
}

func (r *Ring) row(grad, x []float64) float64 {
	length := math.Hypot(x[0], x[1])
	d := (length - r.radius) / r.std
	if grad != nil {
		clear(grad)
		if length > 0 {
			grad[0], grad[1] = -d/r.std*(x[0]/length), -d/r.std*(x[1]/length)
		}
	}
	return -0.5 * d * d
}

// LogZ returns the exact ln Z in nats. With a = R/σ,
//
//	Z = 2πσ² [exp(−a²/2) + a √(π/2) (1 + erf(a/√2))].
func (r *Ring) LogZ() float64 {
	a := r.radius / r.std
	sum := math.Exp(-a*a/2) + a*math.Sqrt(math.Pi/2)*(1+math.Erf(a/math.Sqrt2))
	return math.Log(2*math.Pi) + 2*math.Log(r.std) + math.Log(sum)
}

// DoubleWell is a double well along the first value. The others are independent standard
// normal values:
//
//	ln π(x) = −h (u² − 1)² + tu − ½ Σ_{i≥1} x_i², u = x_0.
//
// The wells are near u = ±1, with a barrier of h between them if the tilt t is 0. A tilt
// makes the well on the right heavier by a factor of about e^(2t). It is a test bed for
// lost modes. It is safe for concurrent use.
type DoubleWell struct {
	dim           int
	barrier, tilt float64
}

// NewDoubleWell returns the density of the given number of values with barrier h, from
// 1e-3 to 1e4, and tilt t, with |t| ≤ h so that there are two wells. It fails with
// ErrSettings for other numbers and for fewer than one value.
func NewDoubleWell(dim int, barrier, tilt float64) (*DoubleWell, error) {
	if dim < 1 || !(barrier >= 1e-3 && barrier <= 1e4) || !(math.Abs(tilt) <= barrier) {
		const text = "target: double well: %w: %d values, barrier %g, tilt %g, " +
			"want at least one value, a barrier between 1e-3 and 1e4 and no larger tilt"
		return nil, fmt.Errorf(text, ErrSettings, dim, barrier, tilt)
	}
	return &DoubleWell{dim, barrier, tilt}, nil
}

// Dim returns the number of values of one configuration.
func (w *DoubleWell) Dim() int { return w.dim }

// LogProb returns the node ln π(x) in nats, of shape (rows), for x of shape (rows, Dim). It
// fails with ErrShape for other shapes. A finite x so large that the terms overflow has
// ln π = −Inf.
func (w *DoubleWell) LogProb(x *gorgonia.Node) (*gorgonia.Node, error) {
	return eachRow("target: double well", x, w.dim, w.row)
}

func (w *DoubleWell) row(grad, x []float64) float64 {
	sum := w.well(x[0])
	if grad != nil {
		grad[0] = w.tilt - 4*w.barrier*x[0]*(x[0]*x[0]-1)
	}
	for i, v := range x[1:] {
		sum -= 0.5 * v * v
		if grad != nil {
			grad[i+1] = -v
		}
	}
	return sum
}

// well returns −h(u²−1)² + tu.
func (w *DoubleWell) well(u float64) float64 {
	return w.tilt*u - w.barrier*(u*u-1)*(u*u-1)
}

// LogZ returns ln Z in nats, to all digits. The integral over u is a sum over a grid, which
// for such a function converges faster than any power of its step.
func (w *DoubleWell) LogZ() float64 {
	// A well has the width (8h)^(−1/2) or, without a barrier, about h^(−1/4).
	step := min(1/math.Sqrt(8*w.barrier), math.Pow(w.barrier, -0.25)) / 16
	end := 1 + math.Pow(800/w.barrier, 0.25) // there the density is below e^(−700) of its maximum
	var logs []float64
	for k := -math.Ceil(end / step); k*step <= end; k++ {
		logs = append(logs, w.well(k*step))
	}
	return floats.LogSumExp(logs) + math.Log(step) + 0.5*float64(w.dim-1)*math.Log(2*math.Pi)
}
