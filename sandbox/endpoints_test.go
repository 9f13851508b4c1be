package sandbox_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

const (
	endpoints    = "/api/v0/endptjobs/"
	workergroups = "/api/v0/workergroups/"
	serverless   = "490c0ed717a7da3bc5e2677a80f9c4c2" // template that the market has
)

func at(collection string, id any) string { return collection + itoa(id) + "/" }

// asTheClient is what the official client sends to make an endpoint.
func asTheClient(name string, changes obj) obj {
	body := obj{
		"client_id": "me", "min_load": 0.0, "min_cold_load": 0.0, "target_util": 0.9, "cold_mult": 2.5, "cold_workers": 5,
		"max_workers": 20, "endpoint_name": name, "max_queue_time": nil, "target_queue_time": nil, "inactivity_timeout": nil,
		"autoscaler_instance": "prod",
	}
	maps.Copy(body, changes)
	return body
}

func (r *rig) endpoint(name string, changes obj) any {
	r.t.Helper()
	return r.do(200, "POST", endpoints, asTheClient(name, changes))["result"]
}

func (r *rig) group(name string, changes obj) any {
	r.t.Helper()
	body := obj{
		"client_id": "me", "min_load": nil, "target_util": nil, "cold_mult": nil, "cold_workers": nil, "test_workers": 3,
		"template_hash": serverless, "template_id": nil, "search_params": "verified=True rentable=True rented=False num_gpus=1",
		"launch_args": nil, "gpu_ram": nil, "endpoint_name": name, "endpoint_id": nil, "autoscaler_instance": "prod",
	}
	maps.Copy(body, changes)
	return r.do(200, "POST", workergroups, body)["id"]
}

// rented are the account's instances, oldest first.
func (r *rig) rented() []obj {
	r.t.Helper()
	return objects(r.do(200, "GET", "/api/v1/instances/", nil)["instances"])
}

func (r *rig) results(path string) []obj {
	r.t.Helper()
	out := r.do(200, "GET", path, nil)
	require.Equal(r.t, true, out["success"])
	return objects(out["results"])
}

func TestEndpoints(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	require.Empty(t, r.results(endpoints))
	id := r.endpoint("llm", nil)
	require.Equal(t, []obj{{
		"id": id, "endpoint_name": "llm", "min_load": 0.0, "min_cold_load": 0.0, "target_util": 0.9, "cold_mult": 2.5,
		"cold_workers": 5.0, "max_workers": 20.0, "max_queue_time": nil, "target_queue_time": nil, "inactivity_timeout": nil,
		"endpoint_state": "active", "api_key": r.results(endpoints)[0]["api_key"], "user_id": 777001.0,
		"created_at": float64(epoch.Unix()), "auto_delete_in_seconds": nil, "auto_delete_due_24h": false,
	}}, r.results(endpoints))
	require.Regexp(t, "^[0-9a-f]{64}$", r.results(endpoints)[0]["api_key"])

	require.Equal(t, obj{"success": true}, r.do(200, "PUT", at(endpoints, id), obj{"endptjob_id": id, "max_workers": 7, "endpoint_state": "suspended", "endpoint_name": "llm-2"}))
	row := r.do(200, "GET", at(endpoints, id), nil)["result"].(obj)
	require.Equal(t, []any{7.0, 0.9, "suspended", "llm-2"}, []any{row["max_workers"], row["target_util"], row["endpoint_state"], row["endpoint_name"]})

	out := r.do(200, "DELETE", at(endpoints, id), obj{"client_id": "me", "endptjob_id": id})
	require.Equal(t, obj{"success": true, "deleted_workers": []any{}, "failed_workers": []any{}, "msg": "Deleted endpoint job and 0 workers"}, out)
	require.Empty(t, r.results(endpoints))
	require.EqualValues(t, 100_000_000, r.credit(), "an endpoint without workers is free")
}

func TestEndpointRefusals(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.endpoint("llm", nil)
	for _, c := range []struct {
		method, path string
		body         any
		says         string
	}{
		{"POST", endpoints, asTheClient("a b", nil), "endpoint_name"},
		{"POST", endpoints, asTheClient("", nil), "endpoint_name"},
		{"POST", endpoints, asTheClient(strings.Repeat("a", 256), nil), "endpoint_name"},
		{"POST", endpoints, asTheClient("llm", nil), "already"},
		{"POST", endpoints, asTheClient("b", obj{"min_load": -1}), "min_load"},
		{"POST", endpoints, asTheClient("b", obj{"target_util": 0}), "target_util"},
		{"POST", endpoints, asTheClient("b", obj{"max_workers": 1e9}), "max_workers"},
		{"GET", at(endpoints, 5.0), nil, "Endpointgroup not found for user"},
		{"PUT", at(endpoints, 5.0), obj{}, "Endpointgroup not found for user"},
		{"DELETE", at(endpoints, 5.0), obj{}, "Endpointgroup not found for user"},
		{"DELETE", endpoints + "x/", obj{}, "Invalid endpoint job ID"},
		{"PUT", at(endpoints, id), obj{"endpoint_state": "gone"}, "endpoint_state"},
		{"PUT", at(endpoints, id), obj{"cold_mult": -3}, "cold_mult"},
		{"PUT", at(endpoints, id), obj{"endpoint_name": "a b"}, "endpoint_name"},
		{"POST", workergroups, obj{"endpoint_name": "nobody", "template_hash": serverless}, "Please assign your workergroup to a valid endpoint identifier"},
		{"POST", workergroups, obj{"endpoint_id": 5, "template_hash": serverless}, "valid endpoint identifier"},
		{"POST", workergroups, obj{"endpoint_id": id, "template_hash": "h"}, "template"},
		{"POST", workergroups, obj{"endpoint_id": id}, "image"},
		{"POST", workergroups, obj{"endpoint_id": id, "template_hash": serverless, "search_params": "nonsense"}, "nonsense"},
		{"POST", workergroups, obj{"endpoint_id": id, "template_hash": serverless, "search_params": "colour=red"}, "colour"},
		{"POST", workergroups, obj{"endpoint_id": id, "template_hash": serverless, "search_params": 5}, "search_params"},
		{"POST", workergroups, obj{"endpoint_id": id, "template_hash": serverless, "cold_workers": -5}, "cold_workers"},
		{"DELETE", workergroups + "x/", obj{}, "Invalid autojob ID"},
	} {
		out := r.do(400, c.method, c.path, c.body)
		require.Equal(t, "invalid_args", out["error"], "%s %s", c.method, c.path)
		require.Contains(t, out["msg"], c.says)
	}
	for _, path := range []string{endpoints, workergroups, at(endpoints, id)} {
		method := "POST"
		if path == at(endpoints, id) {
			method = "PUT"
		}
		require.Equal(t, "invalid_request", r.do(400, method, path, "{")["error"])
	}
	for _, method := range []string{"PUT", "DELETE"} {
		out := r.do(404, method, at(workergroups, 5.0), obj{})
		require.Equal(t, obj{"success": false, "error": "no_such_workergroup", "msg": "No autojob by that id is available."}, out)
	}
	require.Len(t, r.results(endpoints), 1)
	require.Empty(t, r.results(workergroups))
	require.Empty(t, r.rented())

	broke := newRig(t, sandbox.Options{Credit: 0.001})
	broke.rent(broke.cheap(nil)[0]["id"], nil)
	broke.pass(24 * time.Hour)
	require.Equal(t, "insufficient_credit", broke.do(403, "POST", endpoints, asTheClient("llm", nil))["error"])
}

func TestWorkergroups(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	r.endpoint("llm", obj{"cold_workers": 2})
	id := r.group("llm", obj{"gpu_ram": 16, "search_params": "verified=True gpu_name in [RTX_4090,RTX_3090] gpu_ram>=24 num_gpus=1 geolocation!=CN duration>1"})
	for _, path := range []string{workergroups, "/api/v0/autojobs/"} {
		row := r.results(path)[0]
		require.Equal(t, id, row["id"])
		require.Equal(t, obj{
			"verified": obj{"eq": true}, "gpu_name": obj{"in": []any{"RTX 4090", "RTX 3090"}}, "gpu_ram": obj{"gte": 24000.0},
			"num_gpus": obj{"eq": "1"}, "geolocation": obj{"neq": "CN"}, "duration": obj{"gt": 86400.0},
		}, row["search_query"])
		require.Equal(t, []any{"llm", serverless, 2.0, 20.0, 3.0, 16.0, ""}, []any{
			row["endpoint_name"], row["template_hash"], row["cold_workers"], row["max_workers"], row["test_workers"], row["gpu_ram"], row["launch_args"],
		})
	}
	for _, row := range r.rented() {
		require.Equal(t, "workergroup-"+itoa(id), row["label"], "workers can be told apart")
		require.Contains(t, []any{"RTX 4090", "RTX 3090"}, row["gpu_name"])
		require.Equal(t, serverless, row["template_hash_id"])
	}
	require.Len(t, r.rented(), 2)
	r.do(200, "PUT", at("/api/v0/autojobs/", id), obj{"autojob_id": id, "search_params": obj{"num_gpus": obj{"eq": 2}}, "cold_workers": 3})
	row := r.results(workergroups)[0]
	require.Equal(t, []any{`{"num_gpus":{"eq":2}}`, 3.0}, []any{row["search_params"], row["cold_workers"]})
	require.Len(t, r.rented(), 3)
	require.EqualValues(t, 2, r.rented()[2]["num_gpus"])

	gone := r.do(200, "DELETE", at(workergroups, id), obj{"client_id": "me", "autojob_id": id})
	require.Len(t, gone["deleted_workers"], 3)
	require.Equal(t, "Deleted workergroup and 3 workers", gone["msg"])
	require.Empty(t, r.rented())
	for _, e := range r.ledger() {
		require.False(t, e.End.IsZero(), "nothing costs any more")
	}
}

func TestLaunchArgs(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.endpoint("e", obj{"cold_workers": 1})
	r.group("", obj{"endpoint_id": id, "template_hash": nil, "search_params": nil, "launch_args": `--image me/worker:1 --disk=40 --env '-e A=b -p 3000:3000'`})
	worker := r.rented()[0]
	require.Equal(t, []any{"me/worker:1", 40.0}, []any{worker["image_uuid"], worker["disk_space"]})
	require.Equal(t, []any{[]any{"-p 3000:3000", "1"}, []any{"A", "b"}}, worker["extra_env"])
}

// spend is what the endpoints and the workergroups cost by the hour.
func (r *rig) spend() (endpoint, group float64) {
	r.t.Helper()
	total := func(path, rows string) float64 {
		sum := 0.0
		for _, row := range objects(r.do(200, "GET", "/api/v0/serverless/"+path+"/spend/", nil)[rows]) {
			sum += row["hourly_spend"].(float64)
		}
		return sum
	}
	return total("endpoints", "endpoints"), total("workergroups", "workergroups")
}

func TestColdWorkersCostTheirDisksOnly(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	r.endpoint("llm", obj{"cold_workers": 3})
	r.group("llm", nil)
	require.Len(t, r.rented(), 3)
	r.pass(10 * time.Minute)
	for _, row := range r.rented() {
		require.Equal(t, "stopped", row["intended_status"])
	}
	for _, e := range r.ledger() {
		require.Equal(t, "disk", e.Kind)
	}
	endpoint, group := r.spend()
	require.Positive(t, endpoint)
	require.InDelta(t, endpoint, group, 1e-9)
}

func TestWorkersFollowMinLoad(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.endpoint("llm", obj{"cold_workers": 1, "min_load": 30, "cold_mult": 1, "target_util": 1, "max_workers": 4})
	r.group("llm", nil)
	running := func() (n int) {
		for _, row := range r.rented() {
			if row["intended_status"] == "running" {
				n++
			}
		}
		return n
	}
	few := running()
	require.Positive(t, few)
	r.do(200, "PUT", at(endpoints, id), obj{"min_load": 1000})
	require.Equal(t, 4, running(), "as many as there may be")
	r.pass(10 * time.Minute)
	before := r.credit()
	endpoint, _ := r.spend()
	r.pass(time.Hour)
	require.InDelta(t, endpoint, float64(before-r.credit())/1e6, 0.001, "real instances, real meters")
	require.Contains(t, fmt.Sprint(r.ledger()), "gpu")

	r.do(200, "PUT", at(endpoints, id), obj{"min_load": 0, "cold_mult": 0})
	require.Equal(t, 0, running())
	require.Len(t, r.rented(), 1, "one stays, cold")
	r.do(200, "PUT", at(endpoints, id), obj{"min_load": 30, "endpoint_state": "suspended"})
	require.Equal(t, 0, running())
	require.NotEmpty(t, r.rented())
	r.do(200, "PUT", at(endpoints, id), obj{"endpoint_state": "stopped"})
	require.Empty(t, r.rented())
	r.do(200, "PUT", at(endpoints, id), obj{"endpoint_state": "active"})
	require.Equal(t, few, running())
	r.do(200, "PUT", at(endpoints, id), obj{"max_workers": 0})
	require.Empty(t, r.rented())
}

func TestWorkersThatAreGoneAreReplaced(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.endpoint("llm", obj{"cold_workers": 2})
	r.group("llm", nil)
	lost := r.rented()[0]["id"]
	r.do(200, "DELETE", "/api/v0/instances/"+itoa(lost)+"/", obj{})
	require.Len(t, r.rented(), 1)
	r.do(200, "PUT", at(endpoints, id), obj{})
	require.Len(t, r.rented(), 2)
	require.False(t, slices.ContainsFunc(r.rented(), func(row obj) bool { return row["id"] == lost }))
}

func TestIdleEndpointsCoolDown(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	r.endpoint("llm", obj{"cold_workers": 1, "min_load": 1, "inactivity_timeout": 1800})
	r.group("llm", nil)
	r.pass(29 * time.Minute)
	require.Equal(t, "running", r.rented()[0]["intended_status"])
	r.pass(2 * time.Minute)
	require.Equal(t, "stopped", r.rented()[0]["intended_status"])
	r.do(200, "POST", "/route/", obj{"endpoint": "llm", "cost": 1})
	require.Equal(t, "running", r.rented()[0]["intended_status"])

	never := newRig(t, sandbox.Options{})
	never.endpoint("llm", obj{"cold_workers": 0, "inactivity_timeout": -1})
	never.group("llm", nil)
	never.pass(time.Hour)
	require.Equal(t, "running", never.rented()[0]["intended_status"], "never down to nothing")
}

// What time does to an endpoint doesn't depend on who looks when.
func TestScalingInStrides(t *testing.T) {
	play := func(strides int) []sandbox.Entry {
		r := newRig(t, sandbox.Options{})
		r.endpoint("llm", obj{"cold_workers": 2, "min_load": 1, "inactivity_timeout": 3600})
		r.group("llm", nil)
		for range 3 {
			r.do(200, "POST", "/route/", obj{"endpoint": "llm", "cost": 30000})
			r.pass(time.Minute)
		}
		for range strides {
			r.pass(3 * time.Hour / time.Duration(strides))
			require.NotEmpty(t, r.rented())
		}
		return r.ledger()
	}
	require.Equal(t, play(1), play(90))
}

func TestServerlessIsStored(t *testing.T) {
	dir := t.TempDir()
	r := newRig(t, sandbox.Options{Dir: dir})
	r.endpoint("llm", obj{"cold_workers": 1})
	r.group("llm", nil)
	r.do(200, "POST", "/route/", obj{"endpoint": "llm", "cost": 1})
	r.deploy(obj{"ttl": 3600})
	r.do(200, "POST", webhooks, obj{"webhook_url": "https://example.com", "event_types": []string{"client:outbid"}})
	r.do(200, "PUT", at(machinesPath, r.host().machines()[0]["id"])+"report", obj{"problem": "slow"})
	again := r.open(sandbox.Options{Dir: dir})
	require.Equal(t, r.deployed(), again.deployed())
	require.Equal(t, r.do(200, "GET", webhooks, nil), again.do(200, "GET", webhooks, nil))
	require.Equal(t, r.results(endpoints), again.results(endpoints))
	require.Equal(t, r.results(workergroups), again.results(workergroups))
}

func TestDamagedServerless(t *testing.T) {
	for good, bad := range map[string]string{
		`"target_util":0.9`: `"target_util":-1`,
		`"endpoint":31001`:  `"endpoint":5`,
		`"perf":`:           `"perf":-`,
		`"cost":1`:          `"cost":-1`,
		`"versions":[{`:     `"versions":[],"was":[{`,
		`"made":`:           `"made":-`,
	} {
		dir := t.TempDir()
		r := newRig(t, sandbox.Options{Dir: dir})
		r.endpoint("llm", obj{"cold_workers": 1})
		r.group("llm", nil)
		r.do(200, "POST", "/route/", obj{"endpoint": "llm", "cost": 1})
		r.deploy(nil)
		file := filepath.Join(dir, "market.json")
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Contains(t, string(raw), good)
		require.NoError(t, os.WriteFile(file, []byte(strings.ReplaceAll(string(raw), good, bad)), 0o600))
		_, err = sandbox.Open(sandbox.Options{Dir: dir, Now: func() time.Time { return *r.wall }})
		require.ErrorContains(t, err, "--sandbox-fresh", "%s", bad)
	}
}

func TestWorkersMoveWhenTheirOfferEnds(t *testing.T) {
	r := newRig(t, sandbox.Options{Credit: 1e6})
	id := r.endpoint("llm", obj{"cold_workers": 1})
	r.group("llm", nil)
	before := r.rented()[0]
	r.pass(800 * 24 * time.Hour)
	require.Equal(t, before["id"], r.rented()[0]["id"])
	r.do(200, "PUT", at(endpoints, id), obj{})
	require.Len(t, r.rented(), 1)
	require.NotEqual(t, before["id"], r.rented()[0]["id"])
}

func FuzzSearchParams(f *testing.F) {
	r := newRig(f, sandbox.Options{})
	r.endpoint("llm", obj{"max_workers": 0})
	for _, text := range []string{
		"verified=True rentable=True rented=False", "gpu_ram>=24 num_gpus=1", `gpu_name in ["RTX 4090", RTX_3090]`, "geolocation notin [CN]",
		"verified=any", "num_gpus>1 num_gpus<=4", "duration>1", "a", "=", "[", "dph<1 =",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = string([]rune(text)) // as JSON can say it
		r := r.with(t)
		res, body, err := r.send("POST", workergroups, obj{"endpoint_name": "llm", "template_hash": serverless, "search_params": text})
		require.NoError(t, err)
		require.Contains(t, []int{200, 400}, res.StatusCode, "%s", body)
		for _, row := range r.results(workergroups) {
			require.Equal(t, text, row["search_params"])
			r.do(200, "DELETE", at(workergroups, row["id"]), obj{})
		}
	})
}

func TestServerlessWithoutCredit(t *testing.T) {
	r := newRig(t, sandbox.Options{Credit: 0.05})
	id := r.endpoint("llm", obj{"cold_workers": 1, "min_load": 1})
	r.group("llm", nil)
	require.Len(t, r.rented(), 1)
	r.pass(48 * time.Hour)
	require.Equal(t, "stopped", r.rented()[0]["intended_status"])
	r.do(200, "PUT", at(endpoints, id), obj{"cold_workers": 5})
	require.Len(t, r.rented(), 1, "nothing is rented on credit")
	require.Equal(t, "stopped", r.rented()[0]["intended_status"])
}
