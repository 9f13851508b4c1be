package vast_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/vast"
)

const testKey = "5ecre7-key-of-the-tests"

// steppingClock moves on by itself whenever somebody sleeps.
type steppingClock struct {
	mu     sync.Mutex
	now    time.Time
	sleeps []time.Duration
}

// newClock starts far ahead, so that no deadline of a test is ever reached.
func newClock() *steppingClock {
	return &steppingClock{now: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}
}

func (c *steppingClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *steppingClock) Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.sleeps = append(c.sleeps, d)
	return nil
}

// reply is one canned answer, or an error in place of it.
type reply struct {
	status int
	body   string
	header http.Header
	err    error
}

func ok(body string) reply               { return reply{status: 200, body: body} }
func status(code int, body string) reply { return reply{status: code, body: body} }
func failure(err error) reply            { return reply{err: err} }
func (r reply) with(k, v string) reply   { r.header = http.Header{k: {v}}; return r }

func fixture(tb testing.TB, n string) reply {
	tb.Helper()
	return ok(read(tb, n))
}

func read(tb testing.TB, name string) string {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("..", "testdata", "api", name+".json"))
	require.NoError(tb, err)
	return string(data)
}

// sent is a request as it reached the network.
type sent struct {
	method, path, query string
	header              http.Header
	body                string
	again               bool // net/http could send it again
	url                 string
}

func (s sent) decoded(tb testing.TB) map[string]any {
	tb.Helper()
	var body map[string]any
	require.NoError(tb, json.Unmarshal([]byte(s.body), &body))
	return body
}

// script is a network that gives the replies in turn, the last one for ever.
type script struct {
	mu      sync.Mutex
	replies []reply
	sent    []sent
}

func (s *script) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	record := sent{
		method: req.Method, path: req.URL.Path, query: req.URL.RawQuery,
		header: req.Header.Clone(), again: req.GetBody != nil, url: req.URL.String(),
	}
	if req.Body != nil {
		data, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		record.body = string(data)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, record)
	r := s.replies[0]
	if len(s.replies) > 1 {
		s.replies = s.replies[1:]
	}
	if r.err != nil {
		return nil, r.err
	}
	header := r.header.Clone()
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{
		StatusCode: r.status, Header: header, Request: req, ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(bytes.NewReader([]byte(r.body))),
	}, nil
}

// scripted returns a client whose network gives the replies.
func scripted(tb testing.TB, replies ...reply) (*vast.Client, *script) {
	tb.Helper()
	c, s, _ := clocked(tb, replies...)
	return c, s
}

func clocked(tb testing.TB, replies ...reply) (*vast.Client, *script, *steppingClock) {
	tb.Helper()
	s, clock := &script{replies: replies}, newClock()
	c, err := vast.NewClient(testKey, vast.WithTransport(s), vast.WithClock(clock))
	require.NoError(tb, err)
	return c, s, clock
}

// asError returns the vast.Error in err, which must be there.
func asError(tb testing.TB, err error) *vast.Error {
	tb.Helper()
	var e *vast.Error
	require.ErrorAs(tb, err, &e)
	return e
}
