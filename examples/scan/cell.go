package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"time"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/examples/internal/checkpoint"
	"github.com/neuralrg/neuralrg/examples/internal/console"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// cell is the result for one depth and temperature; energies are in nats.
type cell struct {
	Depth    int       `json:"depth"`
	T        float64   `json:"T"`
	Warm     bool      `json:"warm"` // started from another cell
	Loss     float64   `json:"loss"`
	StdErr   float64   `json:"std_err"`
	Exact    float64   `json:"exact"` // −ln Z
	Variance float64   `json:"variance"`
	Seconds  float64   `json:"seconds"`
	Sample   []float64 `json:"sample"` // one configuration x
	Settings settings  `json:"settings"`
}

// relative is the relative error of the free energy and its standard error.
func (c *cell) relative() (v, stdErr float64) {
	return (c.Loss - c.Exact) / math.Abs(c.Exact), c.StdErr / math.Abs(c.Exact)
}

// makeCell reads a cell, or trains it and writes it.
func makeCell(ctx context.Context, o *options, i int) (*cell, error) {
	depth, temp := o.at(i)
	if c, err := o.made(depth, temp); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return c, err
	}
	start := time.Now()
	src := rand.NewPCG(o.Seed, uint64(i))
	ising, err := target.NewIsing([]int{o.L, o.L}, o.temps[temp])
	if err != nil {
		return nil, err
	}
	m, err := newModel(o, depth)
	if err != nil {
		return nil, err
	}
	w := &work{Settings: o.settings, Depth: depth, T: o.temps[temp], Warm: temp > 0 && !o.Cold, Steps: o.First}
	from := "random parameters"
	if w.Warm {
		from, w.Steps = "the next higher temperature", o.Steps
		if _, err := o.made(depth, temp-1); err != nil {
			return nil, fmt.Errorf("cell %d starts from cell %d, unless with -cold: %w", i, i-1, err)
		}
		if err := checkpoint.Read(o.file(depth, temp-1, modelFile), m.Restore); err != nil {
			return nil, err
		}
	}
	console.Printf("cell %d of %d: depth %d, T = %g, %d steps from %s\n", i, o.cells(), depth, w.T, w.Steps, from)
	state := o.file(depth, temp, trainingFile)
	if err := w.train(ctx, m.Float32(), ising, src, state); err != nil {
		return nil, err
	}
	c, err := w.judge(ctx, m, ising, src)
	if err != nil {
		return nil, err
	}
	c.Seconds = time.Since(start).Seconds()
	v, stdErr := c.relative()
	console.Printf("  relative error of the free energy %.5f ± %.5f, %.0f s\n", v, stdErr, c.Seconds)
	// The result comes last, so that there is a model wherever there is a result.
	if err := checkpoint.Write(o.file(depth, temp, modelFile), 1, m.Save); err != nil {
		return nil, err
	}
	if err := c.write(o.file(depth, temp, resultFile)); err != nil {
		return nil, err
	}
	if err := os.Remove(state); !errors.Is(err, fs.ErrNotExist) {
		return c, err
	}
	return c, nil
}

// newModel returns a flow of some depth with random parameters. Blocks draw which of
// their variables a coupling keeps; these must be the same in all cells of one depth.
func newModel(o *options, depth int) (*flow.Model, error) {
	src := rand.NewPCG(o.Seed, 1<<32+uint64(depth))
	if r := o.recipe(depth); r != nil {
		m, err := r.Model([]int{o.L, o.L}, nil, src)
		if err != nil {
			return nil, err
		}
		return flow.Symmetrize(m, flow.Inversion(m.Dim()))
	}
	block := func(int) (bijector.Bijector, error) {
		return bijector.NewRealNVP(4, &bijector.RealNVPSettings{Couplings: o.Couplings, Src: src})
	}
	h, err := bijector.NewMERA([]int{o.L, o.L}, block, &bijector.NetworkSettings{Depth: depth})
	if err != nil {
		return nil, err
	}
	return flow.New(target.NewNormal(h.Dim()), h)
}

// recipe is that of -recipe for networks of some depth, nil for the networks of the paper.
func (s *settings) recipe(depth int) *flow.Recipe {
	if s.Recipe == "" {
		return nil
	}
	r := flow.FastRecipe()
	r.Whiten, r.Network.Depth, r.Network.Repeat = false, depth, 2
	return r
}

// judge evaluates a model that is trained.
func (w *work) judge(ctx context.Context, m *flow.Model, ising *target.Ising, src rand.Source) (*cell, error) {
	e, err := flow.Evaluate(ctx, m, ising, &flow.EvaluateSettings{Src: src})
	if err != nil {
		return nil, err
	}
	x := mat.NewDense(1, m.Dim(), nil)
	if err := m.Sample(x, nil, src); err != nil {
		return nil, err
	}
	return &cell{
		Depth: w.Depth, T: w.T, Warm: w.Warm, Loss: e.Loss, StdErr: e.StdErr, Exact: -ising.LogZ(),
		Variance: e.Variance, Sample: x.RawRowView(0), Settings: w.Settings,
	}, nil
}

// made reads the result of a cell, which must have been made with these settings.
func (o *options) made(depth, temp int) (*cell, error) {
	name := o.file(depth, temp, resultFile)
	c, err := read(name)
	if err != nil {
		return nil, err
	}
	if c.Settings != o.settings || c.Depth != depth || c.T != o.temps[temp] || c.Warm != (temp > 0 && !o.Cold) {
		differ := checkpoint.Differences(c.Settings.flags(), o.settings.flags())
		return nil, fmt.Errorf("%s: made with other settings: %s; use another -out", name, differ)
	}
	return c, nil
}

// read reads the result of a cell.
func read(name string) (*cell, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	c := &cell{}
	if err := json.Unmarshal(data, c); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(c.Sample) != c.Settings.L*c.Settings.L {
		return nil, fmt.Errorf("%s: a configuration of %d sites for L = %d", name, len(c.Sample), c.Settings.L)
	}
	return c, nil
}

func (c *cell) write(name string) error {
	return checkpoint.Write(name, 1, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(c)
	})
}
