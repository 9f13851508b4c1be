package sandbox_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

const (
	directPath = "/api/v0/commands/copy_direct/"
	rsyncPath  = "/api/v0/commands/rsync/"
	clonePath  = "/api/v0/commands/rclone/"
)

func copying(src, dst any) obj {
	return obj{"client_id": "me", "src_id": src, "dst_id": dst, "src_path": "/workspace/", "dst_path": "/data/"}
}

func TestCopyBetweenInstances(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	a, b := r.up(3, nil), r.up(4, nil)
	from, to := "C."+itoa(float64(a)), "C."+itoa(float64(b))
	before := r.instance(b)["status_msg"]
	for _, ends := range [][2]any{{from, to}, {a, b}, {itoa(float64(a)), to}, {"s3.101", to}, {from, "drive"}} {
		out := r.do(200, "PUT", directPath, copying(ends[0], ends[1]))
		require.Equal(t, true, out["success"])
		require.Contains(t, out["msg"], "Remote to Remote copy initiated")
	}
	r.pass(5 * time.Second)
	require.Regexp(t, `^Remote to Remote copy: \d+%$`, r.instance(b)["status_msg"])
	require.Equal(t, obj{"success": true}, r.do(200, "DELETE", directPath, obj{"client_id": "me", "dst_id": to}))
	require.Equal(t, before, r.instance(b)["status_msg"])
	r.do(200, "DELETE", rsyncPath, obj{"dst_id": to})
	require.Equal(t, "no_such_volume", r.do(404, "DELETE", directPath, obj{"dst_id": "V.5"})["error"])

	r.do(200, "PUT", directPath, copying(from, to))
	r.pass(5 * time.Minute)
	require.Equal(t, before, r.instance(b)["status_msg"], "it is done")
}

// With one end at home the client runs rsync, and needs to know where to.
func TestCopyFromHome(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.rent(r.cheap(nil)[3]["id"], nil)
	at, row := "C."+itoa(float64(id)), r.instance(id)
	for _, p := range []string{rsyncPath, directPath} {
		for _, home := range []any{nil, "local"} {
			out := r.do(200, "PUT", p, copying(home, at))
			require.Equal(t, strings.TrimSpace(row["public_ipaddr"].(string)), out["dst_addr"])
			require.Equal(t, row["machine_dir_ssh_port"], out["dst_port"])
			require.NotContains(t, out, "src_addr")
			out = r.do(200, "PUT", p, copying(at, home))
			require.Equal(t, row["machine_dir_ssh_port"], out["src_port"])
			require.NotContains(t, out, "dst_addr")
		}
	}
}

func TestCopyRefusals(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	at := "C." + itoa(float64(r.rent(r.cheap(nil)[3]["id"], nil)))
	for _, c := range []struct {
		body   any
		status int
		msg    string
	}{
		{copying("C.1", at), 404, "Instance 1 not found."},
		{copying(at, "C.1"), 404, "Instance 1 not found."},
		{copying("X.1", at), 400, "Invalid src_id."},
		{copying(at, "C.x"), 400, "Invalid dst_id."},
		{copying(nil, "local"), 400, "Invalid dst_id."},
		{copying("V.5", at), 404, "Volume with that ID does not exist."},
		{obj{"src_id": at, "dst_id": nil, "dst_path": "./x"}, 400, "Invalid src_path."},
		{obj{"src_id": at, "dst_id": nil, "src_path": "/x"}, 400, "Invalid dst_path."},
		{"{", 400, "Invalid json body"},
	} {
		require.Contains(t, r.do(c.status, "PUT", directPath, c.body)["msg"], c.msg)
	}
	r.do(400, "DELETE", directPath, obj{})
	r.do(400, "DELETE", directPath, "{")
	require.Equal(t, "no_such_instance", r.do(404, "DELETE", clonePath, obj{"dst_id": "C.1"})["error"])
}

func TestCloudCopy(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.up(3, nil)
	body := func(change obj) obj {
		b := obj{"src": "/a", "dst": "/b", "instance_id": itoa(float64(id)), "selected": "7", "transfer": "Cloud To Instance", "flags": []any{}}
		maps.Copy(b, change)
		return b
	}
	out := r.do(200, "POST", clonePath, body(nil))
	require.Equal(t, "Cloud To Instance: /a -> /b\n", r.fetch(out))
	require.Regexp(t, `^Cloud Copy: \d+%$`, r.instance(id)["status_msg"])
	require.Contains(t, r.do(200, "DELETE", clonePath, obj{"client_id": "me", "dst_id": id})["msg"], "Remote copy canceled")
	require.NotContains(t, r.instance(id)["status_msg"], "Cloud Copy")
	for _, change := range []obj{{"src": ""}, {"dst": ""}, {"selected": ""}, {"selected": nil}, {"transfer": "Sideways"}, {"instance_id": nil}, {"instance_id": "x"}} {
		require.Equal(t, "invalid_args", r.do(400, "POST", clonePath, body(change))["error"], change)
	}
	r.do(404, "POST", clonePath, body(obj{"instance_id": "1"}))
	r.do(400, "POST", clonePath, "{")
}
