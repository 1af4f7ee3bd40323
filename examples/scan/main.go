// Command scan trains networks of every depth on the two-dimensional Ising model at
// several temperatures. It compares their free energies with the exact ones. The
// figures are Figs. S1 and S2 of Li and Wang, Phys. Rev. Lett. 121, 260601 (2018).
//
//	go run ./examples/scan -L 8
//	go run ./examples/scan -L 16 -cell 3
//
// A cell is a network of one depth at one temperature. Networks are not symmetrised.
// Instead, the loss has the penalty α·KL(q(x) ‖ q(−x)) of App. E. A cell starts from
// the parameters of the cell at the next higher temperature. A cell at the highest
// temperature starts from random parameters. With -cold, every cell does.
//
// A finished cell leaves its files in the directory -out and is not trained again.
// With -cell i, counted from 0, the program makes one cell, so that several machines
// can share the work. The cell that it starts from must be finished. A last run without
// -cell draws the figures. Ctrl-C stops the program after the training step under way.
// The same command then goes on from there.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/neuralrg/neuralrg/examples/internal/console"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := parse(os.Args[1:])
	if err == nil {
		err = run(ctx, o)
	}
	console.Exit("scan", err)
}

func run(ctx context.Context, o *options) error {
	if err := o.ready(); err != nil {
		return err
	}
	if o.cell >= 0 {
		_, err := makeCell(ctx, o, o.cell)
		return err
	}
	var cells []*cell
	for i := range o.cells() {
		c, err := makeCell(ctx, o, i)
		if err != nil {
			return err
		}
		cells = append(cells, c)
	}
	table(os.Stdout, console.Width(os.Stdout), cells, o)
	return errors.Join(errorFigure(cells, o), sampleFigure(cells, o))
}

// table prints the relative errors, the deepest network first. If the terminal is
// too narrow for all temperatures, it prints several blocks of columns.
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
