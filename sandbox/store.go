package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// store keeps a market in a folder, or in memory when it has none. Its caller
// lets one goroutine in at a time; other processes are kept out by a lock.
type store struct {
	dir   string
	state *state
	stamp stamp            // of the file that state was read from, or written to; zero where there is none
	size  int              // of the last save
	texts map[meter][]byte // of the meters that were running at the last saves
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

func (s *store) ledgerPath() string { return filepath.Join(s.dir, "market.ledger") }

// stamp is what a file is known again by without reading it all: how it
// begins, which is a sum of the rest, and its size and time. The latter alone
// won't do: a file that was replaced twice can have those of the first.
type stamp struct {
	head string
	size int64
	time time.Time
}

// stamped puts a sum of the market before it, in its JSON.
func stamped(market []byte) (head string, file []byte) {
	head = fmt.Sprintf(`{"stamp":"%08x",`, crc32.Checksum(market, crc32.MakeTable(crc32.Castagnoli)))
	return head, append([]byte(head), market[1:]...)
}

// stampOf is the zero stamp for a file that hasn't any.
func stampOf(path string) stamp {
	const size = len(`{"stamp":"01234567",`)
	head, err := readPart(path, 0, int64(size))
	info, failed := os.Stat(path)
	if err != nil || failed != nil || !bytes.HasPrefix(head, []byte(`{"stamp":"`)) {
		return stamp{}
	}
	return stamp{head: string(head), size: info.Size(), time: info.ModTime()}
}

// load takes over what another process wrote.
func (s *store) load() error {
	now := stampOf(s.path())
	if s.state != nil && now == s.stamp && now != (stamp{}) {
		return nil
	}
	s.stamp = stamp{}
	raw, err := os.ReadFile(s.path())
	if err != nil {
		return fmt.Errorf("read the sandbox's market: %w", err)
	}
	st, err := decodeState(raw)
	if err != nil {
		return err
	}
	ended := newBook()
	if s.state != nil {
		ended = s.state.ended
	}
	if err := ended.follow(s.ledgerPath(), st.Filed); err != nil {
		return err
	}
	st.keep(ended)
	s.state, s.stamp = st, now
	return nil
}

// encode writes the state.
func (s *store) encode() ([]byte, error) {
	rest := *s.state
	rest.Meters, rest.Contracts = nil, nil
	head, err := json.Marshal(&rest)
	if err != nil {
		return nil, err
	}
	raw := make([]byte, 0, s.size+s.size/8+len(head))
	raw = append(raw, head[:len(head)-1]...)
	raw = append(raw, `,"contracts":[`...)
	for i, text := range encodeContracts(s.state.Contracts) {
		if i > 0 {
			raw = append(raw, ',')
		}
		raw = append(raw, text...)
	}
	raw = append(raw, `],"meters":[`...)
	for i, text := range s.encodeMeters() {
		if i > 0 {
			raw = append(raw, ',')
		}
		raw = append(raw, text...)
	}
	raw = append(raw, "]}"...)
	s.size = len(raw)
	return raw, nil
}

// encodeMeters writes the meters that run. One doesn't change while it does, and
// there are four to an instance, so what each was written as is kept.
func (s *store) encodeMeters() iter.Seq2[int, []byte] {
	if s.texts == nil || len(s.texts) > 2*len(s.state.Meters) {
		s.texts = map[meter][]byte{} // most have ended
	}
	return func(yield func(int, []byte) bool) {
		for i, m := range s.state.Meters {
			text, known := s.texts[m]
			if !known {
				text = encode(m)
				s.texts[m] = text
			}
			if !yield(i, text) {
				return
			}
		}
	}
}

// encodeContracts writes the contracts, which are most of the state, with all
// processors.
func encodeContracts(all []*contract) [][]byte {
	parts := slices.Collect(slices.Chunk(all, len(all)/runtime.GOMAXPROCS(0)+1))
	texts := make([][]byte, len(parts))
	var encoding sync.WaitGroup
	for i, part := range parts {
		encoding.Go(func() { texts[i] = bytes.Trim(encode(part), "[]") })
	}
	encoding.Wait()
	return texts
}

// save replaces the file whole. Where that fails, what is in memory is not
// the market any more and is read anew.
func (s *store) save() error {
	filed, err := s.state.ended.file(s.ledgerPath())
	if err != nil {
		s.stamp = stamp{}
		return fmt.Errorf("store the sandbox's ledger: %w", err)
	}
	s.state.Filed = filed
	raw, err := s.encode()
	if err != nil {
		return fmt.Errorf("encode the sandbox's market: %w", err)
	}
	head, raw := stamped(raw)
	if head == s.stamp.head {
		return nil
	}
	s.stamp = stamp{}
	if err := replaceFile(s.path(), raw); err != nil {
		return fmt.Errorf("store the sandbox's market: %w", err)
	}
	s.stamp = stampOf(s.path())
	s.state.ended.filedUpTo(filed)
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
