package sandbox_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

func TestCreateMany(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	offers := r.cheap(nil)
	a, b := offers[3]["id"], offers[4]["id"]
	body := obj{"client_id": "me", "image": "ubuntu:22.04", "env": obj{}, "price": nil, "disk": 10, "runtype": "ssh", "cancel_unavail": true}
	body["ids"] = []any{a, b, a, 77}
	out := r.do(200, "POST", "/api/v0/asks/bulk/", body)
	require.Equal(t, true, out["success"])
	results := objects(out["results"])
	require.Len(t, results, 4)
	for i, id := range []any{a, b, a, 77.0} {
		require.Equal(t, id, results[i]["ask_id"])
	}
	for _, result := range results[:2] {
		require.Equal(t, true, result["success"])
		r.until(int64(num(result, "new_contract")), "running", 8*time.Minute)
	}
	require.Equal(t, "no_such_ask", results[2]["error"], "it was taken by the same request")
	require.Equal(t, false, results[3]["success"])
	require.EqualValues(t, 2, r.do(200, "GET", "/api/v0/instances/count/", nil)["count"])

	body["ids"] = []any{77}
	require.Equal(t, false, r.do(200, "POST", "/api/v0/asks/bulk/", body)["success"])
	for _, ids := range []any{nil, []any{}, make([]int, 65), "x"} {
		body["ids"] = ids
		r.do(400, "POST", "/api/v0/asks/bulk/", body)
	}
}

func TestLaunch(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	q := obj{
		"verified": obj{"eq": true}, "external": obj{"eq": false}, "rentable": obj{"eq": true}, "rented": obj{"eq": false},
		"num_gpus": obj{"eq": "1"}, "gpu_name": obj{"eq": "RTX 4090"}, "disk_space": obj{"gte": "16.0"},
		"order": []any{[]any{"score", "desc"}}, "type": "on-demand", "limit": 3, "allocated_storage": 16.0,
	}
	body := obj{
		"image": "pytorch/pytorch:2.4.0-cuda12.4-cudnn9-runtime", "disk": 16.0, "q": q, "env": obj{}, "label": nil, "extra": nil,
		"onstart": nil, "image_login": nil, "cancel_unavail": false, "template_hash_id": nil, "runtype": "ssh",
	}
	first := r.offers(q)[0]
	out := r.do(200, "PUT", "/api/v0/launch_instance/", body)
	require.Equal(t, true, out["success"])
	row := r.instance(int64(num(out, "new_contract")))
	require.Equal(t, first["machine_id"], row["machine_id"], "the first that the search finds")
	require.Equal(t, "RTX 4090", row["gpu_name"])
	require.EqualValues(t, 1, row["num_gpus"])
	require.EqualValues(t, 16, row["disk_space"])

	plain := r.do(200, "PUT", "/api/v0/launch_instance/", obj{"gpu_name": "RTX 3090", "num_gpus": "2", "image": "ubuntu:22.04", "order": []any{[]any{"dph_total", "asc"}}})
	row = r.instance(int64(num(plain, "new_contract")))
	require.Equal(t, "RTX 3090", row["gpu_name"])
	require.EqualValues(t, 2, row["num_gpus"])
	require.EqualValues(t, 16, row["disk_space"], "of a launch that names none")

	require.Equal(t, "no_such_ask", r.do(404, "PUT", "/api/v0/launch_instance/", obj{"q": obj{"gpu_name": obj{"eq": "none"}}, "image": "x"})["error"])
	r.do(400, "PUT", "/api/v0/launch_instance/", obj{"q": obj{"gpu_name": "RTX 4090"}, "image": "x"})
	r.do(400, "PUT", "/api/v0/launch_instance/", obj{"q": q})
	r.do(400, "PUT", "/api/v0/launch_instance/", "{")
	require.EqualValues(t, 2, r.do(200, "GET", "/api/v0/instances/count/", nil)["count"])
}

func TestStartAndStopOfMany(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	a, b := r.up(3, nil), r.up(4, nil)
	for _, state := range []string{"stopped", "running"} {
		require.Equal(t, obj{"success": true}, r.do(200, "PUT", "/api/v0/instances/", obj{"state": state, "ids": []int64{a, b}}))
		r.pass(time.Minute)
		for _, id := range []int64{a, b} {
			require.Equal(t, state, r.instance(id)["intended_status"])
		}
	}
}
