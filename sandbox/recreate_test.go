package sandbox_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

func updatePath(id int64) string {
	return "/api/v0/instances/update_template/" + itoa(float64(id)) + "/"
}

func TestUpdateInPlace(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.up(3, obj{"env": obj{"A": "1", "-p 8000:8000": "1"}, "onstart": "echo once", "args": []string{"a"}})
	out := r.do(200, "PUT", updatePath(id), obj{"id": id, "onstart": "echo again"})
	require.Equal(t, true, out["success"])
	require.NotEmpty(t, out["msg"])
	updated := out["updated_instance"].(obj)
	require.Equal(t, "echo again", updated["onstart"])
	require.Equal(t, "vastai/pytorch:2.7.1", updated["image_uuid"], "what isn't named stays")
	require.Equal(t, []any{[]any{"-p 8000:8000", "1"}, []any{"A", "1"}}, updated["extra_env"])
	require.Equal(t, []any{"a"}, updated["image_args"])
	require.Equal(t, "recycling", updated["actual_status"])
	r.until(id, "running", 8*time.Minute)

	r.do(200, "PUT", updatePath(id), obj{"image": "ubuntu:24.04", "args": "-c 'x'", "env": obj{"B": "2"}})
	row := r.instance(id)
	require.Equal(t, "ubuntu:24.04", row["image_uuid"])
	require.Equal(t, []any{"-c", "'x'"}, row["image_args"])
	require.Equal(t, []any{[]any{"B", "2"}}, row["extra_env"])
	r.until(id, "running", 8*time.Minute)
	require.Equal(t, "success, running ubuntu_24.04/ssh", r.instance(id)["status_msg"])

	const vllm = "490c0ed717a7da3bc5e2677a80f9c4c2"
	r.do(200, "PUT", updatePath(id), obj{"template_hash_id": vllm, "env": obj{"MODEL_NAME": "mine"}})
	row = r.instance(id)
	require.Equal(t, vllm, row["template_hash_id"])
	require.Equal(t, []any{[]any{"MODEL_NAME", "mine"}, []any{"-p 8000:8000", "1"}}, row["extra_env"])
	require.Regexp(t, `^vastai/vllm:cuda-`, row["image_uuid"])
}

func TestUpdateOfAStoppedOne(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.up(3, nil)
	r.set(id, "stopped")
	r.until(id, "exited", time.Minute)
	r.do(200, "PUT", updatePath(id), obj{"image": "ubuntu:24.04"})
	r.pass(time.Hour)
	require.Equal(t, "exited", r.instance(id)["actual_status"])
	r.set(id, "running")
	require.Equal(t, []any{"exited", "loading", "created", "running"}, r.history(id, 8*time.Minute), "the image is pulled")
}

func TestUpdateRefusals(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.rent(r.cheap(nil)[3]["id"], nil)
	for _, body := range []any{obj{"template_hash_id": "nope"}, obj{"args": 5}, obj{"env": obj{"A": string(make([]byte, 300))}}, "{"} {
		r.do(400, "PUT", updatePath(id), body)
	}
	require.Equal(t, "vastai/pytorch:2.7.1", r.instance(id)["image_uuid"])
	require.Equal(t, "no_such_instance", r.do(404, "PUT", updatePath(1), obj{})["error"])
}

func TestRecycleRefusals(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	recycle := "/api/v0/instances/recycle/"
	id := r.rent(r.cheap(nil)[3]["id"], nil)
	require.Equal(t, "invalid_args", r.do(400, "PUT", recycle+itoa(float64(id))+"/", obj{})["error"], "it isn't up yet")
	require.Equal(t, "invalid_id", r.do(400, "PUT", recycle+"1/", obj{})["error"])
	require.Equal(t, "invalid_id", r.do(400, "PUT", recycle+"x/", obj{})["error"])
}

// A recycled container has lost what was on its disk.
func TestRecycleEmptiesTheDisk(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.up(3, nil)
	stop := func() { r.set(id, "stopped"); r.until(id, "exited", time.Minute) }
	stop()
	r.fetch(r.do(200, "PUT", commandPath(id), obj{"command": "rm -r /workspace"}))
	r.set(id, "running")
	r.until(id, "running", time.Minute)
	r.do(200, "PUT", "/api/v0/instances/recycle/"+itoa(float64(id))+"/", obj{})
	require.NotContains(t, r.billed(id), "gpu", "loading is free")
	r.until(id, "running", 8*time.Minute)
	stop()
	require.Contains(t, r.fetch(r.do(200, "PUT", commandPath(id), obj{"command": "ls"})), "workspace")
}

func TestSnapshot(t *testing.T) {
	r := newRig(t, sandbox.Options{Dir: t.TempDir(), Speed: 1})
	id := r.up(3, nil)
	p := "/api/v0/instances/take_snapshot/" + itoa(float64(id)) + "/"
	body := obj{"id": itoa(float64(id)), "container_registry": "docker.io", "personal_repo": "me/x", "docker_login_user": "u", "docker_login_pass": "hunter2", "pause": "true"}
	out := r.do(200, "POST", p, body)
	require.Equal(t, true, out["success"])
	require.NotContains(t, out["msg"], "hunter2")
	require.Equal(t, "invalid_args", r.do(400, "POST", p, obj{})["error"])
	r.do(400, "POST", p, "{")
	require.Equal(t, "no_such_instance", r.do(404, "POST", "/api/v0/instances/take_snapshot/1/", body)["error"])
}
