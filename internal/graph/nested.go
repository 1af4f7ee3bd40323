package graph

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/neuralrg/neuralrg/internal/errs"
)

// A density may evaluate another one, or itself, while it is evaluated. The inner
// call cannot wait for a lock that an outer call on the same goroutine may hold, so
// it takes a machine of its own.

// maxNesting is the number of evaluations that may be under way inside one another.
const maxNesting = 16

// acquire returns a machine for a number of rows, locked.
func (p *Program) acquire(rows int) (*machine, error) {
	if !p.mu.TryLock() {
		if depth := nesting(); depth > 0 {
			return p.alone(rows, depth)
		}
		p.mu.Lock()
	}
	m, locked, err := p.idle(rows)
	if err == nil && !locked {
		m.mu.Lock()
	}
	return m, err
}

// idle unlocks p.mu. It returns a machine for a number of rows, locked unless
// another goroutine has it.
func (p *Program) idle(rows int) (m *machine, locked bool, err error) {
	defer p.mu.Unlock()
	if m, err = p.machine(rows); err != nil || m.mu.TryLock() {
		return m, true, err
	}
	if depth := nesting(); depth > 0 {
		m, err = p.spareMachine(rows, depth)
		return m, true, err
	}
	return m, false, nil
}

// spareMachine returns a machine that is in no one's use, locked. It needs p.mu.
func (p *Program) spareMachine(rows, depth int) (*machine, error) {
	for i, m := range p.spare {
		if m.rows == rows && m.mu.TryLock() {
			p.spare = append(slices.Delete(p.spare, i, i+1), m)
			return m, nil
		}
	}
	m, err := p.alone(rows, depth)
	if err == nil {
		p.spare = keep(p.spare, m)
	}
	return m, err
}

// alone compiles a machine that nobody else knows, locked.
func (p *Program) alone(rows, depth int) (*machine, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("%w: more than %d evaluations inside one another:"+
			" a density evaluates itself without end", errs.ErrSettings, maxNesting)
	}
	m, err := p.compileAnew(rows)
	if err == nil {
		m.mu.Lock()
	}
	return m, err
}

// nesting returns how many graphs are being run or compiled on this goroutine.
func nesting() int {
	pcs := make([]uintptr, 256)
	n := runtime.Callers(1, pcs)
	for n == len(pcs) {
		pcs = make([]uintptr, 2*len(pcs))
		n = runtime.Callers(1, pcs)
	}
	depth := 0
	frames := runtime.CallersFrames(pcs[:n])
	for more := n > 0; more; {
		var f runtime.Frame
		f, more = frames.Next()
		if strings.HasSuffix(f.Function, "internal/graph.(*machine).run") ||
			strings.HasSuffix(f.Function, "internal/graph.(*Program).compile") {
			depth++
		}
	}
	return depth
}
