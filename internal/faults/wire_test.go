package faults_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"vast-mcp/sandbox"
	"vast-mcp/vast"
)

// wire is the way of a process to the market: it takes time, it breaks, and it
// remembers.
type wire struct{ p *process }

// request is what the wire knows of one.
type request struct {
	call     int // that it serves
	op       string
	id       int64 // of the offer or the instance
	body     []byte
	order    *order
	label    string
	weather  []string
	dieAfter bool
}

// RoundTrip carries one request.
func (w wire) RoundTrip(req *http.Request) (*http.Response, error) {
	p := w.p
	dieAfter := p.operate(true, false)
	if req.Method == http.MethodDelete || strings.HasPrefix(req.URL.Path, "/api/v0/asks/") {
		p.w.look() // it is judged by what the journal says now
	}
	r := p.w.receive(p, req)
	r.dieAfter = dieAfter
	p.pause()
	if slices.Contains(r.weather, "dial") {
		p.w.finish(r)
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	if late, ok := r.spell("late:"); ok {
		go p.w.deliverLate(p, req, r, late)
		return nil, reset()
	}
	slow, _ := r.spell("slow before:")
	if err := (vast.SystemClock{}).Sleep(req.Context(), slow+p.delay()); err != nil {
		p.w.finish(r)
		return nil, err
	}
	if p.isDead() && p.coin() {
		p.w.finish(r)
		runtime.Goexit()
	}
	resp, err := p.w.deliver(p, req, r)
	if r.dieAfter {
		p.die()
	}
	if p.isDead() {
		runtime.Goexit()
	}
	slow, _ = r.spell("slow after:")
	if lost := (vast.SystemClock{}).Sleep(req.Context(), slow+p.delay()); lost != nil {
		return nil, lost
	}
	if p.isDead() {
		runtime.Goexit()
	}
	p.pause()
	return resp, err
}

func reset() error {
	return &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
}

// spell finds the length of time behind a word in the weather.
func (r *request) spell(word string) (time.Duration, bool) {
	for _, what := range r.weather {
		if text, ok := strings.CutPrefix(what, word); ok {
			d, _ := time.ParseDuration(text)
			return d, true
		}
	}
	return 0, false
}

func idInPath() *regexp.Regexp {
	return regexp.MustCompile(`^/api/v0/(?:asks|instances)/(\d+)/$`)
}

// receive reads a request, notes what it is and finds its weather.
func (w *world) receive(p *process, req *http.Request) *request {
	r := read(req)
	r.call, _ = req.Context().Value(callKey{}).(int)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[r.op]++
	n := w.seen[r.op]
	for _, s := range w.program.weather {
		down, isDown := strings.CutPrefix(s.what, "down:")
		long, _ := strconv.Atoi(down)
		switch {
		case w.calm || s.op != r.op:
		case isDown && n >= s.nth && n < s.nth+long:
			r.weather = append(r.weather, "before:502")
		case !isDown && n == s.nth:
			r.weather = append(r.weather, strings.Split(s.what, ", ")...)
		}
	}
	w.note(p, r)
	return r
}

// read finds out what a request is, which can be sent on.
func read(req *http.Request) *request {
	r := &request{}
	if req.Body != nil {
		r.body, _ = io.ReadAll(req.Body)
		_ = req.Body.Close()
		req.Body = io.NopCloser(bytes.NewReader(r.body))
	}
	if at := idInPath().FindStringSubmatch(req.URL.Path); at != nil {
		r.id, _ = strconv.ParseInt(at[1], 10, 64)
	}
	var said struct{ State, Label string }
	_ = json.Unmarshal(r.body, &said)
	r.label = said.Label
	r.op = operation(req, said.State)
	return r
}

// operation names a request as the sandbox does.
func operation(req *http.Request, state string) string {
	path := req.URL.Path
	switch {
	case strings.HasPrefix(path, "/api/v0/asks/"):
		return "create"
	case req.Method == http.MethodPut && state == "running":
		return "start"
	case req.Method == http.MethodPut && state == "stopped":
		return "stop"
	case req.Method == http.MethodPut && idInPath().MatchString(path):
		return "label"
	case req.Method == http.MethodDelete && path == "/api/v0/instances/":
		return "destroy_many"
	case req.Method == http.MethodDelete:
		return "destroy"
	case path == "/api/v1/instances/":
		return "list"
	case idInPath().MatchString(path):
		return "get"
	case path == "/api/v0/users/current/":
		return "user"
	case path == "/api/v0/bundles/":
		return "search"
	}
	return path
}

// deliverLate lets a request take effect that nobody waits for any more.
func (w *world) deliverLate(p *process, req *http.Request, r *request, late time.Duration) {
	<-time.After(late)
	again := req.Clone(context.WithoutCancel(req.Context()))
	again.Body = io.NopCloser(bytes.NewReader(r.body))
	if resp, err := w.deliver(p, again, r); err == nil {
		_ = resp.Body.Close()
	}
}

// deliver hands a request to the market, in its weather, and notes what became
// of it. One request is at the market at a time, so that its faults are its own.
func (w *world) deliver(p *process, req *http.Request, r *request) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	faults := r.faults()
	if err := w.market.Break(faults...); err != nil {
		return nil, fmt.Errorf("weather that the market does not know: %w", err)
	}
	resp, err := w.market.Transport().RoundTrip(req)
	status := 0
	if err == nil {
		status = resp.StatusCode
	}
	w.effect(p, r, status)
	if slices.Contains(r.weather, "copied") && r.order != nil {
		w.copy(req, r)
	}
	return resp, err
}

// copy is a proxy that sends an order again, elsewhere, and has success with it.
// The caller holds mu.
func (w *world) copy(req *http.Request, r *request) {
	again := req.Clone(context.WithoutCancel(req.Context()))
	again.URL.Path = fmt.Sprintf("/api/v0/asks/%d/", w.spare[0])
	again.Body = io.NopCloser(bytes.NewReader(r.body))
	resp, err := w.market.Transport().RoundTrip(again)
	w.must(err)
	_ = resp.Body.Close()
	w.learn(r.order)
	w.tell("  copied: instances %v are of that order now", r.order.machines)
}

// faults are what the market is told to do to this request: one that befalls
// the answer, and what becomes of a rental.
func (r *request) faults() (all []sandbox.Fault) {
	for _, what := range r.weather {
		switch {
		case strings.HasPrefix(what, "before:") && len(all) == 0, strings.HasPrefix(what, "after:") && len(all) == 0:
			when, bad, _ := strings.Cut(what, ":")
			all = append(all, badly(r.op, when, bad))
		}
	}
	for _, what := range r.weather {
		if what == "copied" {
			continue
		}
		if fate := strings.Replace(what, "queue", "taken", 1); !strings.Contains(what, ":") && len(all) == 0 {
			all = append(all, sandbox.Fault{Op: r.op, When: "before", Fate: fate, Count: 1})
		} else if !strings.Contains(what, ":") && all[0].When == "after" {
			all = append(all, sandbox.Fault{Op: r.op, When: "before", Fate: fate, Count: 1})
		}
	}
	return all
}

// badly is one fault. Taken is how the API says that somebody else was faster,
// and other is a success that names another instance.
func badly(op, when, what string) sandbox.Fault {
	switch what {
	case "taken":
		return sandbox.Fault{
			Op: op, When: when, Status: http.StatusGone, Count: 1,
			Body: `{"success":false,"error":"no_such_ask","msg":"error 410/3907: no_such_ask Instance type 1 is no longer available."}`,
		}
	case "other":
		return sandbox.Fault{Op: op, When: when, Status: http.StatusOK, Count: 1, Body: `{"success":true,"new_contract":{id}}`}
	}
	f, err := sandbox.ParseFault(op + ":" + when + ":" + what + ":1")
	if err != nil {
		panic(err)
	}
	return f
}
