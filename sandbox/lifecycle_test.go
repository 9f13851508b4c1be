package sandbox_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

func words(row obj) []any {
	return []any{row["intended_status"], row["cur_state"], row["next_state"], row["actual_status"]}
}

func TestBootGoesThroughItsPhases(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.rent(r.cheap(nil)[3]["id"], obj{"label": "boot", "env": obj{"TZ": "UTC", "-p 8000:8000": "1"}})
	row := r.instance(id)
	require.Equal(t, []any{"running", "running", "running", nil}, words(row))
	require.Nil(t, row["status_msg"])
	require.NotContains(t, row, "ports")
	require.NotEmpty(t, row["public_ipaddr"])

	var seen []string
	ready := false
	for took := time.Duration(0); took < 8*time.Minute && !ready; took += time.Second {
		row = r.instance(id)
		status, _ := row["actual_status"].(string)
		if len(seen) == 0 || seen[len(seen)-1] != status {
			seen = append(seen, status)
		}
		if status == "loading" {
			require.Regexp(t, `^[0-9a-f]{12}: (Pulling fs layer|Downloading|Verifying Checksum|Download complete|Extracting|Pull complete)$`, row["status_msg"])
		}
		if status != "running" {
			require.NotContains(t, row, "ports")
			require.Nil(t, row["gpu_util"])
		}
		_, ready = row["ports"]
		r.pass(time.Second)
	}
	require.Equal(t, []string{"", "loading", "created", "running"}, seen)
	require.True(t, ready)
	require.Equal(t, "success, running vastai/pytorch_2.7.1/ssh", row["status_msg"])
	require.Len(t, row["ports"], 2)
	bound := row["ports"].(obj)["8000/tcp"].([]any)
	require.Equal(t, "0.0.0.0", bound[0].(obj)["HostIp"])
	require.Equal(t, "::", bound[1].(obj)["HostIp"])
	require.Regexp(t, `^\d{5}$`, bound[0].(obj)["HostPort"])
	require.Less(t, row["direct_port_start"], row["direct_port_end"])
	require.IsType(t, 0.0, row["gpu_util"])
	require.Equal(t, []any{[]any{"-p 8000:8000", "1"}, []any{"TZ", "UTC"}}, row["extra_env"])
}

// TestGPUsWithoutWork: they do nothing for as long as the container is up, and
// cost as much.
func TestGPUsWithoutWork(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	for image, works := range map[string]bool{"sandbox/idle:latest": false, "pytorch/pytorch": true} {
		id := r.rent(r.cheap(nil)[3]["id"], obj{"image": image})
		r.until(id, "running", 8*time.Minute)
		for range 20 {
			r.pass(time.Minute)
			row := r.instance(id)
			require.Equal(t, works, row["gpu_util"].(float64) > 50, "%s: %v", image, row["gpu_util"])
			require.Equal(t, !works, row["gpu_util"].(float64) < 3)
		}
		require.Contains(t, r.billed(id), "gpu")
	}
}

// Others wait eight market minutes for a boot: none may take longer.
func TestBootsAreCalm(t *testing.T) {
	r := newRig(t, sandbox.Options{Credit: 1000, LegacyList: 200})
	const rented = 40
	for _, offer := range r.cheap(nil)[:rented] {
		r.rent(offer["id"], nil)
	}
	took := map[any]time.Duration{}
	for at := time.Duration(0); at <= 8*time.Minute; at += 15 * time.Second {
		for _, row := range objects(r.do(200, "GET", "/api/v0/instances/", nil)["instances"]) {
			if _, ready := row["ports"]; ready && took[row["id"]] == 0 {
				took[row["id"]] = at
			}
		}
		r.pass(15 * time.Second)
	}
	require.Len(t, took, rented)
	typical := 0
	for _, at := range took {
		if at >= time.Minute && at <= 4*time.Minute {
			typical++
		}
	}
	require.Greater(t, typical, rented/2)
}

func TestStopAndStart(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.up(3, nil)
	require.Equal(t, true, r.set(id, "running")["success"], "a start on a running one does nothing")

	r.set(id, "stopped")
	require.Equal(t, []any{"stopped", "stopped", "stopped", "running"}, words(r.instance(id)))
	took := r.until(id, "exited", 20*time.Second)
	require.GreaterOrEqual(t, took, 2*time.Second)
	row := r.instance(id)
	require.Equal(t, []any{"stopped", "stopped", "stopped", "exited"}, words(row))
	require.NotContains(t, row, "ports")
	require.EqualValues(t, 65535, row["direct_port_start"])
	require.EqualValues(t, -1, row["direct_port_end"])
	require.EqualValues(t, 0, row["gpu_util"])
	require.True(t, strings.HasPrefix(row["status_msg"].(string), "success, running"))

	require.Equal(t, true, r.set(id, "running")["success"])
	require.LessOrEqual(t, r.until(id, "running", time.Minute), time.Minute)

	r.set(id, "stopped")
	r.set(id, "running")
	r.pass(time.Minute)
	require.Equal(t, []any{"running", "running", "running", "running"}, words(r.instance(id)), "a stop can be taken back")
}

func TestStopWhileLoading(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.rent(r.cheap(nil)[3]["id"], nil)
	r.until(id, "loading", time.Minute)
	r.set(id, "stopped")
	r.until(id, "exited", 20*time.Second)
	r.pass(time.Hour)
	require.Equal(t, "exited", r.instance(id)["actual_status"])
	for _, e := range r.ledger() {
		require.NotEqual(t, "gpu", e.Kind, "loading is free")
	}
	r.set(id, "running")
	r.until(id, "running", 8*time.Minute)
}

func TestReboot(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.up(3, nil)
	reboot := strings.Replace(path(id), "instances/", "instances/reboot/", 1)
	r.do(200, "PUT", reboot, obj{})
	require.Equal(t, "rebooting", r.instance(id)["actual_status"])
	require.Equal(t, "invalid_args", r.do(400, "PUT", reboot, obj{})["error"])
	r.until(id, "running", time.Minute)
	gpu := 0
	for _, e := range r.ledger() {
		if e.Kind == "gpu" {
			gpu++
			require.True(t, e.End.IsZero())
		}
	}
	require.Equal(t, 1, gpu, "a reboot keeps the GPUs and goes on costing")
	r.do(404, "PUT", "/api/v0/instances/reboot/1/", obj{})
	r.do(400, "PUT", "/api/v0/instances/reboot/x/", obj{})
}

func TestImagesThatCannotBePulled(t *testing.T) {
	for name, image := range map[string]string{
		"unknown repository": "me/does-not-exist:1",
		"unknown tag":        "ubuntu:no-such-tag",
		"private":            "private/model:2",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, sandbox.Options{})
			id := r.rent(r.cheap(nil)[3]["id"], obj{"image": image})
			r.pass(time.Minute)
			row := r.instance(id)
			require.Equal(t, []any{"running", "running", "running", "loading"}, words(row))
			require.Regexp(t, `^Error response from daemon: (manifest for .* not found|pull access denied)`, row["status_msg"])
			r.pass(7 * time.Minute)
			require.Equal(t, []any{"stopped", "stopped", "stopped", "loading"}, words(r.instance(id)))
			require.Len(t, r.ledger(), 1, "only the disk costs")
		})
	}
	r := newRig(t, sandbox.Options{})
	id := r.rent(r.cheap(nil)[3]["id"], obj{"image": "private/model:2", "image_login": "-u me -p pw docker.io"})
	r.until(id, "running", 8*time.Minute)
}

func TestDestroy(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.up(3, nil)
	require.Equal(t, true, r.do(200, "DELETE", path(id), obj{})["success"])
	require.Nil(t, r.instance(id))
	out := r.do(404, "DELETE", path(id), obj{})
	require.Equal(t, "no_such_instance", out["error"])
	require.Equal(t, "no_such_instance", r.do(404, "PUT", path(id), obj{"state": "running"})["error"])
	require.Equal(t, "invalid_args", r.do(400, "DELETE", "/api/v0/instances/abc/", obj{})["error"])
	for _, e := range r.ledger() {
		require.False(t, e.End.IsZero(), "nothing goes on costing")
	}
}

// The start that can't happen now is remembered, and happens when the GPUs
// are free; a stop forgets it.
func TestStartQueuesWhileTheGPUsAreTaken(t *testing.T) {
	for _, forget := range []bool{false, true} {
		r := newRig(t, sandbox.Options{})
		offer := r.cheap(nil)[3]["id"]
		first := r.rent(offer, nil)
		r.until(first, "running", 8*time.Minute)
		r.set(first, "stopped")
		r.until(first, "exited", time.Minute)
		second := r.rent(offer, nil)

		out := r.set(first, "running")
		require.Equal(t, false, out["success"])
		require.Equal(t, "Required resources are currently unavailable, state change queued.", out["msg"])
		r.pass(time.Hour)
		require.Equal(t, []any{"stopped", "stopped", "stopped", "exited"}, words(r.instance(first)))
		if forget {
			r.set(first, "stopped")
		}
		r.do(200, "DELETE", path(second), obj{})
		r.pass(10 * time.Minute)
		want := "running"
		if forget {
			want = "exited"
		}
		require.Equal(t, want, r.instance(first)["actual_status"])
	}
}

func TestTargetStateStopped(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	offer := r.cheap(nil)[3]["id"]
	id := r.rent(offer, obj{"target_state": "stopped"})
	r.pass(10 * time.Minute)
	require.Equal(t, []any{"stopped", "stopped", "stopped", "created"}, words(r.instance(id)))
	r.rent(offer, nil) // it holds no GPUs
}

func TestContractsEnd(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	offer := r.offers(obj{"rentable": obj{"eq": true}, "order": []any{[]any{"duration", "asc"}}})[0]
	left := time.Duration(offer["duration"].(float64)) * time.Second
	require.Less(t, left, 10*24*time.Hour)
	id := r.rent(offer["id"], obj{"disk": 8})
	r.until(id, "running", 8*time.Minute)
	r.pass(left)
	require.Equal(t, []any{"stopped", "stopped", "stopped", "exited"}, words(r.instance(id)))
	require.Equal(t, false, r.set(id, "running")["success"])
}

func TestBidsCompete(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	var offer obj
	for _, o := range r.cheap(obj{"type": "bid"}) {
		if o["min_bid"].(float64) < 0.05 {
			offer = o
		}
	}
	require.NotNil(t, offer)
	require.Equal(t, true, offer["is_bid"])
	require.Equal(t, offer["min_bid"], offer["dph_base"])
	floor := offer["min_bid"].(float64)

	low := r.rent(offer["id"], obj{"price": floor})
	r.until(low, "running", 8*time.Minute)
	row := r.instance(low)
	require.Equal(t, true, row["is_bid"])
	require.Equal(t, floor, row["dph_base"])
	require.Greater(t, row["min_bid"], floor, "the next one must outbid")
	out := r.do(400, "PUT", "/api/v0/asks/"+itoa(offer["id"])+"/", obj{"image": "a", "price": floor})
	require.Equal(t, "invalid_price", out["error"])

	high := r.rent(offer["id"], obj{"price": floor + 0.01})
	require.Equal(t, []any{"stopped", "stopped", "stopped", "exited"}, words(r.instance(low)), "outbid")
	onDemand := r.rent(offer["id"], nil)
	require.Equal(t, "exited", r.instance(high)["actual_status"], "on demand goes before every bid")
	require.Equal(t, false, r.set(high, "running")["success"])
	r.do(200, "DELETE", path(onDemand), obj{})
	require.Equal(t, "running", r.instance(high)["intended_status"])
}

func TestBulk(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	a, b := r.up(3, nil), r.up(4, nil)
	r.do(200, "PUT", "/api/v0/instances/", obj{"state": "stopped", "ids": []int64{a, b}})
	r.pass(time.Minute)
	for _, id := range []int64{a, b} {
		require.Equal(t, "exited", r.instance(id)["actual_status"])
	}
	require.Equal(t, "no_such_instance", r.do(404, "PUT", "/api/v0/instances/", obj{"state": "running", "ids": []int64{a, 1}})["error"])
	require.Equal(t, "stopped", r.instance(a)["intended_status"], "all or none")
	for _, body := range []any{obj{}, obj{"state": "running"}, obj{"ids": []int64{a}}, obj{"state": "frozen", "ids": []int64{a}}, "{"} {
		r.do(400, "PUT", "/api/v0/instances/", body)
	}
	r.do(400, "DELETE", "/api/v0/instances/", obj{})
	r.do(400, "DELETE", "/api/v0/instances/", "[")
	r.do(200, "DELETE", "/api/v0/instances/", obj{"instance_ids": []int64{a, b, 1}})
	require.Nil(t, r.instance(a))
	require.Nil(t, r.instance(b))
}

func TestChangeRefusals(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.rent(r.cheap(nil)[3]["id"], nil)
	for name, c := range map[string]struct {
		body any
		code string
	}{
		"nothing":       {obj{}, "invalid_args"},
		"both":          {obj{"state": "running", "label": "x"}, "invalid_args"},
		"unknown state": {obj{"state": "frozen"}, "invalid_args"},
		"no JSON":       {"{", "invalid_request"},
		"long label":    {obj{"label": strings.Repeat("x", 1025)}, "label_too_long"},
		"label no text": {obj{"label": 5}, "invalid_args"},
	} {
		require.Equal(t, c.code, r.do(400, "PUT", path(id), c.body)["error"], name)
	}
	require.Equal(t, "label for "+itoa(float64(id))+" set to 'x'", r.do(200, "PUT", path(id), obj{"label": "x"})["msg"])
	require.Equal(t, "x", r.instance(id)["label"])
	r.do(400, "PUT", "/api/v0/instances/x/", obj{"state": "running"})
	r.do(404, "GET", "/api/v0/instances/x/", nil)
}
