package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"
)

// Write writes the event as one line of JSON, from which [Read] makes the same
// event.
func (e Event) Write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // the hash is of the bytes
	return enc.Encode(e)
}

// maxLine is far above any event's length.
const maxLine = 1 << 20

// Read yields the events of an export, one line after the other. It ends with an
// error at a line that is no event.
func Read(r io.Reader) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, maxLine)
		number := 0
		for lines.Scan() {
			number++
			if len(bytes.TrimSpace(lines.Bytes())) == 0 {
				continue
			}
			e, err := parseEvent(lines.Bytes())
			if err != nil {
				err = fmt.Errorf("line %d is no event: %w", number, err)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(Event{}, fmt.Errorf("after line %d: %w", number, err))
		}
	}
}

func parseEvent(line []byte) (e Event, err error) {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		return e, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return e, errors.New("something stands behind it")
	}
	switch at := e.At.UTC(); {
	case e.Seq < 1:
		return e, errors.New("its seq is not above zero")
	case !at.Equal(at.Truncate(time.Millisecond)):
		return e, errors.New("its time is finer than a millisecond, and the hash does not cover that")
	default:
		e.At = at
	}
	return e, nil
}
