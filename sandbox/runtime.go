package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// The runtime host routes requests to workers. It has a host of its own at
// the service; a client that is given another one asks both of that.

const (
	workerPort    = "3000/tcp" // where a worker takes requests, if its image says nothing else
	runtimeTail   = 100
	noRightToRun  = "authenticate_endpoint_apikey: invalid api_key or endpoint %s not found"
	defaultWeight = 1.0
)

func runtimeRoutes() []route {
	var all []route
	add := func(op string, writes bool, handle func(*tx) answer, paths ...string) {
		for _, path := range paths {
			all = append(all, route{method: http.MethodPost, path: path, op: op, access: public, writes: writes, handle: handle})
		}
	}
	add("route", true, (*tx).routeRequest, "/route/")
	add("endpoint_logs", false, (*tx).endpointLogs, "/get_endpoint_logs/")
	add("workergroup_logs", false, (*tx).workergroupLogs, "/get_workergroup_logs/", "/get_autogroup_logs/")
	add("endpoint_workers", false, (*tx).endpointWorkers, "/get_endpoint_workers/")
	add("workergroup_workers", false, (*tx).workergroupWorkers, "/get_workergroup_workers/", "/get_autogroup_workers/")
	add("update_workers", true, (*tx).updateWorkers, "/update_workers/")
	return all
}

// runtimeRequest is the body of all of them.
type runtimeRequest struct {
	ID            int64    `json:"id"`
	Endpoint      string   `json:"endpoint"`
	WorkergroupID int64    `json:"workergroup_id"`
	APIKey        string   `json:"api_key"`
	Cost          *float64 `json:"cost"`
	RequestIdx    int64    `json:"request_idx"`
	Tail          any      `json:"tail"`
	CancelUpdate  bool     `json:"cancel_update"`
}

func runtimeError(status int, text string) answer {
	a := reply(map[string]string{"error": text})
	a.status = status
	return a
}

// runtimeRequest reads the body and finds what it is about. Its key is in the
// body, or a bearer: the account's, or the endpoint's own.
func (t *tx) runtimeRequest(find func(runtimeRequest) *endpoint) (runtimeRequest, *endpoint, answer, bool) {
	var in runtimeRequest
	if json.Unmarshal(t.body, &in) != nil {
		return in, nil, runtimeError(http.StatusBadRequest, "Invalid json body"), false
	}
	if in.APIKey == "" {
		in.APIKey = keyOf(t.r)
	}
	if in.APIKey == "" {
		return in, nil, runtimeError(http.StatusUnauthorized, "no api_key"), false
	}
	e := find(in)
	if e == nil || !t.isAccount(in.APIKey) && !sameKey(in.APIKey, e.key(t.st.Seed)) {
		name := in.Endpoint
		if name == "" {
			name = fmt.Sprint(max(in.ID, in.WorkergroupID))
		}
		return in, nil, reply(fmt.Sprintf(noRightToRun, name)), false
	}
	return in, e, answer{}, true
}

func (t *tx) endpointAsked(in runtimeRequest) *endpoint {
	if in.Endpoint != "" {
		return t.st.Serverless.endpointNamed(in.Endpoint)
	}
	return t.st.Serverless.endpoint(in.ID)
}

func (t *tx) endpointOfGroup(in runtimeRequest) *endpoint {
	if g := t.st.Serverless.group(max(in.ID, in.WorkergroupID)); g != nil {
		return t.st.Serverless.endpoint(g.Endpoint)
	}
	return nil
}

// routed is the answer to a request for a worker: its address, or why there
// is none yet.
type routed struct {
	Endpoint   string   `json:"endpoint"`
	URL        string   `json:"url,omitempty"`
	Cost       *float64 `json:"cost,omitempty"`
	ReqNum     *int64   `json:"reqnum,omitempty"`
	Signature  string   `json:"signature,omitempty"`
	Status     string   `json:"status,omitempty"`
	RequestIdx int64    `json:"request_idx"`
	RequestID  string   `json:"__request_id"`
}

// routeRequest answers POST /route/. A request is load from when it is first
// made, and asking again with its index doesn't add to it.
func (t *tx) routeRequest() answer {
	in, e, refusal, ok := t.runtimeRequest(t.endpointAsked)
	if !ok {
		return refusal
	}
	cost := defaultWeight
	if in.Cost != nil {
		cost = *in.Cost
	}
	if !(cost >= 0 && cost <= maxFigure) {
		return runtimeError(http.StatusBadRequest, fmt.Sprintf("cost must be from 0 to %g", maxFigure))
	}
	index := e.demand(t, in.RequestIdx, cost)
	t.scaleEndpoint(e)
	out := routed{Endpoint: e.Name, RequestIdx: index, RequestID: secret(t.st.Seed, "request "+e.Name, index)[:32]}
	w, c := t.leastBusy(e)
	if w == nil {
		out.Status = t.workerCounts(e)
		return reply(out)
	}
	w.Requests++
	out.URL, out.Cost, out.ReqNum = t.workerURL(c), &cost, &w.Requests
	out.Signature = secret(t.st.Seed, "signature "+out.URL, index)
	return reply(out)
}

// demand counts a request and returns its index.
func (e *endpoint) demand(t *tx, index int64, cost float64) int64 {
	e.Last, e.Idle = t.now, false
	if i := slices.IndexFunc(e.Demands, func(d demand) bool { return d.Request == index }); index > 0 && i >= 0 {
		e.Demands[i].At = t.now
		return index
	}
	e.Requests++
	e.Demands = append(e.Demands, demand{Request: e.Requests, At: t.now, Cost: cost})
	e.Demands = e.Demands[max(len(e.Demands)-maxDemands, 0):]
	return e.Requests
}

// leastBusy is the ready worker that was sent the fewest requests.
func (t *tx) leastBusy(e *endpoint) (*worker, *contract) {
	var best *worker
	var of *contract
	for _, g := range t.st.Serverless.groupsOf(e.ID) {
		for _, w := range g.Workers {
			if c := t.st.contract(w.ID); c != nil && t.workerStatus(c) == workerIdle && (best == nil || w.Requests < best.Requests) {
				best, of = w, c
			}
		}
	}
	return best, of
}

func (t *tx) workerCounts(e *endpoint) string {
	if e.State != endpointActive {
		return "endpoint is " + e.State
	}
	counts := map[string]int{}
	total := 0
	for _, row := range t.workerRows(t.st.Serverless.groupsOf(e.ID)) {
		counts[row.Status]++
		total++
	}
	parts := []string{fmt.Sprintf("total workers: %d", total)}
	for _, status := range workerStatuses() {
		if counts[status] > 0 {
			parts = append(parts, fmt.Sprintf("%s: %d", status, counts[status]))
		}
	}
	return strings.Join(parts, ", ")
}

// runtimeLogs are what the service calls its four kinds of log.
type runtimeLogs struct {
	Info0 string `json:"info0"` // what the autoscaler did
	Info1 string `json:"info1"` // what the workers do now
	Trace string `json:"trace"` // requests that count as load
	Debug string `json:"debug"`
}

// endpointLogs answers POST /get_endpoint_logs/.
func (t *tx) endpointLogs() answer {
	in, e, refusal, ok := t.runtimeRequest(t.endpointAsked)
	if !ok {
		return refusal
	}
	return t.runtimeLogs(e, t.st.Serverless.groupsOf(e.ID), in.Tail)
}

// workergroupLogs answers POST /get_workergroup_logs/ and its other name.
func (t *tx) workergroupLogs() answer {
	in, e, refusal, ok := t.runtimeRequest(t.endpointOfGroup)
	if !ok {
		return refusal
	}
	return t.runtimeLogs(e, []*workergroup{t.st.Serverless.group(max(in.ID, in.WorkergroupID))}, in.Tail)
}

func (t *tx) runtimeLogs(e *endpoint, groups []*workergroup, wanted any) answer {
	tail, err := strconv.Atoi(fmt.Sprint(wanted))
	if err != nil || tail < 1 {
		tail = runtimeTail
	}
	lines := func(all []string) string { return strings.Join(all[max(len(all)-tail, 0):], "\n") }
	var events []event
	for _, g := range groups {
		events = append(events, g.Events...)
	}
	slices.SortStableFunc(events, func(a, b event) int { return a.At.Compare(b.At) })
	var did, are, asked []string
	for _, ev := range events {
		did = append(did, ev.At.Format(logTimestamp)+" "+ev.Text)
	}
	for _, row := range t.workerRows(groups) {
		are = append(are, fmt.Sprintf("%s worker %d: %s", t.now.Format(logTimestamp), row.ID, strings.ToUpper(row.Status)))
	}
	for _, d := range e.Demands {
		asked = append(asked, fmt.Sprintf("%s request %d: cost %g", d.At.Format(logTimestamp), d.Request, d.Cost))
	}
	return reply(runtimeLogs{Info0: lines(did), Info1: lines(are), Trace: lines(asked)})
}

// endpointWorkers answers POST /get_endpoint_workers/.
func (t *tx) endpointWorkers() answer {
	_, e, refusal, ok := t.runtimeRequest(t.endpointAsked)
	if !ok {
		return refusal
	}
	return reply(t.workerRows(t.st.Serverless.groupsOf(e.ID)))
}

// workergroupWorkers answers POST /get_workergroup_workers/ and its other
// name.
func (t *tx) workergroupWorkers() answer {
	in, _, refusal, ok := t.runtimeRequest(t.endpointOfGroup)
	if !ok {
		return refusal
	}
	return reply(t.workerRows([]*workergroup{t.st.Serverless.group(max(in.ID, in.WorkergroupID))}))
}

// updateWorkers answers POST /update_workers/: ready workers restart, so that
// they take over what the template says now.
func (t *tx) updateWorkers() answer {
	in, _, refusal, ok := t.runtimeRequest(t.endpointOfGroup)
	if !ok {
		return refusal
	}
	updated := []int64{}
	for _, w := range t.st.Serverless.group(max(in.ID, in.WorkergroupID)).Workers {
		if c := t.st.contract(w.ID); c != nil && t.workerStatus(c) == workerIdle && !in.CancelUpdate {
			t.st.reboot(c, t.now)
			updated = append(updated, w.ID)
		}
	}
	return reply(map[string]any{"success": true, "workers_to_update": updated, "cancelled": in.CancelUpdate, "error_msg": ""})
}

// isAccount tells whether the key is one that the account does everything with.
func (t *tx) isAccount(key string) bool {
	return sameKey(key, t.st.mainKey(t.m.key)) || sameKey(key, t.m.hostKey)
}
