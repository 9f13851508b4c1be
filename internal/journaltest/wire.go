package journaltest

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Wire is the way to a PostgreSQL server, for tests to cut.
type Wire struct {
	// URL is the database of the place, reached over the wire.
	URL string

	server string
	mu     sync.Mutex
	down   bool
	commit func(forward func()) bool
	open   map[net.Conn]bool
}

// Wire puts a wire before the place, which must be of PostgreSQL.
func (p Place) Wire() (*Wire, Place) {
	p.t.Helper()
	u, err := url.Parse(p.URL)
	require.NoError(p.t, err)
	l, err := new(net.ListenConfig).Listen(p.t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(p.t, err)
	w := &Wire{server: u.Host, open: map[net.Conn]bool{}}
	u.Host = l.Addr().String()
	w.URL = u.String()
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { w.carry(p.t, client) })
		}
	})
	p.t.Cleanup(func() {
		_ = l.Close()
		w.Cut()
		serving.Wait()
	})
	return w, Place{URL: w.URL, t: p.t}
}

// Cut drops every connection and refuses new ones.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = true
	for c := range w.open {
		_ = c.Close()
	}
}

// Mend lets connections through again.
func (w *Wire) Mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = false
}

// OnCommit has f decide about each commit that a client sends: f may forward it
// to the server, which then has carried it out when forward returns. When f
// returns false the client's connection is dropped before it hears of it.
func (w *Wire) OnCommit(f func(forward func()) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.commit = f
}

// take counts a connection in, unless the wire is cut.
func (w *Wire) take(c net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		_ = c.Close()
		return false
	}
	w.open[c] = true
	return true
}

func (w *Wire) drop(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.open, c)
	_ = c.Close()
}

func (w *Wire) carry(t *testing.T, client net.Conn) {
	t.Helper()
	if !w.take(client) {
		return
	}
	defer w.drop(client)
	server, err := new(net.Dialer).DialContext(context.WithoutCancel(t.Context()), "tcp", w.server)
	if err != nil || !w.take(server) {
		return
	}
	defer w.drop(server)
	answers := &answers{to: client}
	answers.came.L = &answers.mu
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(answers, server)
		answers.end()
		_ = client.Close()
	})
	w.requests(client, server, answers)
	_ = server.Close()
	back.Wait()
}

// requests passes on what the client sends. A commit is a message of its own.
func (w *Wire) requests(client io.Reader, server io.Writer, back *answers) {
	message := make([]byte, 64<<10)
	for {
		n, err := client.Read(message)
		if err != nil {
			return
		}
		w.mu.Lock()
		decide := w.commit
		w.mu.Unlock()
		forward := func() { _, _ = server.Write(message[:n]) }
		if decide == nil || !bytes.Contains(message[:n], []byte("commit\x00")) {
			forward()
			continue
		}
		back.hold()
		keep := decide(func() {
			forward()
			back.await()
		})
		if !keep {
			return
		}
		back.release()
	}
}

// answers passes the server's answers on, or holds them back.
type answers struct {
	to   io.Writer
	mu   sync.Mutex
	came sync.Cond
	held bool
	kept []byte
	over bool // no more will come
}

// Write takes an answer.
func (a *answers) Write(b []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.held {
		a.kept = append(a.kept, b...)
		a.came.Broadcast()
		return len(b), nil
	}
	return a.to.Write(b)
}

func (a *answers) hold() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held = true
}

// await returns when an answer was held back, or none will come.
func (a *answers) await() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.kept) == 0 && !a.over {
		a.came.Wait()
	}
}

func (a *answers) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
	a.came.Broadcast()
}

func (a *answers) release() {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, _ = a.to.Write(a.kept)
	a.held, a.kept = false, nil
}
