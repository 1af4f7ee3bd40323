//go:build !(amd64 || arm64) || purego

package kernel

// vectorVariants is empty: there is no vector code for this processor, or the
// build tag purego leaves it out.
func vectorVariants() []variant { return nil }
