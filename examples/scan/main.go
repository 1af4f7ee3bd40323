// Command scan trains networks of every depth at a range of temperatures of the
// two-dimensional Ising model and compares their free energies with the exact
// ones: Figs. S1 and S2 of Li and Wang, Phys. Rev. Lett. 121, 260601 (2018).
//
//	go run ./examples/scan -L 8
//	go run ./examples/scan -L 16 -cell 3
//
// A cell is one depth at one temperature. Networks are not symmetrised; the
// penalty α·KL(q(x) ‖ q(−x)) of App. E takes the place of that. A cell starts from
// the parameters of the next higher temperature, or with -cold from nothing, as
// those of the highest temperature do. Every cell that is done leaves a file in
// the directory -out and is not made again; with -cell i, from 0, one machine of
// many makes one cell, for which the next higher temperature must be there, and
// a last run without it draws the figures. Ctrl-C stops at once and leaves the
// cells that are done, and of the one under way a file to go on from.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/examples/internal/checkpoint"
	"github.com/neuralrg/neuralrg/examples/internal/console"
	"github.com/neuralrg/neuralrg/examples/internal/memory"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/internal/safetensors"
	"github.com/neuralrg/neuralrg/target"
)

type options struct {
	settings
	temps []float64 // from high to low
	cell  int
	out   string

	tempsText string
	memory    float64
}

var help = console.Help{
	Synopsis: "scan [flags] trains networks of every depth at many temperatures, Figs. S1 and S2 of the paper.",
	Groups: []console.Group{{Title: "Flags", Flags: []string{
		"L", "temps", "first", "steps", "batch", "couplings", "lr", "alpha", "seed", "cold", "cell", "out", "memory",
	}}},
}

// settings are what all cells of a scan have in common.
type settings struct {
	L         int     `json:"L"`
	First     int     `json:"first"` // steps of a cell without a predecessor
	Steps     int     `json:"steps"` // of any other
	Batch     int     `json:"batch"`
	Couplings int     `json:"couplings"`
	Rate      float64 `json:"rate"`
	Alpha     float64 `json:"alpha"`
	Seed      uint64  `json:"seed"`
	Cold      bool    `json:"cold,omitempty"` // no cell starts from another
}

// flags are the settings as they are given.
func (s *settings) flags() map[string]string {
	return map[string]string{
		"L": fmt.Sprint(s.L), "first": fmt.Sprint(s.First), "steps": fmt.Sprint(s.Steps), "batch": fmt.Sprint(s.Batch),
		"couplings": fmt.Sprint(s.Couplings), "lr": fmt.Sprint(s.Rate), "alpha": fmt.Sprint(s.Alpha),
		"seed": fmt.Sprint(s.Seed), "cold": fmt.Sprint(s.Cold),
	}
}

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

func main() {
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "scan:", err)
		os.Exit(1)
	}
}

// define makes the flags.
func (o *options) define(f *flag.FlagSet) {
	f.IntVar(&o.L, "L", 8, "`N` sites along an edge, a power of two")
	f.StringVar(&o.tempsText, "temps", "2.0,2.1,2.2,2.3,2.4,2.5,2.6,2.7", "temperatures `T,T,...`")
	f.IntVar(&o.First, "first", 1000, "training steps `N` of a cell that starts from nothing")
	f.IntVar(&o.Steps, "steps", 400, "training steps `N` of a cell that starts from another")
	f.IntVar(&o.Batch, "batch", 512, "`N` configurations per step")
	f.IntVar(&o.Couplings, "couplings", 10, "`N` affine couplings per block")
	f.Float64Var(&o.Rate, "lr", 3e-3, "largest learning rate `X`, which falls to zero in every cell")
	f.Float64Var(&o.Alpha, "alpha", 1, "factor `X` of KL(q(x) ‖ q(−x)) in the loss")
	f.Uint64Var(&o.Seed, "seed", 1, "seed `N` of all randomness")
	f.BoolVar(&o.Cold, "cold", false, "start every cell from nothing")
	f.IntVar(&o.cell, "cell", -1, "make cell `N` alone, from 0; no figures")
	f.StringVar(&o.out, "out", "out/scan", "directory `DIR` for results and figures")
	f.Float64Var(&o.memory, "memory", 8, "memory that a run may need, in `GB`")
}

func parse(args []string) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("scan", flag.ContinueOnError)
	o.define(f)
	if err := help.Parse(f, args, os.Stdout, console.Width(os.Stdout)); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	for name, v := range map[string]int{"first": o.First, "steps": o.Steps, "batch": o.Batch, "couplings": o.Couplings} {
		if v <= 0 {
			return nil, fmt.Errorf("-%s %d: want a positive number", name, v)
		}
	}
	if o.L < 2 || o.L&(o.L-1) != 0 {
		return nil, fmt.Errorf("-L %d: want a power of two", o.L)
	}
	for _, s := range strings.Split(o.tempsText, ",") {
		T, err := strconv.ParseFloat(s, 64)
		if err != nil || !(T > 0) || slices.Contains(o.temps, T) {
			return nil, fmt.Errorf("-temps %s: want different positive numbers separated by commas", o.tempsText)
		}
		o.temps = append(o.temps, T)
	}
	slices.Sort(o.temps)
	slices.Reverse(o.temps)
	if o.cell < -1 || o.cell >= o.cells() {
		return nil, fmt.Errorf("-cell %d: want one of 0 to %d", o.cell, o.cells()-1)
	}
	return o, nil
}

// depths is the number of scales of the deepest network.
func (o *options) depths() int {
	n := 0
	for l := o.L; l > 1; l /= 2 {
		n++
	}
	return n
}

func (o *options) cells() int { return o.depths() * len(o.temps) }

// at is the depth of a cell and the index of its temperature.
func (o *options) at(cell int) (depth, temp int) {
	return 1 + cell/len(o.temps), cell % len(o.temps)
}

func (o *options) file(depth, temp int, kind string) string {
	return filepath.Join(o.out, fmt.Sprintf("depth%d-T%g.%s", depth, o.temps[temp], kind))
}

// ready checks, before anything is spent on it, that the run fits into memory
// and that what it makes can be written.
func (o *options) ready() error {
	params, layers := memory.Network{L: o.L, Size: 2, Couplings: o.Couplings, Hidden: []int{10, 10, 10}}.Cost()
	sites := float64(o.L) * float64(o.L)
	if err := memory.Check(o.memory,
		memory.Part{What: "the parameters (-couplings, -L)", Bytes: memory.Params(params)},
		memory.Part{What: "a batch (-batch, -L)", Bytes: memory.Rows(2*float64(o.Batch), sites, layers)},
	); err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o777); err != nil {
		return err
	}
	if o.cell < 0 {
		if err := checkpoint.Probe(o.figure(errorName), o.figure(sampleName)); err != nil {
			return err
		}
	}
	for i := range o.cells() {
		if o.cell >= 0 && i != o.cell {
			continue
		}
		depth, temp := o.at(i)
		if err := checkpoint.Probe(o.file(depth, temp, "json"), o.file(depth, temp, "safetensors"), o.file(depth, temp, "training")); err != nil {
			return err
		}
	}
	return nil
}

// Names of the figures in the directory -out.
const (
	errorName  = "free_energy.png"
	sampleName = "samples.png"
)

func (o *options) figure(name string) string { return filepath.Join(o.out, name) }

func run(ctx context.Context, o *options) error {
	if err := o.ready(); err != nil {
		return err
	}
	if o.cell >= 0 {
		_, err := make1(ctx, o, o.cell)
		return err
	}
	var cells []*cell
	for i := range o.cells() {
		c, err := make1(ctx, o, i)
		if err != nil {
			return err
		}
		cells = append(cells, c)
	}
	table(os.Stdout, console.Width(os.Stdout), cells, o)
	return errors.Join(errorFigure(cells, o), sampleFigure(cells, o))
}

// make1 reads a cell, or trains it and writes it.
func make1(ctx context.Context, o *options, i int) (*cell, error) {
	depth, temp := o.at(i)
	name := o.file(depth, temp, "json")
	if c, err := o.made(depth, temp); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return c, err
	}
	start := time.Now()
	// Blocks draw their bipartitions: those of one depth must be the same.
	network, src := rand.NewPCG(o.Seed, 1<<32+uint64(depth)), rand.NewPCG(o.Seed, uint64(i))
	T := o.temps[temp]
	ising, err := target.NewIsing([]int{o.L, o.L}, T)
	if err != nil {
		return nil, err
	}
	block := func(int) (bijector.Bijector, error) {
		return bijector.NewRealNVP(4, &bijector.RealNVPSettings{Couplings: o.Couplings, Src: network})
	}
	h, err := bijector.NewMERA([]int{o.L, o.L}, block, &bijector.NetworkSettings{Depth: depth})
	if err != nil {
		return nil, err
	}
	m, err := flow.New(target.NewNormal(h.Dim()), h)
	if err != nil {
		return nil, err
	}
	c := &cell{Depth: depth, T: T, Exact: -ising.LogZ(), Settings: o.settings}
	steps := o.First
	if temp > 0 && !o.Cold {
		if _, err := o.made(depth, temp-1); err != nil {
			return nil, fmt.Errorf("cell %d starts from cell %d, unless with -cold: %w", i, i-1, err)
		}
		if err := checkpoint.Read(o.file(depth, temp-1, "safetensors"), m.Restore); err != nil {
			return nil, err
		}
		c.Warm, steps = true, o.Steps
	}
	fast := m.Float32()
	console.Printf("cell %d of %d: depth %d, T = %g, %d steps from %s\n", i, o.cells(), depth, T, steps,
		map[bool]string{true: "the next higher temperature", false: "scratch"}[c.Warm])
	state := o.file(depth, temp, "training")
	if err := train(ctx, fast, ising, o, under{o.settings, depth, T, c.Warm, steps}, src, state); err != nil {
		return nil, err
	}
	e, err := flow.Evaluate(ctx, m, ising, &flow.EvaluateSettings{Src: src})
	if err != nil {
		return nil, err
	}
	c.Loss, c.StdErr, c.Variance = e.Loss, e.StdErr, e.Variance
	x := mat.NewDense(1, m.Dim(), nil)
	if err := m.Sample(x, nil, src); err != nil {
		return nil, err
	}
	c.Sample, c.Seconds = x.RawRowView(0), time.Since(start).Seconds()
	v, stdErr := c.relative()
	console.Printf("  relative error of the free energy %.5f ± %.5f, %.0f s\n", v, stdErr, c.Seconds)
	// The result last: where it is, the parameters are too.
	if err := checkpoint.Write(o.file(depth, temp, "safetensors"), 1, m.Save); err != nil {
		return nil, err
	}
	if err := c.write(name); err != nil {
		return nil, err
	}
	// From here on it is of no use.
	if err := os.Remove(state); !errors.Is(err, fs.ErrNotExist) {
		return c, err
	}
	return c, nil
}

// made reads the result of a cell, which must be of these settings.
func (o *options) made(depth, temp int) (*cell, error) {
	name := o.file(depth, temp, "json")
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

// under says of which cell a state of training is.
type under struct {
	Settings settings `json:"settings"`
	Depth    int      `json:"depth"`
	T        float64  `json:"T"`
	Warm     bool     `json:"warm"`
	Steps    int      `json:"steps"` // in all
}

// flags are the settings, and what distinguishes cells.
func (u *under) flags() map[string]string {
	f := u.Settings.flags()
	f["cell"] = fmt.Sprintf("depth %d, T = %g, warm: %t, %d steps", u.Depth, u.T, u.Warm, u.Steps)
	return f
}

const (
	kind    = "scan"
	cellKey = "cell"
)

// save writes a state of training.
func (u *under) save(name string, tr *flow.Trainer) error {
	text, err := json.Marshal(u)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := tr.Save(&b); err != nil {
		return err
	}
	return checkpoint.Write(name, 1, func(w io.Writer) error {
		return safetensors.Save(w, kind, &safetensors.File{
			Meta:   map[string]string{cellKey: string(text)},
			Arrays: []safetensors.Array{{Name: "trainer", Shape: []int{b.Len()}, Values: b.Bytes()}},
		})
	})
}

// restore takes up training from a file, if there is one.
func (u *under) restore(name string, tr *flow.Trainer) error {
	err := checkpoint.Read(name, func(r io.Reader) error {
		f, got, err := safetensors.Load(r)
		if err != nil {
			return err
		}
		var of under
		if err := json.Unmarshal([]byte(f.Meta[cellKey]), &of); err != nil || got != kind {
			return fmt.Errorf("no state of a cell: kind %.40q, %v", got, err)
		}
		if of != *u {
			differ := checkpoint.Differences(of.flags(), u.flags())
			return fmt.Errorf("of another cell or other settings: %s; use another -out", differ)
		}
		data, err := f.Bytes("trainer", -1)
		if err != nil {
			return err
		}
		return tr.Restore(bytes.NewReader(data))
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// train trains a model, from where a run that was stopped left it in a file, and
// leaves it there.
func train(ctx context.Context, m *flow.Model, t target.Density, o *options, u under, src rand.Source, name string) error {
	var tr *flow.Trainer
	tr, err := flow.NewTrainer(m, t, &flow.Settings{
		Batch:     o.Batch,
		Optimizer: flow.Adam{LearnRate: o.Rate, Schedule: flow.Cosine(u.Steps, u.Steps/20)},
		Objective: flow.ReverseKL{InversionKL: o.Alpha},
		Src:       src,
		Recorder: flow.RecorderFunc(func(r *flow.Report) error {
			if r.Step%100 != 0 && r.Step != u.Steps {
				return nil
			}
			return u.save(name, tr)
		}),
	})
	if err != nil {
		return err
	}
	if err := u.restore(name, tr); err != nil {
		return err
	}
	done := tr.Result().Steps
	if done > 0 {
		console.Printf("  resumed after step %d\n", done)
	}
	if done > u.Steps {
		return fmt.Errorf("%s: after %d of %d steps", name, done, u.Steps)
	}
	err = tr.Run(ctx, u.Steps-done)
	if errors.Is(err, context.Canceled) && tr.Result().Steps > 0 {
		err = errors.Join(err, u.save(name, tr))
	}
	return err
}

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

// table prints the relative errors, the deepest network first, as many columns
// at a time as the terminal has room for.
func table(w io.Writer, width int, cells []*cell, o *options) {
	const first, column = 6, 10
	fmt.Fprintf(w, "relative error of free energy, L = %d\n", o.L)
	abreast := max(1, (width-first)/column)
	for from := 0; from < len(o.temps); from += abreast {
		to := min(from+abreast, len(o.temps))
		fmt.Fprintf(w, "%-*s", first, "depth")
		for k := from; k < to; k++ {
			fmt.Fprintf(w, "%*s", column, fmt.Sprintf("T=%g", o.temps[len(o.temps)-1-k]))
		}
		fmt.Fprintln(w)
		for depth := o.depths(); depth >= 1; depth-- {
			fmt.Fprintf(w, "%-*d", first, depth)
			for k := from; k < to; k++ {
				v, _ := cells[depth*len(o.temps)-1-k].relative()
				fmt.Fprintf(w, "%*.6f", column, v)
			}
			fmt.Fprintln(w)
		}
	}
}
