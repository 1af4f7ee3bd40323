package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/neuralrg/neuralrg/examples/internal/console"
)

// progress shows how far a loop has come: a bar on a terminal, a line every
// few seconds elsewhere.
type progress struct {
	name        string
	total, made int
	last        time.Time

	container *mpb.Progress // nil: lines
	bar       *mpb.Bar
	narrow    bool
	status    atomic.Value // string
}

// newProgress shows a loop of total steps, of which some are made.
func newProgress(name string, total, made int) *progress {
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		return &progress{name: name, total: total, made: made, last: time.Now()}
	}
	return newBar(os.Stderr, console.Width(os.Stderr), name, total, made)
}

// newBar draws a bar for a terminal of the given width. It leaves the last four
// columns empty: Ctrl-C prints two characters in front of the bar, and a line that
// is too long would not be cleared.
func newBar(w io.Writer, columns int, name string, total, made int) *progress {
	p := &progress{name: name, total: total, made: made, narrow: columns < 70}
	p.status.Store("")
	p.container = mpb.New(mpb.WithOutput(w), mpb.WithAutoRefresh(), mpb.WithWidth(max(columns-4, 1)))
	after := []decor.Decorator{decor.Any(func(decor.Statistics) string { return " " + p.status.Load().(string) })}
	if !p.narrow {
		after = append(after, decor.OnComplete(decor.AverageETA(decor.ET_STYLE_GO, decor.WC{W: 8}), ""))
	}
	p.bar = p.container.AddBar(int64(total),
		mpb.PrependDecorators(decor.Name(name+" "), decor.CountersNoUnit("%d/%d")), mpb.AppendDecorators(after...))
	p.bar.SetCurrent(int64(made))
	return p
}

// step counts a step. On a narrow terminal the status is cut before " ±".
func (p *progress) step(status string) {
	p.made++
	if p.bar != nil {
		if p.narrow {
			status, _, _ = strings.Cut(status, " ±")
		}
		p.status.Store(status)
		p.bar.Increment()
		return
	}
	if time.Since(p.last) > 5*time.Second || p.made == p.total {
		p.last = time.Now()
		fmt.Printf("%s %d/%d: %s\n", p.name, p.made, p.total, status)
	}
}

// setTotal changes the number of steps of the loop.
func (p *progress) setTotal(total int) {
	p.total = total
	if p.bar != nil {
		p.bar.SetTotal(int64(total), false)
	}
}

// done ends the display, complete or not.
func (p *progress) done() {
	if p.bar != nil {
		p.bar.Abort(false)
		p.container.Wait()
	}
}
