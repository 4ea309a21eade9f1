//go:build !invariants

package machine

// Strict says that illegal moves panic.
const Strict = false
