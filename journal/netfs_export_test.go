//go:build linux

package journal

// NetworkMagic names the network file system with that f_type.
func NetworkMagic(magic uint32) string { return networkMagic(magic) }
