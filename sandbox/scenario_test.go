package sandbox_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

// history lets time pass and returns the words that the actual status went
// through; "gone" when the instance isn't there any more.
func (r *rig) history(id int64, atMost time.Duration) []any {
	r.t.Helper()
	var seen []any
	for range int(atMost / time.Second) {
		row := r.instance(id)
		if row == nil {
			return append(seen, "gone")
		}
		if len(seen) == 0 || seen[len(seen)-1] != row["actual_status"] {
			seen = append(seen, row["actual_status"])
		}
		r.pass(time.Second)
	}
	return seen
}

// billed are the kinds of meters that an instance has open.
func (r *rig) billed(id int64) []string {
	r.t.Helper()
	var kinds []string
	for _, e := range r.ledger() {
		if e.InstanceID == id && e.End.IsZero() && e.DollarsPerHour > 0 {
			kinds = append(kinds, e.Kind)
		}
	}
	return kinds
}

var (
	allRunning = []any{"running", "running", "running"}
	allStopped = []any{"stopped", "stopped", "stopped"}
)

// A life is what happens to one instance, from its creation.
func TestLives(t *testing.T) {
	put := func(what string) func(*rig, int64) {
		return func(r *rig, id int64) {
			r.do(200, "PUT", "/api/v0/instances/"+what+"/"+itoa(float64(id))+"/", obj{})
		}
	}
	set := func(state string) func(*rig, int64) {
		return func(r *rig, id int64) { r.set(id, state) }
	}
	const ok = "^success, running vastai/pytorch_2.7.1/ssh$"
	for name, c := range map[string]struct {
		image  string // another than the usual
		up     bool   // before it happens
		happen func(*rig, int64)
		lasts  time.Duration
		seen   []any
		words  []any // at the end
		msg    string
		billed string // the first meter that is open at the end
	}{
		"an image that is pulled": {
			lasts: 8 * time.Minute, seen: []any{nil, "loading", "created", "running"}, words: allRunning, msg: ok, billed: "gpu",
		},
		"manifest missing": {
			image: "ubuntu:no-such-tag", lasts: 8 * time.Minute, seen: []any{nil, "loading"}, words: allStopped,
			msg: "^Error response from daemon: manifest for ubuntu:no-such-tag not found", billed: "disk",
		},
		"private image": {
			image: "private/x", lasts: 8 * time.Minute, seen: []any{nil, "loading"}, words: allStopped,
			msg: "pull access denied", billed: "disk",
		},
		"no GPUs for the container": {
			image: "sandbox/no-start", lasts: 8 * time.Minute, seen: []any{nil, "loading", "created"}, words: allStopped,
			msg: "OCI runtime create failed: .* unresolvable CDI devices", billed: "disk",
		},
		"dead host": {
			image: "sandbox/dead-host:1", lasts: 20 * time.Minute, seen: []any{nil}, words: allRunning, billed: "disk",
		},
		"command ends": {
			image: "sandbox/short-run", lasts: 12 * time.Minute, seen: []any{nil, "loading", "created", "running", "exited"}, words: allRunning,
			msg: `^Exited \(0\)`, billed: "disk",
		},
		"stop": {
			up: true, happen: set("stopped"), lasts: time.Minute, seen: []any{"running", "exited"}, words: allStopped, msg: ok, billed: "disk",
		},
		"stop and start": {
			up: true, happen: func(r *rig, id int64) { r.set(id, "stopped"); r.pass(time.Minute); r.set(id, "running") },
			lasts: time.Minute, seen: []any{"exited", "created", "running"}, words: allRunning, msg: ok, billed: "gpu",
		},
		"reboot": {
			up: true, happen: put("reboot"), lasts: time.Minute, seen: []any{"rebooting", "running"}, words: allRunning, msg: ok, billed: "gpu",
		},
		"recycle": {
			up: true, happen: put("recycle"), lasts: 8 * time.Minute,
			seen: []any{"recycling", "loading", "created", "running"}, words: allRunning, msg: ok, billed: "gpu",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, sandbox.Options{})
			extra := obj{}
			if c.image != "" {
				extra["image"] = c.image
			}
			id := r.rent(r.cheap(nil)[3]["id"], extra)
			if c.up {
				r.until(id, "running", 8*time.Minute)
			}
			if c.happen != nil {
				c.happen(r, id)
			}
			require.Equal(t, c.seen, r.history(id, c.lasts))
			row := r.instance(id)
			require.Equal(t, c.words, words(row)[:3])
			if c.msg == "" {
				require.Nil(t, row["status_msg"])
			} else {
				require.Regexp(t, c.msg, row["status_msg"])
			}
			if c.billed == "disk" {
				require.Equal(t, []string{"disk"}, r.billed(id))
			} else {
				require.Contains(t, r.billed(id), c.billed)
			}
		})
	}
}

func TestCachedImagesBootFast(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	fast := 0
	for _, offer := range r.cheap(nil)[3:23] {
		if r.until(r.rent(offer["id"], nil), "running", 8*time.Minute) <= time.Minute {
			fast++
		}
	}
	require.NotZero(t, fast)
}

func TestDeadHostsAreReaped(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.rent(r.cheap(nil)[3]["id"], obj{"image": "sandbox/dead-host"})
	require.Equal(t, []any{nil, "gone"}, r.history(id, time.Hour))
	require.Equal(t, "no_such_instance", r.do(404, "DELETE", path(id), obj{})["error"])
	require.Empty(t, r.billed(id))
}

// A host that is offline bills nothing, and comes back by itself.
func TestHostGoesOffline(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	offers := r.cheap(nil)
	id := r.rent(offers[3]["id"], obj{"image": "sandbox/lost-host"})
	require.Equal(t, []any{nil, "loading", "created", "running", "unknown", "offline", "running"}, r.history(id, time.Hour))
	require.Contains(t, r.billed(id), "disk")

	id = r.rent(offers[4]["id"], obj{"image": "sandbox/lost-host"})
	r.until(id, "unknown", 15*time.Minute)
	require.Contains(t, r.billed(id), "gpu", "it is only late")
	r.until(id, "offline", 15*time.Minute)
	require.Equal(t, allRunning, words(r.instance(id))[:3])
	require.Empty(t, r.billed(id))
	r.set(id, "stopped")
	r.pass(time.Minute)
	require.Equal(t, append(append([]any{}, allStopped...), "offline"), words(r.instance(id)))
	r.until(id, "exited", time.Hour)
	require.Equal(t, []string{"disk"}, r.billed(id))

	id = r.rent(offers[5]["id"], obj{"image": "sandbox/lost-host"})
	r.until(id, "offline", 30*time.Minute)
	r.set(id, "stopped")
	r.set(id, "running")
	r.until(id, "running", time.Hour)
	r.do(200, "DELETE", path(id), obj{})
	require.Empty(t, r.billed(id))
}

// A command that has ended can be started again in two ways.
func TestFinishedContainersStartAgain(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.rent(r.cheap(nil)[3]["id"], obj{"image": "sandbox/short-run"})
	r.until(id, "exited", 15*time.Minute)
	row := r.instance(id)
	require.EqualValues(t, 65535, row["direct_port_start"])
	require.NotContains(t, row, "ports")
	require.Equal(t, true, r.set(id, "running")["success"])
	require.Equal(t, []any{"exited", "created", "running", "exited"}, r.history(id, 5*time.Minute))
	r.do(200, "PUT", "/api/v0/instances/reboot/"+itoa(float64(id))+"/", obj{})
	require.Equal(t, []any{"rebooting", "running"}, r.history(id, time.Minute))

	short := r.rent(r.cheap(nil)[4]["id"], obj{"image": "sandbox/short-run"})
	r.until(short, "exited", 15*time.Minute)
	r.set(short, "stopped")
	require.Equal(t, append(append([]any{}, allStopped...), "exited"), words(r.instance(short)))
}

// The error of a bid that is too low names an instance that costs its disk,
// unless the renter asked for all or nothing.
func TestBidTooLow(t *testing.T) {
	o := sandbox.Options{Dir: t.TempDir(), Speed: 1}
	r := newRig(t, o)
	offer := r.cheap(obj{"min_bid": obj{"gt": 0.01}})[0]
	ask := "/api/v0/asks/" + itoa(offer["id"]) + "/"
	out := r.do(400, "PUT", ask, obj{"image": "ubuntu:22.04", "price": 0.005, "cancel_unavail": true})
	require.Equal(t, "invalid_price", out["error"])
	require.NotContains(t, out, "new_contract")
	require.Empty(t, r.ledger())

	out = r.do(400, "PUT", ask, obj{"image": "ubuntu:22.04", "price": 0.005, "cancel_unavail": false})
	require.Equal(t, "invalid_price", out["error"])
	require.Equal(t, offer["id"], out["ask_id"])
	id := int64(num(out, "new_contract"))
	again := r.open(o)
	require.Equal(t, append(append([]any{}, allStopped...), nil), words(again.instance(id)), "it is stored")
	r.pass(time.Hour)
	require.Equal(t, append(append([]any{}, allStopped...), "created"), words(r.instance(id)))
	require.Equal(t, []string{"disk"}, r.billed(id))
	require.Equal(t, false, r.set(id, "running")["success"], "its bid doesn't win")
	r.do(200, "DELETE", path(id), obj{})
}
