// Package watch is the one poller for all who wait for an instance.
//
// The one rule: however many wait, the API is asked once per interval. A
// waiter that comes while a fresh answer is at hand shares it.
package watch

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"vast-mcp/vast"
)

// Source is where instances are read.
type Source interface {
	Get(ctx context.Context, id vast.InstanceID) (vast.Instance, error)
	All(ctx context.Context) ([]vast.Instance, error)
}

// Watcher watches instances. It is safe for concurrent use and has no
// goroutine of its own: whoever waits, polls.
type Watcher struct {
	source Source
	clock  vast.Clock
	every  time.Duration
	flight singleflight.Group

	mu      sync.Mutex
	waiting map[vast.InstanceID]int
	list    []vast.Instance
	listAt  time.Time
}

// New returns a Watcher that asks source at most once in every, on clock.
func New(source Source, clock vast.Clock, every time.Duration) *Watcher {
	return &Watcher{source: source, clock: clock, every: every, waiting: map[vast.InstanceID]int{}}
}

// ErrGone says that the instance is not there.
var ErrGone = errors.New("the instance is gone")

// Until polls the instance until done says so or ctx ends, and returns how it
// was seen last. It fails with ErrGone when the instance is not there, and with
// the context's error when it was never seen.
func (w *Watcher) Until(ctx context.Context, id vast.InstanceID, done func(vast.Instance) bool) (last vast.Instance, err error) {
	w.enter(id, 1)
	defer w.enter(id, -1)
	for {
		in, err := w.look(ctx, id)
		switch {
		case err == nil:
			last = in
		case errors.Is(err, vast.NotFound):
			return last, ErrGone
		case ctx.Err() == nil:
			return last, err
		}
		if err == nil && done(last) {
			return last, nil
		}
		if w.clock.Sleep(ctx, w.every) != nil {
			if last.ID == 0 {
				return last, ctx.Err()
			}
			return last, nil
		}
	}
}

func (w *Watcher) enter(id vast.InstanceID, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting[id] += n; w.waiting[id] == 0 {
		delete(w.waiting, id)
	}
}

// look reads one instance: alone by its own request, among several from one
// list for all.
func (w *Watcher) look(ctx context.Context, id vast.InstanceID) (vast.Instance, error) {
	w.mu.Lock()
	several := len(w.waiting) > 1
	w.mu.Unlock()
	if !several {
		got, err, _ := w.flight.Do(strconv.FormatInt(int64(id), 10), func() (any, error) {
			return w.source.Get(ctx, id)
		})
		in, _ := got.(vast.Instance)
		return in, err
	}
	list, err := w.all(ctx)
	if err != nil {
		return vast.Instance{}, err
	}
	for _, in := range list {
		if in.ID == id {
			return in, nil
		}
	}
	// A list that moved while it was read may lack a row: absence is only
	// believed of the instance's own page.
	return w.source.Get(ctx, id)
}

// all returns the list of this interval. Freshness is looked at inside the
// flight, so that a waiter that comes just after one has landed shares it.
func (w *Watcher) all(ctx context.Context) ([]vast.Instance, error) {
	got, err, _ := w.flight.Do("list", func() (any, error) {
		w.mu.Lock()
		list, at := w.list, w.listAt
		w.mu.Unlock()
		if w.clock.Now().Sub(at) < w.every/2 {
			return list, nil
		}
		list, err := w.source.All(ctx)
		if err == nil {
			w.mu.Lock()
			w.list, w.listAt = list, w.clock.Now()
			w.mu.Unlock()
		}
		return list, err
	})
	list, _ := got.([]vast.Instance)
	return list, err
}
