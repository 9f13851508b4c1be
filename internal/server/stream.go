package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// stream is the answer to one POST. Progress is written into it at once: the
// library would queue it for whichever call of the session reads first, and
// drop what is still queued when that call ends.
type stream struct {
	http.ResponseWriter

	takes bool // the client takes events

	mu     sync.Mutex
	events bool         // progress went out, so the answer is a stream of events
	begun  bool         // the library began to answer
	queues bool         // and does so with events itself
	answer bytes.Buffer // its one answer, which goes out as the last event
}

type streamKey struct{}

// streamed gives every POST a stream of its own.
func streamed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			next.ServeHTTP(w, r)
			return
		}
		s := &stream{ResponseWriter: w, takes: strings.Contains(r.Header.Get("Accept"), eventType)}
		next.ServeHTTP(s, r.WithContext(context.WithValue(r.Context(), streamKey{}, s)))
		s.finish()
	})
}

const eventType = "text/event-stream"

// report sends progress into the stream of its own call. It returns false when
// there is none, as over stdio.
func report(ctx context.Context, params map[string]any) bool {
	s, ok := ctx.Value(streamKey{}).(*stream)
	if !ok {
		return false
	}
	raw, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
	if err == nil {
		s.event(raw)
	}
	return true
}

// event writes one event, beginning the stream with the first. What comes when
// the answer is on its way, or to a client that takes no events, is dropped.
func (s *stream) event(raw []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.takes, s.begun && !s.queues:
		return
	case !s.begun && !s.events:
		s.events = true
		s.Header().Set("Content-Type", eventType)
		s.Header().Set("Cache-Control", "no-cache")
		s.Header().Set("X-Accel-Buffering", "no")
		s.ResponseWriter.WriteHeader(http.StatusOK)
	}
	s.send(raw)
}

// send writes one event; whoever hung up needs none.
func (s *stream) send(raw []byte) {
	_, _ = fmt.Fprintf(s.ResponseWriter, "event: message\ndata: %s\n\n", bytes.TrimSpace(raw))
	_ = http.NewResponseController(s.ResponseWriter).Flush()
}

// WriteHeader begins the library's answer.
func (s *stream) WriteHeader(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin(status)
}

func (s *stream) begin(status int) {
	if s.begun {
		return
	}
	s.begun, s.queues = true, strings.HasPrefix(s.Header().Get("Content-Type"), eventType)
	if !s.events {
		s.ResponseWriter.WriteHeader(status)
	}
}

// Write passes on what the library answers, or keeps it for the last event.
func (s *stream) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin(http.StatusOK)
	if s.events && !s.queues {
		return s.answer.Write(b)
	}
	return s.ResponseWriter.Write(b)
}

// Flush sends what was written.
func (s *stream) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = http.NewResponseController(s.ResponseWriter).Flush() // what cannot be flushed is sent at the end
}

// Unwrap is for whoever sets deadlines.
func (s *stream) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *stream) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answer.Len() > 0 {
		s.send(s.answer.Bytes())
	}
}
