// Package console fits what examples print to the width of a terminal.
package console

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// Columns is the width of what is printed where there is no terminal.
const Columns = 80

// Width is the number of columns of a terminal, or Columns.
func Width(f *os.File) int {
	if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
		return w
	}
	return Columns
}

// Printf prints to the standard output and breaks lines that are too wide for
// it.
func Printf(format string, args ...any) {
	io.WriteString(os.Stdout, Wrap(fmt.Sprintf(format, args...), Width(os.Stdout)))
}

// Exit ends a program. After an error it prints the error under the name of the
// program, and the exit status is 1. A request for help is no error.
func Exit(name string, err error) {
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Wrap breaks lines of more than width characters at spaces. The new lines have the
// indent of the line that was broken. A word that is too long stays whole.
func Wrap(text string, width int) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if utf8.RuneCountInString(line) > width {
			lines[i] = wrapLine(line, width)
		}
	}
	return strings.Join(lines, "\n")
}

func wrapLine(line string, width int) string {
	indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
	var b strings.Builder
	at := 0
	for _, word := range strings.Fields(line) {
		n := utf8.RuneCountInString(word)
		switch {
		case at == 0:
			b.WriteString(indent)
			at = len(indent)
		case at+1+n > width:
			b.WriteString("\n" + indent)
			at = len(indent)
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
	}
	return b.String()
}
