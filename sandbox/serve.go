package sandbox

import (
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

	claimed map[int][]claim // nil until needed
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
		if a, ok := m.limit.admit(r, m.wallNow()); !ok {
			a.write(w, m.Now())
			return
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		badJSON().write(w, m.Now())
		return
	}
	op := route.operation(body)
	before := m.faults.take(op, beforeEffect)
	if before.strike(r.Context()) {
		before.answer().write(w, m.Now())
		return
	}
	a, now := m.run(route, args, r, body)
	if after := m.faults.take(op, afterEffect); after.strike(r.Context()) {
		a = after.answer()
	}
	a.write(w, now)
}

// run authorizes and handles a request in one transaction.
func (m *Market) run(route route, args []string, r *http.Request, body []byte) (a answer, now time.Time) {
	err := m.transact(func(st *state, w *world, at time.Time) (bool, error) {
		now = at
		t := &tx{m: m, st: st, world: w, now: at, r: r, body: body, args: args}
		refusal, ok := t.authorize(route.access)
		if !ok {
			a = refusal
			return false, nil
		}
		a = route.handle(t)
		return route.writes && a.status < http.StatusBadRequest, nil
	})
	if err != nil {
		return refuse(http.StatusInternalServerError, "server_error", err.Error()), m.Now()
	}
	return a, now
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
