package vast_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/vast"
)

var errReset = errors.New("connection reset by peer")

// calls are one operation of each kind.
func calls(c *vast.Client) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"read":  func(ctx context.Context) error { _, err := c.Account.Current(ctx); return err },
		"stop":  func(ctx context.Context) error { return c.Instances.Stop(ctx, 7) },
		"start": func(ctx context.Context) error { return c.Instances.Start(ctx, 7) },
		"create": func(ctx context.Context) error {
			_, err := c.Instances.Create(ctx, 7, vast.CreateInstance{Image: "i"})
			return err
		},
	}
}

func TestRetry(t *testing.T) {
	plain429 := status(429, "API requests too frequent")
	tests := map[string]struct {
		call      string
		replies   []reply
		waits     []time.Duration
		sent      int
		code      vast.Code // "" for success
		uncertain bool
	}{
		"429 header":         {"read", []reply{plain429.with("Retry-After", "3"), fixture(t, "user")}, seconds(3), 2, "", false},
		"429 body":           {"read", []reply{status(429, read(t, "throttled")), fixture(t, "user")}, seconds(10), 2, "", false},
		"429 bare":           {"read", []reply{plain429}, seconds(2, 4, 8), 4, vast.Throttled, false},
		"429 start":          {"start", []reply{plain429, ok(`{"success":true}`)}, seconds(2), 2, "", false},
		"429 create":         {"create", []reply{plain429}, nil, 1, vast.Throttled, false},
		"429 too long":       {"read", []reply{plain429.with("Retry-After", "61")}, nil, 1, vast.Throttled, false},
		"502 read":           {"read", []reply{status(502, "<html>"), fixture(t, "user")}, seconds(.5), 2, "", false},
		"503 retry-after":    {"read", []reply{status(503, "").with("Retry-After", "7"), fixture(t, "user")}, seconds(7), 2, "", false},
		"500 read for ever":  {"read", []reply{status(500, "{}")}, seconds(.5, 1, 2), 4, vast.Unavailable, false},
		"502 stop":           {"stop", []reply{status(502, ""), ok(`{"success":true}`)}, seconds(.5), 2, "", false},
		"502 start":          {"start", []reply{status(502, "")}, nil, 1, vast.Unavailable, true},
		"502 create":         {"create", []reply{status(502, "")}, nil, 1, vast.Unavailable, true},
		"reset read":         {"read", []reply{failure(errReset), fixture(t, "user")}, seconds(.5), 2, "", false},
		"reset start":        {"start", []reply{failure(errReset)}, nil, 1, vast.Unavailable, true},
		"reset create":       {"create", []reply{failure(errReset)}, nil, 1, vast.Unavailable, true},
		"empty read":         {"read", []reply{ok(""), fixture(t, "user")}, seconds(.5), 2, "", false},
		"garbled read":       {"read", []reply{ok("<html>")}, seconds(.5), 2, vast.Garbled, false},
		"garbled stop":       {"stop", []reply{ok("")}, seconds(.5), 2, vast.Garbled, true},
		"garbled start":      {"start", []reply{ok("")}, nil, 1, vast.Garbled, true},
		"garbled create":     {"create", []reply{ok("{")}, nil, 1, vast.Garbled, true},
		"lost, then refused": {"stop", []reply{failure(errReset), status(400, `{"error":"x"}`)}, seconds(.5), 2, vast.Invalid, true},
		"clean 400":          {"read", []reply{status(400, `{"error":"x"}`)}, nil, 1, vast.Invalid, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, network, clock := clocked(t, tt.replies...)
			err := calls(c)[tt.call](t.Context())
			require.Len(t, network.sent, tt.sent)
			require.Equal(t, tt.waits, clock.sleeps)
			if tt.code == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, tt.code)
			require.Equal(t, tt.uncertain, vast.Uncertain(err), err)
			require.False(t, asError(t, err).NotSent)
		})
	}
}

func seconds(s ...float64) []time.Duration {
	var out []time.Duration
	for _, v := range s {
		out = append(out, time.Duration(v*float64(time.Second)))
	}
	return out
}

func TestRetryNeverOutlivesItsDeadline(t *testing.T) {
	c, network, clock := clocked(t, status(429, read(t, "throttled")))
	ctx, cancel := context.WithDeadline(t.Context(), clock.Now().Add(9*time.Second))
	defer cancel()

	_, err := c.Account.Current(ctx)
	require.ErrorIs(t, err, vast.Throttled)
	require.Equal(t, 10*time.Second, asError(t, err).RetryAfter)
	require.Len(t, network.sent, 1)
	require.Empty(t, clock.sleeps)
}

func TestRetryAfterAsADate(t *testing.T) {
	now := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	r := status(429, "")
	r.header = http.Header{
		"Date":        {now.Format(http.TimeFormat)},
		"Retry-After": {now.Add(5 * time.Second).Format(http.TimeFormat)},
	}
	c, _, clock := clocked(t, r, fixture(t, "user"))
	_, err := c.Account.Current(t.Context())
	require.NoError(t, err)
	require.Equal(t, seconds(5), clock.sleeps)
}

func TestCancelledCallSendsNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c, network, clock := clocked(t, fixture(t, "create_ok"))
	for name, call := range calls(c) {
		err := call(ctx)
		require.ErrorIs(t, err, context.Canceled, name)
		require.True(t, asError(t, err).NotSent, name)
		require.False(t, vast.Uncertain(err), name)
	}
	require.Empty(t, network.sent)
	require.Empty(t, clock.sleeps)
}
