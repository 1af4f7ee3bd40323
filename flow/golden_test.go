package flow

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/internal/kernel"
	"github.com/neuralrg/neuralrg/target"
)

// golden is a flow evaluated by the authors' code; Comment says how.
type golden struct {
	Comment, Kind string
	L             int
	Hidden        []int
	T, Alpha      float64
	Layers        []struct {
		Tiles     [][]int
		Couplings []goldenCoupling
	}
	Z             []float64
	X             []float64
	LogDetForward []float64 `json:"logdet_forward"`
	X2            []float64
	Z2            []float64
	LogDetInverse []float64 `json:"logdet_inverse"`
	LogQ          []float64 `json:"logq_x2"`
	LogQSym       []float64 `json:"logq_sym_x2"`
	LogPi         []float64 `json:"logpi_x2"`
	Loss          float64
	LossSym       float64 `json:"loss_sym"`
	U             []float64
	DU            []float64 `json:"dU_dz"`
	USym          []float64 `json:"U_sym"`
	DUSym         []float64 `json:"dU_sym_dz"`
}

// goldenCoupling has networks from all values of a tile to all, of which the
// inputs outside keep are zeroed and the outputs in keep ignored.
type goldenCoupling struct {
	Keep     []int
	S        goldenNet
	T        goldenNet
	GradS    goldenNet `json:"grad_s"`
	GradT    goldenNet `json:"grad_t"`
	GradSymS goldenNet `json:"grad_sym_s"`
	GradSymT goldenNet `json:"grad_sym_t"`
}

type goldenNet struct {
	W, B  [][]float64
	Scale []float64
}

func readGolden(t testing.TB, path string) *golden {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	g := &golden{}
	if err := json.Unmarshal(data, g); err != nil {
		t.Fatal(err)
	}
	return g
}

func (c *goldenCoupling) positions() (keep, move []int) {
	for i, k := range c.Keep {
		if k == 1 {
			keep = append(keep, i)
		} else {
			move = append(move, i)
		}
	}
	return keep, move
}

// block is the Real NVP block of the networks that pick returns: the authors'
// without the masked parts.
func (g *golden) block(
	couplings []goldenCoupling, pick func(c *goldenCoupling) (s, t *goldenNet),
) (*bijector.RealNVP, error) {
	var keeps [][]int
	for _, c := range couplings {
		keep, _ := c.positions()
		keeps = append(keeps, keep)
	}
	b, err := bijector.NewRealNVP(4, &bijector.RealNVPSettings{Hidden: g.Hidden, Keep: keeps, Src: rand.NewPCG(1, 2)})
	if err != nil {
		return nil, err
	}
	for k, view := range b.Couplings() {
		c := &couplings[k]
		keep, move := c.positions()
		if !slices.Equal(view.Keep, keep) || !slices.Equal(view.Move, move) {
			return nil, fmt.Errorf("coupling %d keeps %v and moves %v, want %v and %v",
				k, view.Keep, view.Move, keep, move)
		}
		s, t := pick(c)
		for i, m := range move {
			view.Scale.SetVec(i, s.Scale[m])
		}
		if err := s.reduce(view.S, keep, move); err != nil {
			return nil, fmt.Errorf("coupling %d: s: %w", k, err)
		}
		if err := t.reduce(view.T, keep, move); err != nil {
			return nil, fmt.Errorf("coupling %d: t: %w", k, err)
		}
	}
	return b, nil
}

// reduce copies the kept inputs and moved outputs to layers.
func (n *goldenNet) reduce(layers []bijector.Dense, keep, move []int) error {
	if len(layers) != len(n.W) {
		return fmt.Errorf("%d layers, want %d", len(layers), len(n.W))
	}
	for k, d := range layers {
		out, in := d.W.Dims()
		ins, outs, width := span(in), span(out), in
		if k == 0 {
			ins, width = keep, 4
		}
		if k == len(layers)-1 {
			outs = move
		}
		for a, i := range outs {
			d.B.SetVec(a, n.B[k][i])
			for b, j := range ins {
				d.W.Set(a, b, n.W[k][i*width+j])
			}
		}
	}
	return nil
}

// masked returns the largest magnitude of what reduce leaves out.
func (n *goldenNet) masked(keep, move []int) float64 {
	largest := 0.0
	see := func(v float64) { largest = max(largest, math.Abs(v)) }
	last := len(n.W) - 1
	for j := range n.W[0] {
		if slices.Contains(move, j%4) {
			see(n.W[0][j])
		}
	}
	width := len(n.W[last]) / 4
	for _, i := range keep {
		see(n.B[last][i])
		for j := range width {
			see(n.W[last][i*width+j])
		}
		if n.Scale != nil {
			see(n.Scale[i])
		}
	}
	return largest
}

func span(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

// hierarchy builds the flow; in the MERA every other layer decimates.
func (g *golden) hierarchy(t *testing.T) *bijector.Hierarchy {
	t.Helper()
	var layers []*bijector.Layer
	for k, l := range g.Layers {
		block, err := g.block(l.Couplings, func(c *goldenCoupling) (*goldenNet, *goldenNet) { return &c.S, &c.T })
		if err != nil {
			t.Fatalf("layer %d: %v", k, err)
		}
		if g.Kind == "mera" && k%2 == 1 {
			layers = append(layers, must(bijector.Decimator(block, l.Tiles, 3)))
		} else {
			layers = append(layers, must(bijector.Disentangler(block, l.Tiles)))
		}
	}
	h, err := bijector.NewHierarchy(g.L*g.L, layers...)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// deviations keeps the largest deviation of each quantity.
type deviations map[string]float64

// add compares an array: |got − want| in units of |want| plus a tenth of the
// largest magnitude in the array, so that an element which cancels almost to
// zero is judged by what its neighbours allow.
func (d deviations) add(what string, got, want []float64) {
	scale := 0.0
	for _, v := range want {
		scale = max(scale, math.Abs(v)/10)
	}
	worst := d[what]
	for i := range want {
		worst = max(worst, math.Abs(got[i]-want[i])/(math.Abs(want[i])+scale)) // NaN stays
	}
	d[what] = worst
}

// Flows with the authors' weights give the numbers of the authors' code, all
// of them, on each of two runs.
func TestGolden(t *testing.T) {
	variants := kernel.Variants()
	before := kernel.Variant()
	defer kernel.UseVariant(before)
	for _, v := range variants {
		if err := kernel.UseVariant(v); err != nil {
			t.Fatal(err)
		}
		t.Run(v, testGolden)
	}
}

func testGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.json")
	if err != nil || len(files) != 3 {
		t.Fatalf("files %v, error %v", files, err)
	}
	for _, file := range files {
		g := readGolden(t, file)
		for _, c := range []struct {
			dt  tensor.Dtype
			tol float64
		}{{tensor.Float64, 1e-9}, {tensor.Float32, 1e-4}} {
			t.Run(fmt.Sprintf("%s/%v", filepath.Base(file), c.dt), func(t *testing.T) {
				m := model(t, g.hierarchy(t)).as(c.dt)
				d := deviations{}
				g.check(t, m, d)
				for _, what := range slices.Sorted(maps.Keys(d)) {
					t.Logf("%-24s %.1e", what, d[what])
					if !(d[what] <= c.tol) {
						t.Errorf("%s deviates by %.2g", what, d[what])
					}
				}
			})
		}
	}
}

// The authors' gradients of masked parts are zero: nothing is left out.
func TestGoldenMaskedGradients(t *testing.T) {
	files, _ := filepath.Glob("testdata/golden/*.json")
	for _, file := range files {
		for k, l := range readGolden(t, file).Layers {
			for i, c := range l.Couplings {
				keep, move := c.positions()
				for _, n := range []*goldenNet{&c.GradS, &c.GradT, &c.GradSymS, &c.GradSymT} {
					if v := n.masked(keep, move); v != 0 {
						t.Errorf("%s: layer %d: coupling %d: masked gradient %g", file, k, i, v)
					}
				}
			}
		}
	}
}

// check compares a model with the authors' numbers, twice in a row.
func (g *golden) check(t *testing.T, m *Model, d deviations) {
	t.Helper()
	n := m.Dim()
	rows := len(g.Z) / n
	pi, err := target.NewIsingOffset([]int{g.L, g.L}, g.T, g.Alpha)
	if err != nil {
		t.Fatal(err)
	}
	sym := symmetrize(t, m, Inversion(n))
	z := mat.NewDense(rows, n, slices.Clone(g.Z))
	weights := params(m)

	logPi := density(m.dtype, pi)
	losses := map[bool]*graph.Program{
		false: stepProgram(m, pi, ReverseKL{}, nil), true: stepProgram(sym, pi, ReverseKL{}, nil),
	}
	latents := map[bool]*graph.Program{false: latentGrad(m, pi), true: latentGrad(sym, pi)}
	evaluators := map[bool]*target.Evaluator{
		false: target.NewEvaluator(Latent(m, pi)), true: target.NewEvaluator(Latent(sym, pi)),
	}

	for range 2 {
		g.checkDensities(t, m, sym, d)
		perRow := make([]float64, rows)
		fatal(t, logPi.Run(rows, [][]float64{g.X2}, [][]float64{perRow}))
		d.add("ln π", perRow, g.LogPi)
		for _, c := range []struct {
			suffix string
			m      *Model
			sym    bool
			loss   float64
			u, du  []float64
		}{{"", m, false, g.Loss, g.U, g.DU}, {", symmetrised", sym, true, g.LossSym, g.USym, g.DUSym}} {
			logq, logpi := make([]float64, rows), make([]float64, rows)
			out := [][]float64{logq, logpi}
			for _, p := range c.m.Params() {
				out = append(out, make([]float64, p.Value().Shape().TotalSize()))
			}
			fatal(t, losses[c.sym].Run(rows, [][]float64{g.Z, {1}}, out))
			d.add("loss"+c.suffix, []float64{stat.Mean(logq, nil) - stat.Mean(logpi, nil)}, []float64{c.loss})
			for k, p := range c.m.Params() {
				d.add("∂loss/∂θ"+c.suffix, out[2+k], g.gradient(t, c.m, p, c.sym))
			}

			u, du := make([]float64, rows), mat.NewDense(rows, n, nil)
			fatal(t, latents[c.sym].Run(rows, [][]float64{g.Z}, [][]float64{u, du.RawMatrix().Data}))
			negate(u, du.RawMatrix().Data)
			d.add("U"+c.suffix, u, c.u)
			d.add("∂U/∂z"+c.suffix, du.RawMatrix().Data, c.du)
			if m.dtype == tensor.Float64 { // and by the public way, which is float64
				fatal(t, evaluators[c.sym].LogProbGrad(u, du, z))
				negate(u, du.RawMatrix().Data)
				d.add("U, evaluator"+c.suffix, u, c.u)
				d.add("∂U/∂z, evaluator"+c.suffix, du.RawMatrix().Data, c.du)
			}
		}
	}
	wantSame(t, "z after the runs", z.RawMatrix().Data, g.Z)
	wantSame(t, "parameters after the runs", params(m), weights)
}

// checkDensities compares both directions of a model and its densities with the authors'
// numbers.
func (g *golden) checkDensities(t *testing.T, m, sym *Model, d deviations) {
	t.Helper()
	n := m.Dim()
	rows := len(g.Z) / n
	z, x2 := mat.NewDense(rows, n, slices.Clone(g.Z)), mat.NewDense(rows, n, slices.Clone(g.X2))
	image, perRow := mat.NewDense(rows, n, nil), make([]float64, rows)
	fatal(t, m.Decode(image, perRow, z))
	d.add("x", image.RawMatrix().Data, g.X)
	d.add("ln det ∂x/∂z", perRow, g.LogDetForward)
	fatal(t, m.Encode(image, perRow, x2))
	d.add("z", image.RawMatrix().Data, g.Z2)
	d.add("ln det ∂z/∂x", perRow, g.LogDetInverse)
	fatal(t, m.LogProbs(perRow, x2))
	d.add("ln q", perRow, g.LogQ)
	fatal(t, sym.LogProbs(perRow, x2))
	d.add("ln q, symmetrised", perRow, g.LogQSym)
	wantSame(t, "z after the runs", z.RawMatrix().Data, g.Z)
	wantSame(t, "x2 after the runs", x2.RawMatrix().Data, g.X2)
}

// gradient is the authors' gradient of the loss in the layout of p.
func (g *golden) gradient(t *testing.T, m *Model, p *bijector.Param, sym bool) []float64 {
	t.Helper()
	for k, l := range m.Bijector().(*bijector.Hierarchy).Layers() {
		if l.Block().Params()[0] != p {
			continue
		}
		b, err := g.block(g.Layers[k].Couplings, func(c *goldenCoupling) (s, t *goldenNet) {
			if sym {
				return &c.GradSymS, &c.GradSymT
			}
			return &c.GradS, &c.GradT
		})
		if err != nil {
			t.Fatalf("layer %d: %v", k, err)
		}
		return b.Params()[0].Value().Float64s()
	}
	t.Fatalf("parameter %s belongs to no layer", p.Name())
	return nil
}

func negate(xs ...[]float64) {
	for _, x := range xs {
		for i := range x {
			x[i] = -x[i]
		}
	}
}

// density is the program of a log-density in a given precision.
func density(dt tensor.Dtype, d target.Density) *graph.Program {
	return graph.NewProgram(dt, []graph.Input{{Name: "x", Cols: d.Dim()}}, nil,
		func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
			p, err := d.LogProb(in[0])
			return []*gorgonia.Node{p}, err
		})
}

// latentGrad is the program of −U and −∂U/∂z in the precision of m.
func latentGrad(m *Model, t target.Density) *graph.Program {
	return graph.NewProgram(m.dtype, []graph.Input{{Name: "x", Cols: m.Dim()}}, nil,
		func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
			p, err := Latent(m, t).LogProb(in[0])
			if err != nil {
				return nil, err
			}
			total, err := graph.Total(1, p)
			if err != nil {
				return nil, err
			}
			grads, err := graph.Grad(total, in[0])
			if err != nil {
				return nil, err
			}
			return []*gorgonia.Node{p, grads[0]}, nil
		})
}

// fatal stops a test at an error.
func fatal(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
