package sandbox_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

// epoch is where the rig's wall clock starts.
var epoch = time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)

// rig is a market on a clock that only the test moves, one market second per
// wall second, and a client with the account's key.
type rig struct {
	t    testing.TB
	m    *sandbox.Market
	wall *time.Time
	key  string
}

// obj is a JSON object.
type obj = map[string]any

func newRig(tb testing.TB, o sandbox.Options) *rig {
	tb.Helper()
	r := &rig{t: tb, wall: new(epoch)}
	return r.open(o)
}

// open opens another market on the same clock.
func (r *rig) open(o sandbox.Options) *rig {
	r.t.Helper()
	if o.Speed == 0 && o.Dir == "" {
		o.Speed = 1
	}
	o.Now = func() time.Time { return *r.wall }
	m, err := sandbox.Open(o)
	require.NoError(r.t, err)
	return &rig{t: r.t, m: m, wall: r.wall, key: m.Key()}
}

// empty starts the rig's market over, at the same first moment. Its offers
// need not be made again.
func (r *rig) empty(o sandbox.Options) {
	r.t.Helper()
	*r.wall = epoch
	o.Fresh = true
	r.open(o)
}

func (r *rig) pass(d time.Duration) { *r.wall = r.wall.Add(d) }

// as is the same client with another key.
func (r *rig) as(key string) *rig {
	other := *r
	other.key = key
	return &other
}

// with is the same client in another test.
func (r *rig) with(tb testing.TB) *rig {
	tb.Helper()
	other := *r
	other.t = tb
	return &other
}

// send sends a request and returns the answer as it is.
func (r *rig) send(method, path string, body any) (*http.Response, []byte, error) {
	r.t.Helper()
	var raw []byte
	switch body := body.(type) {
	case nil:
	case string:
		raw = []byte(body)
	default:
		var err error
		raw, err = json.Marshal(body)
		require.NoError(r.t, err)
	}
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.m.Origin()+path, bytes.NewReader(raw))
	require.NoError(r.t, err)
	if r.key != "" {
		req.Header.Set("Authorization", "Bearer "+r.key)
	}
	res, err := r.m.Transport().RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	text, err := io.ReadAll(res.Body)
	require.NoError(r.t, err)
	return res, text, nil
}

// do sends a request and decodes the answer, which must have the status.
func (r *rig) do(status int, method, path string, body any) obj {
	r.t.Helper()
	res, text, err := r.send(method, path, body)
	require.NoError(r.t, err)
	require.Equal(r.t, status, res.StatusCode, "%s %s: %s", method, path, text)
	require.Equal(r.t, "application/json", res.Header.Get("Content-Type"))
	var out obj
	if text[0] == '{' {
		require.NoError(r.t, json.Unmarshal(text, &out), "%s", text)
	}
	return out
}

// offers searches; every filter is an object of operators.
func (r *rig) offers(query obj) []obj {
	r.t.Helper()
	return objects(r.do(200, "POST", "/api/v0/bundles/", query)["offers"])
}

func objects(v any) []obj {
	var out []obj
	for _, o := range v.([]any) {
		out = append(out, o.(obj))
	}
	return out
}

// cheap is the cheapest offers that are free and whole, so that tests that
// rent don't get in each other's way.
func (r *rig) cheap(extra obj) []obj {
	r.t.Helper()
	query := obj{
		"rentable": obj{"eq": true}, "gpu_frac": obj{"eq": 1}, "duration": obj{"gte": 864000},
		"direct_port_count": obj{"gte": 10}, "disk_space": obj{"gte": 100}, "order": []any{[]any{"dph_total", "asc"}},
	}
	maps.Copy(query, extra)
	found := r.offers(query)
	require.NotEmpty(r.t, found)
	return found
}

// rent rents an offer, with what extra says, and returns the instance's id.
func (r *rig) rent(offer any, extra obj) int64 {
	r.t.Helper()
	body := obj{"image": "vastai/pytorch:2.7.1", "disk": 20, "runtype": "ssh_direct", "cancel_unavail": true}
	maps.Copy(body, extra)
	out := r.do(200, "PUT", fmt.Sprintf("/api/v0/asks/%.0f/", offer), body)
	require.Equal(r.t, true, out["success"])
	require.Regexp(r.t, "^[0-9a-f]{64}$", out["instance_api_key"])
	return int64(out["new_contract"].(float64))
}

func path(id int64) string { return fmt.Sprintf("/api/v0/instances/%d/", id) }

// instance reads one instance; nil when it is gone.
func (r *rig) instance(id int64) obj {
	r.t.Helper()
	row, _ := r.do(200, "GET", path(id), nil)["instances"].(obj)
	return row
}

// set starts or stops.
func (r *rig) set(id int64, state string) obj {
	r.t.Helper()
	return r.do(200, "PUT", path(id), obj{"state": state})
}

// until lets time pass second by second until the instance is in the state,
// and returns how long that took.
func (r *rig) until(id int64, status string, atMost time.Duration) time.Duration {
	r.t.Helper()
	for took := time.Duration(0); took <= atMost; took += time.Second {
		if r.instance(id)["actual_status"] == status {
			return took
		}
		r.pass(time.Second)
	}
	require.Failf(r.t, "never got there", "%d is %v after %v, not %s", id, r.instance(id)["actual_status"], atMost, status)
	return 0
}

// up rents the nth cheapest machine and waits until it runs.
func (r *rig) up(nth int, extra obj) int64 {
	r.t.Helper()
	id := r.rent(r.cheap(nil)[nth]["id"], extra)
	r.until(id, "running", 8*time.Minute)
	return id
}

func (r *rig) credit() int64 {
	r.t.Helper()
	micro, err := r.m.Credit()
	require.NoError(r.t, err)
	return micro
}

func (r *rig) ledger() []sandbox.Entry {
	r.t.Helper()
	entries, err := r.m.Ledger()
	require.NoError(r.t, err)
	return entries
}

// itoa writes an id that came as JSON.
func itoa(id any) string { return fmt.Sprintf("%.0f", id) }
