//go:build race

package kernel

// Under the race detector sync.Pool forgets at random.
const raceDetector = true
