package doctor

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	stateDir  = "state_dir"
	elsewhere = "choose another folder with --state-dir"
	leastFree = 64 << 20 // bytes
)

func (p Patient) checkStateDir() Check {
	info, err := os.Stat(p.StateDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return p.checkParent()
	case err != nil:
		return wrong(stateDir, elsewhere, "%v", err)
	case !info.IsDir():
		return wrong(stateDir, elsewhere, "%s is not a folder", p.StateDir)
	case !writable(p.StateDir):
		return wrong(stateDir, "make it writable, or "+elsewhere, "%s cannot be written to", p.StateDir)
	case openToOthers(p.StateDir):
		return warning(stateDir, chmod("700", p.StateDir), "other users may look into %s", p.StateDir)
	}
	return checkRoom(p.StateDir, freeSpace(p.StateDir))
}

func checkRoom(dir string, free uint64) Check {
	if free < leastFree {
		return warning(stateDir, "make room: what cannot be written down is not rented", "%s has only %d MB left", dir, free>>20)
	}
	return ok(stateDir, "%s", dir)
}

// checkParent is for a folder that is not there: whether it can be made.
func (p Patient) checkParent() Check {
	parent := filepath.Dir(p.StateDir)
	info, err := os.Stat(parent)
	for errors.Is(err, fs.ErrNotExist) && parent != filepath.Dir(parent) {
		parent = filepath.Dir(parent)
		info, err = os.Stat(parent)
	}
	switch {
	case err != nil:
		return wrong(stateDir, elsewhere, "%s cannot be made: %v", p.StateDir, err)
	case !info.IsDir(), !writable(parent):
		return wrong(stateDir, elsewhere, "%s cannot be made in %s", p.StateDir, parent)
	}
	return ok(stateDir, "%s is not there yet and is made on first use", p.StateDir)
}
