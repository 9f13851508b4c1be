package install

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// file is a client's file as it was read, so that it is replaced only if it is
// still that.
type file struct {
	name string // as the client knows it
	path string // behind all symlinks
	data []byte // nil if there is no file
	mode fs.FileMode
}

var errChanged = errors.New("another program changed the file in this moment: run the command again")

const ownerOnly fs.FileMode = 0o600

// read reads the file at path. No file is not an error.
func read(path string) (file, error) {
	target, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); err == nil {
			return file{}, fmt.Errorf("%s is a link to a file that is not there", path)
		}
		return file{name: path, path: path, mode: ownerOnly}, nil
	}
	if err != nil {
		return file{}, err
	}
	info, err := os.Stat(target)
	if err != nil {
		return file{}, err
	}
	if !info.Mode().IsRegular() {
		return file{}, fmt.Errorf("%s is not a file", path)
	}
	data, err := os.ReadFile(target)
	if data == nil {
		data = []byte{}
	}
	return file{name: path, path: target, data: data, mode: info.Mode().Perm() & ownerOnly}, err
}

// unchanged fails if the file is no longer what was read.
func (f file) unchanged() error {
	now, err := read(f.path)
	if err != nil {
		return err
	}
	if (now.data == nil) != (f.data == nil) || !bytes.Equal(now.data, f.data) {
		return errChanged
	}
	return nil
}

// replace gives the file another content, whole or not at all. With a backup
// path, what was there is kept in that file first.
func (f file) replace(data []byte, backup string) error {
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return err
	}
	return write(f.path, data, f.mode, func() error {
		if err := f.unchanged(); err != nil || backup == "" {
			return err
		}
		if err := write(backup, f.data, f.mode, func() error { return nil }); err != nil {
			return err
		}
		return f.unchanged()
	})
}

// remove deletes the file, and the link to it.
func (f file) remove() error {
	if err := f.unchanged(); err != nil {
		return err
	}
	if err := os.Remove(f.path); err != nil || f.name == f.path {
		return err
	}
	if err := os.Remove(f.name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// write puts data at path by way of a file beside it, which takes its name
// after ready agrees.
func write(path string, data []byte, mode fs.FileMode, ready func() error) error {
	temp, err := os.CreateTemp(filepath.Dir(path), ".vast-mcp-*") // which only the owner can read
	if err != nil {
		return err
	}
	_, err = temp.Write(data)
	err = errors.Join(err, temp.Sync(), temp.Chmod(mode), temp.Close())
	if err == nil {
		err = ready()
	}
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	if dir, err := os.Open(filepath.Dir(path)); err == nil {
		_ = dir.Sync() // some systems cannot
		_ = dir.Close()
	}
	return nil
}
