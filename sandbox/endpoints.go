package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"time"
)

// States of an endpoint. A suspended one keeps its workers, stopped; a
// stopped one has none.
const (
	endpointActive    = "active"
	endpointSuspended = "suspended"
	endpointStopped   = "stopped"
)

const (
	loadWindow    = 10 * time.Minute // of market time: how long a request counts as load
	maxDemands    = 1000
	maxEndptName  = 255
	noEndpoint    = "Endpointgroup not found for user"
	noRightTarget = "Please assign your workergroup to a valid endpoint identifier"
)

var endpointName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// endpoint is a name that requests are routed by, to the workers of its
// workergroups.
type endpoint struct {
	ID       int64     `json:"id"`
	Name     string    `json:"name"`
	State    string    `json:"state"`
	Created  time.Time `json:"created"`
	Scaling  scaling   `json:"scaling"`
	Requests int64     `json:"requests"`
	Demands  []demand  `json:"demands,omitempty"`
	Last     time.Time `json:"last"` // when it was last asked for, or changed
	Idle     bool      `json:"idle,omitempty"`
}

// demand is one request for a worker, as long as it counts.
type demand struct {
	Request int64     `json:"request"`
	At      time.Time `json:"at"`
	Cost    float64   `json:"cost"`
}

func (e *endpoint) sound() bool {
	return e.ID > 0 && e.Scaling.check() == nil && figure(e.Scaling.TargetUtil) > 0 && sane(e.Created) && sane(e.Last) &&
		!slices.ContainsFunc(e.Demands, func(d demand) bool { return !sane(d.At) || !(d.Cost >= 0 && d.Cost <= maxFigure) })
}

// load is what is asked of the endpoint, in cost per second.
func (e *endpoint) load(now time.Time) float64 {
	total := 0.0
	for _, d := range e.Demands {
		if now.Sub(d.At) < loadWindow {
			total += d.Cost
		}
	}
	return total / loadWindow.Seconds()
}

// key is the endpoint's own: it can route requests, and nothing else.
func (e *endpoint) key(seed uint64) string { return secret(seed, "endpoint key", e.ID) }

// endpointRow is an endpoint as the API serves it.
type endpointRow struct {
	ID                  int64    `json:"id"`
	EndpointName        string   `json:"endpoint_name"`
	MinLoad             float64  `json:"min_load"`
	MinColdLoad         float64  `json:"min_cold_load"`
	TargetUtil          float64  `json:"target_util"`
	ColdMult            float64  `json:"cold_mult"`
	ColdWorkers         int64    `json:"cold_workers"`
	MaxWorkers          int64    `json:"max_workers"`
	MaxQueueTime        *float64 `json:"max_queue_time"`
	TargetQueueTime     *float64 `json:"target_queue_time"`
	InactivityTimeout   *float64 `json:"inactivity_timeout"`
	EndpointState       string   `json:"endpoint_state"`
	APIKey              string   `json:"api_key"`
	UserID              int64    `json:"user_id"`
	CreatedAt           float64  `json:"created_at"`
	AutoDeleteInSeconds *float64 `json:"auto_delete_in_seconds"`
	AutoDeleteDue24h    bool     `json:"auto_delete_due_24h"`
}

func (e *endpoint) row(seed uint64) endpointRow {
	s := e.Scaling
	return endpointRow{
		ID: e.ID, EndpointName: e.Name, EndpointState: e.State, APIKey: e.key(seed), UserID: userID, CreatedAt: unix(e.Created),
		MinLoad: figure(s.MinLoad), MinColdLoad: figure(s.MinColdLoad), TargetUtil: figure(s.TargetUtil), ColdMult: figure(s.ColdMult),
		ColdWorkers: whole(s.ColdWorkers), MaxWorkers: whole(s.MaxWorkers),
		MaxQueueTime: s.MaxQueueTime, TargetQueueTime: s.TargetQueueTime, InactivityTimeout: s.InactivityTimeout,
	}
}

// endpointRequest is the body of POST and PUT /endptjobs/.
type endpointRequest struct {
	Name  string `json:"endpoint_name"`
	State string `json:"endpoint_state"`
	scaling
}

func endpointRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/api/v0/endptjobs/", op: "endpoints", access: inMisc, handle: (*tx).listEndpoints},
		{method: http.MethodPost, path: "/api/v0/endptjobs/", op: "endpoint_create", access: inMisc, writes: true, handle: (*tx).createEndpoint},
		{method: http.MethodGet, path: "/api/v0/endptjobs/{id}/", op: "endpoint_get", access: inMisc, handle: (*tx).getEndpoint},
		{method: http.MethodPut, path: "/api/v0/endptjobs/{id}/", op: "endpoint_update", access: inMisc, writes: true, handle: (*tx).updateEndpoint},
		{method: http.MethodDelete, path: "/api/v0/endptjobs/{id}/", op: "endpoint_delete", access: inMisc, writes: true, handle: (*tx).deleteEndpoint},
		{method: http.MethodGet, path: "/api/v0/serverless/endpoints/spend/", op: "endpoint_spend", access: inUserRead, handle: (*tx).endpointSpend},
	}
}

// listEndpoints answers GET /endptjobs/.
func (t *tx) listEndpoints() answer {
	rows := []endpointRow{}
	for _, e := range t.st.Serverless.Endpoints {
		rows = append(rows, e.row(t.st.Seed))
	}
	return reply(map[string]any{"success": true, "results": rows})
}

// endpoint finds the endpoint of the path, or says that there is none.
func (t *tx) endpoint() (*endpoint, answer, bool) {
	id, ok := t.id()
	if !ok {
		return nil, invalidArgs("Invalid endpoint job ID"), false
	}
	e := t.st.Serverless.endpoint(id)
	return e, invalidArgs(noEndpoint), e != nil
}

// getEndpoint answers GET /endptjobs/{id}/.
func (t *tx) getEndpoint() answer {
	e, refusal, ok := t.endpoint()
	if !ok {
		return refusal
	}
	return reply(map[string]any{"success": true, "result": e.row(t.st.Seed)})
}

// createEndpoint answers POST /endptjobs/. An endpoint costs nothing before
// it has a workergroup.
func (t *tx) createEndpoint() answer {
	var in endpointRequest
	if json.Unmarshal(t.body, &in) != nil {
		return badJSON()
	}
	if refusal, ok := t.checkEndpoint(in); !ok {
		return refusal
	}
	e := t.newEndpoint(in.Name, in.scaling)
	return reply(map[string]any{"success": true, "result": e.ID})
}

func (t *tx) checkEndpoint(in endpointRequest) (answer, bool) {
	if !endpointName.MatchString(in.Name) || len(in.Name) > maxEndptName {
		return invalidArgs("Invalid args: endpoint_name must be 1 to 255 letters, digits, '_' or '-'"), false
	}
	if t.st.Serverless.endpointNamed(in.Name) != nil {
		return invalidArgs("Invalid args: there is an endpoint named %s already", in.Name), false
	}
	if err := in.check(); err != nil {
		return invalidArgs("%v", err), false
	}
	if t.st.credit(t.now) <= 0 {
		a := lacksCredit()
		a.status = http.StatusForbidden
		return a, false
	}
	return answer{}, true
}

func (t *tx) newEndpoint(name string, s scaling) *endpoint {
	all := &t.st.Serverless
	e := &endpoint{
		ID: all.newID(), Name: name, State: endpointActive, Created: t.now, Last: t.now,
		Scaling: s.over(defaultScaling()),
	}
	all.Endpoints = append(all.Endpoints, e)
	return e
}

// updateEndpoint answers PUT /endptjobs/{id}/: what it leaves out stays.
func (t *tx) updateEndpoint() answer {
	e, refusal, ok := t.endpoint()
	if !ok {
		return refusal
	}
	var in endpointRequest
	if json.Unmarshal(t.body, &in) != nil {
		return badJSON()
	}
	if in.Name != "" && in.Name != e.Name {
		if refusal, ok := t.checkEndpoint(in); !ok {
			return refusal
		}
		e.Name = in.Name
	}
	if !slices.Contains([]string{"", endpointActive, endpointSuspended, endpointStopped}, in.State) {
		return invalidArgs("Invalid args: endpoint_state is active, suspended or stopped, not %q", in.State)
	}
	if err := in.check(); err != nil {
		return invalidArgs("%v", err)
	}
	e.Scaling = in.over(e.Scaling)
	t.setEndpoint(e, in.State)
	return success()
}

// setEndpoint changes the state, if one is named, and scales.
func (t *tx) setEndpoint(e *endpoint, state string) {
	if state != "" {
		e.State = state
	}
	e.Last, e.Idle = t.now, false
	t.scaleEndpoint(e)
}

// deleteEndpoint answers DELETE /endptjobs/{id}/: workergroups and workers go
// with it.
func (t *tx) deleteEndpoint() answer {
	e, refusal, ok := t.endpoint()
	if !ok {
		return refusal
	}
	gone := t.st.dropEndpoint(e, t.now)
	return reply(deletion{Success: true, Deleted: gone, Failed: []int64{}, Msg: fmt.Sprintf("Deleted endpoint job and %d workers", len(gone))})
}

// deletion tells which workers went with an endpoint or a workergroup.
type deletion struct {
	Success bool    `json:"success"`
	Deleted []int64 `json:"deleted_workers"`
	Failed  []int64 `json:"failed_workers"`
	Msg     string  `json:"msg"`
}

// spendRow is what something costs by the hour, now.
type spendRow struct {
	ID          int64   `json:"id"`
	HourlySpend float64 `json:"hourly_spend"`
}

// endpointSpend answers GET /serverless/endpoints/spend.
func (t *tx) endpointSpend() answer {
	rows := []spendRow{}
	for _, e := range t.st.Serverless.Endpoints {
		row := spendRow{ID: e.ID}
		for _, g := range t.st.Serverless.groupsOf(e.ID) {
			row.HourlySpend += t.st.hourlySpend(g)
		}
		rows = append(rows, row)
	}
	return reply(map[string]any{"success": true, "endpoints": rows, "data_timestamp": unix(t.now)})
}
