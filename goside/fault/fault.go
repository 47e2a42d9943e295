//go:build !faults

// Package fault is how the tests have any goroutine or export of the module panic: each names itself at its root. In a
// build without the tag "faults", which is every build that is installed, that is nothing at all.
package fault

// At panics if a test asked for a panic at this place.
func At(string) {}
