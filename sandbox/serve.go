package sandbox

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxBody is more than any request of the API needs.
const maxBody = 1 << 20

// tx is one request, with the market as it is at its moment.
type tx struct {
	m     *Market
	st    *state
	world *world
	now   time.Time
	r     *http.Request
	body  []byte
	args  []string // what stood for {x} in the path
	key   *apiKey  // that the request came with; nil: another than those with a scope

	claimed map[int][]claim // nil until needed
	fate    mishap          // of what is rented
}

// id is the number in the request's path.
func (t *tx) id() (int64, bool) { return t.number(0) }

func (t *tx) number(arg int) (int64, bool) {
	if arg >= len(t.args) {
		return 0, false
	}
	n, err := strconv.ParseInt(t.args[arg], 10, 64)
	return n, err == nil && n > 0
}

// ServeHTTP serves the API, the log objects that it refers to, and the
// controls under /__sandbox/ for clients on this machine.
func (m *Market) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.URL.Path, "/__sandbox/"):
		m.control(r).write(w, m.Now())
	case strings.HasPrefix(r.URL.Path, objectPath):
		m.serveObject(r).write(w, m.Now())
	default:
		m.serveAPI(w, r)
	}
}

func (m *Market) serveAPI(w http.ResponseWriter, r *http.Request) {
	route, args, ok := match(m.routes, r.Method, slashed(r.URL.Path))
	if !ok {
		notFound().write(w, m.Now())
		return
	}
	if r.Method == http.MethodGet && !strings.HasSuffix(r.URL.Path, "/") {
		toSlash(r).write(w, m.Now())
		return
	}
	if m.limit != nil {
		if a, ok := m.limit.admit(route, r, m.wallNow()); !ok {
			a.write(w, m.Now())
			return
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		badJSON().write(w, m.Now())
		return
	}
	a, now := m.brave(r.Context(), call{route: route, args: args, r: r, body: body})
	a.write(w, now)
}

// call is a request, understood.
type call struct {
	route route
	args  []string
	r     *http.Request
	body  []byte
	fate  mishap // of what it rents
}

// brave answers a call in the weather that faults make.
func (m *Market) brave(ctx context.Context, c call) (answer, time.Time) {
	op := c.route.operation(c.body)
	before := m.faults.take(op, beforeEffect)
	if before.LateMS > 0 {
		m.runLater(c, time.Duration(before.LateMS)*time.Millisecond)
	}
	if before.strike(ctx) {
		return before.answer(m.someInstance(answer{})), m.Now()
	}
	after := m.faults.take(op, afterEffect)
	c.fate = mishap(cmp.Or(before.Fate, after.Fate))
	a, now := m.run(c)
	if before.Twice || after.Twice {
		a, now = m.run(c)
	}
	if after.strike(ctx) {
		a = after.answer(m.someInstance(a))
	}
	if after.Truncate {
		a.body = a.body[:len(a.body)/2]
	}
	return a, now
}

// run authorizes and handles a request in one transaction.
func (m *Market) run(c call) (a answer, now time.Time) {
	err := m.transact(func(st *state, _ *world, at time.Time) (changed bool, _ error) {
		now = at
		a, changed = m.handle(c, st, at)
		return changed, nil
	})
	if err != nil {
		return refuse(http.StatusInternalServerError, "server_error", err.Error()), m.Now()
	}
	return a, now
}

// handle runs inside a transaction, and tells whether the market changed.
func (m *Market) handle(c call, st *state, at time.Time) (answer, bool) {
	t := &tx{m: m, st: st, world: m.world, now: at, r: c.r, body: c.body, args: c.args, fate: c.fate}
	if refusal, ok := t.authorize(c.route); !ok {
		return refusal, false
	}
	a := c.route.handle(t)
	if !c.route.writes || (a.status >= http.StatusBadRequest && !a.kept) {
		return a, false
	}
	t.record(c.route)
	return a, true
}

func slashed(path string) string {
	if strings.HasSuffix(path, "/") {
		return path
	}
	return path + "/"
}

// toSlash is how the API answers a GET without its last slash: the path
// alone, so that no host of a proxy gets into it, and the query kept.
func toSlash(r *http.Request) answer {
	location := r.URL.EscapedPath() + "/"
	if r.URL.RawQuery != "" {
		location += "?" + r.URL.RawQuery
	}
	return answer{
		status: http.StatusMovedPermanently,
		header: http.Header{"Location": {location}},
		kind:   "text/html",
		body:   fmt.Appendf(nil, "<html><head><title>301 Moved Permanently</title></head><body><h1>301 Moved Permanently</h1></body></html>\n"),
	}
}
