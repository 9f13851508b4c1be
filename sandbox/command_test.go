package sandbox_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

func commandPath(id int64) string {
	return "/api/v0/instances/command/" + itoa(float64(id)) + "/"
}

// fetch waits for what a result_url leads to, as clients do.
func (r *rig) fetch(out obj) string {
	r.t.Helper()
	url := strings.TrimPrefix(out["result_url"].(string), r.m.Origin())
	for range 10 {
		res, text, err := r.as("").send("GET", url, nil)
		require.NoError(r.t, err)
		if res.StatusCode == 200 {
			return string(text)
		}
		require.Equal(r.t, 404, res.StatusCode)
		r.pass(time.Second)
	}
	require.Fail(r.t, "no result")
	return ""
}

func TestExecute(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.up(3, nil)
	out := r.do(400, "PUT", commandPath(id), obj{"command": "ls /"})
	require.Equal(t, "invalid_args", out["error"])
	require.Contains(t, out["msg"], "ssh")
	r.set(id, "stopped")
	r.until(id, "exited", time.Minute)

	run := func(command string) string {
		t.Helper()
		out := r.do(200, "PUT", commandPath(id), obj{"command": command})
		require.Equal(t, true, out["success"])
		require.Contains(t, out["msg"], "Command is executing")
		text := r.fetch(out)
		return strings.ReplaceAll(text, out["writeable_path"].(string), "")
	}
	require.Equal(t, "etc\nroot\nvar\nworkspace\n", run("ls"))
	require.Equal(t, "README.md\ncheckpoints\ndata\n", run("ls /workspace/"))
	require.Regexp(t, `^total \d+\n-rw-r--r-- 1 root root \d+ .* README.md\ndrwxr-xr-x 2 root root 4096 .* checkpoints\n`, run("ls -l /workspace"))
	require.Equal(t, "/workspace/README.md\n", run("ls /workspace/README.md"))
	require.Equal(t, "ls: cannot access '/nowhere': No such file or directory\n", run("ls /nowhere"))
	require.Regexp(t, `^\d+\t/workspace/checkpoints\n\d+\t/workspace/data\n\d+\t/workspace\n$`, run("du /workspace"))
	full := run("du -sh /workspace")
	require.Regexp(t, `^\d+\.\dM\t/workspace\n$`, full)

	require.Equal(t, "rm: cannot remove '/workspace/checkpoints': Is a directory\n", run("rm /workspace/checkpoints"))
	require.Empty(t, strings.TrimSpace(run("rm -r /workspace/checkpoints")))
	require.Equal(t, "README.md\ndata\n", run("ls /workspace"), "what is removed is gone")
	require.NotEqual(t, full, run("du -sh /workspace"))
	require.Empty(t, strings.TrimSpace(run("rm -f /workspace/checkpoints")))
	require.Contains(t, run("rm /workspace/checkpoints"), "No such file or directory")

	for _, command := range []string{"", "echo hi", "cat /etc/passwd", "ls; reboot", "ls $(x)", "ls > x", "rm -rf /*", "ls " + strings.Repeat("x", 512)} {
		require.Equal(t, obj{"success": false, "error": "invalid_args", "msg": "Invalid command given."},
			r.do(400, "PUT", commandPath(id), obj{"command": command}), command)
	}
	require.Equal(t, "invalid_container", r.do(400, "PUT", commandPath(1), obj{"command": "ls"})["error"])
	require.Equal(t, "invalid_container_id", r.do(400, "PUT", "/api/v0/instances/command/x/", obj{"command": "ls"})["error"])
	require.Equal(t, obj{"success": false, "error": "invalid_args", "msg": "Invalid json_body"}, r.do(483, "PUT", commandPath(id), "{"))
}

func TestExecuteBeforeTheFirstStart(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.rent(r.cheap(nil)[3]["id"], obj{"target_state": "stopped"})
	r.until(id, "created", 8*time.Minute)
	require.Contains(t, r.fetch(r.do(200, "PUT", commandPath(id), obj{"command": "ls /"})), "workspace")
}

// Whatever is sent, the answer is one of the API's.
func FuzzInstanceBodies(f *testing.F) {
	r := newRig(f, sandbox.Options{})
	id := r.up(3, nil)
	at := "C." + itoa(float64(id))
	r.set(id, "stopped")
	r.until(id, "exited", time.Minute)
	targets := []string{
		"PUT " + commandPath(id), "PUT " + bidPath(id), "PUT " + prepayPath(id), "PUT " + updatePath(id), "PUT " + directPath, "DELETE " + directPath,
		"POST " + clonePath, "POST " + jobsPath, "PUT /api/v0/instances/accept-price-increase/", "POST /api/v0/asks/bulk/", "PUT /api/v0/launch_instance/",
	}
	for i, body := range []string{
		`{"command":"ls -l / -- \u0000"}`, `{"price":1e308}`, `{"amount":1e-9}`, `{"args":[null],"env":{"":""}}`, `{"src_id":"C.9e9","dst_id":"` + at + `"}`,
		`{"dst_id":1e99}`, `{"instance_id":[],"selected":{}}`, `{"frequency":"WEEKLY","day_of_the_week":6,"hour_of_the_day":0,"start_time":-1e300,"end_time":1e300}`,
		`{"pending_price_increase_id":-1}`, `{"ids":[0,-1,9223372036854775807]}`, `{"q":{"num_gpus":{"eq":null}}}`,
	} {
		f.Add(uint8(i), body)
	}
	f.Fuzz(func(t *testing.T, target uint8, body string) {
		method, p, _ := strings.Cut(targets[int(target)%len(targets)], " ")
		res, text, err := r.with(t).send(method, p, body)
		require.NoError(t, err)
		require.Less(t, res.StatusCode, 500, "%s", text)
		require.True(t, json.Valid(text))
		r.pass(time.Minute)
		r.with(t).do(200, "GET", "/api/v1/instances/", nil)
	})
}
