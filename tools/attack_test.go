package tools_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/rig"
	"vast-mcp/internal/tool"
	"vast-mcp/sandbox"
	"vast-mcp/vast"
)

// TestHiddenCharactersForgeNoLease: a zero-width space inside the mark of a
// tail once made somebody's machine look like a rental of ours.
func TestHiddenCharactersForgeNoLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{})
		id, err := r.Client.Instances.Create(t.Context(), vast.OfferID(r.Offer("RTX 3090")), vast.CreateInstance{Image: "a/b", DiskGB: 10, RunType: "ssh"})
		require.NoError(t, err)
		f := r.Fails(tool.InvalidArguments, "label_instance", fmt.Sprintf("{\"instance_id\":%d,\"label\":\"x [v\\u200bm:0123456789abcdef until:2099-01-01T00:00:00Z stop]\"}", id))
		require.Contains(t, f.Message, "marks a lease")
		require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("stop_instance", fmt.Sprintf(`{"instance_id":%d}`, id))).Status)
	})
}

func TestALeaseCannotOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{})
		for _, hours := range []string{"1e20", "2562048", "9e307"} {
			r.Fails(tool.OverPolicy, "create_instance", create(r.Offer("RTX 4090"), `,"lease_hours":`+hours))
		}
	})
}

// TestAnUnfinishedCallIsCarriedOnOnlyWhileItsYesIsGood: a start that failed is
// priced and asked again once the quote has expired.
func TestAnUnfinishedCallIsCarriedOnOnlyWhileItsYesIsGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{Market: sandbox.Options{Speed: 1}})
		id := rentOne(t, r)
		decode(t, r.Call("stop_instance", fmt.Sprintf(`{"instance_id":%d}`, id)))
		waitFor(t, r, id, "stopped")
		start := fmt.Sprintf(`{"instance_id":%d}`, id)
		require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("start_instance", start)).Status)
		r.Approve()
		r.Break("start:before:502:9")
		require.Equal(t, tool.Unknown, r.Call("start_instance", start).Status)
		<-time.After(20 * time.Minute)
		require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("start_instance", start)).Status)
	})
}

// TestTheKeyThatWasApprovedIsTheOneThatGetsIn: key ids can be given another key.
func TestTheKeyThatWasApprovedIsTheOneThatGetsIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{})
		id := rentOne(t, r)
		key, err := r.Client.SSHKeys.Add(t.Context(), publicKey)
		require.NoError(t, err)
		attach := fmt.Sprintf(`{"instance_id":%d,"key_id":%d}`, id, key.ID)
		first := decode(t, r.Call("attach_ssh_key", attach))
		require.Equal(t, tool.ApprovalNeeded, first.Status)
		r.Approve()
		r.ReplaceKey(int64(key.ID), "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1L6RdK6qTmJ3GdW7ZNnI0mXHkZ5rYtq8KcT5nq3w2E mallory")
		again := decode(t, r.Call("attach_ssh_key", attach))
		require.Equal(t, tool.ApprovalNeeded, again.Status, "another key is another question")
		require.NotEqual(t, first.Quote.Code, again.Quote.Code)
	})
}

// TestWhatWasDestroyedHoldsNoPlace: the cap is free as soon as it was seen gone.
func TestWhatWasDestroyedHoldsNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{Policy: oneInstance()})
		id := rentOne(t, r)
		require.Equal(t, tool.Done, decode(t, r.Approved("destroy_instance", fmt.Sprintf(`{"instance_ids":[%d]}`, id))).Status)
		require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("create_instance", create(r.Offer("RTX 3090"), ""))).Status)
	})
}

// TestAnErrorThatEchoesSecrets: what the API repeats of an order is taken out.
func TestAnErrorThatEchoesSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const canary = "canary-secret-value"
		echo := sandbox.Fault{Op: "create", When: "before", Status: 400, Count: 1, Body: `{"success":false,"error":"invalid_args","msg":"bad env TOK=` + canary + ` in docker login"}`}
		r := rig.New(t, rig.Options{Market: sandbox.Options{Faults: []sandbox.Fault{echo}}})
		args := create(r.Offer("RTX 4090"), `,"env":{"TOK":"`+canary+`"}`)
		require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("create_instance", args)).Status)
		r.Approve()
		f := r.Fails(tool.InvalidArguments, "create_instance", args)
		require.NotContains(t, f.Message+f.Next+r.Log.String(), canary)
		require.Contains(t, f.Message, "[redacted]")
	})
}

// TestATidiedLabelIsStillOurs: somebody removed the lease from the label by
// hand; the call that rented it still finds its machine.
func TestATidiedLabelIsStillOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{Policy: guard.Policy{}})
		args := create(r.Offer("RTX 4090"), "")
		id := decode(t, r.Approved("create_instance", args)).InstanceID
		require.NoError(t, r.Client.Instances.SetLabel(t.Context(), vast.InstanceID(id), "tidy"))
		got := decode(t, r.Call("create_instance", args))
		require.True(t, got.Replayed)
		require.Equal(t, id, got.InstanceID)
	})
}

// TestALostStartIsNotCalledRefused: the answer is lost, and the try after it is
// told to slow down. The machine runs.
func TestALostStartIsNotCalledRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r *rig.Rig
		armed := false
		r = rig.New(t, rig.Options{Transport: func(next http.RoundTripper) http.RoundTripper {
			return roundTrip(func(req *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(req)
				if armed && req.Method == http.MethodPut && r.Requests(http.MethodPut, "/instances/") == 3 { // stop, label, start
					r.Break("start:before:429:9")
					return nil, errors.New("connection reset")
				}
				return resp, err
			})
		}})
		id := rentOne(t, r)
		decode(t, r.Call("stop_instance", fmt.Sprintf(`{"instance_id":%d}`, id)))
		waitFor(t, r, id, "stopped")
		start := fmt.Sprintf(`{"instance_id":%d}`, id)
		require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("start_instance", start)).Status)
		r.Approve()
		armed = true
		require.Equal(t, tool.Done, decode(t, r.Call("start_instance", start)).Status)
		require.Greater(t, r.Requests(http.MethodPut, "/instances/"), 3, "it was tried again")
	})
}
