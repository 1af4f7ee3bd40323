//go:build !unix

package main

import "runtime"

// peakMB is the memory the process has obtained from the system in MiB.
func peakMB() float64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.Sys) / (1 << 20)
}
