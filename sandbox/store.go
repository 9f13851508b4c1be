package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// store keeps a market in a folder, or in memory when it has none. Its caller
// lets one goroutine in at a time; other processes are kept out by a lock.
type store struct {
	dir   string
	state *state
	raw   []byte // the file that state was read from, or written to
}

// open makes sure that there is a market: begin gets the stored one, or nil.
func (s *store) open(fresh bool, begin func(*state) (*state, error)) error {
	if s.dir == "" {
		st, err := begin(nil)
		s.state = st
		return err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("make the sandbox's folder: %w", err)
	}
	return s.locked(func() error {
		if !fresh {
			if err := s.load(); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		st, err := begin(s.state)
		if err != nil {
			return err
		}
		s.state = st
		return s.save()
	})
}

// update runs act on the market as it is now and stores what it changed.
func (s *store) update(act func(*state) (changed bool, err error)) error {
	if s.dir == "" {
		_, err := act(s.state)
		return err
	}
	return s.locked(func() error {
		if err := s.load(); err != nil {
			return err
		}
		changed, err := act(s.state)
		if err != nil || !changed {
			return err
		}
		return s.save()
	})
}

func (s *store) locked(act func() error) error {
	unlock, err := lockedfile.MutexAt(filepath.Join(s.dir, "market.lock")).Lock()
	if err != nil {
		return fmt.Errorf("lock the sandbox: %w", err)
	}
	defer unlock()
	return act()
}

func (s *store) path() string { return filepath.Join(s.dir, "market.json") }

// load takes over what another process wrote. It compares the bytes: a file
// that was replaced twice can have the inode, size and time of the first.
func (s *store) load() error {
	raw, err := os.ReadFile(s.path())
	if err != nil {
		return fmt.Errorf("read the sandbox's market: %w", err)
	}
	if s.state != nil && bytes.Equal(raw, s.raw) {
		return nil
	}
	st, err := decodeState(raw)
	if err != nil {
		return err
	}
	s.state, s.raw = st, raw
	return nil
}

// save replaces the file whole. Where that fails, what is in memory is not
// the market any more and is read anew.
func (s *store) save() error {
	raw, err := json.Marshal(s.state)
	if err != nil {
		return fmt.Errorf("encode the sandbox's market: %w", err)
	}
	if bytes.Equal(raw, s.raw) {
		return nil
	}
	s.raw = nil
	if err := replaceFile(s.path(), raw); err != nil {
		return fmt.Errorf("store the sandbox's market: %w", err)
	}
	s.raw = raw
	return nil
}

// replaceFile writes beside and renames, readable by the owner only.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".market-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
