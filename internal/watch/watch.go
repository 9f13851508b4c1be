// Package watch is the one poller for all who wait for an instance.
//
// The one rule: however many wait, the API is asked once per interval. A
// waiter that comes while a fresh answer is at hand shares it.
package watch

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"vast-mcp/vast"
)

// Source is where instances are read.
type Source interface {
	Get(ctx context.Context, id vast.InstanceID) (vast.Instance, error)
	All(ctx context.Context) ([]vast.Instance, error)
}

// Watcher watches instances. It is safe for concurrent use. Whoever waits,
// polls: when nobody does, nothing is asked and nothing runs.
type Watcher struct {
	source Source
	clock  vast.Clock
	every  time.Duration
	list   shared[[]vast.Instance]

	mu    sync.Mutex
	pages map[vast.InstanceID]*page
}

// page is one instance that somebody waits for.
type page struct {
	shared[vast.Instance]

	waiting int
}

// New returns a Watcher that asks source at most once in every, on clock.
func New(source Source, clock vast.Clock, every time.Duration) *Watcher {
	w := &Watcher{source: source, clock: clock, every: every, pages: map[vast.InstanceID]*page{}}
	w.list.clock, w.list.ask = clock, source.All
	return w
}

// ErrGone says that the instance is not there.
var ErrGone = errors.New("the instance is gone")

// Until polls the instance until done says so or ctx ends, and returns how it
// was seen last. It fails with ErrGone when the instance is not there, and with
// the context's error when it was never seen.
func (w *Watcher) Until(ctx context.Context, id vast.InstanceID, done func(vast.Instance) bool) (last vast.Instance, err error) {
	p := w.enter(id)
	defer w.leave(id, p)
	for {
		in, at, err := w.look(ctx, id, p)
		switch {
		case err == nil && done(in):
			return in, nil
		case err == nil:
			last = in
		case errors.Is(err, vast.NotFound):
			return last, ErrGone
		case ctx.Err() == nil:
			return last, err
		}
		// All who share an answer wake together, and so share the next.
		pause := at.Add(w.every).Sub(w.clock.Now())
		if ctx.Err() == nil && w.clock.Sleep(ctx, pause) == nil {
			continue
		}
		if last.ID == 0 {
			return last, ctx.Err()
		}
		return last, nil
	}
}

func (w *Watcher) enter(id vast.InstanceID) *page {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, watched := w.pages[id]
	if !watched {
		p = &page{}
		p.clock, p.ask = w.clock, func(ctx context.Context) (vast.Instance, error) { return w.source.Get(ctx, id) }
		w.pages[id] = p
	}
	p.waiting++
	return p
}

func (w *Watcher) leave(id vast.InstanceID, p *page) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.waiting--; p.waiting == 0 {
		delete(w.pages, id)
	}
}

// look reads one instance and tells when: alone from its own page, among
// several from one list for all.
func (w *Watcher) look(ctx context.Context, id vast.InstanceID, p *page) (vast.Instance, time.Time, error) {
	w.mu.Lock()
	several := len(w.pages) > 1
	w.mu.Unlock()
	if several {
		list, err := w.list.get(ctx, w.every/2)
		if err != nil {
			return vast.Instance{}, list.at, err
		}
		if i := slices.IndexFunc(list.got, func(in vast.Instance) bool { return in.ID == id }); i >= 0 {
			return list.got[i], list.at, nil
		}
		// A list that moved while it was read may lack a row: absence is only
		// believed of the instance's own page.
	}
	alone, err := p.get(ctx, w.every/2)
	return alone.got, alone.at, err
}

// List returns all instances as they were within the last half interval, from
// the list that those who wait share, and when the reading of it began. The
// list belongs to the caller.
func (w *Watcher) List(ctx context.Context) (all []vast.Instance, began time.Time, err error) {
	list, err := w.list.get(ctx, w.every/2)
	return slices.Clone(list.got), list.began, err
}
