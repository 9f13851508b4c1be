package server

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/server"
)

const (
	// maxSessions is how many sessions one caller may have. One more ends the
	// one that was idle longest.
	maxSessions = 1024
	// sessionIdle is how long a session without a request lives.
	sessionIdle = 30 * time.Minute
)

// sessions are the sessions of the older protocol versions. Each belongs to the
// caller that opened it; to others it does not exist. The library would keep
// every session for ever and let anybody use it.
type sessions struct {
	now  func() time.Time
	most int

	mu   sync.Mutex
	open map[string]*session
	end  func(id string) // forgets a session inside the library
}

type session struct {
	caller string
	usedAt time.Time
	busy   int // requests in flight
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, most: maxSessions, open: map[string]*session{}}
}

// guard lets only the owner of a session use it, and notes that it is in use.
func (s *sessions) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(server.HeaderKeySessionID)
		if id == "" || modern(r) {
			next.ServeHTTP(w, r)
			return
		}
		if !s.enter(id, callerOf(r.Context())) {
			refuse(w, http.StatusNotFound, "there is no such session: initialize a new one")
			return
		}
		defer s.leave(id)
		next.ServeHTTP(w, r)
	})
}

func (s *sessions) enter(id, caller string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.open[id]
	if of == nil || of.caller != caller {
		return false
	}
	of.busy++
	of.usedAt = s.now()
	return true
}

func (s *sessions) leave(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if of := s.open[id]; of != nil {
		of.busy--
		of.usedAt = s.now()
	}
}

// start opens a session for caller, ending what is in its way.
func (s *sessions) start(caller string) string {
	id := rand.Text()
	s.mu.Lock()
	ended := s.expired()
	if oldest, full := s.oldest(caller); full {
		delete(s.open, oldest)
		ended = append(ended, oldest)
	}
	s.open[id] = &session{caller: caller, usedAt: s.now()}
	s.mu.Unlock()
	for _, old := range ended {
		s.end(old)
	}
	return id
}

// expired takes out the sessions that nobody has used for long.
func (s *sessions) expired() []string {
	var ids []string
	for id, of := range s.open {
		if of.busy == 0 && s.now().Sub(of.usedAt) >= sessionIdle {
			ids = append(ids, id)
			delete(s.open, id)
		}
	}
	return ids
}

// oldest finds the caller's idlest session, and whether there are so many that
// it has to go.
func (s *sessions) oldest(caller string) (oldest string, full bool) {
	n := 0
	for id, of := range s.open {
		if of.caller != caller {
			continue
		}
		n++
		if of.busy == 0 && (oldest == "" || of.usedAt.Before(s.open[oldest].usedAt)) {
			oldest = id
		}
	}
	return oldest, n >= s.most && oldest != ""
}

// sweep ends what expired while no new session came in.
func (s *sessions) sweep() {
	s.mu.Lock()
	ended := s.expired()
	s.mu.Unlock()
	for _, id := range ended {
		s.end(id)
	}
}

// ResolveSessionIdManager gives the library the sessions as the caller of r may
// see them.
func (s *sessions) ResolveSessionIdManager(r *http.Request) server.SessionIdManager { //nolint:revive // the library's spelling
	if r == nil {
		return owned{sessions: s}
	}
	return owned{s, callerOf(r.Context())}
}

// owned are the sessions of one caller.
type owned struct {
	*sessions

	caller string
}

var errNoSession = errors.New("there is no such session")

// Generate opens a session.
func (o owned) Generate() string { return o.start(o.caller) }

// Validate fails when the caller has no such session.
func (o owned) Validate(id string) (terminated bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if of := o.open[id]; of == nil || of.caller != o.caller {
		return false, errNoSession
	}
	return false, nil
}

// Terminate ends a session of the caller.
func (o owned) Terminate(id string) (notAllowed bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if of := o.open[id]; of != nil && of.caller == o.caller {
		delete(o.open, id)
	}
	return false, nil
}

// forget makes the library drop what it holds of a session. It has no call for
// that, but takes a client's own goodbye.
func forget(ctx context.Context, transport http.Handler, id string) {
	goodbye, err := http.NewRequestWithContext(ctx, http.MethodDelete, endpoint, http.NoBody)
	if err != nil {
		panic(err) // the endpoint is a constant
	}
	goodbye.Header.Set(server.HeaderKeySessionID, id)
	transport.ServeHTTP(unread{}, goodbye)
}

// unread is a response that nobody waits for.
type unread struct{}

// Header is not kept.
func (unread) Header() http.Header { return http.Header{} }

// Write drops b.
func (unread) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader does nothing.
func (unread) WriteHeader(int) {}
