package vast_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"vast-mcp/vast"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quoted(s string) string {
	data, _ := json.Marshal(s)
	return string(data)
}

// served returns a client with its own transport for a real server.
func served(t *testing.T, handler http.HandlerFunc) (*vast.Client, *httptest.Server) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	c, err := vast.NewClient(testKey, vast.WithBaseURL(server.URL), vast.WithClock(newClock()))
	require.NoError(t, err)
	return c, server
}

var anImage = vast.CreateInstance{Image: "i"}

// An order whose answer is lost must not be sent again by anyone: not by the
// retries, not by net/http.
func TestOrderIsOnTheWireOnce(t *testing.T) {
	hangUp := func(w http.ResponseWriter) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			conn.Close()
		}
	}
	answers := map[string]func(http.ResponseWriter){
		"hangs up":      hangUp,
		"is cut short":  func(w http.ResponseWriter) { w.Header().Set("Content-Length", "99"); w.Write([]byte("{")); hangUp(w) },
		"502":           func(w http.ResponseWriter) { w.WriteHeader(502) },
		"success false": func(w http.ResponseWriter) { w.Write([]byte(`{"success":false,"error":"server_error"}`)) },
		"no id":         func(w http.ResponseWriter) { w.Write([]byte(`{"success":true}`)) },
		"id of words":   func(w http.ResponseWriter) { w.Write([]byte(`{"success":true,"new_contract":"x"}`)) },
		"a list":        func(w http.ResponseWriter) { w.Write([]byte(`[]`)) },
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			var orders atomic.Int32
			var order atomic.Pointer[sent]
			var conns sync.Map
			c, _ := served(t, func(w http.ResponseWriter, r *http.Request) {
				conns.Store(r.RemoteAddr, r.Method)
				if r.Method == http.MethodGet {
					w.Write([]byte(read(t, "user")))
					return
				}
				orders.Add(1)
				body, _ := io.ReadAll(r.Body)
				order.Store(&sent{body: string(body), method: r.Proto, again: !r.Close})
				answer(w)
			})
			// A connection that is kept alive must not be used for orders.
			_, err := c.Account.Current(t.Context())
			require.NoError(t, err)

			_, err = c.Instances.Create(t.Context(), 7, anImage)
			require.Error(t, err)
			require.True(t, vast.Uncertain(err), err)
			require.False(t, asError(t, err).NotSent)
			require.EqualValues(t, 1, orders.Load())
			require.Equal(t, "HTTP/1.1", order.Load().method)
			require.False(t, order.Load().again, "the order's connection is its own")
			require.Contains(t, order.Load().body, `"image":"i"`)
			addresses := 0
			conns.Range(func(any, any) bool { addresses++; return true })
			require.Equal(t, 2, addresses)
		})
	}
}

func TestOrderThatNeverLeft(t *testing.T) {
	c, server := served(t, nil)
	server.Close()
	_, err := c.Instances.Create(t.Context(), 7, anImage)
	require.ErrorIs(t, err, vast.Unavailable)
	require.True(t, asError(t, err).NotSent)
	require.False(t, vast.Uncertain(err))

	// A handshake that fails is not a failed dial, yet nothing was sent.
	_, server = served(t, nil)
	c, err = vast.NewClient(testKey, vast.WithBaseURL("https"+strings.TrimPrefix(server.URL, "http")))
	require.NoError(t, err)
	_, err = c.Instances.Create(t.Context(), 7, anImage)
	require.True(t, asError(t, err).NotSent, err)

	dial := &net.OpError{Op: "dial", Err: errReset}
	other := &net.OpError{Op: "read", Err: errReset}
	c, network := scripted(t, failure(dial), failure(other))
	_, err = c.Instances.Create(t.Context(), 7, anImage)
	require.True(t, asError(t, err).NotSent)
	_, err = c.Instances.Create(t.Context(), 7, anImage)
	require.False(t, asError(t, err).NotSent)
	require.True(t, vast.Uncertain(err))
	require.Len(t, network.sent, 2)
}

func TestOrderIsAbandoned(t *testing.T) {
	release := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	c, _ := served(t, func(http.ResponseWriter, *http.Request) {
		cancel()
		<-release
	})
	defer close(release)
	_, err := c.Instances.Create(ctx, 7, anImage)
	require.ErrorIs(t, err, context.Canceled)
	require.True(t, vast.Uncertain(err))
}

func TestRedirects(t *testing.T) {
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		elsewhere.Add(1)
		w.Write([]byte(read(t, "user")))
	}))
	defer other.Close()

	tests := map[string]struct {
		call, location string
		hops           int // how often the server redirects
		works          bool
		sent           int
	}{
		"read, same host":        {"read", "/moved/", 1, true, 2},
		"read, same host, twice": {"read", "/moved/", 2, false, 2},
		"read, elsewhere":        {"read", other.URL, 1, false, 1},
		"stop":                   {"stop", "/moved/", 1, false, 1},
		"create":                 {"create", "/moved/", 1, false, 1},
	}
	for name, tt := range tests {
		for _, code := range []int{301, 302, 303, 307, 308} {
			t.Run(fmt.Sprint(name, " ", code), func(t *testing.T) {
				var seen atomic.Int32
				var keyless atomic.Bool
				c, _ := served(t, func(w http.ResponseWriter, r *http.Request) {
					if r.Header.Get("Authorization") != "Bearer "+testKey {
						keyless.Store(true)
					}
					if int(seen.Add(1)) <= tt.hops {
						http.Redirect(w, r, tt.location, code)
						return
					}
					w.Write([]byte(read(t, "user")))
				})
				err := calls(c)[tt.call](t.Context())
				require.EqualValues(t, tt.sent, seen.Load())
				require.False(t, keyless.Load())
				if tt.works {
					require.NoError(t, err)
					return
				}
				require.ErrorIs(t, err, vast.Refused)
				require.False(t, vast.Uncertain(err))
			})
		}
	}
	require.Zero(t, elsewhere.Load(), "the key must not go to another host")
}

func TestRequestHeaders(t *testing.T) {
	c, network := scripted(t, fixture(t, "user"), ok(`{"success":true}`), fixture(t, "create_ok"))
	for _, call := range []string{"read", "stop", "create"} {
		require.NoError(t, calls(c)[call](t.Context()))
	}
	for _, s := range network.sent {
		require.Equal(t, "Bearer "+testKey, s.header.Get("Authorization"))
		require.Equal(t, "vast-mcp", s.header.Get("User-Agent"))
		require.Empty(t, s.header.Values("Idempotency-Key"))
		require.Empty(t, s.header.Values("X-Idempotency-Key"))
	}
	require.Empty(t, network.sent[0].body)
	require.Equal(t, "application/json", network.sent[1].header.Get("Content-Type"))
	require.True(t, network.sent[1].again, "a stale connection must not break a stop")
	require.False(t, network.sent[2].again, "net/http must not be able to repeat an order")
}

func TestServerTime(t *testing.T) {
	date := time.Date(2026, 10, 2, 3, 4, 5, 0, time.UTC)
	c, _ := scripted(t,
		status(400, "{}").with("Date", date.Format(http.TimeFormat)),
		fixture(t, "user").with("Date", "yesterday"),
	)
	require.True(t, c.ServerTime().IsZero())
	for range 2 {
		_, _ = c.Account.Current(t.Context())
		require.Equal(t, date, c.ServerTime())
	}
}

func TestAnswersAreCapped(t *testing.T) {
	c, _ := scripted(t, ok(`{"offers":[],"x":"`+strings.Repeat("x", 8<<20)+`"}`))
	_, err := c.Offers.Search(t.Context(), vast.OfferQuery{})
	require.ErrorIs(t, err, vast.Garbled)
	require.Contains(t, asError(t, err).Message, "too long")

	c, _ = scripted(t, status(400, strings.Repeat(" ", 70<<10)+`{"error":"auth_error"}`))
	_, err = c.Offers.Search(t.Context(), vast.OfferQuery{})
	require.ErrorIs(t, err, vast.Invalid)
}

func TestOptions(t *testing.T) {
	tests := map[string]struct {
		opt vast.Option
		ok  bool
	}{
		"https":               {vast.WithBaseURL("https://console.vast.ai/"), true},
		"http on loopback":    {vast.WithBaseURL("http://127.0.0.1:8788"), true},
		"http on localhost":   {vast.WithBaseURL("http://localhost:8788"), true},
		"http on IPv6":        {vast.WithBaseURL("http://[::1]:8788"), true},
		"http elsewhere":      {vast.WithBaseURL("http://console.vast.ai"), false},
		"http, looks like it": {vast.WithBaseURL("http://127.0.0.1.example.com"), false},
		"path":                {vast.WithBaseURL("https://console.vast.ai/api/v0"), false},
		"user":                {vast.WithBaseURL("https://a:b@console.vast.ai"), false},
		"no scheme":           {vast.WithBaseURL("console.vast.ai"), false},
		"not a URL":           {vast.WithBaseURL("https://%zz"), false},
		"no transport":        {vast.WithTransport(nil), false},
		"no clock":            {vast.WithClock(nil), false},
		"no logger":           {vast.WithLogger(nil), false},
	}
	for name, tt := range tests {
		_, err := vast.NewClient(testKey, tt.opt)
		require.Equal(t, tt.ok, err == nil, "%s: %v", name, err)
	}
	_, err := vast.NewClient("two words")
	require.Error(t, err)
	require.NotContains(t, err.Error(), "two")

	c, err := vast.NewClient(testKey)
	require.NoError(t, err)
	require.Equal(t, "https://console.vast.ai", c.Origin())
}

func TestLogHoldsNoKey(t *testing.T) {
	var log strings.Builder
	network := &script{replies: []reply{failure(&leak{"it was " + testKey}), status(500, testKey), fixture(t, "user")}}
	c, err := vast.NewClient(testKey, vast.WithTransport(network), vast.WithClock(newClock()), vast.WithUserAgent("me"),
		vast.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	require.NoError(t, err)
	_, err = c.Account.Current(t.Context())
	require.NoError(t, err)
	require.Contains(t, log.String(), "get user")
	require.NotContains(t, log.String(), testKey)
	require.Equal(t, "me", network.sent[0].header.Get("User-Agent"))
}

func TestSystemClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := vast.SystemClock{}
		before := clock.Now()
		require.NoError(t, clock.Sleep(t.Context(), time.Minute))
		require.Equal(t, time.Minute, clock.Now().Sub(before))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, clock.Sleep(ctx, time.Hour), context.DeadlineExceeded)
	})
}
