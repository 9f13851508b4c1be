package journal

import (
	"path/filepath"
	"syscall"
	"unsafe"
)

const driveRemote = 4

// networkFileSystem names the network file system that dir is on, or "".
func networkFileSystem(dir string) string {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	root, err := syscall.UTF16PtrFromString(filepath.VolumeName(abs) + `\`)
	if err != nil {
		return ""
	}
	kind, _, _ := syscall.NewLazyDLL("kernel32.dll").NewProc("GetDriveTypeW").Call(uintptr(unsafe.Pointer(root)))
	if kind == driveRemote {
		return "network drive"
	}
	return ""
}
