package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// lists reads the flags that are not plain numbers.
func (o *options) lists() error {
	o.hidden = []int{}
	if o.hiddenText != "" { // else linear networks
		for _, s := range strings.Split(o.hiddenText, ",") {
			h, err := strconv.Atoi(s)
			if err != nil || h <= 0 {
				return fmt.Errorf("-hidden %s: want positive numbers separated by commas", o.hiddenText)
			}
			o.hidden = append(o.hidden, h)
		}
	}
	switch o.dtypeText {
	case "f64":
		o.single = false
	case "f32":
		o.single = true
	default:
		return fmt.Errorf("-dtype %s: want f64 or f32", o.dtypeText)
	}
	return nil
}

// sensible checks the other ranges, and flags that need each other.
func (o *options) sensible() error {
	switch {
	case !(o.average >= 0 && o.average < 1):
		return fmt.Errorf("-average %g: want a decay between 0 and 1, or 0 for none", o.average)
	case !(o.jitter >= 0 && o.jitter < 1):
		return fmt.Errorf("-jitter %g: want a fraction from 0 to 1", o.jitter)
	case o.budget < 0:
		return fmt.Errorf("-budget %v: want a positive time", o.budget)
	case o.budget > 0 && o.every > 0:
		return fmt.Errorf("-budget %v -every %d: the budget is for training alone; leave out -paper or give -every 0",
			o.budget, o.every)
	case o.measure < 0:
		return fmt.Errorf("-measure %v: want a positive time, or 0 to leave it out", o.measure)
	case o.ais < 0 || o.rungs < 0:
		return fmt.Errorf("-ais %d -rungs %d: want positive numbers, or 0", o.ais, o.rungs)
	case o.couplings < 0:
		return fmt.Errorf("-couplings %d: want a positive number, or 0 for the default", o.couplings)
	case o.physical < 0:
		return fmt.Errorf("-physical %d: want a positive number, or 0 for ten times -sweeps", o.physical)
	case o.parts < 0 || o.parts > 0 && o.batch%o.parts != 0:
		return fmt.Errorf("-parts %d: want 0, or a divisor of -batch %d", o.parts, o.batch)
	case o.images < 0:
		return fmt.Errorf("-images %d: want a positive number, or 0 for all", o.images)
	case o.every < 0:
		return fmt.Errorf("-every %d: want a positive number, or 0 for no sampling alongside", o.every)
	case !(o.adapt >= 0 && o.adapt < 1) || o.adapt > 0 && (o.every == 0 || o.every > o.steps):
		return fmt.Errorf("-adapt %g -every %d: want a weight below 1, and chains that move", o.adapt, o.every)
	case o.checkerboard && o.size != 2:
		return fmt.Errorf("-checkerboard -size %d: a checkerboard has no blocks of a size", o.size)
	case o.size < 2:
		return fmt.Errorf("-size %d: want two or more", o.size)
	case o.chains < 2:
		return fmt.Errorf("-chains %d: want two or more: their spread gives the error", o.chains)
	case o.samples < 2:
		return fmt.Errorf("-samples %d: want two or more: their spread gives the error", o.samples)
	case o.resume && o.checkpoint == "":
		return errors.New("-resume: from which file? give -checkpoint")
	}
	return nil
}
