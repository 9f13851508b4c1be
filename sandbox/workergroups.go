package sandbox

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// workergroup says what the workers of an endpoint are: what to run, and on
// which offers.
type workergroup struct {
	ID           int64          `json:"id"`
	Endpoint     int64          `json:"endpoint"`
	Created      time.Time      `json:"created"`
	TemplateHash string         `json:"template_hash,omitempty"`
	TemplateID   int64          `json:"template_id,omitempty"`
	Image        string         `json:"image,omitempty"`
	Env          [][2]string    `json:"env,omitempty"`
	Disk         float64        `json:"disk"`
	SearchParams string         `json:"search_params"`
	Query        map[string]any `json:"query"`
	LaunchArgs   string         `json:"launch_args"`
	GPURAM       *float64       `json:"gpu_ram,omitempty"` // GB
	TestWorkers  *float64       `json:"test_workers,omitempty"`
	Scaling      scaling        `json:"scaling"`
	Workers      []*worker      `json:"workers,omitempty"` // the first are the first to run
	Events       []event        `json:"events,omitempty"`
}

const noWorkergroup = "No autojob by that id is available."

func (g *workergroup) sound() bool {
	return g.ID > 0 && g.Scaling.check() == nil && sane(g.Created) &&
		!slices.ContainsFunc(g.Workers, func(w *worker) bool { return w == nil || !(w.Perf > 0 && w.Perf < maxFigure) }) &&
		!slices.ContainsFunc(g.Events, func(e event) bool { return !sane(e.At) })
}

// request is what an instance is created with for a worker. Its label tells
// workers from other instances.
func (g *workergroup) request() createRequest {
	in := createRequest{
		Image: g.Image, Disk: &g.Disk, Label: new(fmt.Sprintf("workergroup-%d", g.ID)), CancelUnavail: new(true), TargetState: wantStopped,
		TemplateHashID: g.TemplateHash, TemplateID: g.TemplateID,
	}
	if len(g.Env) > 0 {
		env := map[string]string{}
		for _, entry := range g.Env {
			env[entry[0]] = entry[1]
		}
		in.Env = encode(env)
	}
	return in
}

// search is the query for offers, cheapest first.
func (g *workergroup) search() map[string]any {
	q := maps.Clone(g.Query)
	if q == nil {
		q = map[string]any{}
	}
	merge(q, "rentable", map[string]any{"eq": true})
	if gb := figure(g.GPURAM); gb > 0 {
		merge(q, "gpu_ram", map[string]any{"gte": gb * 1000})
	}
	q["order"] = []any{[]any{"dph_total", "asc"}}
	q["allocated_storage"] = g.Disk
	return q
}

// workergroupRow is a workergroup as the API serves it.
type workergroupRow struct {
	ID           int64          `json:"id"`
	EndpointID   int64          `json:"endpoint_id"`
	EndpointName string         `json:"endpoint_name"`
	TemplateHash string         `json:"template_hash"`
	TemplateID   *int64         `json:"template_id"`
	SearchParams string         `json:"search_params"`
	SearchQuery  map[string]any `json:"search_query"`
	LaunchArgs   string         `json:"launch_args"`
	GPURAM       float64        `json:"gpu_ram"`
	MinLoad      float64        `json:"min_load"`
	TargetUtil   float64        `json:"target_util"`
	ColdMult     float64        `json:"cold_mult"`
	ColdWorkers  int64          `json:"cold_workers"`
	TestWorkers  int64          `json:"test_workers"`
	MaxWorkers   int64          `json:"max_workers"`
	APIKey       string         `json:"api_key"`
	UserID       int64          `json:"user_id"`
	CreatedAt    float64        `json:"created_at"`
}

func (t *tx) workergroupRow(g *workergroup) workergroupRow {
	e := t.st.Serverless.endpoint(g.Endpoint)
	s := g.Scaling.over(e.Scaling)
	row := workergroupRow{
		ID: g.ID, EndpointID: e.ID, EndpointName: e.Name, TemplateHash: g.TemplateHash,
		SearchParams: g.SearchParams, SearchQuery: g.Query, LaunchArgs: g.LaunchArgs, GPURAM: figure(g.GPURAM),
		MinLoad: figure(s.MinLoad), TargetUtil: figure(s.TargetUtil), ColdMult: figure(s.ColdMult),
		ColdWorkers: whole(s.ColdWorkers), TestWorkers: whole(g.TestWorkers), MaxWorkers: whole(s.MaxWorkers),
		APIKey: e.key(t.st.Seed), UserID: userID, CreatedAt: unix(g.Created),
	}
	if g.TemplateID != 0 {
		row.TemplateID = &g.TemplateID
	}
	return row
}

// workergroupRoutes are served under two names.
func workergroupRoutes() []route {
	var all []route
	for _, path := range []string{"/api/v0/workergroups/", "/api/v0/autojobs/"} {
		all = append(all,
			route{method: http.MethodGet, path: path, op: "workergroups", access: inMisc, handle: (*tx).listWorkergroups},
			route{method: http.MethodPost, path: path, op: "workergroup_create", access: inMisc, writes: true, handle: (*tx).createWorkergroup},
			route{method: http.MethodPut, path: path + "{id}/", op: "workergroup_update", access: inMisc, writes: true, handle: (*tx).updateWorkergroup},
			route{method: http.MethodDelete, path: path + "{id}/", op: "workergroup_delete", access: inMisc, writes: true, handle: (*tx).deleteWorkergroup},
		)
	}
	return append(all,
		route{method: http.MethodGet, path: "/api/v0/serverless/workergroups/spend/", op: "workergroup_spend", access: inUserRead, handle: (*tx).workergroupSpend})
}

// listWorkergroups answers GET /workergroups/.
func (t *tx) listWorkergroups() answer {
	rows := []workergroupRow{}
	for _, g := range t.st.Serverless.Groups {
		rows = append(rows, t.workergroupRow(g))
	}
	return reply(map[string]any{"success": true, "results": rows})
}

// workergroupRequest is the body of POST and PUT /workergroups/.
type workergroupRequest struct {
	EndpointID   int64           `json:"endpoint_id"`
	EndpointName string          `json:"endpoint_name"`
	TemplateHash string          `json:"template_hash"`
	TemplateID   int64           `json:"template_id"`
	SearchParams json.RawMessage `json:"search_params"`
	LaunchArgs   *string         `json:"launch_args"`
	GPURAM       *float64        `json:"gpu_ram"`
	TestWorkers  *float64        `json:"test_workers"`
	scaling
}

// createWorkergroup answers POST /workergroups/. Its workers cost from now on.
func (t *tx) createWorkergroup() answer {
	var in workergroupRequest
	if json.Unmarshal(t.body, &in) != nil {
		return badJSON()
	}
	e := t.st.Serverless.endpoint(in.EndpointID)
	if in.EndpointID == 0 {
		e = t.st.Serverless.endpointNamed(in.EndpointName)
	}
	if e == nil {
		return invalidArgs(noRightTarget)
	}
	g := &workergroup{Endpoint: e.ID, Created: t.now, Disk: workerStorage, Query: map[string]any{}}
	if err := t.configure(g, in); err != nil {
		return invalidArgs("%v", err)
	}
	t.addGroup(e, g)
	return reply(map[string]any{"success": true, "id": g.ID})
}

func (t *tx) addGroup(e *endpoint, g *workergroup) {
	g.ID = t.st.Serverless.newID()
	t.st.Serverless.Groups = append(t.st.Serverless.Groups, g)
	t.scaleEndpoint(e)
}

// configure reads the request into the workergroup; on an error it is as
// before.
func (t *tx) configure(g *workergroup, in workergroupRequest) error {
	next := *g
	if len(in.SearchParams) > 0 && string(in.SearchParams) != "null" {
		text, query, err := readSearchParams(in.SearchParams)
		if err != nil {
			return err
		}
		next.SearchParams, next.Query = text, query
	}
	if in.TemplateHash != "" || in.TemplateID != 0 {
		next.TemplateHash, next.TemplateID = in.TemplateHash, in.TemplateID
	}
	if in.LaunchArgs != nil {
		next.LaunchArgs = *in.LaunchArgs
		next.readLaunchArgs()
	}
	next.GPURAM = cmp.Or(in.GPURAM, g.GPURAM)
	next.TestWorkers = cmp.Or(in.TestWorkers, g.TestWorkers)
	next.Scaling = in.over(g.Scaling)
	if err := next.Scaling.check(); err != nil {
		return err
	}
	l, err := next.request().launch(t.st.Account.Templates)
	if err != nil {
		return err
	}
	if l.TemplateID != nil {
		next.TemplateID, next.TemplateHash = *l.TemplateID, *l.TemplateHash
	}
	if _, _, err := parseSearch(next.search()); err != nil {
		return err
	}
	*g = next
	return nil
}

// readLaunchArgs takes from the client's flags what changes a worker here:
// its image, disk and env.
func (g *workergroup) readLaunchArgs() {
	words := strings.Fields(strings.NewReplacer(`"`, " ", "'", " ", "=", "= ").Replace(g.LaunchArgs))
	for i := 0; i+1 < len(words); i++ {
		switch value := words[i+1]; strings.TrimSuffix(words[i], "=") {
		case "--image":
			g.Image = value
		case "--disk":
			if gb, err := strconv.ParseFloat(value, 64); err == nil {
				g.Disk = gb
			}
		}
	}
	if _, flags, found := strings.Cut(g.LaunchArgs, "--env"); found {
		g.Env = parseFlags(strings.NewReplacer(`"`, " ", "'", " ").Replace(strings.TrimPrefix(flags, "=")))
	}
}

// workergroup finds the workergroup of the path, or says that there is none.
func (t *tx) workergroup() (*workergroup, answer, bool) {
	id, ok := t.id()
	if !ok {
		return nil, invalidArgs("Invalid autojob ID"), false
	}
	g := t.st.Serverless.group(id)
	return g, refuse(http.StatusNotFound, "no_such_workergroup", noWorkergroup), g != nil
}

// updateWorkergroup answers PUT /workergroups/{id}/: what it leaves out stays,
// and workers that run keep what they run.
func (t *tx) updateWorkergroup() answer {
	g, refusal, ok := t.workergroup()
	if !ok {
		return refusal
	}
	var in workergroupRequest
	if json.Unmarshal(t.body, &in) != nil {
		return badJSON()
	}
	if err := t.configure(g, in); err != nil {
		return invalidArgs("%v", err)
	}
	t.scaleEndpoint(t.st.Serverless.endpoint(g.Endpoint))
	return success()
}

// deleteWorkergroup answers DELETE /workergroups/{id}/: its workers go with it.
func (t *tx) deleteWorkergroup() answer {
	g, refusal, ok := t.workergroup()
	if !ok {
		return refusal
	}
	gone := t.st.dropGroup(g, t.now)
	t.claimed = nil
	t.scaleEndpoint(t.st.Serverless.endpoint(g.Endpoint))
	return reply(deletion{Success: true, Deleted: gone, Failed: []int64{}, Msg: fmt.Sprintf("Deleted workergroup and %d workers", len(gone))})
}

// workergroupSpend answers GET /serverless/workergroups/spend.
func (t *tx) workergroupSpend() answer {
	rows := []spendRow{}
	for _, g := range t.st.Serverless.Groups {
		rows = append(rows, spendRow{ID: g.ID, HourlySpend: t.st.hourlySpend(g)})
	}
	return reply(map[string]any{"success": true, "workergroups": rows, "data_timestamp": unix(t.now)})
}
