package main

import (
	"slices"
	"testing"
	"time"
)

// A flow grows from half the extents as long as these are multiples of 4 and 8 or more, with the same
// couplings, and the times of all stages are the budget.
func TestStages(t *testing.T) {
	for shape, want := range map[string][]string{
		"32x32": {"8x8", "16x16", "32x32"}, "20x20": {"20x20"}, "16x32": {"8x16", "16x32"},
		"14x14": {"14x14"}, "24x18": {"24x18"}, "8x8": {"8x8"}, "16x16x16": {"16x16x16"},
	} {
		o, err := parse([]string{"-shape", shape, "-lambda", "4.5", "-budget", "1m"})
		if err != nil {
			t.Fatal(err)
		}
		theory, err := o.theory()
		if err != nil {
			t.Fatal(err)
		}
		stages, err := o.stages(theory)
		if err != nil {
			t.Fatal(err)
		}
		var shapes []string
		sum := time.Duration(0)
		for _, s := range stages {
			shapes, sum = append(shapes, s.o.shapeText), sum+s.o.budget
			if s.t.Density.Dim() != product(s.o.shape) || s.o.lambda != 4.5 {
				t.Errorf("%s: a stage of %d sites on %v, λ = %g", shape, s.t.Density.Dim(), s.o.shape, s.o.lambda)
			}
		}
		if !slices.Equal(shapes, want) || sum < time.Minute-time.Millisecond || sum > time.Minute {
			t.Errorf("%s: stages %v in %v, want %v in 1m", shape, shapes, sum, want)
		}
	}
}

func product(shape []int) int {
	n := 1
	for _, m := range shape {
		n *= m
	}
	return n
}
