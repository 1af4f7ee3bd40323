package flow

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/target"
)

// anglesModel is a flow of angles on checkerboards that commutes with rotations.
func anglesModel(seed uint64, hidden []int, shape ...int) *Model {
	src := rand.NewPCG(seed, 1)
	b := must(bijector.NewCheckerboard(shape, nil, &bijector.NetworkSettings{
		ContextBlock: func(context, moved int) (bijector.Bijector, error) {
			return bijector.NewCircularSpline(context+moved, &bijector.CircularSettings{
				Relative: true, Bins: 10, Hidden: hidden, Keep: [][]int{indices(context)}, Src: src})
		},
	}))
	return must(New(target.NewUniformAngles(b.Dim()), b))
}

// A flow of angles learns XY models in seconds, and its weights give the exact ln Z.
func TestAnglesLearnXY(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for some seconds")
	}
	ring, torus := must(target.NewXY([]int{8}, 1.5)), must(target.NewXY([]int{4, 4}, 1))
	ringZ, _ := ring.ExactLogZ()
	// By a transfer matrix with 12 angles at every site; 10 angles change it by 1e-6.
	const torusZ = 40.0535144
	for _, c := range []struct {
		name  string
		m     *Model
		pi    target.Density
		logZ  float64
		steps int
		ess   float64 // at least
	}{
		{"ring", anglesModel(1, []int{8}, 8), ring, ringZ, 300, 0.8},
		{"torus", anglesModel(2, []int{12}, 4, 4), torus, torusZ, 400, 0.4},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Train(context.Background(), c.m.Float32(), c.pi, &Settings{
				Steps: c.steps, Batch: 128, Src: rand.NewPCG(3, 4),
				Optimizer: OptimizerSettings{LearnRate: 0.005, Schedule: Cosine(c.steps, 30)},
			}); err != nil {
				t.Fatal(err)
			}
			s := &EvaluateSettings{Samples: 4000, Src: rand.NewPCG(9, 9)}
			e := must(Evaluate(context.Background(), c.m, c.pi, s))
			t.Logf("ESS %.3f, gap %.4f ± %.4f, ln Z %.4f ± %.4f, exact %.4f",
				e.ESS, e.Loss+c.logZ, e.StdErr, e.LogZ, e.LogZErr, c.logZ)
			if !(math.Abs(e.LogZ-c.logZ) < 3*e.LogZErr && e.LogZErr < 0.05) {
				t.Errorf("ln Z %.4f ± %.4f, want %.4f", e.LogZ, e.LogZErr, c.logZ)
			}
			if e.ESS < c.ess || e.Loss+c.logZ < -3*e.StdErr {
				t.Errorf("ESS %.3f, want at least %.2f; gap %.4f ± %.4f", e.ESS, c.ess, e.Loss+c.logZ, e.StdErr)
			}
		})
	}
}

// The density of the flow does not change in a rotation of all angles, nor in turns of
// single ones. Samples are in (−π, π]. ln q of a sample is the density there.
func TestAnglesSymmetry(t *testing.T) {
	m := anglesModel(3, []int{6}, 4, 4)
	scramble(m, 5, 0.3)
	x, logq := mat.NewDense(50, 16, nil), make([]float64, 50)
	if err := m.Sample(x, logq, rand.NewPCG(1, 2)); err != nil {
		t.Fatal(err)
	}
	wantClose(t, "ln q", logProbs(t, m, x), logq, 1e-10)
	turned := mat.DenseCopyOf(x)
	for r := range 50 {
		for i := range 16 {
			if v := x.At(r, i); !(v > -math.Pi && v <= math.Pi) {
				t.Errorf("sample %g", v)
			}
			turned.Set(r, i, x.At(r, i)+0.1*float64(r)+2*math.Pi*float64((r+i)%3-1))
		}
	}
	wantClose(t, "ln q after rotations", logProbs(t, m, turned), logq, 1e-10)
}

// A flow of angles comes back from a file with its prior, and is written in the same way
// again.
func TestAnglesCheckpoint(t *testing.T) {
	m := anglesModel(4, []int{6}, 4, 4)
	scramble(m, 6, 0.3)
	data := save(t, m)
	again := must(Load(bytes.NewReader(data)))
	if _, ok := again.Prior().(*target.UniformAngles); !ok {
		t.Errorf("the prior is a %T", again.Prior())
	}
	x := randn(1, 3, m.Dim())
	wantClose(t, "ln q", logProbs(t, again, x), logProbs(t, m, x), 0)
	if !bytes.Equal(save(t, again), data) {
		t.Error("written differently")
	}
}

// Moves that are relative to a normal prior refuse uniform angles and say so. Angles makes
// the same flow with a normal prior, for which they work.
func TestAnglesWithNormalPrior(t *testing.T) {
	m := anglesModel(4, []int{}, 8)
	pi := must(target.NewXY([]int{8}, 1))
	src := rand.NewPCG(1, 1)
	if _, err := AIS(context.Background(), m, pi, &AISSettings{Src: src}); !errors.Is(err, ErrSettings) {
		t.Errorf("AIS: %v", err)
	}
	normal := must(New(target.NewNormal(8), must(bijector.NewChain(must(bijector.NewAngles(8)), m.Bijector()))))
	x := randn(1, 5, 8)
	wantClose(t, "ln q with a normal prior", logProbs(t, normal, x), logProbs(t, m, x), 1e-9)
	r, err := AIS(context.Background(), normal, pi, &AISSettings{Samples: 200, Rungs: 5, Src: src})
	if err != nil {
		t.Fatal(err)
	}
	if logZ, _ := pi.ExactLogZ(); !(math.Abs(r.LogZ-logZ) < 4*r.LogZErr) {
		t.Errorf("AIS: ln Z %.4f ± %.4f, want %.4f", r.LogZ, r.LogZErr, logZ)
	}
	o := []Observable{{Name: "x", Func: func(x []float64) float64 { return x[0] }}}
	if _, err := Measure(context.Background(), m, pi, o, &MeasureSettings{Src: src}); !errors.Is(err, ErrSettings) {
		t.Errorf("Measure: %v", err)
	}
}

// The latent density of angles has no walls: it and its force are periodic.
func TestAnglesLatent(t *testing.T) {
	m := anglesModel(5, []int{4}, 8)
	scramble(m, 7, 0.2)
	pi := must(target.NewXY([]int{8}, 1.5))
	latent := Latent(m, pi)
	e := target.NewEvaluator(latent)
	z := randn(2, 4, 8)
	z.Set(0, 3, math.Pi-1e-9)
	far := mat.DenseCopyOf(z)
	far.Set(0, 3, -math.Pi-1e-9) // the same angle
	a, b := make([]float64, 4), make([]float64, 4)
	ga, gb := mat.NewDense(4, 8, nil), mat.NewDense(4, 8, nil)
	if err := errors.Join(e.LogProbGrad(a, ga, z), e.LogProbGrad(b, gb, far)); err != nil {
		t.Fatal(err)
	}
	wantClose(t, "ln p", a, b, 1e-10)
	wantClose(t, "gradient", ga.RawMatrix().Data, gb.RawMatrix().Data, 1e-6)
	if err := target.CheckGrad(latent, randn(3, 4, 8), 1e-6); err != nil {
		t.Error(err)
	}
}

// The mix of Measure is exact for angles, too: also where trajectories of the angles cross the
// end of (−π, π]. The mean may be off by four errors.
func TestMeasureOfAngles(t *testing.T) {
	pi := must(target.NewXY([]int{8}, 1))
	exact, _ := pi.ExactStructureFactor()
	b := anglesModel(1, []int{4}, 8).Bijector()
	m := must(New(target.NewNormal(8), must(bijector.NewChain(must(bijector.NewAngles(8)), b))))
	r := must(Measure(context.Background(), m, pi, []Observable{{"m²", pi.StructureFactor}}, &MeasureSettings{
		Chains: 64, RelErr: 0.02, MaxSweeps: 2000, Src: rand.NewPCG(1, 2),
	}))
	t.Logf("exact %.4f\n%v", exact, r)
	if rate := r.Kernels[len(r.Kernels)-1].AcceptRate; !(rate > 0.4 && rate < 1) {
		t.Errorf("trajectories of angles are accepted with %g", rate)
	}
	if row := r.Rows[0]; !(math.Abs(row.Mean-exact) < 4*row.MCSE) || !r.OK() {
		t.Errorf("m² %g ± %g, exact %g", row.Mean, row.MCSE, exact)
	}
}
