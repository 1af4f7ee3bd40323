package console

import (
	"bytes"
	"errors"
	"flag"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"one two three\n", 7, "one two\nthree\n"},
		{"  ⟨m²⟩ is the mean\nnext", 9, "  ⟨m²⟩ is\n  the\n  mean\nnext"},
		{"short   and kept", 16, "short   and kept"},
		{"incomprehensible", 4, "incomprehensible"},
		{"", 4, ""},
	} {
		if got := Wrap(c.text, c.width); got != c.want {
			t.Errorf("%q in %d columns: %q, want %q", c.text, c.width, got, c.want)
		}
	}
}

// -h shows the first group, -help-all every flag; an error is one line.
func TestHelp(t *testing.T) {
	parse := func(width int, args ...string) (string, error) {
		f := flag.NewFlagSet("test", flag.ContinueOnError)
		f.Int("steps", 600, "steps of `N` kinds, of which some are long and others are longer than that, and so on")
		f.Bool("resume", false, "go on")
		f.String("out", "", "directory")
		h := &Help{"What it does, at some length, in a sentence that goes on for more than a line.",
			[]Group{{"common", []string{"steps", "resume"}}, {"files", []string{"out"}}}}
		var b bytes.Buffer
		err := h.Parse(f, args, &b, width)
		return b.String(), err
	}
	for _, width := range []int{40, 80} {
		short, err := parse(width, "-h")
		shows := strings.Contains(short, "-steps") && strings.Contains(short, "(600)")
		if !errors.Is(err, flag.ErrHelp) || !shows || strings.Contains(short, "-out") {
			t.Errorf("%v:\n%s", err, short)
		}
		long, err := parse(width, "-help-all")
		if !errors.Is(err, flag.ErrHelp) || !strings.Contains(long, "-out") {
			t.Errorf("%v:\n%s", err, long)
		}
		for _, line := range strings.Split(long, "\n") {
			if utf8.RuneCountInString(line) > width {
				t.Errorf("more than %d columns: %q", width, line)
			}
		}
	}
	text, err := parse(80, "-none")
	if err == nil || text != "" || !strings.Contains(err.Error(), "-none") || strings.Contains(err.Error(), "\n") {
		t.Errorf("%q, %v", text, err)
	}
	text, err = parse(80, "-steps", "7", "here")
	if err == nil || text != "" || !strings.Contains(err.Error(), `"here"`) {
		t.Errorf("an argument that is no flag: %q, %v", text, err)
	}
	f := flag.NewFlagSet("test", flag.ContinueOnError)
	f.Int("forgotten", 1, "")
	err = (&Help{"", []Group{{"", nil}}}).Parse(f, nil, &bytes.Buffer{}, 80)
	if err == nil || !strings.Contains(err.Error(), "forgotten") {
		t.Errorf("a flag of no group: %v", err)
	}
	if text, err := parse(80, "-steps", "7"); err != nil || text != "" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestPositive(t *testing.T) {
	f := flag.NewFlagSet("test", flag.ContinueOnError)
	f.Int("steps", 7, "")
	f.Float64("lr", 0.1, "")
	for _, c := range []struct{ name, value, want string }{
		{"steps", "7", ""}, {"lr", "1e-300", ""}, {"lr", "+Inf", ""},
		{"steps", "0", "-steps 0"}, {"steps", "-3", "-steps -3"}, {"lr", "0", "-lr 0"}, {"lr", "NaN", "-lr NaN"},
	} {
		old := f.Lookup(c.name).Value.String()
		f.Set(c.name, c.value)
		err := Positive(f, "steps", "lr")
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("-%s %s: %v, want %q", c.name, c.value, err, c.want)
		}
		f.Set(c.name, old)
	}
}
