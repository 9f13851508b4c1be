package sandbox_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

// ask posts to the runtime and decodes whatever it answers.
func (r *rig) ask(path string, body obj) any {
	r.t.Helper()
	res, text, err := r.send("POST", path, body)
	require.NoError(r.t, err)
	require.Equal(r.t, 200, res.StatusCode, "%s", text)
	var out any
	require.NoError(r.t, json.Unmarshal(text, &out))
	return out
}

func TestRoute(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	r.endpoint("llm", obj{"cold_workers": 0})
	id := r.group("llm", nil)
	require.Empty(t, r.rented(), "nothing is asked yet")
	request := obj{"endpoint": "llm", "api_key": r.key, "cost": 100.0, "request_idx": 0, "replay_timeout": 60.0}
	none := r.as("").ask("/route/", request).(obj)
	require.Equal(t, obj{
		"endpoint": "llm", "status": "total workers: 1, creating: 1", "request_idx": 1.0, "__request_id": none["__request_id"],
	}, none)
	require.Regexp(t, "^[0-9a-f]{32}$", none["__request_id"])
	request["request_idx"] = 1
	var found obj
	for range 20 {
		if found = r.ask("/route/", request).(obj); found["url"] != nil {
			break
		}
		require.Equal(t, 1.0, found["request_idx"])
		r.pass(30 * time.Second)
	}
	require.Regexp(t, `^https://203\.0\.113\.\d+:\d+$`, found["url"])
	require.Regexp(t, "^[0-9a-f]{64}$", found["signature"])
	require.Equal(t, []any{"llm", 100.0, 1.0, 1.0}, []any{found["endpoint"], found["cost"], found["reqnum"], found["request_idx"]})
	require.Len(t, r.rented(), 1, "the same request is no more load")

	r.pass(11 * time.Minute)
	require.Empty(t, r.rented(), "load lapses")
	require.Contains(t, r.ask("/get_workergroup_logs/", obj{"id": id, "api_key": r.key}).(obj)["info0"], "DESTROYING")
}

func TestRouteWaitsWhileAnEndpointIsStopped(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.endpoint("llm", nil)
	r.do(200, "PUT", at(endpoints, id), obj{"endpoint_state": "stopped"})
	require.Equal(t, "endpoint is stopped", r.ask("/route/", obj{"endpoint": "llm"}).(obj)["status"])
}

func TestRuntimeKeys(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.endpoint("llm", obj{"cold_workers": 1})
	r.endpoint("other", nil)
	r.group("llm", nil)
	own := r.as("").with(t)
	key := r.results(endpoints)[0]["api_key"]
	own.ask("/route/", obj{"endpoint": "llm", "api_key": key})
	r.as(key.(string)).ask("/get_endpoint_workers/", obj{"id": id})
	wrong := "authenticate_endpoint_apikey: invalid api_key or endpoint other not found"
	require.Equal(t, wrong, own.ask("/route/", obj{"endpoint": "other", "api_key": key}))
	require.Equal(t, "authenticate_endpoint_apikey: invalid api_key or endpoint nobody not found", r.ask("/get_endpoint_logs/", obj{"endpoint": "nobody"}))
	require.Equal(t, "authenticate_endpoint_apikey: invalid api_key or endpoint 9 not found", r.ask("/get_autogroup_logs/", obj{"id": 9}))
	require.Contains(t, r.as("bad").ask("/route/", obj{"endpoint": "llm"}), "invalid api_key")
	require.Equal(t, "auth_error", r.as(key.(string)).do(401, "GET", endpoints, nil)["error"], "it routes, and nothing else")

	require.Equal(t, obj{"error": "no api_key"}, own.do(401, "POST", "/route/", obj{"endpoint": "llm"}))
	require.Equal(t, obj{"error": "Invalid json body"}, r.do(400, "POST", "/route/", "{"))
	require.Contains(t, r.do(400, "POST", "/route/", obj{"endpoint": "llm", "cost": -1})["error"], "cost")
}

func TestWorkersAndTheirLogs(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	endpoint := r.endpoint("llm", obj{"cold_workers": 2, "min_load": 1})
	group := r.group("llm", nil)
	r.pass(10 * time.Minute)
	r.ask("/route/", obj{"endpoint": "llm", "cost": 60})
	for path, id := range map[string]any{"/get_endpoint_workers/": endpoint, "/get_workergroup_workers/": group, "/get_autogroup_workers/": group} {
		workers := objects(r.ask(path, obj{"id": id, "api_key": r.key}))
		require.Len(t, workers, 2)
		warm, cold := workers[0], workers[1]
		require.Equal(t, []any{"idle", "stopped"}, []any{warm["status"], cold["status"]}, path)
		require.InDelta(t, 0.1, warm["cur_load"], 1e-9)
		require.Zero(t, cold["cur_load"])
		require.Positive(t, warm["measured_perf"])
		require.Nil(t, cold["url"])
		for _, field := range []string{"id", "new_load", "cur_load_rolling_avg", "cur_perf", "perf", "dlperf", "reliability", "reqs_working", "disk_usage", "loaded_at", "started_at", "gpu_name", "created_at"} {
			require.Contains(t, warm, field)
		}
	}
	for path, id := range map[string]any{"/get_endpoint_logs/": endpoint, "/get_workergroup_logs/": group, "/get_autogroup_logs/": group} {
		logs := r.ask(path, obj{"id": id, "api_key": r.key, "tail": 1}).(obj)
		require.Len(t, logs, 4)
		require.Regexp(t, `^2026-03-02T09:30:00Z worker \d+: STARTING$`, logs["info0"])
		require.Regexp(t, `worker \d+: STOPPED$`, logs["info1"])
		require.Contains(t, logs["trace"], "request 1: cost 60")
		require.Equal(t, "", logs["debug"])
	}

	update := obj{"workergroup_id": group, "api_key": r.key, "cancel_update": true}
	require.Equal(t, obj{"success": true, "workers_to_update": []any{}, "cancelled": true, "error_msg": ""}, r.ask("/update_workers/", update))
	update["cancel_update"] = false
	require.Len(t, r.ask("/update_workers/", update).(obj)["workers_to_update"], 1)
	require.Equal(t, "rebooting", objects(r.ask("/get_endpoint_workers/", obj{"id": endpoint}))[0]["status"])
}

func TestImagesThatCantBePulledMakeErrors(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.endpoint("llm", obj{"cold_workers": 1})
	r.group("llm", obj{"template_hash": nil, "launch_args": "--image me/does-not-exist"})
	r.pass(time.Hour)
	require.Equal(t, "error", objects(r.ask("/get_endpoint_workers/", obj{"id": id}))[0]["status"])
	require.Equal(t, "total workers: 1, error: 1", r.ask("/route/", obj{"endpoint": "llm"}).(obj)["status"])
}
