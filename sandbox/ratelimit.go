package sandbox

import (
	"encoding/json"
	"maps"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The API's budget: limitCalls in any limitWindow of wall time, for all
// routes together.
const (
	limitCalls  = 5
	limitWindow = 10 * time.Second
)

// pace is how often something may be asked.
type pace struct {
	calls   int
	window  time.Duration
	penalty time.Duration // added to the wait of who asks sooner
}

func every(seconds float64) pace {
	return pace{calls: 1, window: time.Duration(seconds * float64(time.Second))}
}

// paceOf is the documented threshold of an operation; none where no call is
// too many.
func paceOf(r route) pace {
	path := strings.TrimPrefix(strings.TrimPrefix(r.path, "/api/v1"), "/api/v0")
	for _, t := range thresholds {
		if (t.method == "" || t.method == r.method) && t.path == path {
			return t.pace
		}
	}
	return pace{}
}

// thresholds are as documented, by method (empty: any) and path.
var thresholds = []struct {
	method, path string
	pace         pace
}{
	{"", "/bundles/", pace{calls: 10, window: time.Minute}},
	{"PUT", "/asks/{id}/", pace{calls: 1, window: 4500 * time.Millisecond, penalty: 12 * time.Second}},
	{"PUT", "/launch_instance/", every(5)},
	{"GET", "/instances/", every(1)},
	{"GET", "/instances/{id}/", every(2)},
	{"PUT", "/instances/{id}/", every(1)},
	{"PUT", "/instances/", every(2)},
	{"DELETE", "/instances/{id}/", every(3)},
	{"PUT", "/instances/reboot/{id}/", every(1)},
	{"PUT", "/instances/recycle/{id}/", every(1)},
	{"PUT", "/instances/bid_price/{id}/", every(5.5)},
	{"PUT", "/instances/prepay/{id}/", every(2)},
	{"GET", "/instances/balance/{id}/", every(3)},
	{"PUT", "/instances/command/{id}/", every(1.5)},
	{"", "/commands/copy_direct/", every(3.5)},
	{"DELETE", "/instances/{id}/ssh/{key_id}/", every(2)},
	{"POST", "/ssh/", every(1)},
	{"PUT", "/ssh/{id}/", every(1)},
	{"GET", "/template/", every(3)},
	{"POST", "/volumes/search/", every(5.5)},
	{"POST", "/volumes/copy/", every(5.5)},
	{"", "/volumes/", every(5.5)},
	{"GET", "/secrets/", every(5)},
	{"", "/secrets/", every(3)},
	{"PUT", "/users/", every(5)},
	{"POST", "/users/", every(3)},
	{"GET", "/subaccounts/", every(2.1)},
	{"GET", "/auth/apikeys/", every(1)},
	{"POST", "/auth/apikeys/", every(2)},
	{"DELETE", "/auth/apikeys/{id}/", every(2)},
	{"GET", "/invoices/", every(3)},
	{"GET", "/charges/", every(1)},
	{"GET", "/users/me/ipaddrs/", every(2.9)},
	{"GET", "/users/cloud_integrations/", every(2.9)},
	{"PUT", "/commands/transfer_credit/", every(2.5)},
	{"POST", "/endptjobs/", every(4)},
	{"GET", "/endptjobs/", every(3)},
	{"PUT", "/endptjobs/{id}/", every(2)},
	{"DELETE", "/endptjobs/{id}/", every(3)},
	{"POST", "/workergroups/", every(4)},
	{"GET", "/workergroups/", every(2)},
	{"PUT", "/workergroups/{id}/", every(2)},
	{"DELETE", "/workergroups/{id}/", every(3)},
	{"POST", "/autojobs/", every(4)},
	{"GET", "/autojobs/", every(2)},
	{"PUT", "/autojobs/{id}/", every(2)},
	{"DELETE", "/autojobs/{id}/", every(3)},
	{"GET", "/deployments/", every(3)},
	{"GET", "/benchmarks/", every(3)},
}

// limiter refuses who asks too often.
type limiter struct {
	mu    sync.Mutex
	calls map[string][]time.Time // of the last minute, by identity and what was asked
}

func newLimiter() *limiter { return &limiter{calls: map[string][]time.Time{}} }

// admit counts a request, or reports the refusal: of the shared budget, or of
// the operation's own pace.
func (l *limiter) admit(route route, r *http.Request, now time.Time) (answer, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.calls, func(_ string, calls []time.Time) bool { return now.Sub(calls[len(calls)-1]) >= time.Minute })
	who := identity(r)
	own, all := who+" "+route.method+" "+route.path, who
	budget, pace := pace{calls: limitCalls, window: limitWindow}, paceOf(route)
	if wait := budget.wait(l.calls[all], now); wait > 0 {
		return tooMany(wait, "API requests too frequent").reset(now.Add(wait)), false
	}
	if wait := pace.wait(l.calls[own], now); wait > 0 {
		if pace.penalty > 0 {
			l.calls[own] = []time.Time{now.Add(pace.penalty - pace.window)}
			wait = pace.penalty
		}
		msg := "API requests too frequent: endpoint threshold=" + strconv.FormatFloat(pace.window.Seconds()/float64(pace.calls), 'f', 1, 64)
		return tooMany(wait, msg).reset(now.Add(wait)), false
	}
	l.count(all, now)
	l.count(own, now)
	return answer{}, true
}

// count remembers a call, and as many before it as any pace looks back on.
func (l *limiter) count(what string, now time.Time) {
	calls := append(l.calls[what], now)
	l.calls[what] = calls[max(len(calls)-10, 0):]
}

// wait is how long it takes until one more call is in the pace; 0 where it is.
func (p pace) wait(calls []time.Time, now time.Time) time.Duration {
	if p.calls == 0 || len(calls) < p.calls {
		return 0
	}
	return max(calls[len(calls)-p.calls].Add(p.window).Sub(now), 0)
}

// identity is whom the API counts: a key from an address.
func identity(r *http.Request) string {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	return keyOf(r) + " " + host
}

// tooMany is the refusal in the shape that it was seen in.
func tooMany(wait time.Duration, msg string) answer {
	seconds := int(math.Ceil(wait.Seconds()))
	a := reply(struct {
		Error      string      `json:"error"`
		Msg        string      `json:"msg"`
		RetryAfter int         `json:"retry_after"`
		Limit      json.Number `json:"limit"`
		Remaining  int         `json:"remaining"`
	}{Error: "HTTPTooManyRequests", Msg: msg, RetryAfter: seconds, Limit: "5.0"})
	a.status = http.StatusTooManyRequests
	a.header = http.Header{
		"Server":                {"gunicorn"},
		"Retry-After":           {strconv.Itoa(seconds)},
		"X-Ratelimit-Limit":     {"5.0"},
		"X-Ratelimit-Remaining": {"0"},
	}
	return a
}

func (a answer) reset(at time.Time) answer {
	a.header.Set("X-Ratelimit-Reset", strconv.FormatInt(at.Unix(), 10))
	return a
}
