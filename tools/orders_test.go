package tools_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/rig"
	"vast-mcp/internal/tool"
	"vast-mcp/journal"
	"vast-mcp/vast"
)

// listed is what list_instances answers.
type listed struct {
	Instances []struct {
		InstanceID int64 `json:"instance_id"`
	} `json:"instances"`
	Total      int `json:"total"`
	OpenOrders []struct {
		Nonce   string  `json:"nonce"`
		PerHour float64 `json:"dollars_per_hour"`
		Why     string  `json:"why"`
	} `json:"open_orders"`
	NextCursor string `json:"next_cursor"`
	LeftOut    string `json:"left_out"`
}

// TestAnOpenOrderIsNotNothing: the list is empty, and a machine may run.
func TestAnOpenOrderIsNotNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{Market: fault(t, "create:before:502:1")})
		require.Contains(t, text(t, r, "list_instances", `{}`), "nothing costs money")
		args := create(r.Offer("RTX 4090"), "")
		needs := decode(t, r.Call("create_instance", args))
		r.Approve()
		got := decode(t, r.Call("create_instance", args))
		require.Equal(t, tool.Unknown, got.Status)

		var list listed
		r.Must(&list, "list_instances", `{}`)
		require.Zero(t, list.Total)
		require.Len(t, list.OpenOrders, 1)
		require.Contains(t, got.Message, list.OpenOrders[0].Nonce)
		require.InDelta(t, needs.Quote.PerHour.Float(), list.OpenOrders[0].PerHour, 1e-6)
		require.Contains(t, list.OpenOrders[0].Why, "answer to the order was lost")
		said := text(t, r, "list_instances", `{}`)
		require.NotContains(t, said, "nothing costs money")
		require.Contains(t, said, "1 order is still being settled: nonce "+list.OpenOrders[0].Nonce)

		<-time.After(20 * time.Minute)
		for range 3 {
			r.Must(&struct{}{}, "list_instances", `{}`)
		}
		require.Contains(t, text(t, r, "list_instances", `{}`), "nothing costs money", "no sign of it: settled by looking")
	})
}

// text is what a reader of a result sees.
func text(t *testing.T, r *rig.Rig, name, args string) string {
	t.Helper()
	request := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, name, args)
	answer, err := json.Marshal(r.App.MCP().HandleMessage(t.Context(), []byte(request)))
	require.NoError(t, err)
	return string(answer)
}

// TestAMachineThatTurnsUpIsNoOpenOrder: the list itself settles it.
func TestAMachineThatTurnsUpIsNoOpenOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{Market: fault(t, "create:after:drop:1"), Transport: breakLists(4)})
		require.Equal(t, tool.Unknown, decode(t, r.Approved("create_instance", create(r.Offer("RTX 4090"), ""))).Status)
		<-time.After(time.Minute)
		var list listed
		r.Must(&list, "list_instances", `{}`)
		require.Equal(t, 1, list.Total)
		require.Empty(t, list.OpenOrders)
	})
}

// TestAnEndThatIsNotSeenYetIsNoOpenOrder: it costs nothing beyond what is listed.
func TestAnEndThatIsNotSeenYetIsNoOpenOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{})
		args := fmt.Sprintf(`{"instance_ids":[%d]}`, rentOne(t, r))
		require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("destroy_instance", args)).Status)
		r.Approve()
		r.Break("destroy:before:502:9")
		require.Equal(t, tool.Unknown, decode(t, r.Call("destroy_instance", args)).Status)
		var list listed
		r.Must(&list, "list_instances", `{}`)
		require.Equal(t, 1, list.Total)
		require.Empty(t, list.OpenOrders)
	})
}

// TestTheListDoesNotNeedTheJournal: nor does it promise then what only the
// journal knows.
func TestTheListDoesNotNeedTheJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{Journal: journal.New(t.TempDir(), vast.SystemClock{}.Now)}) // a folder is no journal
		var list listed
		r.Must(&list, "list_instances", `{}`)
		require.Contains(t, list.LeftOut, "the journal cannot be read")
		require.NotContains(t, text(t, r, "list_instances", `{}`), "nothing costs money")
	})
}

// TestACursorGoesThroughAll: each instance once, in pages.
func TestACursorGoesThroughAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{})
		want := map[int64]bool{}
		for i := range 5 {
			id, err := r.Client.Instances.Create(t.Context(), vast.OfferID(r.Offer("RTX 4090")), vast.CreateInstance{Image: "a/b", DiskGB: 10, RunType: "ssh", Label: fmt.Sprintf("train-%d", i)})
			require.NoError(t, err)
			want[int64(id)] = i > 0
		}
		require.NoError(t, r.Client.Instances.SetLabel(t.Context(), firstOf(want), "other"))
		cursor, pages := "", 0
		for {
			var list listed
			r.Must(&list, "list_instances", fmt.Sprintf(`{"label":"train-","limit":3%s}`, cursor))
			pages++
			require.Equal(t, 5, list.Total)
			for _, in := range list.Instances {
				require.True(t, want[in.InstanceID], "%d comes once, and only if its label fits", in.InstanceID)
				want[in.InstanceID] = false
			}
			if list.NextCursor == "" {
				require.Empty(t, list.LeftOut)
				break
			}
			require.Contains(t, list.LeftOut, "1 more")
			cursor = fmt.Sprintf(`,"cursor":%q`, list.NextCursor)
		}
		require.Equal(t, 2, pages)
		require.NotContains(t, want, true)
		for id, missed := range want {
			require.False(t, missed, "%d was left out", id)
		}
	})
}

// firstOf is the instance that is not wanted.
func firstOf(want map[int64]bool) vast.InstanceID {
	for id, is := range want {
		if !is {
			return vast.InstanceID(id)
		}
	}
	return 0
}

// TestARebootStartsNothing: the API would start a stopped machine, which costs.
func TestARebootStartsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{})
		id := rentOne(t, r)
		one := fmt.Sprintf(`{"instance_id":%d}`, id)
		decode(t, r.Call("stop_instance", one))
		waitFor(t, r, id, "stopped")
		f := r.Fails(tool.WrongState, "reboot_instance", one)
		require.Contains(t, f.Message, "is not running")
		require.Zero(t, r.Requests(http.MethodPut, "/reboot/"))
	})
}

// TestABid: what is rented is interruptible, at the bid and not at the price on
// demand.
func TestABid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{})
		offer := search(t, r, `{"gpu_names":["RTX 4090"],"num_gpus":1,"interruptible":true,"limit":1}`).Offers[0]
		bid := offer.MinBid * 2
		args := create(offer.OfferID, fmt.Sprintf(`,"bid_dollars_per_hour":%g`, bid))
		needs := decode(t, r.Call("create_instance", args))
		require.Equal(t, tool.ApprovalNeeded, needs.Status)
		require.Contains(t, needs.Quote.Summary, "interruptible")
		require.InDelta(t, bid+offer.DiskPerHour, needs.Quote.PerHour.Float(), 1e-5, "the bid and the disk")
		r.Approve()
		got := decode(t, r.Call("create_instance", args))
		require.Equal(t, tool.Done, got.Status)
		row, err := r.Client.Instances.Get(t.Context(), vast.InstanceID(got.InstanceID))
		require.NoError(t, err)
		require.True(t, row.IsBid)

		for _, dear := range []string{"1e300", "1001"} {
			f := r.Fails(tool.InvalidArguments, "create_instance", create(offer.OfferID, `,"bid_dollars_per_hour":`+dear))
			require.Contains(t, f.Message, "bid_dollars_per_hour")
		}
		for _, port := range []string{"0", "65536", "8080:0", "99999/udp", "70000:70000"} {
			f := r.Fails(tool.InvalidArguments, "create_instance", create(offer.OfferID, fmt.Sprintf(`,"ports":[%q]`, port)))
			require.Contains(t, f.Message, port)
			require.Contains(t, f.Next, "1 to 65535")
		}
	})
}

// TestAPanicInATool: a defect ends the call and not the program, and the log
// tells where.
func TestAPanicInATool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		armed := true
		r := rig.New(t, rig.Options{Transport: func(next http.RoundTripper) http.RoundTripper {
			return roundTrip(func(req *http.Request) (*http.Response, error) {
				if armed && strings.HasPrefix(req.URL.Path, "/api/v1/instances/") {
					panic("a defect")
				}
				return next.RoundTrip(req)
			})
		}})
		f := r.Fails(tool.Internal, "list_instances", `{}`)
		require.NotContains(t, f.Message, "a defect")
		require.Contains(t, r.Log.String(), "a defect")
		require.Contains(t, r.Log.String(), strings.TrimSuffix(f.Message[strings.Index(f.Message, "(reference ")+11:], ")"))
		armed = false
		r.Must(&struct{}{}, "list_instances", `{}`)
		<-time.After(time.Minute) // net/http keeps a timer for what it sent
	})
}
