package sandbox_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

func insidePath(id int64) string { return "/__sandbox/instances/" + itoa(float64(id)) }

func TestInside(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	r.do(200, "POST", "/api/v0/ssh/", obj{"ssh_key": "ssh-ed25519 AAAA me"})
	offer := r.cheap(nil)[3]
	out := r.do(200, "PUT", "/api/v0/asks/"+itoa(offer["id"])+"/", obj{
		"image": "vastai/pytorch:2.7.1", "runtype": "jupyter_direc ssh_direc ssh_proxy", "onstart": "echo hi", "args": []string{"x"},
		"env": obj{"TZ": "UTC", "-p 8000:8000": "1", "-p 53:53/udp": "1", "-h": "box"},
	})
	id := int64(num(out, "new_contract"))
	in := r.as("").do(200, "GET", insidePath(id), nil)
	require.Equal(t, false, in["up"])
	require.Empty(t, in["ports"])

	r.until(id, "running", 8*time.Minute)
	r.pass(time.Minute)
	in = r.as("").do(200, "GET", insidePath(id)+"/", nil)
	row := r.instance(id)
	require.Equal(t, true, in["up"])
	require.Equal(t, r.m.Origin(), in["api"])
	require.Equal(t, "echo hi", in["onstart"])
	require.Equal(t, []any{"x"}, in["args"])
	require.Equal(t, []any{"ssh-ed25519 AAAA me"}, in["authorized_keys"])
	require.Equal(t, row["status_msg"], in["status_msg"])
	outer := func(port string) any { return row["ports"].(obj)[port].([]any)[0].(obj)["HostPort"] }
	env := in["env"].(obj)
	want := obj{
		"CONTAINER_ID": itoa(float64(id)), "CONTAINER_API_KEY": out["instance_api_key"], "VAST_CONTAINERLABEL": "C." + itoa(float64(id)),
		"TZ": "UTC", "GPU_COUNT": itoa(offer["num_gpus"]), "SSH_PUBLIC_KEY": "ssh-ed25519 AAAA me", "JUPYTER_TOKEN": row["jupyter_token"],
		"VAST_TCP_PORT_22": outer("22/tcp"), "VAST_TCP_PORT_8000": outer("8000/tcp"), "VAST_UDP_PORT_53": outer("53/udp"),
	}
	for name := range want {
		require.Equal(t, want[name], env[name], name)
	}
	require.NotContains(t, env, "-h")
	require.NotContains(t, env, "-p 8000:8000")
	require.Equal(t, outer("22/tcp"), in["ports"].(obj)["22/tcp"])

	r.do(404, "GET", insidePath(1), nil)
	r.do(400, "GET", "/__sandbox/instances/x", nil)
	r.do(404, "POST", insidePath(id), obj{})
}

// A script that knows only what the container sees ends its own instance.
func TestScriptInsideEndsItself(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id, other := r.up(3, nil), r.up(4, nil)
	env := r.do(200, "GET", insidePath(id), nil)["env"].(obj)
	script := r.as(env["CONTAINER_API_KEY"].(string))
	own := "/api/v0/instances/" + env["CONTAINER_ID"].(string) + "/"
	require.NotNil(t, script.do(200, "GET", own, nil)["instances"])
	script.do(200, "PUT", own, obj{"label": "done"})
	script.do(200, "PUT", own, obj{"state": "stopped"})
	script.do(200, "PUT", own, obj{"state": "running"})
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		require.Equal(t, "auth_error", script.do(401, method, path(other), obj{"state": "stopped"})["error"])
	}
	for _, op := range []string{"reboot", "recycle", "bid_price", "prepay", "command", "update_template"} {
		require.Equal(t, "auth_error", script.do(401, "PUT", "/api/v0/instances/"+op+"/"+itoa(float64(id))+"/", obj{})["error"], op)
	}
	script.do(200, "DELETE", own, obj{})
	require.Nil(t, r.instance(id))
	require.NotNil(t, r.instance(other))
	script.do(401, "GET", own, nil)
}

func TestInsideIsForThisMachineOnly(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.rent(r.cheap(nil)[3]["id"], nil)
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, insidePath(id), nil)
	req.RemoteAddr = "198.51.100.7:4000"
	rec := httptest.NewRecorder()
	r.m.ServeHTTP(rec, req)
	require.Equal(t, http.StatusForbidden, rec.Code)
	require.NotContains(t, rec.Body.String(), "CONTAINER_API_KEY")
}
