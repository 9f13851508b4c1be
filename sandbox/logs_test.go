package sandbox_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

// logs asks for a log and polls until it is there.
func (r *rig) logs(id int64, options obj) string {
	r.t.Helper()
	out := r.do(200, "PUT", "/api/v0/instances/request_logs/"+itoa(float64(id))+"/", options)
	require.Equal(r.t, true, out["success"])
	at, err := url.Parse(out["result_url"].(string))
	require.NoError(r.t, err)
	require.Equal(r.t, "sandbox.invalid", at.Host)
	for range 7 {
		res, text, err := r.as("").send("GET", at.Path, nil)
		require.NoError(r.t, err)
		if res.StatusCode == http.StatusOK {
			return string(text)
		}
		require.Equal(r.t, http.StatusNotFound, res.StatusCode)
		r.pass(time.Second)
	}
	require.Fail(r.t, "the log never came")
	return ""
}

func TestLogs(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.up(3, obj{"onstart": "echo hi"})
	r.pass(10*time.Minute + 30*time.Second)
	text := r.logs(id, obj{})
	require.Contains(t, text, "from vastai/pytorch:2.7.1")
	require.Contains(t, text, "Server listening on 0.0.0.0 port 22.")
	require.Contains(t, text, "Running onstart")
	require.Equal(t, 10, strings.Count(text, "INFO minute"), "a line a minute")
	require.Equal(t, text, r.logs(id, obj{"tail": "1000"}))

	require.Len(t, strings.Split(strings.TrimSpace(r.logs(id, obj{"tail": "3"})), "\n"), 3)
	require.Equal(t, 1, strings.Count(r.logs(id, obj{"filter": "minute 7:"}), "\n"))
	require.Equal(t, 2, strings.Count(r.logs(id, obj{"filter": "INFO", "tail": 2}), "\n"))
	require.Empty(t, r.logs(id, obj{"filter": "(unbalanced"}))
	require.Contains(t, r.logs(id, obj{"daemon_logs": "true"}), "[kaalia] container C."+itoa(float64(id))+" is up")

	r.set(id, "stopped")
	r.until(id, "exited", time.Minute)
	require.Contains(t, r.logs(id, obj{"daemon_logs": "true"}), "is down")
	require.Contains(t, r.logs(id, obj{}), "minute 10:", "the log outlives the stop")
}

func TestLogsOfWhatDoesNotRun(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.rent(r.cheap(nil)[3]["id"], obj{"image": "x/does-not-exist"})
	require.Contains(t, r.logs(id, obj{}), "No such container: C."+itoa(float64(id)))
	require.Contains(t, r.logs(id, obj{"daemon_logs": "true"}), "manifest for x/does-not-exist not found")
	jupyter := r.up(4, obj{"runtype": "jupyter_direc ssh_direc ssh_proxy"})
	require.Contains(t, r.logs(jupyter, obj{}), "Jupyter Server is running")

	require.Equal(t, "invalid_id", r.do(404, "PUT", "/api/v0/instances/request_logs/5/", obj{})["error"])
	require.Equal(t, "invalid_id", r.do(404, "PUT", "/api/v0/instances/request_logs/x/", obj{})["error"])
	r.do(400, "PUT", "/api/v0/instances/request_logs/"+itoa(float64(id))+"/", "{")
}

// Object storage knows nothing of the API's keys.
func TestLogObjectsRefuseAKey(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.up(3, nil)
	out := r.do(200, "PUT", "/api/v0/instances/request_logs/"+itoa(float64(id))+"/", obj{})
	r.pass(time.Minute)
	at, err := url.Parse(out["result_url"].(string))
	require.NoError(t, err)
	for key, status := range map[string]int{sandbox.DefaultKey: 400, "": 200} {
		res, text, err := r.as(key).send("GET", at.Path, nil)
		require.NoError(t, err)
		require.Equal(t, status, res.StatusCode, "%s", text)
	}
	for range 100 {
		r.do(200, "PUT", "/api/v0/instances/request_logs/"+itoa(float64(id))+"/", obj{})
	}
	res, _, err := r.as("").send("GET", at.Path, nil)
	require.NoError(t, err)
	require.Equal(t, 404, res.StatusCode, "old objects are dropped")
}
