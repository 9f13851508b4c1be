package install

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Change is what a call did to a client's file.
type Change string

// What can have happened.
const (
	Unchanged Change = "unchanged" // it was as wanted already
	Added     Change = "added"     // the entry is new
	Updated   Change = "updated"   // the entry was there and is another now
	Removed   Change = "removed"   // the entry is out
	Restored  Change = "restored"  // the file is what it was before the entry came in
	Deleted   Change = "deleted"   // the file held nothing else, and is gone
)

// Outcome tells what a call did.
type Outcome struct {
	Path   string
	Change Change
	Backup string // the file as it was before the entry came in, empty if there is none
	Was    *Entry // the entry before, nil for none
	Is     *Entry // the entry now, nil for none
}

// backupSuffix is what the backup's name ends in. The backup is the file as it
// was before an entry of ours came in: while there is one, updates, further
// entries and removals leave the backup alone, and when one comes in anew it is
// replaced. So it never holds an entry of ours, nor a key.
const backupSuffix = ".vast-mcp.bak"

// Install writes the server into the client's file. Files are readable by
// their owner only afterwards.
func (c Client) Install(p Place, s Server) (Outcome, error) {
	out := Outcome{Path: c.Path(p), Change: Unchanged}
	f, err := read(out.Path)
	if err != nil {
		return out, err
	}
	after, err := c.Add(f.data, s)
	if err != nil {
		return out, refusal(out.Path, err)
	}
	if out.Was, err = c.Find(f.data, s); err != nil {
		return out, refusal(out.Path, err)
	}
	if out.Is, err = c.Find(after, s); err != nil {
		return out, refusal(out.Path, err)
	}
	backup := out.Path + backupSuffix
	switch {
	case f.data == nil:
		out.Change = Added
		return out, f.replace(after, "")
	case out.Was == nil && c.holdsOurs(f.data, s):
		out.Change = Added
		err = f.replace(after, "")
	case out.Was == nil:
		out.Change = Added
		err = f.replace(after, backup)
	case !bytes.Equal(after, f.data):
		out.Change = Updated
		err = f.replace(after, "")
	}
	out.Backup = existing(backup)
	return out, err
}

// Uninstall takes the server out of the client's file.
func (c Client) Uninstall(p Place, s Server) (Outcome, error) {
	out := Outcome{Path: c.Path(p), Change: Unchanged}
	backup := out.Path + backupSuffix
	out.Backup = existing(backup)
	f, err := read(out.Path)
	if err != nil || f.data == nil {
		return out, err
	}
	original, err := read(backup)
	if err != nil {
		return out, err
	}
	if out.Was, err = c.Find(f.data, s); err != nil {
		return out, refusal(out.Path, err)
	}
	if out.Was == nil {
		return out, nil
	}
	after, err := c.Remove(f.data, original.data, s)
	if err != nil {
		return out, refusal(out.Path, err)
	}
	if after == nil {
		out.Change = Deleted
		return out, f.remove()
	}
	if err := f.replace(after, ""); err != nil {
		return out, err
	}
	out.Change = Removed
	if original.data != nil && bytes.Equal(after, original.data) {
		out.Change, out.Backup = Restored, ""
		err = original.remove()
	}
	return out, err
}

// Installed reports whether there is a file, and whether the server is in it.
func (c Client) Installed(p Place, s Server) (file, entry bool, err error) {
	f, err := read(c.Path(p))
	if err != nil || f.data == nil {
		return false, false, err
	}
	found, err := c.Find(f.data, s)
	return true, found != nil, err
}

func refusal(path string, err error) error { return fmt.Errorf("%s: %w", path, err) }

// existing is path if there is such a file, else empty.
func existing(path string) string {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return path
}
