package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/neuralrg/neuralrg/examples/internal/checkpoint"
	"github.com/neuralrg/neuralrg/examples/internal/console"
	"github.com/neuralrg/neuralrg/examples/internal/memory"
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
	Synopsis: "scan [flags] trains networks of every depth at several temperatures, for Figs. S1 and S2 of the paper.",
	Groups: []console.Group{{Title: "Flags", Flags: []string{
		"L", "temps", "first", "steps", "batch", "couplings", "lr", "alpha", "recipe", "seed", "cold", "cell", "out", "memory",
	}}},
}

// settings are what all cells of a scan have in common.
type settings struct {
	L         int     `json:"L"`
	First     int     `json:"first"` // training steps of a cell that starts from random parameters
	Steps     int     `json:"steps"` // training steps of any other cell
	Batch     int     `json:"batch"`
	Couplings int     `json:"couplings"`
	Rate      float64 `json:"rate"`
	Alpha     float64 `json:"alpha"`
	Seed      uint64  `json:"seed"`
	Cold      bool    `json:"cold,omitempty"`   // no cell starts from another
	Recipe    string  `json:"recipe,omitempty"` // empty for that of the paper
}

// flags are the settings by the names of their flags.
func (s *settings) flags() map[string]string {
	return map[string]string{
		"L": fmt.Sprint(s.L), "first": fmt.Sprint(s.First), "steps": fmt.Sprint(s.Steps), "batch": fmt.Sprint(s.Batch),
		"couplings": fmt.Sprint(s.Couplings), "lr": fmt.Sprint(s.Rate), "alpha": fmt.Sprint(s.Alpha),
		"seed": fmt.Sprint(s.Seed), "cold": fmt.Sprint(s.Cold), "recipe": s.Recipe,
	}
}

// define makes the flags.
func (o *options) define(f *flag.FlagSet) {
	f.IntVar(&o.L, "L", 8, "the lattice has `N`×N sites, N a power of two")
	f.StringVar(&o.tempsText, "temps", "2.0,2.1,2.2,2.3,2.4,2.5,2.6,2.7", "temperatures `T,T,...` in units of J")
	f.IntVar(&o.First, "first", 1000, "make `N` training steps of a cell that starts from random parameters")
	f.IntVar(&o.Steps, "steps", 400, "make `N` training steps of a cell that starts from another cell")
	f.IntVar(&o.Batch, "batch", 512, "`N` configurations per training step")
	f.IntVar(&o.Couplings, "couplings", 10, "`N` affine couplings per block")
	f.Float64Var(&o.Rate, "lr", 3e-3, "largest learning rate `X`; it falls to zero in every cell")
	f.Float64Var(&o.Alpha, "alpha", 1, "weight `X` of KL(q(x) ‖ q(−x)) in the loss")
	f.StringVar(&o.Recipe, "recipe", "", "the networks: empty for those of the paper, or `fast` for those of "+
		"flow.FastRecipe, two pairs of layers per scale, not whitened and symmetrised over x → −x")
	f.Uint64Var(&o.Seed, "seed", 1, "seed `N` of all random numbers")
	f.BoolVar(&o.Cold, "cold", false, "start every cell from random parameters")
	f.IntVar(&o.cell, "cell", -1, "make only cell `N`, counted from 0, and no figures; -1 makes all")
	f.StringVar(&o.out, "out", "out/scan", "write results and figures to the directory `DIR`")
	f.Float64Var(&o.memory, "memory", 8, "refuse a run that needs more memory than this, in `GB`")
}

func parse(args []string) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("scan", flag.ContinueOnError)
	o.define(f)
	if err := help.Parse(f, args, os.Stdout, console.Width(os.Stdout)); err != nil {
		return nil, err
	}
	if err := console.Positive(f, "first", "steps", "batch", "couplings"); err != nil {
		return nil, err
	}
	if o.L < 2 || o.L&(o.L-1) != 0 {
		return nil, fmt.Errorf("-L %d: want a power of two", o.L)
	}
	if o.Recipe != "" && o.Recipe != "fast" {
		return nil, fmt.Errorf("-recipe %s: want fast, or nothing", o.Recipe)
	}
	if err := o.temperatures(); err != nil {
		return nil, err
	}
	if o.cell < -1 || o.cell >= o.cells() {
		return nil, fmt.Errorf("-cell %d: want one of 0 to %d", o.cell, o.cells()-1)
	}
	return o, nil
}

// temperatures reads -temps.
func (o *options) temperatures() error {
	for _, s := range strings.Split(o.tempsText, ",") {
		T, err := strconv.ParseFloat(s, 64)
		if err != nil || !(T > 0) || slices.Contains(o.temps, T) {
			return fmt.Errorf("-temps %s: want different positive numbers separated by commas", o.tempsText)
		}
		o.temps = append(o.temps, T)
	}
	slices.Sort(o.temps)
	slices.Reverse(o.temps)
	return nil
}

// depths is the number of scales of the deepest network.
func (o *options) depths() int {
	n := 0
	for l := o.L; l > 1; l /= 2 {
		n++
	}
	return n
}

// cells is the number of cells.
func (o *options) cells() int { return o.depths() * len(o.temps) }

// at is the depth of a cell and the index of its temperature.
func (o *options) at(cell int) (depth, temp int) {
	return 1 + cell/len(o.temps), cell % len(o.temps)
}

// Files of a cell, by what their names end in.
const (
	resultFile   = "json"
	modelFile    = "safetensors"
	trainingFile = "training" // while the cell is under way
)

// file is the name of a file of a cell.
func (o *options) file(depth, temp int, kind string) string {
	return filepath.Join(o.out, fmt.Sprintf("depth%d-T%g.%s", depth, o.temps[temp], kind))
}

// ready checks, before any work is done, that the run fits into memory and that its
// files can be written.
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
		var files []string
		for _, kind := range []string{resultFile, modelFile, trainingFile} {
			files = append(files, o.file(depth, temp, kind))
		}
		if err := checkpoint.Probe(files...); err != nil {
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
