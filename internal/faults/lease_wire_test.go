package faults_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"vast-mcp/sandbox"
	"vast-mcp/vast"
)

// air is the way of a layer or an agent to the market.
type air struct{ l *layer }

// leaseCall finds in a context which call of an agent a request is of.
type leaseCall struct {
	tool  string
	rent  *tenant // that it is to be, or is about
	until time.Time
}

// RoundTrip carries one request.
func (a air) RoundTrip(req *http.Request) (*http.Response, error) {
	l := a.l
	l.operate()
	r := l.w.receive(req)
	l.pause()
	if err := l.travel(req, r, "slow before:"); err != nil {
		return nil, err
	}
	resp, err := l.w.deliver(l, req, r)
	if late, ok := r.spell("lags:"); ok && err == nil {
		<-time.After(late)
		resp.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	if err := l.travel(req, r, "slow after:"); err != nil {
		return nil, err
	}
	l.pause()
	return resp, err
}

// travel is one leg of a request.
func (l *layer) travel(req *http.Request, r *request, slow string) error {
	d, _ := r.spell(slow)
	err := (vast.SystemClock{}).Sleep(req.Context(), d+l.delay())
	if l.isDead() {
		runtime.Goexit()
	}
	if err != nil {
		l.troubled()
	}
	return err
}

// receive reads a request and finds its weather.
func (w *leaseWorld) receive(req *http.Request) *request {
	r := read(req)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[r.op]++
	for _, s := range w.program.weather {
		if !w.calm && s.op == r.op && s.nth == w.seen[r.op] {
			r.weather = append(r.weather, s.what)
		}
	}
	return r
}

// deliver hands a request to the market, in its weather, and judges it.
func (w *leaseWorld) deliver(l *layer, req *http.Request, r *request) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	call, _ := req.Context().Value(callKey{}).(*leaseCall)
	if len(r.weather) > 0 || w.outage != "" {
		w.tell("%s's %s %d meets %v %s", l.name, r.op, r.id, r.weather, w.outage)
		l.troubled()
	}
	if w.outage == "drop" {
		return nil, reset()
	}
	if sly := w.armed[r.id]; sly != nil && r.op == "get" && l.post != nil && w.outage == "" {
		delete(w.armed, r.id)
		sly()
	}
	var faults []sandbox.Fault
	for _, what := range append(r.weather, "before:"+w.outage) {
		if when, bad, ok := strings.Cut(what, ":"); ok && bad != "" && (when == "before" || when == "after") && len(faults) == 0 {
			faults = append(faults, badly(r.op, when, bad))
		}
	}
	if r.op == "create" && call != nil && call.rent.plan.fate != "" && len(faults) == 0 {
		faults = append(faults, sandbox.Fault{Op: r.op, When: "before", Fate: call.rent.plan.fate, Count: 1})
	}
	if slices.Contains([]string{"get", "stop", "label", "destroy", "start"}, r.op) {
		w.learn()
	}
	reaches := len(faults) == 0 || faults[0].When == "after" || faults[0].Fate != ""
	if reaches && call == nil && l.post != nil {
		w.judgeRequest(l, r)
	}
	w.must(w.market.Break(faults...))
	resp, err := w.market.Transport().RoundTrip(req)
	if err == nil && reaches {
		w.effect(l, r, call, resp)
	}
	return resp, err
}

// effect takes down what a request did.
func (w *leaseWorld) effect(l *layer, r *request, call *leaseCall, resp *http.Response) {
	switch {
	case r.op == "list" && resp.StatusCode == http.StatusOK:
		if l.lists++; len(r.weather) == 0 {
			l.listed = time.Now()
		}
		for _, what := range r.weather {
			if what == "short" {
				shorten(resp)
			}
		}
		return
	case r.op == "get" && l.post != nil:
		if t := w.byID[r.id]; t != nil {
			l.looked[r.id] = glance{time.Now(), w.spared(l, t)}
		}
		return
	case r.op == "create" && resp.StatusCode == http.StatusOK:
		body, _ := io.ReadAll(resp.Body)
		resp.Body = io.NopCloser(bytes.NewReader(body))
		var made struct {
			ID int64 `json:"new_contract"`
		}
		w.must(json.Unmarshal(body, &made))
		call.rent.id, w.byID[made.ID] = made.ID, call.rent
	case r.op == "get" || r.op == "list" || r.op == "user" || r.op == "search":
		return
	}
	w.tell("%s's %s %d%s: %d", l.name, r.op, r.id, labelled(r.label), resp.StatusCode)
	if t := w.byID[max(r.id, 0)]; t != nil && r.op == "label" {
		t.written(l, r.label, call)
	} else if r.op == "create" && call.rent.id != 0 {
		call.rent.written(l, r.label, call)
	}
	w.learn()
}

// shorten takes a row out of a list, which still says how many there are.
func shorten(resp *http.Response) {
	body, _ := io.ReadAll(resp.Body)
	var list map[string]json.RawMessage
	var rows []json.RawMessage
	if json.Unmarshal(body, &list) == nil && json.Unmarshal(list["instances"], &rows) == nil && len(rows) > 0 {
		list["instances"], _ = json.Marshal(rows[1:])
		body, _ = json.Marshal(list)
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
}
