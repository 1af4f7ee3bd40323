package bijector

import (
	"fmt"
	"math"
	"slices"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/kernel"
	"github.com/neuralrg/neuralrg/internal/num"
)

// QuarticSettings describe the density of one site of a lattice field given its
// neighbours c,
//
//	p(φ|c) ∝ exp(h·φ − a·φ² − λ·φ⁴),  h = Field + Σ_j Coupling_j·c_j.
//
// For the φ⁴ theory S = Σ_x [φ_x(2dφ_x − Σ_±μ φ_{x±μ}) + m²φ_x² + λφ_x⁴] in d dimensions
// these are 2d couplings of 2 and a = 2d + m².
type QuarticSettings struct {
	// Quadratic is a, at least −6·√λ. There are two wells if a < 0 and h is small, with
	// a barrier of a²/(4λ) at h = 0, at most 9.
	Quadratic float64
	// Quartic is λ, from 1e-30 to 1e30.
	Quartic float64
	// Coupling has one number for each site of the context.
	Coupling []float64
	// Field is the part of h that does not depend on the context.
	Field float64
}

// Quartic is a block without parameters that maps one site given its neighbours by the
// distribution function of its density p(φ|c), see QuarticSettings:
//
//	x → z:  Φ(z) = ∫_{−∞}^φ p(φ'|c) dφ',  ln |∂z/∂φ| = ln p(φ|c) + ½z² + ½ln 2π,
//
// where Φ is that of the standard normal density. Positions 0 … Dim−2 are the context,
// which does not change, and the last position is φ.
//
// In a ConditionalDecimator of all sites with an odd sum of coordinates, such blocks sample
// these sites of a φ⁴ theory exactly, given the others: a model can only be wrong on the
// other half of the sites. Stack.DecimateOdd builds this layer.
//
// The map is a spline in φ and h. It is smooth, and its log-determinant is that of the
// spline to rounding. ln p is right to 1e-9 for a ≥ 0 and to 1e-5 at the deepest wells,
// for |z| < 8 and fields below 100·λ^¼. Beyond |z| = 8 the map ends as a straight line.
// A Quartic is immutable and safe for concurrent use.
type Quartic struct {
	fused
	self     *fusedLayer
	settings QuarticSettings
}

// Limits of QuarticSettings.
const (
	deepest    = -6    // a/√λ
	largestA   = 1e30  // a/√λ
	leastUnit  = 1e-30 // λ
	mostUnit   = 1e30
	mostField  = 1e30
	tableBytes = 600_000
)

// NewQuartic returns the block on rows of len(s.Coupling) + 1 values. It takes about a
// tenth of a second. It fails with ErrSettings for nil settings and for numbers out of
// range, and with ErrPartition if there are no couplings.
func NewQuartic(s *QuarticSettings) (*Quartic, error) {
	if s == nil {
		return nil, fmt.Errorf("bijector: %w: Quartic needs settings", ErrSettings)
	}
	if len(s.Coupling) == 0 {
		return nil, fmt.Errorf("bijector: %w: Quartic needs a context, has no couplings", ErrPartition)
	}
	if err := afford(ErrSettings, float64(len(s.Coupling)), "Quartic of %d couplings", len(s.Coupling)); err != nil {
		return nil, err
	}
	lambda := s.Quartic
	if !(lambda >= leastUnit && lambda <= mostUnit) {
		return nil, fmt.Errorf("bijector: %w: Quartic with λ = %g, want %g to %g",
			ErrSettings, lambda, leastUnit, mostUnit)
	}
	a := s.Quadratic / math.Sqrt(lambda)
	if !(a >= deepest && a <= largestA) {
		return nil, fmt.Errorf("bijector: %w: Quartic with a = %g and λ = %g, want a/√λ from %d to %g, have %g",
			ErrSettings, s.Quadratic, lambda, deepest, largestA, a)
	}
	for j, v := range append([]float64{s.Field}, s.Coupling...) {
		if !(math.Abs(v) <= mostField) {
			what := "Field"
			if j > 0 {
				what = fmt.Sprintf("Coupling[%d]", j-1)
			}
			return nil, fmt.Errorf("bijector: %w: Quartic with %s = %g, want at most %g",
				ErrSettings, what, v, mostField)
		}
	}
	b := &Quartic{settings: *s}
	b.settings.Coupling = slices.Clone(s.Coupling)
	b.weights = &Param{name: quarticKind, shape: []int{1}, data: []float64{0}, fixed: true}
	table, c := kernel.NewQuarticTable(a), b.settings.Coupling
	b.f64 = kernel.NewQuartic[float64](table, lambda, s.Field, c)
	b.f32 = kernel.NewQuartic[float32](table, lambda, s.Field, c)
	b.self = b.on(b.Dim(), [][]int{num.UpTo(b.Dim())}, num.UpTo(len(c))...)
	return b, nil
}

// Settings returns the settings of the block.
func (b *Quartic) Settings() QuarticSettings {
	s := b.settings
	s.Coupling = slices.Clone(s.Coupling)
	return s
}

const quarticKind = "quartic"

// quarticConfig are the settings of a Quartic in a file.
type quarticConfig struct {
	Quadratic float64   `json:"quadratic"`
	Quartic   float64   `json:"quartic"`
	Coupling  []float64 `json:"coupling"`
	Field     float64   `json:"field,omitempty"`
}

// Describe returns the settings.
func (b *Quartic) Describe() *Description {
	c := quarticConfig(b.Settings())
	return &Description{Kind: quarticKind, Config: &c, of: b}
}

func buildQuartic(s Stored) (Bijector, error) {
	var c quarticConfig
	if err := s.Config(&c); err != nil {
		return nil, err
	}
	if err := s.Spend(1, tableBytes); err != nil {
		return nil, err
	}
	settings := QuarticSettings(c)
	return NewQuartic(&settings)
}

// Dim returns the number of values per row.
func (b *Quartic) Dim() int { return b.f64.Dim() }

// Params returns nil: the block has no parameters.
func (b *Quartic) Params() []*Param { return nil }

// Forward maps z to φ.
func (b *Quartic) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	return b.self.Forward(z)
}

// Inverse maps φ to z.
func (b *Quartic) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) {
	return b.self.Inverse(x)
}

func (b *Quartic) passed() []bool { return without(b.Dim(), []int{b.Dim() - 1}) }

func (b *Quartic) state(s packed, inverse bool) (packed, error) {
	return b.self.state(s, inverse)
}
