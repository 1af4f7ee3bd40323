//go:build race

package flow_test

// Under the race detector sync.Pool forgets at random.
const raceDetector = true
