package flow

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/target"
)

// spins is a model symmetrised over the translations and the inversion of a 4×4
// lattice, 32 elements.
func spins(t testing.TB, plain *Model) *Model {
	t.Helper()
	return symmetrize(t, plain, append(must(Translations([]int{4, 4})), Inversion(16))...)
}

// shuffled is a model of 7 values symmetrised over their 5040 permutations.
func shuffled(t testing.TB) (m, plain *Model) {
	t.Helper()
	plain = model(t, must(blocks(7, 3, 4)(0)))
	scramble(plain, 3, 0.4)
	return symmetrize(t, plain, transposition(7), cycle(7)), plain
}

// Elements are drawn without repetition, never the identity, every one as often
// as any other, and every pair.
func TestImagesAreUniform(t *testing.T) {
	m := symmetrize(t, mera(t, 4, 1), rotation(4), Inversion(16))
	const order, rows = 8, 20000
	for _, k := range []int{2, 3, 5, 7} {
		drawn := must(newImages(m, k)).drawer().draw(rows, rand.New(rand.NewPCG(4, uint64(k))), nil)
		var single [order - 1]int
		var pairs [order - 1][order - 1]int
		for chosen := range slices.Chunk(drawn[0], k-1) {
			var row []int
			for _, v := range chosen {
				row = append(row, int(v))
			}
			if sorted := slices.Sorted(slices.Values(row)); len(slices.Compact(sorted)) != k-1 {
				t.Fatalf("%d images: %v", k, row)
			}
			for _, a := range row {
				single[a]++
				for _, b := range row {
					pairs[a][b]++
				}
			}
		}
		binomial := func(n int, p float64) bool { return math.Abs(float64(n)-p*rows) <= 4.5*math.Sqrt(rows*p*(1-p)) }
		one := float64(k-1) / (order - 1)
		two := one * float64(k-2) / (order - 2)
		for a, n := range single {
			if !binomial(n, one) {
				t.Errorf("%d images: element %d is drawn %d times, want %.0f", k, a, n, one*rows)
			}
			for b, n := range pairs[a] {
				if a != b && !binomial(n, two) {
					t.Errorf("%d images: elements %d and %d are drawn %d times, want %.0f", k, a, b, n, two*rows)
				}
			}
		}
	}
}

// ln q is that of the mean over the identity and the elements that are drawn, from
// the sampling pass as from an inverse pass.
func TestImagesDensity(t *testing.T) {
	plain := mera(t, 4, 1)
	for _, dt := range []tensor.Dtype{tensor.Float64, tensor.Float32} {
		m := spins(t, plain).as(dt)
		const rows = 6
		for _, k := range []int{1, 2, 3, 31, 32} {
			s := must(newImages(m, k))
			inputs := append([]graph.Input{{Name: "x", Cols: 16}}, s.inputs()...)
			forward := graph.NewProgram(dt, inputs, nil, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
				x, logq, err := m.generate(in[0], s.among(in))
				return []*gorgonia.Node{x, logq}, err
			})
			backward := graph.NewProgram(dt, inputs, nil, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
				logq, err := m.logProb(in[0], s.among(in))
				return []*gorgonia.Node{logq}, err
			})
			rnd := rand.New(rand.NewPCG(1, 1))
			for range 2 {
				drawn := s.drawer().draw(rows, rnd, nil)
				x, logq := mat.NewDense(rows, 16, nil), make([]float64, rows)
				z := randn(rnd.Uint64(), rows, 16).RawMatrix().Data
				if err := forward.Run(rows, append([][]float64{z}, drawn...),
					[][]float64{x.RawMatrix().Data, logq}); err != nil {
					t.Fatal(err)
				}
				want := logProbs(t, plain, x)
				for r := range want {
					for j := range k - 1 {
						image := mat.NewDense(1, 16, nil)
						perm, sign := s.Element(j)
						if len(drawn) > 0 {
							perm, sign = s.Element(int(drawn[0][r*(k-1)+j]))
						}
						Symmetry{perm, sign}.apply(image.RawRowView(0), x.RawRowView(r))
						want[r] = graph.LogAddExpOf(want[r], logProbs(t, plain, image)[0])
					}
					want[r] -= math.Log(float64(k))
				}
				tol := 1e-11
				if dt == tensor.Float32 {
					tol = 1e-4
				}
				wantClose(t, "ln q of samples", logq, want, tol)
				if err := backward.Run(rows, append([][]float64{x.RawMatrix().Data}, drawn...),
					[][]float64{logq}); err != nil {
					t.Fatal(err)
				}
				wantClose(t, "ln q", logq, want, tol)
			}
		}
	}
}

// The more images, the closer the bound, down to that of the symmetrised model;
// all of them are the symmetrised model.
func TestImagesBound(t *testing.T) {
	plain := mera(t, 4, 2)
	m, pi := spins(t, plain), ising(t, 4)
	const samples = 2000
	z := randn(6, samples, 16).RawMatrix().Data
	// ln q/π of the same configurations over any number of images.
	losses := func(k int) []float64 {
		s := must(newImages(m, k))
		inputs := append([]graph.Input{{Name: "z", Cols: 16}}, s.inputs()...)
		p := graph.NewProgram(tensor.Float64, inputs, nil, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
			_, logq, logpi, err := m.distill(in[0], pi, s.among(in))
			return []*gorgonia.Node{logq, logpi}, err
		})
		logq, logpi := make([]float64, samples), make([]float64, samples)
		in := s.drawer().draw(samples, rand.New(rand.NewPCG(9, uint64(k))), [][]float64{z})
		if err := p.Run(samples, in, [][]float64{logq, logpi}); err != nil {
			t.Fatal(err)
		}
		floats.Sub(logq, logpi)
		return logq
	}
	last := losses(1)
	for _, k := range []int{2, 3, 4, 8, 16, 31, 32} {
		next := losses(k)
		floats.Sub(last, next)
		gain, std := stat.MeanStdDev(last, nil)
		loss := stat.Mean(next, nil)
		t.Logf("%d images: loss %.4f, less by %.4f ± %.4f", k, loss, gain, std/math.Sqrt(samples))
		if gain < -4*std/math.Sqrt(samples) || loss < -pi.LogZ() {
			t.Errorf("%d images: loss %g, above that of fewer by %g, −ln Z = %g", k, loss, -gain, -pi.LogZ())
		}
		if k == 2 && gain < 0.1 {
			t.Errorf("2 images: loss less by %g: the test shows nothing", gain)
		}
		last = next
	}
	at := func(m *Model, k int) Estimate { // one batch: the latent variables are the same
		return *must(Evaluate(context.Background(), m, pi, &EvaluateSettings{Samples: 500, Images: k,
			Src: rand.NewPCG(9, 9)}))
	}
	wantEstimate(t, "one image", at(m, 1), at(plain, 0), 0)
	wantEstimate(t, "all images", at(m, 32), at(m, 0), 1e-12)
}

// The mean of the weights is Z with any number of images, at a temperature at
// which the bijector alone leaves no mode out.
func TestImagesWeights(t *testing.T) {
	if testing.Short() {
		t.Skip("trains")
	}
	pi := must(target.NewIsing([]int{4, 4}, 2*target.CriticalTemperature()))
	r := FastRecipe()
	r.Couplings, r.Hidden = 2, []int{8}
	m := must(r.Model([]int{4, 4}, pi.Spectrum(), rand.NewPCG(1, 2)))
	m = spins(t, m)
	s := r.Settings(60, rand.NewPCG(3, 4))
	s.Batch, s.Images = 128, 2
	if _, err := Train(context.Background(), m, pi, s); err != nil {
		t.Fatal(err)
	}
	for _, k := range []int{1, 2, 3, 32, 0} {
		e, err := Evaluate(context.Background(), m, pi, &EvaluateSettings{Samples: 5000, Images: k,
			Src: rand.NewPCG(5, uint64(k))})
		if err != nil {
			t.Fatal(err)
		}
		d := e.LogZ - pi.LogZ()
		t.Logf("%d images: gap %.3f ± %.3f, ESS %.3f, ln Z off by %.4f ± %.4f", k, e.Loss+pi.LogZ(), e.StdErr, e.ESS, d,
			e.LogZErr)
		if !(math.Abs(d) < 4*e.LogZErr && e.LogZErr < 0.1) {
			t.Errorf("%d images: ln Z is %g ± %g, want %g", k, e.LogZ, e.LogZErr, pi.LogZ())
		}
	}
}

// On average the path gradient over some images is the gradient, which is not
// that over all.
func TestImagesPathGradient(t *testing.T) {
	batches := 100
	if testing.Short() {
		batches = 20
	}
	plain := model(t, must(bijector.NewMERA([]int{2, 2}, blocks(4, 5, 3), nil)))
	scramble(plain, 3, 0.3)
	m := symmetrize(t, plain, append(must(Translations([]int{2, 2})), Inversion(4))...)
	// The means of the differences of two kinds of gradients in units of their
	// errors, the largest.
	largest := func(a, b Settings) float64 {
		var diff [][]float64
		var tr [2]*Trainer
		for i, s := range []Settings{a, b} {
			s.Batch, s.Src = 200, rand.NewPCG(8, 8)
			tr[i] = must(NewTrainer(m, ising(t, 2), &s))
		}
		for range batches {
			for _, tr := range tr {
				if _, err := tr.gradients(); err != nil {
					t.Fatal(err)
				}
			}
			for i, g := range tr[0].gradient {
				if len(diff) <= i {
					diff = append(diff, nil)
				}
				diff[i] = append(diff[i], g-tr[1].gradient[i])
			}
		}
		worst := 0.0
		for _, d := range diff {
			if mean, std := stat.MeanStdDev(d, nil); std > 0 {
				worst = max(worst, math.Abs(mean)/(std/math.Sqrt(float64(batches))))
			}
		}
		return worst
	}
	for _, k := range []int{1, 2, 3, 7, 8} {
		// 4.5 errors are passed by one component in 150 000.
		if v := largest(Settings{Images: k, Objective: ReverseKL{PathGradient: true}}, Settings{Images: k}); v > 4.5 {
			t.Errorf("%d images: a component differs by %.1f errors", k, v)
		} else {
			t.Logf("%d images: at most %.1f errors", k, v)
		}
	}
	if testing.Short() {
		return // too few batches to see the difference
	}
	if v := largest(Settings{Images: 2, Objective: ReverseKL{PathGradient: true}}, Settings{}); v < 6 {
		t.Errorf("2 images: differs from the gradient of all by %.1f errors: the test shows nothing", v)
	}
}

// Training over all images is training, to rounding, along the path and with
// data too.
func TestAllImagesTrain(t *testing.T) {
	for name, s := range map[string]Settings{
		"gradient": {}, "path": {Objective: ReverseKL{PathGradient: true}},
		"data": {Data: &DataSettings{Source: &numberedData{}}, Objective: ReverseKL{PathGradient: true}},
	} {
		for _, dt := range []tensor.Dtype{tensor.Float64, tensor.Float32} {
			trained := func(images int) ([]float64, *Result) {
				m := spins(t, mera(t, 4, 3)).as(dt)
				s := s
				s.Steps, s.Batch, s.Images, s.Optimizer.LearnRate, s.Src = 4, 32, images, 1e-3, rand.NewPCG(1, 1)
				if s.Data != nil {
					s.Data = &DataSettings{Source: &numberedData{}}
				}
				return params(m), must(Train(context.Background(), m, ising(t, 4), &s))
			}
			some, res := trained(32)
			all, want := trained(0)
			tol := 1e-8
			if dt == tensor.Float32 {
				tol = 1e-3
			}
			wantClose(t, name+": parameters", some, all, tol)
			wantClose(t, name+": loss", []float64{res.Loss, res.Variance}, []float64{want.Loss, want.Variance}, tol)
		}
	}
}

// With data, over a random set of images: on average the gradient of a mean of
// ln q_T over sets T of all elements, so that configurations may be moved by an
// element without changing it.
func TestImagesOfData(t *testing.T) {
	plain := model(t, must(bijector.NewMERA([]int{2, 2}, blocks(4, 5, 3), nil)))
	scramble(plain, 3, 0.5)
	m := symmetrize(t, plain, append(must(Translations([]int{2, 2})), Inversion(4))...)
	x := randn(1, 500, 4)
	x.Apply(func(i, _ int, v float64) float64 { return 0.3*v + 1 }, x) // far from even
	full := stat.Mean(logProbs(t, m, x), nil)
	last := math.Inf(-1)
	for _, k := range []int{1, 2, 4, 7} {
		var means []float64
		for _, sign := range []float64{1, -1} {
			moved := mat.NewDense(500, 4, nil)
			moved.Scale(sign, x)
			tr := must(NewTrainer(m, ising(t, 2), &Settings{Batch: 500, Images: k,
				Data: &DataSettings{Source: fixed{moved}}, Src: rand.NewPCG(8, 8)}))
			mean := 0.0
			for range 20 {
				if _, err := tr.gradients(); err != nil {
					t.Fatal(err)
				}
				mean += tr.data.mean / 20
			}
			means = append(means, mean)
		}
		t.Logf("%d images: mean ln q %.4f, %.4f, of all %.4f", k, means[0], means[1], full)
		// Each is a mean over 10⁴ sets, of a spread of some nats.
		if math.Abs(means[0]-means[1]) > 0.1 {
			t.Errorf("%d images: mean ln q is %g, that of the inverted configurations %g", k, means[0], means[1])
		}
		if !(means[0] > last && means[0] < full) {
			t.Errorf("%d images: mean ln q is %g, want one between %g of fewer and %g of all", k, means[0], last, full)
		}
		last = means[0]
	}
}

// fixed are configurations.
type fixed struct{ x *mat.Dense }

func (d fixed) Sample(x *mat.Dense) error {
	x.Copy(d.x)
	return nil
}

// A seed makes a run, on any number of processors.
func TestImagesReproducible(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	trained := func(procs int, seed uint64) []float64 {
		runtime.GOMAXPROCS(procs)
		m := spins(t, mera(t, 4, 3)).Float32()
		must(Train(context.Background(), m, ising(t, 4), &Settings{Steps: 3, Batch: 300, Images: 5,
			Objective: ReverseKL{PathGradient: true}, Src: rand.NewPCG(1, seed)}))
		return params(m)
	}
	first := trained(1, 1)
	wantSame(t, "again, on two processors", trained(2, 1), first)
	if slices.Equal(trained(1, 2), first) {
		t.Error("another seed, the same parameters")
	}
}

// Large groups cost their table and the images that are asked for.
func TestLargeGroup(t *testing.T) {
	m, plain := shuffled(t)
	if len(m.group) != 5040 {
		t.Fatalf("order %d", len(m.group))
	}
	x := randn(1, 3, 7)
	got, images := logProbs(t, m, x), mat.NewDense(len(m.group), 7, nil)
	for r := range got {
		for k, g := range m.group {
			g.apply(images.RawRowView(k), x.RawRowView(r))
		}
		sum := math.Inf(-1)
		for _, v := range logProbs(t, plain, images) {
			sum = graph.LogAddExpOf(sum, v)
		}
		wantClose(t, "ln q", got[r:r+1], []float64{sum - math.Log(5040)}, 1e-10)
	}
	e := target.NewEvaluator(m)
	grad := mat.NewDense(3, 7, nil)
	if err := e.LogProbGrad(got, grad, x); err != nil {
		t.Fatal(err)
	}
	for i := range 7 {
		const h = 1e-5
		up, down := mat.DenseCopyOf(x), mat.DenseCopyOf(x)
		up.Set(1, i, x.At(1, i)+h)
		down.Set(1, i, x.At(1, i)-h)
		slope := (logProbs(t, m, up)[1] - logProbs(t, m, down)[1]) / (2 * h)
		wantClose(t, "gradient", []float64{grad.At(1, i)}, []float64{slope}, 1e-7)
	}

	pi := target.NewNormal(7)
	if _, err := Train(context.Background(), m, pi, &Settings{Steps: 3, Batch: 1000, Images: 4,
		Objective: ReverseKL{PathGradient: true}, Src: rand.NewPCG(1, 1)}); err != nil {
		t.Error(err)
	}
	const rows = 1000 // 1000·5039·7 > 2²⁵
	err := m.LogProbs(make([]float64, rows), randn(1, rows, 7))
	wantError(t, "LogProbs of many rows", err, ErrSymmetry, "1000 rows", "5040 elements", "Images")
	_, err = Evaluate(context.Background(), m, pi, &EvaluateSettings{Batch: rows, Src: rand.NewPCG(1, 1)})
	wantError(t, "Evaluate", err, ErrSymmetry, "Images")
	if err := m.Sample(randn(1, rows, 7), nil, rand.NewPCG(1, 1)); err != nil { // takes no ln q
		t.Error(err)
	}
	y, z := mat.NewDense(3, 7, nil), mat.NewDense(3, 7, nil)
	if err := m.Sample(y, nil, rand.NewPCG(1, 1)); err != nil {
		t.Fatal(err)
	}
	if err := m.Sample(z, got, rand.NewPCG(1, 1)); err != nil {
		t.Fatal(err)
	}
	wantSame(t, "samples without their ln q", y.RawMatrix().Data, z.RawMatrix().Data)
}

// A target that has the symmetry of the generators alone is not taken for one that
// has that of a large group.
func TestLargeGroupOfTarget(t *testing.T) {
	m, _ := shuffled(t)
	// Under the transposition of the first two values, not under the cycle.
	d := target.Func(7, func(grad, x []float64) float64 {
		sum := 0.0
		for i, v := range x {
			w := float64(max(i, 1))
			sum -= w * v * v / 2
			if grad != nil {
				grad[i] = -w * v
			}
		}
		return sum
	})
	_, err := NewTrainer(m, d, &Settings{Images: 2, Src: rand.NewPCG(1, 1)})
	wantError(t, "target", err, ErrSymmetry, "element 2")
}

func TestImagesErrors(t *testing.T) {
	plain := mera(t, 4, 1)
	m, pi := spins(t, plain), ising(t, 4)
	src := rand.NewPCG(1, 1)
	for _, c := range []struct {
		m      *Model
		images int
		order  string
	}{{m, -1, "1 to 32"}, {m, 33, "1 to 32"}, {plain, 2, "1 to 1"}, {plain, -1, "1 to 1"}} {
		_, err := NewTrainer(c.m, pi, &Settings{Images: c.images, Src: src})
		wantError(t, "NewTrainer", err, ErrSettings, "images", c.order)
		_, err = Evaluate(context.Background(), c.m, pi, &EvaluateSettings{Images: c.images, Src: src})
		wantError(t, "Evaluate", err, ErrSettings, "images", c.order)
	}
	for _, c := range []struct {
		m      *Model
		images int
	}{{m, 1}, {m, 32}, {plain, 1}} {
		if _, err := Evaluate(context.Background(), c.m, pi,
			&EvaluateSettings{Samples: 4, Images: c.images, Src: src}); err != nil {
			t.Errorf("%d images: %v", c.images, err)
		}
	}

	var saved bytes.Buffer
	if err := must(NewTrainer(m, pi, &Settings{Images: 4, Src: src})).Save(&saved); err != nil {
		t.Fatal(err)
	}
	err := must(NewTrainer(m, pi, &Settings{Images: 5, Src: src})).Restore(bytes.NewReader(saved.Bytes()))
	wantError(t, "Restore with other images", err, ErrCheckpoint, "Images is 4 in the file, 5 in the trainer")
}
