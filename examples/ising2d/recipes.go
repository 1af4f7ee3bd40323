package main

import (
	"flag"
	"fmt"
	"maps"
	"strconv"
)

// recipes are settings that belong together. A flag that is given overrules them.
var recipes = map[string]map[string]string{
	"none":  {},
	"paper": {"lr": "5e-3", "cosine": "true"},
	"fast": {
		"lr": "1e-2", "soap": "true", "cosine": "true", "path": "true", "anneal": "0.5",
		"spline": "true", "conditional": "true", "white": "true",
	},
	"best": {
		"lr": "1e-2", "soap": "true", "cosine": "true", "path": "true", "anneal": "0.5",
		"spline": "true", "conditional": "true", "white": "true",
		"checkerboard": "true", "repeat": "2", "hidden": "12,12",
	},
}

// paperRun is what -paper sets.
var paperRun = map[string]string{
	"recipe": "paper", "L": "16", "steps": "5000", "every": "100",
	"chains": "512", "sweeps": "700", "physical": "700", "cold": "true", "measure": "0",
}

// preset sets flags that are not given, as -paper, -recipe and -grow say.
func (o *options) preset(f *flag.FlagSet) error {
	given := map[string]bool{}
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if o.budget != 0 && given["steps"] {
		return fmt.Errorf("-steps %d -budget %v: give one of them; -budget sets the number of steps", o.steps, o.budget)
	}
	own := maps.Clone(given)
	set := func(values map[string]string) {
		for name, v := range values {
			if !given[name] {
				f.Set(name, v)
				given[name] = true
			}
		}
	}
	if o.paper {
		set(paperRun)
	}
	recipe, ok := recipes[o.recipe]
	if !ok {
		return fmt.Errorf("-recipe %s: want none, paper, fast or best", o.recipe)
	}
	set(recipe)
	o.fresh = pace{o.lr, o.anneal}
	if (o.grow != "" || len(o.lattices()) > 1) && o.recipe != "none" {
		rate := "2e-3"
		if o.soap {
			rate = "5e-3"
		}
		for name, v := range map[string]string{"lr": rate, "anneal": "1"} {
			if !own[name] {
				f.Set(name, v)
			}
		}
	}
	if o.ownBatch = own["batch"]; o.budget > 0 && !o.ownBatch {
		f.Set("batch", strconv.Itoa(batchOf(o.L)))
	}
	return nil
}
