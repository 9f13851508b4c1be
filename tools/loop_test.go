package tools_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/rig"
	"vast-mcp/internal/tool"
	"vast-mcp/sandbox"
)

// rented is what create_instance and start_instance answer.
type rented struct {
	Status     tool.Status `json:"status"`
	Replayed   bool        `json:"replayed"`
	InstanceID int64       `json:"instance_id"`
	Message    string      `json:"message"`
	Quote      *tool.Quote `json:"quote"`
	Instance   struct {
		State string `json:"state"`
		Label string `json:"label"`
		Lease struct {
			Until    time.Time `json:"until"`
			OnExpiry string    `json:"on_expiry"`
		} `json:"lease"`
	} `json:"instance"`
}

func decode(t *testing.T, res tool.Result) (out rented) {
	t.Helper()
	require.Nil(t, res.Failure, "%+v", res.Failure)
	require.NoError(t, json.Unmarshal(res.Structured, &out))
	return out
}

const image = `"image":"pytorch/pytorch:2.7.1-cuda12.8-cudnn9-runtime"`

func create(offer int64, more string) string {
	return fmt.Sprintf(`{"offer_id":%d,%s%s}`, offer, image, more)
}

// rentOne rents the cheapest RTX 4090 and waits until it is ready.
func rentOne(t *testing.T, r *rig.Rig) int64 {
	t.Helper()
	got := decode(t, r.Approved("create_instance", create(r.Offer("RTX 4090"), "")))
	require.Equal(t, tool.Done, got.Status)
	waitFor(t, r, got.InstanceID, "ready")
	return got.InstanceID
}

func waitFor(t *testing.T, r *rig.Rig, id int64, until string) {
	t.Helper()
	for range 40 {
		var seen struct {
			Reached bool   `json:"reached"`
			State   string `json:"state"`
		}
		r.Must(&seen, "wait_for_instance", fmt.Sprintf(`{"instance_id":%d,"until":%q}`, id, until))
		if seen.Reached {
			return
		}
		require.NotContains(t, []string{"stuck", "image_error", "host_error", "gone"}, seen.State)
	}
	require.Fail(t, "never "+until)
}

func TestTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{})
		args := create(r.Offer("RTX 4090"), `,"label":"train-a","lease_hours":4,"on_expiry":"destroy","ports":["8080"],"env":{"TZ":"UTC"}`)

		needs := decode(t, r.Call("create_instance", args))
		require.Equal(t, tool.ApprovalNeeded, needs.Status)
		require.Contains(t, needs.Message, "vast-mcp approve "+needs.Quote.Code)
		require.InDelta(t, needs.Quote.PerHour.Float()*4, needs.Quote.Most.Float(), 1e-5)
		require.Empty(t, r.Machines(), "nothing is rented before the yes")
		again := decode(t, r.Call("create_instance", args))
		require.Equal(t, needs.Quote.Code, again.Quote.Code, "the same call finds the same quote")

		r.Approve()
		got := decode(t, r.Call("create_instance", args))
		require.Equal(t, tool.Done, got.Status)
		require.Equal(t, "train-a", got.Instance.Label)
		require.Equal(t, "destroy", got.Instance.Lease.OnExpiry)
		require.WithinDuration(t, r.Market.Now().Add(4*time.Hour), got.Instance.Lease.Until, time.Minute)

		require.Equal(t, 1, r.Requests("GET", "/users/current/"), "a fresh answer serves again")

		replay := decode(t, r.Call("create_instance", args))
		require.True(t, replay.Replayed)
		require.Equal(t, got.InstanceID, replay.InstanceID)
		require.Equal(t, 1, r.Requests("PUT", "/asks/"), "one order on the wire")

		waitFor(t, r, got.InstanceID, "ready")
		use(t, r, got.InstanceID)
		end(t, r, got.InstanceID)
	})
}

// use looks at the instance in every way there is.
func use(t *testing.T, r *rig.Rig, id int64) {
	t.Helper()
	var one struct {
		SSH struct {
			Command string `json:"command"`
		} `json:"ssh"`
		Ports map[string]string `json:"ports"`
		SoFar *float64          `json:"dollars_so_far"`
	}
	r.Must(&one, "get_instance", fmt.Sprintf(`{"instance_id":%d}`, id))
	require.Regexp(t, `^ssh -p \d+ root@`, one.SSH.Command)
	require.Contains(t, one.Ports, "8080/tcp")
	require.NotNil(t, one.SoFar)
	var log struct {
		Log string `json:"log"`
	}
	r.Must(&log, "logs", fmt.Sprintf(`{"instance_id":%d,"tail":3}`, id))
	require.NotEmpty(t, log.Log)
	var labelled struct {
		Label string         `json:"label"`
		Lease map[string]any `json:"lease"`
	}
	r.Must(&labelled, "label_instance", fmt.Sprintf(`{"instance_id":%d,"label":"train-b"}`, id))
	require.Equal(t, "train-b", labelled.Label)
	require.NotEmpty(t, labelled.Lease, "the lease stays")
	r.Must(&struct{}{}, "reboot_instance", fmt.Sprintf(`{"instance_id":%d}`, id))
	waitFor(t, r, id, "ready")
}

// end stops and destroys the instance and looks at the bill.
func end(t *testing.T, r *rig.Rig, id int64) {
	t.Helper()
	stopped := decode(t, r.Call("stop", fmt.Sprintf(`{"instance_id":%d}`, id)))
	require.Equal(t, tool.Done, stopped.Status, "stopping a rental of ours asks nobody")
	destroy := fmt.Sprintf(`{"instance_ids":[%d]}`, id)
	require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("destroy_instance", destroy)).Status)
	gone := decode(t, r.Approved("destroy_instance", destroy))
	require.Equal(t, tool.Done, gone.Status)
	require.True(t, decode(t, r.Call("destroy_instance", destroy)).Replayed, "what is gone stays gone")
	var waited struct {
		Reached bool   `json:"reached"`
		State   string `json:"state"`
	}
	r.Must(&waited, "wait_for_instance", fmt.Sprintf(`{"instance_id":%d,"until":"gone"}`, id))
	require.True(t, waited.Reached, "it was ours, and is gone")
	r.Fails(tool.NotFound, "wait_for_instance", `{"instance_id":987654,"until":"gone"}`)
	var list struct {
		Total int `json:"total"`
	}
	r.Must(&list, "list_instances", `{}`)
	require.Zero(t, list.Total)
	entries, err := r.Market.Ledger()
	require.NoError(t, err)
	for _, e := range entries {
		require.False(t, e.End.IsZero(), "%s goes on being charged", e.Kind)
	}
	var spent struct {
		Total float64 `json:"total_dollars"`
		Kinds []struct {
			Name string `json:"name"`
		} `json:"by_kind"`
	}
	r.Must(&spent, "get_spending", `{}`)
	require.Positive(t, spent.Total)
	require.NotEmpty(t, spent.Kinds)
}

func TestStartAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{})
		id := rentOne(t, r)
		start := fmt.Sprintf(`{"instance_id":%d,"lease_hours":2}`, id)
		require.Equal(t, tool.Done, decode(t, r.Call("start_instance", start)).Status, "it runs already: free")
		decode(t, r.Call("stop_instance", fmt.Sprintf(`{"instance_id":%d}`, id)))
		waitFor(t, r, id, "stopped")
		needs := decode(t, r.Call("start_instance", start))
		require.Equal(t, tool.ApprovalNeeded, needs.Status, "starting costs money")
		require.Positive(t, needs.Quote.PerHour)
		r.Approve()
		got := decode(t, r.Call("start_instance", start))
		require.Equal(t, tool.Done, got.Status)
		require.WithinDuration(t, r.Market.Now().Add(2*time.Hour), got.Instance.Lease.Until, time.Minute, "a start has a new lease")
		require.True(t, decode(t, r.Call("start_instance", start)).Replayed)
	})
}

func TestAStartWhoseGPUsAreTakenIsNotLeftInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{Market: sandbox.Options{Speed: 1}})
		offer := r.Offer("RTX 4090")
		first := decode(t, r.Approved("create_instance", create(offer, "")))
		waitFor(t, r, first.InstanceID, "ready")
		decode(t, r.Call("stop_instance", fmt.Sprintf(`{"instance_id":%d}`, first.InstanceID)))
		waitFor(t, r, first.InstanceID, "stopped")
		second := decode(t, r.Approved("create_instance", create(offer, `,"label":"taker"`)))
		require.NotEqual(t, first.InstanceID, second.InstanceID)

		start := fmt.Sprintf(`{"instance_id":%d}`, first.InstanceID)
		require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("start_instance", start)).Status)
		r.Approve()
		r.Fails(tool.GPUsTaken, "start_instance", start)
		decode(t, r.Approved("destroy_instance", fmt.Sprintf(`{"instance_ids":[%d]}`, second.InstanceID)))
		<-time.After(time.Hour) // of the bubble's clock
		waitFor(t, r, first.InstanceID, "stopped")
	})
}
