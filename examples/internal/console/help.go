package console

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Help is what -h prints.
type Help struct {
	Synopsis string  // what the program does
	Groups   []Group // groups of flags; -h shows the first group, -help-all shows all
}

// Group is a set of flags that belong together.
type Group struct {
	Title string
	Flags []string
}

// Parse parses the arguments of a program that takes flags only. For -h, or -help-all
// if there is more than one group, it prints the flags and returns flag.ErrHelp. A
// flag that is in no group is an error.
func (h *Help) Parse(f *flag.FlagSet, args []string, out io.Writer, width int) error {
	f.SetOutput(io.Discard) // the caller prints errors
	f.Usage = func() {}
	all := new(bool)
	if len(h.Groups) > 1 {
		all = f.Bool("help-all", false, "show all flags")
	}
	if err := h.complete(f); err != nil {
		return err
	}
	err := f.Parse(args)
	if *all {
		err = flag.ErrHelp
	}
	switch {
	case err == flag.ErrHelp:
		io.WriteString(out, h.text(f, *all, min(width, Columns)))
	case err == nil && f.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", f.Arg(0))
	case err != nil:
		err = fmt.Errorf("%w; -h lists the flags", err)
	}
	return err
}

// Positive checks that the named flags, which are numbers, are above zero.
func Positive(f *flag.FlagSet, names ...string) error {
	for _, name := range names {
		text := f.Lookup(name).Value.String()
		if v, err := strconv.ParseFloat(text, 64); err != nil || !(v > 0) {
			return fmt.Errorf("-%s %s: want a positive number", name, text)
		}
	}
	return nil
}

// complete checks that every flag is in a group.
func (h *Help) complete(f *flag.FlagSet) (err error) {
	f.VisitAll(func(fl *flag.Flag) {
		has := func(g Group) bool { return slices.Contains(g.Flags, fl.Name) }
		if fl.Name != "help-all" && !slices.ContainsFunc(h.Groups, has) {
			err = fmt.Errorf("flag -%s is in no group of the help", fl.Name)
		}
	})
	return err
}

// text returns the list of flags.
func (h *Help) text(f *flag.FlagSet, all bool, width int) string {
	var b strings.Builder
	b.WriteString(Wrap(h.Synopsis, width) + "\n")
	groups := h.Groups
	if !all {
		groups = groups[:1]
	}
	for _, g := range groups {
		b.WriteString(Wrap(g.Title, width) + ":\n")
		for _, name := range g.Flags {
			b.WriteString(describe(f.Lookup(name), width))
		}
	}
	if !all && len(h.Groups) > 1 {
		fmt.Fprintf(&b, "-help-all shows %d more flags.\n", h.count()-len(groups[0].Flags))
	}
	return b.String()
}

func (h *Help) count() int {
	n := 0
	for _, g := range h.Groups {
		n += len(g.Flags)
	}
	return n
}

// describe returns the lines of one flag: its name, its meaning, indented, and its
// default.
func describe(f *flag.Flag, width int) string {
	const indent = 20
	kind, text := flag.UnquoteUsage(f)
	switch def := f.DefValue; def {
	case "", "false", "0s":
	default:
		if v, err := strconv.ParseFloat(def, 64); err == nil && len(def) > 8 {
			def = strconv.FormatFloat(v, 'g', 6, 64)
		}
		text += " (" + def + ")"
	}
	head := "  -" + f.Name
	if kind != "" {
		head += " " + kind
	}
	if width < 60 { // no room for two columns
		return head + "\n" + Wrap("    "+text, width) + "\n"
	}
	body := Wrap(strings.Repeat(" ", indent)+text, width)
	if n := utf8.RuneCountInString(head); n+1 < indent {
		return head + body[n:] + "\n"
	}
	return head + "\n" + body + "\n"
}
