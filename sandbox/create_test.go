package sandbox_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

func TestCreateRefusals(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	offer := r.cheap(obj{"min_bid": obj{"gt": 0.01}})[0]
	for name, c := range map[string]struct {
		change obj
		status int
		code   string
		msg    string
	}{
		"no image":          {obj{"image": nil}, 400, "invalid_args", "'image' is required"},
		"long image":        {obj{"image": strings.Repeat("x", 1025)}, 400, "invalid_args", "error 400/3471: Invalid args: len(image) > 1024"},
		"long label":        {obj{"label": strings.Repeat("x", 257)}, 400, "invalid_args", "len(label) > 256"},
		"long onstart":      {obj{"onstart": strings.Repeat("x", 16385)}, 400, "invalid_args", "len(args) > 16384"},
		"long args":         {obj{"args": []string{strings.Repeat("x", 9000), strings.Repeat("x", 9000)}}, 400, "invalid_args", "len(args) > 16384"},
		"long env entry":    {obj{"env": obj{"A": strings.Repeat("x", 256)}}, 400, "invalid_args", "more than 256"},
		"too many ports":    {obj{"env": manyPorts(65)}, 400, "invalid_args", "64 ports"},
		"small disk":        {obj{"disk": 7.9}, 400, "invalid_args", "at least 8 GB"},
		"large disk":        {obj{"disk": 1e6}, 400, "invalid_args", "is more than the"},
		"unknown runtype":   {obj{"runtype": "ssh telnet"}, 400, "invalid_args", "runtype"},
		"unknown target":    {obj{"target_state": "frozen"}, 400, "invalid_args", "target_state"},
		"unknown template":  {obj{"template_hash_id": "nope"}, 400, "invalid_args", "template"},
		"price zero":        {obj{"price": 0}, 400, "invalid_price", "from 0.001 to 128"},
		"price too high":    {obj{"price": 129}, 400, "invalid_price", "from 0.001 to 128"},
		"price below floor": {obj{"price": 0.005}, 400, "invalid_price", "below the minimum bid"},
		"VM without key":    {obj{"vm": true}, 400, "no_ssh_key_for_vm", "ssh key"},
		"volume":            {obj{"volume_info": obj{"create_new": false, "volume_id": 5}}, 404, "no_such_volume", "Volume"},
		"wrong type":        {obj{"disk": "much"}, 400, "invalid_request", "Invalid json body"},
	} {
		t.Run(name, func(t *testing.T) {
			body := obj{"image": "ubuntu:22.04", "disk": 10, "cancel_unavail": true}
			maps.Copy(body, c.change)
			out := r.with(t).do(c.status, "PUT", "/api/v0/asks/"+itoa(offer["id"])+"/", body)
			require.Equal(t, c.code, out["error"])
			require.Contains(t, out["msg"], c.msg)
			require.NotContains(t, out, "new_contract")
		})
	}
	require.Empty(t, r.ledger(), "a refusal costs nothing")
	out := r.do(400, "PUT", "/api/v0/asks/abc/", obj{"image": "x"})
	require.Equal(t, "error 400/3467: Invalid args: 'id' is required and must be a valid offer ID", out["msg"])
	out = r.do(404, "PUT", "/api/v0/asks/77/", obj{"image": "x"})
	require.Equal(t, obj{
		"success": false, "error": "invalid_args", "ask_id": 77.0,
		"msg": "error 404/3603: no_such_ask Instance type by id 77 is not available.",
	}, out)
}

func manyPorts(n int) obj {
	env := obj{}
	for i := range n {
		env["-p "+itoa(float64(1000+i))+":80"] = "1"
	}
	return env
}

func TestCreateOnTakenGPUs(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	byOthers := r.offers(obj{"rentable": obj{"eq": false}})[0]["id"]
	mine := r.cheap(nil)[3]["id"]
	first := r.rent(mine, nil)
	for _, offer := range []any{byOthers, mine} {
		for _, body := range []obj{{"image": "ubuntu:22.04"}, {"image": "ubuntu:22.04", "cancel_unavail": true}} {
			out := r.do(410, "PUT", "/api/v0/asks/"+itoa(offer)+"/", body)
			require.Equal(t, obj{
				"success": false, "error": "no_such_ask", "ask_id": offer,
				"msg": "error 410/3907: no_such_ask Instance type " + itoa(offer) + " is no longer available.",
			}, out)
		}
	}
	// Without cancel_unavail the API makes an instance that waits, and whose
	// disk costs.
	waiting := r.rent(mine, obj{"cancel_unavail": false})
	r.pass(time.Hour)
	require.Equal(t, []any{"stopped", "stopped", "stopped", nil}, words(r.instance(waiting)))
	for _, e := range r.ledger() {
		require.True(t, e.InstanceID == first || e.Kind == "disk", "only the disk of what waits costs")
	}
	r.do(200, "DELETE", path(first), obj{})
	r.until(waiting, "running", 8*time.Minute)

	never := r.rent(byOthers, obj{"cancel_unavail": false, "disk": 8})
	r.pass(100 * time.Hour)
	require.Nil(t, r.instance(never)["actual_status"])
}

// The official client sends every option, null where it is not set.
func TestCreateAsTheOfficialClientDoes(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	offer := r.cheap(nil)[3]["id"]
	id := r.rent(offer, obj{
		"client_id": "me", "image": "pytorch/pytorch:2.4.0", "env": obj{"TZ": "UTC", "GREETING": "hello", "-p 8080:8080": "1", "-p 53:53/udp": "1", "-p 70000:70000": "1"},
		"price": nil, "disk": 20.0, "label": "demo-a", "extra": nil, "onstart": "echo hi", "image_login": nil, "python_utf8": false,
		"lang_utf8": false, "use_jupyter_lab": false, "jupyter_dir": nil, "force": false, "template_hash_id": nil,
		"user": nil, "runtype": "jupyter_direc ssh_direc ssh_proxy",
	})
	r.until(id, "running", 8*time.Minute)
	r.pass(time.Minute)
	row := r.instance(id)
	require.Equal(t, "demo-a", row["label"])
	require.Equal(t, "echo hi", row["onstart"])
	require.EqualValues(t, 20, row["disk_space"])
	require.Equal(t, "jupyter_direc ssh_direc ssh_proxy", row["image_runtype"])
	require.Equal(t, "success, running pytorch/pytorch_2.4.0/jupyter", row["status_msg"])
	ports := row["ports"].(obj)
	for _, port := range []string{"22/tcp", "8080/tcp", "53/udp"} {
		require.Contains(t, ports, port)
	}
	require.Len(t, ports, 4)
	for name, bound := range ports {
		if name != "22/tcp" && name != "8080/tcp" && name != "53/udp" {
			require.Equal(t, bound.([]any)[0].(obj)["HostPort"].(string)+"/tcp", name, "an identity port is the same inside")
		}
	}
}

func TestCreateDefaults(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.rent(r.cheap(nil)[3]["id"], obj{"disk": nil, "runtype": nil, "env": "-e A=b"})
	row := r.instance(id)
	require.EqualValues(t, 8, row["disk_space"])
	require.Equal(t, "ssh", row["image_runtype"])
	require.Equal(t, []any{}, row["extra_env"], "env as a string is not read")
	require.Nil(t, row["label"])
	for i, args := range []obj{{"args": []string{"-c", "x"}}, {"args_str": "-c x"}} {
		row := r.instance(r.rent(r.cheap(nil)[5+i]["id"], obj{"runtype": nil, "args": args["args"], "args_str": args["args_str"]}))
		require.Equal(t, "args", row["image_runtype"])
		require.Equal(t, []any{"-c", "x"}, row["image_args"])
	}
}

func TestCreateFromTemplate(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	const vllm = "490c0ed717a7da3bc5e2677a80f9c4c2"
	id := r.rent(r.cheap(nil)[3]["id"], obj{"image": nil, "runtype": nil, "template_hash_id": vllm, "env": obj{"MODEL_NAME": "mine"}})
	row := r.instance(id)
	require.Equal(t, vllm, row["template_hash_id"])
	require.NotNil(t, row["template_id"])
	require.Equal(t, "vLLM (Serverless)", row["template_name"])
	require.Regexp(t, `^vastai/vllm:cuda-\d+\.\d-auto$`, row["image_uuid"], "the automatic tag is resolved")
	require.Equal(t, []any{[]any{"MODEL_NAME", "mine"}, []any{"-p 8000:8000", "1"}}, row["extra_env"])
	require.Equal(t, "entrypoint.sh", row["onstart"])
	require.Equal(t, "ssh_direc ssh_proxy", row["image_runtype"])

	byID := r.rent(r.cheap(nil)[4]["id"], obj{"image": "ubuntu:24.04", "runtype": nil, "template_id": row["template_id"]})
	require.Equal(t, "ubuntu:24.04", r.instance(byID)["image_uuid"], "the request goes before the template")
	tgi := r.rent(r.cheap(nil)[5]["id"], obj{"image": nil, "runtype": nil, "template_id": 300408})
	require.Equal(t, "args", r.instance(tgi)["image_runtype"])
	require.Equal(t, []any{"--port", "80"}, r.instance(tgi)["image_args"])
}

func TestVMWithAKey(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	r.do(200, "POST", "/api/v0/ssh/", obj{"ssh_key": "ssh-ed25519 AAAA me"})
	r.rent(r.cheap(nil)[3]["id"], obj{"vm": true, "image": "docker.io/vastai/kvm:ubuntu"})
}
