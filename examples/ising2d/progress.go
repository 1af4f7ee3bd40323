package main

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// progress shows how far a loop has come: a bar on a terminal, a line every
// few seconds elsewhere.
type progress struct {
	name        string
	total, made int
	last        time.Time

	container *mpb.Progress // nil: lines
	bar       *mpb.Bar
	status    atomic.Value // string
}

// newProgress begins after made of total steps.
func newProgress(name string, total, made int) *progress {
	p := &progress{name: name, total: total, made: made, last: time.Now()}
	p.status.Store("")
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		return p
	}
	p.container = mpb.New(mpb.WithOutput(os.Stderr))
	p.bar = p.container.AddBar(int64(total),
		mpb.PrependDecorators(decor.Name(name, decor.WC{W: 14}), decor.CountersNoUnit("%d/%d", decor.WCSyncSpace)),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return p.status.Load().(string) }),
			decor.OnComplete(decor.AverageETA(decor.ET_STYLE_GO, decor.WC{W: 8}), "")))
	p.bar.SetCurrent(int64(made))
	return p
}

func (p *progress) step(status string) {
	p.made++
	p.status.Store(status)
	if p.bar != nil {
		p.bar.Increment()
		return
	}
	if time.Since(p.last) > 5*time.Second || p.made == p.total {
		p.last = time.Now()
		fmt.Printf("%s %d/%d: %s\n", p.name, p.made, p.total, status)
	}
}

// done ends the display, complete or not.
func (p *progress) done() {
	if p.bar != nil {
		p.bar.Abort(false)
		p.container.Wait()
	}
}
