package flow

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/hmc/diag"
	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/target"
	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"
)

// flaky makes a density fail at some of its evaluations of a batch: NaN, ±∞, a
// gradient that is NaN, an error or a panic.
type flaky struct {
	target.Density
	rnd   *rand.Rand
	rate  float64
	calls int
	kinds [6]int // of failures
}

func (f *flaky) LogProb(x *gorgonia.Node) (*gorgonia.Node, error) {
	inner := target.NewEvaluator(f.Density)
	return graph.PerRow("flaky", x, f.Dim(), func() graph.RowsFunc {
		return func(val, grad, x []float64) error {
			in := mat.NewDense(len(val), f.Dim(), x)
			var err error
			if grad == nil {
				err = inner.LogProbs(val, in)
			} else {
				err = inner.LogProbGrad(val, mat.NewDense(len(val), f.Dim(), grad), in)
			}
			if f.calls++; f.rnd.Float64() < f.rate {
				kind := f.rnd.IntN(6)
				f.kinds[kind]++
				switch {
				case kind == 0:
					val[f.rnd.IntN(len(val))] = math.NaN()
				case kind == 1:
					val[f.rnd.IntN(len(val))] = math.Inf(-1)
				case kind == 2:
					val[f.rnd.IntN(len(val))] = math.Inf(1)
				case kind == 3 && grad != nil:
					grad[f.rnd.IntN(len(grad))] = math.NaN()
				case kind == 4:
					return errors.New("broken")
				default:
					panic("bad luck")
				}
			}
			return err
		}
	})
}

// Trained and sampled on a target that fails at random, the Ising model is
// still the Ising model.
func TestFaultDrill(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for some seconds")
	}
	for name, policy := range map[string]FaultPolicy{"skip": FaultSkip, "shrink": FaultShrink} {
		t.Run(name, func(t *testing.T) { faultDrill(t, policy) })
	}
}

func faultDrill(t *testing.T, policy FaultPolicy) {
	exact := ising(t, 4)
	d := &flaky{Density: exact, rnd: rand.New(rand.NewPCG(3, 3)), rate: 0.03}
	m := symmetrize(t, model(t, must(bijector.NewMERA([]int{4, 4}, func(int) (bijector.Bijector, error) {
		return bijector.NewRealNVP(4, &bijector.RealNVPSettings{Couplings: 4, Hidden: []int{8}, Src: rand.NewPCG(1, 2)})
	}, nil))), Inversion(16))
	src := rand.NewPCG(5, 5)
	res, err := Train(context.Background(), m, d,
		&Settings{Steps: 250, Batch: 128, Optimizer: OptimizerSettings{LearnRate: 1e-2},
			Faults: FaultSettings{Policy: policy, Max: 10}, Src: src})
	if err != nil {
		t.Fatal(err)
	}
	gap := res.Loss + exact.LogZ()
	if res.Steps != 250 || res.Faults < 1 || res.Faults > 40 || !(gap > 0 && gap < 1.5) {
		t.Errorf("%d steps, %d faults, gap %.3f", res.Steps, res.Faults, gap)
	}
	const chains = 200
	start := mat.NewDense(chains, 16, nil)
	target.NewNormal(16).Rand(start.RawMatrix().Data, rand.New(src))
	settings := &hmc.Settings{Kernel: hmc.HMC{StepSize: 0.4, Steps: 5}, MaxFaults: 10, Src: src}
	s, err := hmc.New(target.NewEvaluator(Latent(m, d)), start, settings)
	for err != nil { // the start may meet a failure as well
		s, err = hmc.New(target.NewEvaluator(Latent(m, d)), start, settings)
	}
	if err := s.Run(context.Background(), 20, nil); err != nil {
		t.Fatal(err)
	}
	x := mat.NewDense(chains, 16, nil)
	means := make([]float64, chains)
	const sweeps = 60
	if err := s.Run(context.Background(), sweeps, func(int) error {
		if err := m.Decode(x, nil, s.X()); err != nil {
			return err
		}
		for i := range means {
			means[i] += exact.StructureFactor(x.RawRowView(i)) / sweeps
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want, _ := exact.ExactStructureFactor()
	mean, stdErr := diag.MeanStdErr(means)
	t.Logf("failures by kind %v", d.kinds)
	if slices.Contains(d.kinds[:], 0) {
		t.Error("a kind of failure is missing")
	}
	t.Logf("%d faults, gap %.3f; ⟨m²⟩ %.4f ± %.4f, exact %.4f, %d of %d trajectories divergent, acceptance %.2f",
		res.Faults, gap, mean, stdErr, want, s.Divergent(), chains*s.Sweeps(), s.AcceptRate())
	if s.Divergent() == 0 || !(stdErr < 0.01) || !(math.Abs(mean-want) < 3*stdErr) {
		t.Errorf("⟨m²⟩ %.4f ± %.4f, exact %.4f, %d divergent", mean, stdErr, want, s.Divergent())
	}
}
