package sandbox

import (
	"encoding/json"
	"maps"
	"math"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// The API's budget: limitCalls in any limitWindow of wall time, for all
// routes together.
const (
	limitCalls  = 5
	limitWindow = 10 * time.Second
)

// limiter refuses who asks too often.
type limiter struct {
	mu    sync.Mutex
	calls map[string][]time.Time // of the last window, by identity
}

func newLimiter() *limiter { return &limiter{calls: map[string][]time.Time{}} }

// admit counts a request, or reports the refusal.
func (l *limiter) admit(r *http.Request, now time.Time) (answer, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	past := now.Add(-limitWindow)
	maps.DeleteFunc(l.calls, func(_ string, calls []time.Time) bool { return !calls[len(calls)-1].After(past) })
	who := identity(r)
	calls := l.calls[who]
	for len(calls) > 0 && !calls[0].After(past) {
		calls = calls[1:]
	}
	if len(calls) >= limitCalls {
		a := tooMany(calls[0].Sub(past))
		a.header.Set("X-Ratelimit-Reset", strconv.FormatInt(calls[0].Add(limitWindow).Unix(), 10))
		return a, false
	}
	l.calls[who] = append(calls, now)
	return answer{}, true
}

// identity is whom the API counts: a key from an address.
func identity(r *http.Request) string {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	return keyOf(r) + " " + host
}

// tooMany is the refusal in the shape that it was seen in.
func tooMany(wait time.Duration) answer {
	seconds := int(math.Ceil(wait.Seconds()))
	a := reply(struct {
		Error      string      `json:"error"`
		Msg        string      `json:"msg"`
		RetryAfter int         `json:"retry_after"`
		Limit      json.Number `json:"limit"`
		Remaining  int         `json:"remaining"`
	}{Error: "HTTPTooManyRequests", Msg: "API requests too frequent", RetryAfter: seconds, Limit: "5.0"})
	a.status = http.StatusTooManyRequests
	a.header = http.Header{
		"Server":                {"gunicorn"},
		"Retry-After":           {strconv.Itoa(seconds)},
		"X-Ratelimit-Limit":     {"5.0"},
		"X-Ratelimit-Remaining": {"0"},
	}
	return a
}
