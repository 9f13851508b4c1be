//go:build !race

package guard

// hashMemoryKB is what hashing a passphrase takes.
const hashMemoryKB = 64 << 10
