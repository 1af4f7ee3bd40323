package hmc

import (
	"fmt"
	"math"
	"strings"
)

const (
	mostDivergent = 0.01 // of the proposals of a kernel
	farFromTarget = 0.15 // in acceptance
	enoughSweeps  = 50   // of a kernel, to judge its acceptance
)

// Warnings returns reasons not to trust the sweeps since New or ResetCounts, in words and
// the worst first; nil if there are none. It warns of
//   - chains that never moved (Stuck);
//   - a kernel with more than 1 % of its proposals divergent: chains may avoid a region
//     that belongs to the density;
//   - a kernel whose acceptance, after WarmUp, is not within 0.15 of what WarmUp tuned it
//     to: the chains have left the region in which they were when it was tuned.
//
// What the measurements themselves tell is in the Summary of package diag, to whose
// Warnings a caller may append these.
func (s *Sampler) Warnings() []string {
	var list []string
	if stuck := s.Stuck(); len(stuck) > 0 {
		list = append(list, fmt.Sprintf("stuck: %d of %d chains never moved: %s", len(stuck), s.Chains(), few(stuck)))
	}
	for k, c := range s.counts.kernels {
		kernel := s.kernels[k].kernel()
		if part := float64(c.divergent) / float64(c.sweeps*s.Chains()); part > mostDivergent {
			list = append(list, fmt.Sprintf("divergent: %.2g %% of the proposals of %s: the chains may avoid a region",
				100*part, kernelName(kernel)))
		}
	}
	for _, k := range s.Stats() {
		want := targetAccept(k.Kernel)
		if s.tuned && k.Sweeps >= enoughSweeps && math.Abs(k.AcceptRate-want) > farFromTarget {
			list = append(list, fmt.Sprintf("acceptance of %s is %.2f, the warm-up tuned it to %.2f",
				kernelName(k.Kernel), k.AcceptRate, want))
		}
	}
	return list
}

// targetAccept is TargetAccept of a kernel, NaN if it has none.
func targetAccept(k Kernel) float64 {
	switch k := k.(type) {
	case HMC:
		return k.TargetAccept
	case Microcanonical:
		return k.TargetAccept
	case RandomWalk:
		return k.TargetAccept
	case CrankNicolson:
		return k.TargetAccept
	}
	return math.NaN()
}

// few writes the first of many numbers.
func few(v []int) string {
	text := strings.Trim(fmt.Sprint(v[:min(len(v), 8)]), "[]")
	if len(v) > 8 {
		text += " …"
	}
	return text
}
