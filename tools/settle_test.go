package tools_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/rig"
	"vast-mcp/internal/tool"
	"vast-mcp/journal"
	"vast-mcp/sandbox"
	"vast-mcp/vast"
)

// oneInstance is a policy under which every machine counts.
func oneInstance() guard.Policy {
	return guard.Policy{MaxInstances: new(1), DefaultLease: 24 * time.Hour, MaxLease: 168 * time.Hour}
}

// TestALostRentalIsFoundLater: the answer is lost and so is the list; the
// machine is adopted when the same call comes again.
func TestALostRentalIsFoundLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{Market: fault(t, "create:after:drop:1"), Policy: oneInstance(), Transport: breakLists(4)})
		offer := r.Offer("RTX 4090")
		args := create(offer, "")
		got := decode(t, r.Approved("create_instance", args))
		require.Equal(t, tool.Unknown, got.Status)
		require.Len(t, r.Machines(), 1)
		other := create(r.Offer("RTX 3090"), "")
		r.Fails(tool.Undelivered, "create_instance", other)
		r.Fails(tool.OverPolicy, "create_instance", other)
		found := decode(t, r.Call("create_instance", args))
		require.Equal(t, tool.Done, found.Status)
		require.Contains(t, r.Machines(), found.InstanceID)
		require.Equal(t, 1, r.Requests("PUT", "/asks/"))
	})
}

// breakLists makes the first lists after an order fail.
func breakLists(n int) func(http.RoundTripper) http.RoundTripper {
	var mu sync.Mutex
	left := 0
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			if strings.Contains(req.URL.Path, "/asks/") {
				left = n * 4 // each list is tried four times
			}
			if strings.HasPrefix(req.URL.Path, "/api/v1/instances/") && left > 0 {
				left--
				return nil, fmt.Errorf("no route to host")
			}
			return next.RoundTrip(req)
		})
	}
}

// TestNoSignOfIt: an order that left no trace holds its place against the caps
// for as long as it could still turn up, and no longer.
func TestNoSignOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{Market: fault(t, "create:before:502:1"), Policy: oneInstance()})
		require.Equal(t, tool.Unknown, decode(t, r.Approved("create_instance", create(r.Offer("RTX 4090"), ""))).Status)
		other := create(r.Offer("RTX 3090"), "")
		for range 3 {
			r.Fails(tool.OverPolicy, "create_instance", other)
			<-time.After(4 * time.Minute)
		}
		<-time.After(5 * time.Minute)
		require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("create_instance", other)).Status, "closed: no sign of it for a quarter of an hour")
		require.Empty(t, r.Machines())
	})
}

// TestARefusalHoldsItsPlaceForASecondLook: twenty seconds, not for ever.
func TestARefusalHoldsItsPlaceForASecondLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{Market: sandbox.Options{Faults: []sandbox.Fault{taken()}}, Policy: oneInstance()})
		args, other := create(r.Offer("RTX 4090"), ""), create(r.Offer("RTX 3090"), "")
		require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("create_instance", args)).Status)
		r.Approve()
		r.Fails(tool.OfferGone, "create_instance", args)
		r.Fails(tool.OverPolicy, "create_instance", other)
		<-time.After(21 * time.Second)
		require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("create_instance", other)).Status)
	})
}

// TestTheSameCallAfterARefusal: the second look, and then a new start.
func TestTheSameCallAfterARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{Market: sandbox.Options{Faults: []sandbox.Fault{taken()}}})
		args := create(r.Offer("RTX 4090"), "")
		require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("create_instance", args)).Status)
		r.Approve()
		r.Fails(tool.OfferGone, "create_instance", args)
		require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("create_instance", args)).Status, "the yes was used up")
		require.Equal(t, 1, r.Requests("PUT", "/asks/"))
	})
}

// TestARateLimitedOrderKeepsItsApproval: the API took no order, so the yes
// still stands.
func TestARateLimitedOrderKeepsItsApproval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{Market: fault(t, "create:before:429:1")})
		args := create(r.Offer("RTX 4090"), "")
		require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("create_instance", args)).Status)
		r.Approve()
		r.Fails(tool.RateLimited, "create_instance", args)
		require.Equal(t, tool.Done, decode(t, r.Call("create_instance", args)).Status)
		require.Len(t, r.Machines(), 1)
		require.Equal(t, 2, r.Requests("PUT", "/asks/"), "one more only after a 429 that a look proved empty")
	})
}

// TestTwoProcessesRedeemOneQuote: one order on the wire and the same answer for
// both.
func TestTwoProcessesRedeemOneQuote(t *testing.T) {
	dir := t.TempDir()
	open := func() *rig.Rig {
		return rig.New(t, rig.Options{
			Market:  sandbox.Options{Dir: filepath.Join(dir, "market"), Speed: 1000},
			Journal: journal.New(filepath.Join(dir, "journal.db"), vast.SystemClock{}.Now),
		})
	}
	first, second := open(), open()
	args := create(first.Offer("RTX 4090"), "")
	require.Equal(t, tool.ApprovalNeeded, decode(t, first.Call("create_instance", args)).Status)
	first.Approve()
	var wg sync.WaitGroup
	results := make([]rented, 8)
	for i := range results {
		wg.Go(func() {
			results[i] = decode(t, []*rig.Rig{first, second}[i%2].Call("create_instance", args))
		})
	}
	wg.Wait()
	for _, got := range results {
		require.Equal(t, tool.Done, got.Status, got.Message)
		require.Equal(t, results[0].InstanceID, got.InstanceID)
	}
	require.Equal(t, 1, first.Requests("PUT", "/asks/")+second.Requests("PUT", "/asks/"))
	require.Len(t, first.Machines(), 1)
}

// TestWhatEndedIsNotReplayed: the machine is gone, so the same call is a new
// question.
func TestWhatEndedIsNotReplayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{})
		args := create(r.Offer("RTX 4090"), "")
		got := decode(t, r.Approved("create_instance", args))
		require.NoError(t, r.Client.Instances.Destroy(t.Context(), vast.InstanceID(got.InstanceID)))
		<-time.After(time.Minute)
		again := decode(t, r.Call("create_instance", args))
		require.Equal(t, tool.ApprovalNeeded, again.Status)
		require.Equal(t, 1, r.Requests("PUT", "/asks/"))
	})
}

// TestCapsCountWhatOthersRent: machines of the account that this program did
// not rent count too.
func TestCapsCountWhatOthersRent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{Policy: oneInstance()})
		_, err := r.Client.Instances.Create(t.Context(), vast.OfferID(r.Offer("RTX 3090")), vast.CreateInstance{Image: "a/b", DiskGB: 10, RunType: "ssh"})
		require.NoError(t, err)
		f := r.Fails(tool.OverPolicy, "create_instance", create(r.Offer("RTX 4090"), ""))
		require.Contains(t, f.Message, "1 running or on order, and the owner allows 1")
		require.Contains(t, f.Message, "max-instances")
	})
}

// TestAForeignMachineIsNotStoppedUnasked: stopping a rental of ours is free,
// stopping somebody else's is not.
func TestAForeignMachineIsNotStoppedUnasked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{})
		id, err := r.Client.Instances.Create(t.Context(), vast.OfferID(r.Offer("RTX 3090")), vast.CreateInstance{Image: "a/b", DiskGB: 10, RunType: "ssh"})
		require.NoError(t, err)
		waitFor(t, r, int64(id), "ready")
		stop := fmt.Sprintf(`{"instance_id":%d}`, id)
		needs := decode(t, r.Call("stop_instance", stop))
		require.Equal(t, tool.ApprovalNeeded, needs.Status)
		require.Contains(t, strings.Join(needs.Quote.Warnings, "\n"), "was not rented by this program")
		r.Approve()
		require.Equal(t, tool.Done, decode(t, r.Call("stop_instance", stop)).Status)
	})
}

// TestSSHKeys: added and attached once, whatever the comment says, and only
// after a yes.
func TestSSHKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{})
		id := rentOne(t, r)
		var keys struct {
			Keys []struct {
				KeyID       int64  `json:"key_id"`
				Fingerprint string `json:"fingerprint"`
			} `json:"keys"`
		}
		add := `{"public_key":"` + publicKey + `"}`
		require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("add_ssh_key", add)).Status)
		r.Approve()
		require.Equal(t, tool.Done, decode(t, r.Call("add_ssh_key", add)).Status)
		require.Equal(t, tool.Done, decode(t, r.Call("add_ssh_key", strings.Replace(add, "alice@example", "bob", 1))).Status, "it is there already: nothing to ask")
		r.Must(&keys, "list_ssh_keys", `{}`)
		require.Len(t, keys.Keys, 1)
		attach := fmt.Sprintf(`{"instance_id":%d,"key_id":%d}`, id, keys.Keys[0].KeyID)
		require.Equal(t, tool.Done, decode(t, r.Approved("attach_ssh_key", attach)).Status)
		r.Must(&keys, "list_ssh_keys", fmt.Sprintf(`{"instance_id":%d}`, id))
		require.Len(t, keys.Keys, 1)
		r.Must(&keys, "detach_ssh_key", fmt.Sprintf(`{"instance_id":%d,"key_id":%d}`, id, keys.Keys[0].KeyID))
		require.Empty(t, keys.Keys)
	})
}
