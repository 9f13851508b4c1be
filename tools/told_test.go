package tools_test

import (
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/rig"
	"vast-mcp/internal/tool"
	"vast-mcp/journal"
	"vast-mcp/sandbox"
	"vast-mcp/vast"
)

// TestARentalThatNobodyWasToldOfIsSaidOnce: the client gave up while its order
// was on the way, and orders another machine with other arguments.
func TestARentalThatNobodyWasToldOfIsSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{Market: fault(t, "create:after:delay=3000:1")})
		args, other := create(r.Offer("RTX 4090"), ""), create(r.Offer("RTX 3090"), "")
		require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("create_instance", args)).Status)
		r.Approve()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		res, err := r.App.Call(ctx, "create_instance", json.RawMessage(args), nil)
		require.NoError(t, err)
		require.Equal(t, tool.Unknown, res.Status, "which nobody reads")

		f := r.Fails(tool.Undelivered, "create_instance", other)
		require.Contains(t, f.Message, "still being settled")
		<-time.After(time.Minute)
		f = r.Fails(tool.Undelivered, "create_instance", other)
		require.Contains(t, f.Message, "instance 45001001 at $")
		require.Contains(t, f.Next, "get_instance 45001001")
		require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("create_instance", other)).Status, "said once")
		require.Len(t, r.Machines(), 1)
	})
}

// TestWhoWasToldIsNotToldAgain: neither of a rental that was answered nor of
// one that the same call found later.
func TestWhoWasToldIsNotToldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{Market: fault(t, "create:after:drop:1"), Transport: breakLists(4)})
		args := create(r.Offer("RTX 4090"), "")
		require.Equal(t, tool.Unknown, decode(t, r.Approved("create_instance", args)).Status)
		require.Equal(t, tool.Done, decode(t, r.Call("create_instance", args)).Status)
		<-time.After(time.Minute)
		require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("create_instance", create(r.Offer("RTX 3090"), ""))).Status)
	})
}

// TestAKilledProcessLeavesNews: it died after the machine was seen, and before
// anybody was told. Its successor says so.
func TestAKilledProcessLeavesNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "journal.db")
		market := sharedMarket(t)
		open := func() *journal.Journal { return journal.New(path, vast.SystemClock{}.Now) }
		killed := rig.New(t, rig.Options{Journal: open(), Transport: market})
		args := create(killed.Offer("RTX 4090"), "")
		require.Equal(t, tool.ApprovalNeeded, decode(t, killed.Call("create_instance", args)).Status)
		killed.Approve()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err := killed.App.Call(ctx, "create_instance", json.RawMessage(args), nil)
		require.NoError(t, err)
		<-time.After(time.Minute)

		next := rig.New(t, rig.Options{Journal: open(), Transport: market})
		f := next.Fails(tool.Undelivered, "create_instance", create(next.Offer("RTX 3090"), ""))
		require.Contains(t, f.Message, "its answer was lost: instance 45001001")
	})
}

// sharedMarket is one market for several rigs, whose own ones stay unused.
func sharedMarket(t *testing.T) func(http.RoundTripper) http.RoundTripper {
	t.Helper()
	m, err := sandbox.Open(sandbox.Options{})
	require.NoError(t, err)
	return func(http.RoundTripper) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			req = req.Clone(req.Context())
			req.Header.Set("Authorization", "Bearer "+m.Key())
			if strings.Contains(req.URL.Path, "/asks/") {
				<-time.After(10 * time.Millisecond)
			}
			return m.Transport().RoundTrip(req)
		})
	}
}
