//go:build race

package guard

// hashMemoryKB is little where the race detector watches each byte of it: only
// tests are built with it.
const hashMemoryKB = 1 << 10
