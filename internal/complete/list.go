package complete

import (
	"context"
	"sync"
	"time"
)

// List remembers for a while what it read. It is safe for concurrent use.
type List struct {
	keep time.Duration
	now  func() time.Time
	read func(context.Context) ([]Choice, error)

	mu    sync.Mutex // not held while reading
	known []Choice
	until time.Time
}

// NewList returns a List that asks read again when what it knows is older than
// keep. What read returns beside an error counts too. NewList itself reads
// nothing. now tells wall time.
func NewList(keep time.Duration, now func() time.Time, read func(context.Context) ([]Choice, error)) *List {
	return &List{keep: keep, now: now, read: read}
}

const (
	readWithin = 5 * time.Second  // whoever types does not wait longer
	afterError = 10 * time.Second // a source that failed is left alone for so long
)

// Get returns the choices, which must not be changed. When they cannot be read
// it returns those of before, or none.
func (l *List) Get(ctx context.Context) []Choice {
	l.mu.Lock()
	known, fresh := l.known, l.now().Before(l.until)
	l.mu.Unlock()
	if fresh {
		return known
	}
	limited, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	read, err := l.read(limited)
	if ctx.Err() != nil {
		return known // whoever asked has typed on, which says nothing of the source
	}
	keep := l.keep
	if err != nil {
		keep = min(keep, afterError)
		if len(read) == 0 {
			read = known
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known, l.until = read, l.now().Add(keep)
	return read
}
