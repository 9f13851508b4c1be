package sandbox

import (
	"cmp"
	"encoding/json"
	"net/http"
)

func bulkRoutes() []route {
	return []route{
		{method: http.MethodPost, path: "/api/v0/asks/bulk/", op: "create_many", access: inInstanceWrite, writes: true, handle: (*tx).createMany},
		{method: http.MethodPut, path: "/api/v0/launch_instance/", op: "launch", access: inMisc, writes: true, handle: (*tx).launchInstance},
	}
}

// mostBulk is how many ids one request may name.
const mostBulk = 64

// createMany answers POST /asks/bulk/ with a result for each id. What the
// real answer looks like is not documented.
func (t *tx) createMany() answer {
	var in createRequest
	var of struct {
		IDs []int64 `json:"ids"`
	}
	if json.Unmarshal(t.body, &in) != nil || json.Unmarshal(t.body, &of) != nil {
		return badJSON()
	}
	if len(of.IDs) == 0 || len(of.IDs) > mostBulk {
		return invalidArgs("Invalid args: give from 1 to %d 'ids'", mostBulk)
	}
	rented, results := false, []map[string]any{}
	for _, id := range of.IDs {
		a := t.rentAfresh(id, in)
		var result map[string]any
		_ = json.Unmarshal(a.body, &result) // it was just encoded
		result["ask_id"] = id
		results = append(results, result)
		rented = rented || a.status == http.StatusOK
	}
	return reply(map[string]any{"success": rented, "results": results})
}

// rentAfresh rents what an earlier one of the same request may have taken.
func (t *tx) rentAfresh(id int64, in createRequest) answer {
	t.claimed = nil
	return t.rent(id, in)
}

// launchInstance answers PUT /launch_instance/: it rents the first offer that
// a search finds, or the next when that can't be had.
func (t *tx) launchInstance() answer {
	var in createRequest
	var body map[string]any
	if json.Unmarshal(t.body, &in) != nil || json.Unmarshal(t.body, &body) != nil {
		return badJSON()
	}
	if in.Disk == nil {
		in.Disk = new(float64(launchDisk))
	}
	s, code, err := parseSearch(launchQuery(body))
	if err != nil {
		return refuse(http.StatusBadRequest, code, err.Error())
	}
	last := refuse(http.StatusNotFound, "no_such_ask", "No offers match the search.")
	for _, offer := range t.find(s) {
		last = t.rentAfresh(offer.ID, in)
		if last.status == http.StatusOK || last.kept {
			break
		}
	}
	return last
}

// launchQuery is the search in q or, from clients that send none, the one
// that the other arguments make.
func launchQuery(body map[string]any) map[string]any {
	if q, ok := body["q"].(map[string]any); ok {
		return q
	}
	q := map[string]any{"rentable": map[string]any{"eq": true}}
	for _, name := range []string{"gpu_name", "num_gpus", "geolocation"} {
		switch v := body[name].(type) {
		case nil:
		case map[string]any:
			q[name] = v
		default:
			q[name] = map[string]any{"eq": v}
		}
	}
	for _, name := range []string{"order", "limit", "type"} {
		if v, ok := body[name]; ok && v != nil {
			q[name] = v
		}
	}
	q["allocated_storage"] = cmp.Or(body["disk"], any(float64(defaultStorage)))
	return q
}
