//go:build linux || darwin

package doctor

import (
	"math"
	"syscall"
)

// writable asks the system, as trying would leave a trace.
func writable(dir string) bool {
	const writeAndEnter = 2 | 1 // W_OK and X_OK of access(2)
	return syscall.Access(dir, writeAndEnter) == nil
}

// freeSpace is how many bytes are left for this user; what is not known is
// enough.
func freeSpace(dir string) uint64 {
	var st syscall.Statfs_t
	if syscall.Statfs(dir, &st) != nil || st.Blocks == 0 {
		return math.MaxUint64
	}
	return st.Bavail * uint64(st.Bsize)
}
