package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"io/fs"
	"iter"
	"os"
)

// book holds the meters that have ended, in the order of their ends. They
// never change again, so they are not part of the state that every write
// stores whole: they stand in a file beside it that only grows, and the state
// says how far that file counts.
type book struct {
	meters []meter
	of     map[int64][]int // where an instance's are
	sum    int64           // micro-dollars
	filed  int             // how many of them the file has
	mark   mark
}

// mark is a place in the file of ended meters, with a check of all before it.
type mark struct {
	Size  int64  `json:"size"`
	Check uint64 `json:"check"`
}

func newBook() *book { return &book{of: map[int64][]int{}} }

func (b *book) add(m meter) {
	b.of[m.Instance] = append(b.of[m.Instance], len(b.meters))
	b.meters = append(b.meters, m)
	b.sum += m.amount(m.End)
}

// rewind forgets what is not in the file: the state that it belonged to is
// not the market any more.
func (b *book) rewind() {
	for i := len(b.meters) - 1; i >= b.filed; i-- {
		m := b.meters[i]
		b.of[m.Instance] = b.of[m.Instance][:len(b.of[m.Instance])-1]
		b.sum -= m.amount(m.End)
	}
	b.meters = b.meters[:b.filed]
}

// file writes what is new behind the mark of the last state. Only a state
// that names the returned mark makes it count.
func (b *book) file(path string) (mark, error) {
	if b.filed == len(b.meters) {
		return b.mark, nil
	}
	var text []byte
	for _, m := range b.meters[b.filed:] {
		text = append(append(text, encode(m)...), '\n')
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600) //nolint:gosec // our own state folder
	if err != nil {
		return mark{}, err
	}
	_, err = f.WriteAt(text, b.mark.Size)
	return b.mark.past(text), errors.Join(err, f.Close())
}

func (k mark) past(text []byte) mark {
	return mark{Size: k.Size + int64(len(text)), Check: crc64.Update(k.Check, crc64.MakeTable(crc64.ECMA), text)}
}

// filedUpTo takes over that everything is in the file.
func (b *book) filedUpTo(k mark) { b.filed, b.mark = len(b.meters), k }

// follow reads what another process has filed up to a mark, from where this
// one had read to or, where that was another market, from the beginning.
func (b *book) follow(path string, to mark) error {
	b.rewind()
	if to == b.mark {
		return nil
	}
	if to.Size > b.mark.Size && b.read(path, to) == nil {
		return nil
	}
	*b = *newBook()
	return b.read(path, to)
}

func (b *book) read(path string, to mark) error {
	if to == (mark{}) {
		return nil
	}
	text, err := readPart(path, b.mark.Size, to.Size)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return errors.New(damaged)
	}
	if err != nil {
		return fmt.Errorf("read the sandbox's ledger: %w", err)
	}
	if b.mark.past(text) != to {
		return errors.New(damaged)
	}
	for line := range bytes.Lines(text) {
		var m meter
		if json.Unmarshal(line, &m) != nil || !m.sound() || m.End.IsZero() {
			b.rewind()
			return errors.New(damaged)
		}
		b.add(m)
	}
	b.filedUpTo(to)
	return nil
}

func readPart(path string, from, to int64) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // our own state folder
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err != nil || info.Size() < to {
		return nil, errors.Join(err, io.ErrUnexpectedEOF)
	}
	text := make([]byte, to-from)
	_, err = f.ReadAt(text, from)
	return text, err
}

// meters are all that ever ran: first those that have ended.
func (st *state) meters() iter.Seq[meter] {
	return func(yield func(meter) bool) {
		for _, part := range [][]meter{st.ended.meters, st.Meters} {
			for _, m := range part {
				if !yield(m) {
					return
				}
			}
		}
	}
}

// metersOf are those of one kind of one instance, oldest first.
func (st *state) metersOf(instance int64, kind string) iter.Seq[meter] {
	return func(yield func(meter) bool) {
		for _, i := range st.ended.of[instance] {
			if m := st.ended.meters[i]; m.Kind == kind && !yield(m) {
				return
			}
		}
		for _, m := range st.Meters {
			if m.Instance == instance && m.Kind == kind && !yield(m) {
				return
			}
		}
	}
}
