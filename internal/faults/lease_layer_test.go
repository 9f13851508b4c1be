package faults_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"vast-mcp/guard"
	"vast-mcp/internal/server"
	"vast-mcp/internal/usd"
	"vast-mcp/journal"
	"vast-mcp/rental"
	"vast-mcp/vast"
)

const (
	cronEvery   = 5 * time.Minute
	reapsFor    = 2 * time.Minute
	mostLease   = 24 * time.Hour
	mostPerHour = 2.5 // dollars
)

// layer is one run of a program that ends leases or, without a post, of one that
// an agent calls.
type layer struct {
	pulse

	w       *leaseWorld
	post    *post
	app     *server.App
	client  *vast.Client
	journal *journal.Journal
	cancel  context.CancelFunc

	since  time.Time // since when nothing kept it from working
	lists  int
	listed time.Time // when it last had the list as it was
	looked map[int64]glance
	beat   *time.Time // that it gave before the last round, which failed
	ops    int
	armed  *leaseStep // a death or a stall that it meets
	due    int        // the operation that meets it
}

// glance is what the market would have allowed when an instance was last read.
type glance struct {
	at     time.Time
	spared string // why it must not be destroyed; empty: it may be
}

// post is where one kind of layer runs, again and again.
type post struct {
	plan layerPlan
	name string
	runs int
	now  *layer // nil: dead
	away bool   // nobody starts it
	up   time.Time
}

// launch starts the program once. The caller holds mu.
func (w *leaseWorld) launch(name string, plan layerPlan, po *post, run int) *layer {
	ctx, cancel := context.WithCancel(context.Background())
	l := &layer{
		pulse: pulse{
			tale: &w.tale, name: name, died: make(chan struct{}), skew: plan.skew,
			dice: rand.New(rand.NewPCG(w.program.seed, uint64(len(w.launched)))),
		},
		w: w, post: po, cancel: cancel, since: time.Now(), looked: map[int64]glance{},
	}
	l.journal = journal.New(w.path(name, plan.journal, run), l.wall)
	var err error
	l.client, err = vast.NewClient(w.market.Key(), vast.WithBaseURL(w.market.Origin()), vast.WithTransport(air{l}))
	w.must(err)
	c := server.Config{
		Version: "test", Client: l.client, Journal: l.journal, Clock: l, Log: slog.New(slog.NewTextHandler(w.log(name), nil)),
		Key:    func() ([]byte, error) { return []byte("a key for tests that is long enough"), nil },
		Policy: guard.Policy{DefaultLease: time.Hour, MaxLease: mostLease, MaxPerHour: new(usd.Ceil(mostPerHour))}, Mode: guard.Auto, Sandbox: true,
		ApproveCommand: func(code string) string { return "vast-mcp approve " + code },
		AnswerWithin:   45 * time.Second, OrderWithin: 20 * time.Second, PollEvery: 10 * time.Millisecond,
	}
	if po != nil {
		c.EnforceEvery, c.Reaper = time.Minute, plan.kind != serverLayer
	}
	l.app, err = server.New(c)
	w.must(err)
	w.launched = append(w.launched, l)
	w.tell("%s starts, %s journal, clock off by %v", name, plan.journal, plan.skew)
	go l.serve(ctx, plan.kind)
	return l
}

// serve does what the process is for.
func (l *layer) serve(ctx context.Context, kind string) {
	switch kind {
	case serverLayer:
		l.w.must(l.app.ServeHTTP(ctx, silence{make(chan struct{})}, server.HTTP{}))
	case watchLayer:
		l.w.must(l.app.Watch(ctx, l.judgeRound))
	case cronLayer:
		round := l.app.Reap(ctx, reapsFor)
		if !l.isDead() {
			l.judgeRound(round)
			l.judgeReaped(round)
			l.die()
			l.cancel()
		}
	}
}

// silence is a listener that nobody calls.
type silence struct{ closed chan struct{} }

// Accept waits for the end.
func (s silence) Accept() (net.Conn, error) { <-s.closed; return nil, net.ErrClosed }

// Close is the end.
func (s silence) Close() error { close(s.closed); return nil }

// Addr is none.
func (s silence) Addr() net.Addr { return &net.UnixAddr{Name: "silence"} }

// wall is the clock that the journal reads before each transaction.
func (l *layer) wall() time.Time {
	l.operate()
	l.pause()
	if l.isDead() {
		runtime.Goexit()
	}
	return l.Now()
}

// operate counts an operation, and lets it meet what it is due. It does not
// return to a process that is dead.
func (l *layer) operate() {
	l.mu.Lock()
	l.ops++
	var met leaseStep
	if l.armed != nil && l.ops >= l.due {
		met, l.armed = *l.armed, nil
	}
	l.mu.Unlock()
	switch met.what {
	case "die":
		l.kill()
	case "stall":
		l.stall(met.d)
	}
	if l.isDead() {
		runtime.Goexit()
	}
}

func (l *layer) kill() {
	l.die()
	l.cancel()
}

func (l *layer) stall(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.resume = time.Now().Add(d)
	l.since = l.resume
	if l.post != nil {
		l.post.up = later(l.post.up, l.since)
	}
	l.tale.tell("%s stalls for %v", l.name, d)
}

// troubled notes that the API did not serve it, or its journal.
func (l *layer) troubled() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since = later(l.since, time.Now())
	if l.post != nil {
		l.post.up = later(l.post.up, l.since)
	}
}

// works is since when nothing has kept the layer from ending leases; ok is false
// where something does now.
func (l *layer) works() (since time.Time, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.since, !l.dead && !time.Now().Before(l.since)
}

// knows reports whether the layer has the journal that rentals are written in.
func (l *layer) knows() bool {
	to, err := os.Readlink(filepath.Dir(l.journal.Path()))
	return err == nil && to == filepath.Join(l.w.dir, mainJournal)
}

// path is a journal of that kind for a process: a way that leads to one, or to
// none, and can be turned.
func (w *leaseWorld) path(name, kind string, run int) string {
	way := filepath.Join(w.dir, fmt.Sprintf("way to %s %d", name, run))
	folder := kind
	switch kind {
	case ownJournal:
		folder = "own of " + strings.TrimRight(name, "0123456789")
	case freshJournal:
		folder = fmt.Sprintf("fresh %s %d", name, run)
	}
	w.must(os.MkdirAll(filepath.Join(w.dir, folder), 0o700))
	w.turn(way, folder)
	return filepath.Join(way, "journal.db")
}

// turn makes a way lead to a folder.
func (w *leaseWorld) turn(way, folder string) {
	if err := os.Remove(way); !errors.Is(err, os.ErrNotExist) {
		w.must(err)
	}
	w.must(os.Symlink(filepath.Join(w.dir, folder), way))
}

// lastBeat is when a reaper worked last, by the journal of the process; zero
// where there is none.
func (l *layer) lastBeat() (at time.Time) {
	path, err := filepath.EvalSymlinks(l.journal.Path())
	if err != nil {
		return at
	}
	j := journal.New(path, time.Now)
	err = j.Tx(context.Background(), l.w.realm, func(tx *journal.Tx) (err error) {
		last, err := rental.ReadHeartbeat(tx)
		if at = last.At; err == nil {
			err = errReadOnly
		}
		return err
	})
	l.w.must(j.Close())
	if !errors.Is(err, errReadOnly) {
		l.tale.tell("the heartbeat of %s cannot be read: %v", l.name, err)
	}
	return at
}
