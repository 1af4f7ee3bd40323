//go:build !amd64 || purego

package kernel

// There is no vector code for this processor, or it was not asked for.
func vectorVariants() []variant { return nil }
