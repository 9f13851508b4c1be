package sandbox_test

import (
	"bytes"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

const deployments = "/api/v0/deployments/"

func deployment(id any, verb string) string { return "/api/v0/deployment/" + itoa(id) + "/" + verb }

func (r *rig) deploy(changes obj) obj {
	r.t.Helper()
	body := obj{
		"name": "app", "image": "vastai/base-image:1", "file_hash": "abc", "file_size": 12, "env": "-p 3000:3000 -e A=b",
		"search_params": "num_gpus=1 verified=True", "storage": 20, "cold_workers": 1,
	}
	maps.Copy(body, changes)
	out := r.do(200, "PUT", deployments, body)
	require.Equal(r.t, true, out["success"])
	return out
}

func (r *rig) deployed() []obj {
	r.t.Helper()
	return objects(r.do(200, "GET", deployments, nil)["deployments"])
}

func TestDeployments(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	require.Equal(t, obj{"success": true, "deployments": []any{}}, r.do(200, "GET", deployments, nil))
	out := r.deploy(nil)
	require.Equal(t, "created", out["action"])
	row := r.deployed()[0]
	require.Equal(t, obj{
		"id": out["deployment_id"], "name": "app", "tag": "default", "endpoint_id": out["endpoint_id"], "s3_key": "deployments/777001/app/default/abc",
		"env": "-p 3000:3000 -e A=b", "image": "vastai/base-image:1", "storage": 20.0, "file_hash": "abc", "search_params": "num_gpus=1 verified=True",
		"current_version_id": row["current_version_id"], "last_healthy_version_id": row["current_version_id"], "ttl": nil,
		"last_client_heartbeat": float64(epoch.Unix()), "created_at": float64(epoch.Unix()), "updated_at": float64(epoch.Unix()),
	}, row)
	id := out["deployment_id"]
	alone := r.do(200, "GET", deployment(id, ""), nil)["deployment"].(obj)
	require.Equal(t, []any{"active", 1.0}, []any{alone["endpoint_state"], alone["worker_count"]})
	worker := r.rented()[0]
	require.Equal(t, []any{"workergroup-" + itoa(out["workergroup_id"]), "vastai/base-image:1", 20.0}, []any{worker["label"], worker["image_uuid"], worker["disk_space"]})
	require.Len(t, objects(r.ask("/get_endpoint_workers/", obj{"id": out["endpoint_id"]})), 1)
	require.Contains(t, r.ask("/get_endpoint_logs/", obj{"id": out["endpoint_id"]}).(obj)["info0"], "CREATING")

	require.Equal(t, obj{"success": true, "endpoint_state": "stopped"}, r.do(200, "POST", deployment(id, "stop/"), obj{}))
	require.Empty(t, r.rented())
	require.Equal(t, obj{"success": true, "endpoint_state": "active"}, r.do(200, "POST", deployment(id, "start/"), obj{}))
	require.Len(t, r.rented(), 1)
	require.Contains(t, r.do(200, "GET", deployment(id, "download_url/"), nil)["download_url"], "deployments/777001/app/default/abc")
	require.Equal(t, obj{"success": true}, r.do(200, "DELETE", deployment(id, ""), obj{}))
	require.Empty(t, r.rented())
	require.Empty(t, r.results(endpoints))
}

func TestDeployingAgain(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	first := r.deploy(nil)
	before := r.rented()[0]["id"]
	same := r.deploy(nil)
	require.Equal(t, "exists", same["action"])
	require.NotContains(t, same, "upload_url")
	require.Equal(t, "autoscale_update", r.deploy(obj{"cold_workers": 2})["action"])
	require.Len(t, r.rented(), 2)

	code := r.deploy(obj{"file_hash": "def", "version_label": "v2", "ttl": 60, "cold_workers": nil})
	require.Equal(t, "soft_update", code["action"])
	require.Equal(t, first["deployment_id"], code["deployment_id"])
	require.Equal(t, obj{"key": "deployments/777001/app/default/def"}, code["upload_fields"])
	require.Equal(t, before, r.rented()[0]["id"], "workers stay for other code")
	versions := objects(r.do(200, "GET", deployment(first["deployment_id"], "versions/"), nil)["versions"])
	require.Len(t, versions, 2)
	require.Equal(t, []any{"def", "v2", 12.0}, []any{versions[0]["file_hash"], versions[0]["version_label"], versions[0]["file_size"]})

	other := r.deploy(obj{"file_hash": "def", "image": "vastai/base-image:2"})
	require.Equal(t, "soft_update", other["action"])
	require.Equal(t, "vastai/base-image:2", r.rented()[0]["image_uuid"], "workers of another image are others")

	for i := range 12 {
		code = r.deploy(obj{"image": "vastai/base-image:2", "file_hash": strings.Repeat("x", i+1)})
	}
	require.Len(t, code["evicted_versions"], 1)
	require.Len(t, objects(r.do(200, "GET", deployment(first["deployment_id"], "versions/"), nil)["versions"]), 10)
}

func TestUploads(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	target := r.deploy(nil)["upload_url"].(string)
	req, err := http.NewRequestWithContext(t.Context(), "POST", target, bytes.NewReader([]byte("code")))
	require.NoError(t, err)
	res, err := r.m.Transport().RoundTrip(req)
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, res.StatusCode)
}

func TestDeploymentsEndWithoutHeartbeats(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.deploy(obj{"ttl": 600})["deployment_id"]
	require.EqualValues(t, 600, r.deployed()[0]["ttl"])
	r.pass(9 * time.Minute)
	r.do(200, "POST", deployment(id, "heartbeat/"), obj{})
	r.pass(9 * time.Minute)
	require.Len(t, r.deployed(), 1)
	r.pass(2 * time.Minute)
	require.Empty(t, r.deployed())
	require.Empty(t, r.rented())
}

func TestDeletingDeploymentsByName(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	for _, tag := range []string{"a", "b", "c"} {
		r.deploy(obj{"tag": tag})
	}
	require.Equal(t, obj{"success": true, "count": 1.0}, r.do(200, "DELETE", deployments, obj{"name": "app", "tag": "b"}))
	require.Equal(t, obj{"success": true, "count": 2.0}, r.do(200, "DELETE", deployments, obj{"name": "app"}))
	require.Equal(t, "No active deployments found for name=app", r.do(404, "DELETE", deployments, obj{"name": "app"})["msg"])
	require.Equal(t, "name is required", r.do(400, "DELETE", deployments, obj{})["msg"])
}

func TestDeploymentRefusals(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	for name, body := range map[string]any{
		"required":      obj{"name": "a", "image": "b"},
		"ttl":           obj{"name": "a", "image": "b", "file_hash": "c", "ttl": -1},
		"colour":        obj{"name": "a", "image": "b", "file_hash": "c", "search_params": "colour=red"},
		"min_load":      obj{"name": "a", "image": "b", "file_hash": "c", "min_load": -1},
		"endpoint_name": obj{"name": "a b", "image": "b", "file_hash": "c"},
	} {
		require.Contains(t, r.do(400, "PUT", deployments, body)["msg"], name)
	}
	r.deploy(nil)
	require.Contains(t, r.do(400, "PUT", deployments, obj{"name": "app", "image": "b", "file_hash": "c", "min_load": -1})["msg"], "min_load")
	for _, call := range []string{"GET ", "DELETE ", "GET versions/", "GET download_url/", "POST start/", "POST stop/", "POST heartbeat/"} {
		method, verb, _ := strings.Cut(call, " ")
		require.Equal(t, "Deployment 5 not found.", r.do(404, method, deployment(5.0, verb), obj{})["msg"])
		require.Equal(t, "Invalid deployment ID", r.do(400, method, "/api/v0/deployment/x/"+verb, obj{})["msg"])
	}
	require.Equal(t, "invalid_request", r.do(400, "PUT", deployments, "{")["error"])
	require.Equal(t, "invalid_request", r.do(400, "DELETE", deployments, "{")["error"])
}
