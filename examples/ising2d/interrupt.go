package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// interrupts makes every Ctrl-C end the phase of the program that is under way,
// and no more. In a program that can be resumed, SIGTERM does the same.
type interrupts struct{ signals chan os.Signal }

func newInterrupts(resumable bool) *interrupts {
	i := &interrupts{make(chan os.Signal, 1)}
	signal.Notify(i.signals, os.Interrupt)
	if resumable {
		signal.Notify(i.signals, syscall.SIGTERM)
	}
	return i
}

// phase returns the context of a phase; done ends it.
func (i *interrupts) phase() (ctx context.Context, done func()) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		select {
		case <-i.signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// forget drops an interrupt that no phase has seen.
func (i *interrupts) forget() {
	select {
	case <-i.signals:
	default:
	}
}

func (i *interrupts) stop() { signal.Stop(i.signals) }
