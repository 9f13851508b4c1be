package tools_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"vast-mcp/guard"
	"vast-mcp/internal/rig"
	"vast-mcp/internal/server"
	"vast-mcp/internal/tool"
	"vast-mcp/internal/usd"
	"vast-mcp/vast"
)

// beside is another process of the program: on the same market and journal as
// first, with its own idea of who approves.
func beside(t *testing.T, first *rig.Rig, mode guard.Mode, edit func(*server.Config)) *rig.Rig {
	t.Helper()
	return rig.New(t, rig.Options{Mode: mode, Journal: first.Journal, Configure: func(c *server.Config) {
		c.Client = first.Client
		edit(c)
	}})
}

func asItIs(*server.Config) {}

// TestOneQuoteIsOneRentalHoweverManyRedeemIt: several processes make the same
// approved call at once, each as often as it likes.
func TestOneQuoteIsOneRentalHoweverManyRedeemIt(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		mode := rapid.SampledFrom([]guard.Mode{guard.Client, guard.Operator, guard.Model, guard.Auto}).Draw(rt, "mode")
		late := rapid.SliceOfN(rapid.Int64Range(0, int64(time.Second)), 2, 5).Draw(rt, "late")
		seed := rapid.Uint64().Draw(rt, "seed")
		synctest.Test(t, func(t *testing.T) {
			r := rig.New(t, rig.Options{Mode: mode, Transport: jitter(seed, time.Second)})
			offer := r.Offer("RTX 4090")
			args := create(offer, "")
			if mode != guard.Auto {
				needs := decode(t, r.Call("create_instance", args))
				require.Equal(t, tool.ApprovalNeeded, needs.Status)
				if mode == guard.Model {
					args = create(offer, fmt.Sprintf(`,"approval":%q`, needs.Quote.QuoteID))
				} else {
					r.Approve()
				}
			}
			results := make([]tool.Result, len(late))
			var wg sync.WaitGroup
			for i, d := range late {
				other := beside(t, r, mode, asItIs)
				wg.Go(func() {
					<-time.After(time.Duration(d))
					results[i] = other.Call("create_instance", args)
				})
			}
			wg.Wait()
			require.Equal(t, 1, r.Requests("PUT", "/asks/"), "one order")
			require.Len(t, r.Machines(), 1)
			for _, res := range results {
				got := decode(t, res)
				require.Equal(t, tool.Done, got.Status)
				require.Equal(t, decode(t, results[0]).InstanceID, got.InstanceID)
			}
		})
	})
}

// dearer multiplies the prices of all offers as soon as it is armed.
type dearer struct {
	next http.RoundTripper
	by   float64 // 0: not armed
}

// RoundTrip raises what comes back.
func (d *dearer) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := d.next.RoundTrip(req)
	if err != nil || d.by == 0 || !strings.Contains(req.URL.Path, "/bundles/") {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	body = regexp.MustCompile(`"dph_total":[0-9.]+`).ReplaceAllFunc(body, func(old []byte) []byte {
		price, _ := strconv.ParseFloat(string(bytes.TrimPrefix(old, []byte(`"dph_total":`))), 64)
		return fmt.Appendf(nil, `"dph_total":%g`, price*d.by)
	})
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, err
}

// change is what is different about a call from the one that was approved.
type change struct {
	more  string // further arguments
	by    func(t *testing.T, r *rig.Rig, market *dearer) *rig.Rig
	voids bool // the yes to the first call is gone too
}

func same(_ *testing.T, r *rig.Rig, _ *dearer) *rig.Rig { return r }

func changes(rt *rapid.T) change {
	number := rapid.IntRange(33, 64).Draw(rt, "number")
	word := rapid.StringMatching(`[a-z]{3,12}`).Draw(rt, "word")
	return rapid.SampledFrom([]change{
		{fmt.Sprintf(`,"disk_gb":%d`, number), same, false},
		{fmt.Sprintf(`,"lease_hours":%d`, number), same, false},
		{fmt.Sprintf(`,"label":%q`, word), same, false},
		{fmt.Sprintf(`,"env":{"A":%q}`, word), same, false},
		{fmt.Sprintf(`,"onstart":%q`, word), same, false},
		{fmt.Sprintf(`,"image_login":"-u %s -p %s ghcr.io"`, word, word), same, false},
		{`,"on_expiry":"destroy"`, same, false},
		{`,"run_type":"jupyter"`, same, false},
		{`,"ports":["8080"]`, same, false},
		{"", func(t *testing.T, r *rig.Rig, _ *dearer) *rig.Rig { // another default
			t.Helper()
			return beside(t, r, guard.Client, func(c *server.Config) { c.Policy.DefaultLease = time.Duration(number) * time.Hour })
		}, true},
		{"", func(t *testing.T, r *rig.Rig, _ *dearer) *rig.Rig { // another mode
			t.Helper()
			return beside(t, r, guard.Operator, asItIs)
		}, true},
		{"", func(t *testing.T, r *rig.Rig, _ *dearer) *rig.Rig { // another realm
			t.Helper()
			elsewhere, err := vast.NewClient(r.Market.Key(), vast.WithBaseURL("https://elsewhere.example"), vast.WithTransport(r.Market.Transport()))
			require.NoError(t, err)
			return beside(t, r, guard.Client, func(c *server.Config) { c.Client = elsewhere })
		}, false},
		{"", func(_ *testing.T, r *rig.Rig, market *dearer) *rig.Rig { // dearer
			market.by = 1 + float64(number)/1000
			return r
		}, true},
	}).Draw(rt, "change")
}

// TestAYesIsForOneCallOnly: whatever is different about a call, or about the
// world it is made in, the yes to the first one is none to it, and nothing is sent.
func TestAYesIsForOneCallOnly(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := changes(rt)
		synctest.Test(t, func(t *testing.T) {
			market := &dearer{}
			r := rig.New(t, rig.Options{Transport: func(next http.RoundTripper) http.RoundTripper {
				market.next = next
				return market
			}})
			offer := r.Offer("RTX 4090")
			first := decode(t, r.Call("create_instance", create(offer, "")))
			require.Equal(t, tool.ApprovalNeeded, first.Status)
			r.Approve()

			got := decode(t, c.by(t, r, market).Call("create_instance", create(offer, c.more)))
			require.Equal(t, tool.ApprovalNeeded, got.Status)
			require.NotEqual(t, first.Quote.QuoteID, got.Quote.QuoteID)
			require.NotEqual(t, first.Quote.Code, got.Quote.Code)
			require.Zero(t, r.Requests("PUT", "/asks/"), "nothing is sent")
			if !c.voids {
				require.Equal(t, tool.Done, decode(t, r.Call("create_instance", create(offer, ""))).Status, "the first call has its yes still")
			}
		})
	})
}

// TestAutoRentsWithinTheLimitsAndAsksForWhatIsForeign: nobody is asked about its
// own.
func TestAutoRentsWithinTheLimitsAndAsksForWhatIsForeign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{Mode: guard.Auto, Policy: guard.Policy{
			MaxPerHour: new(usd.Dollar), DailyBudget: new(100 * usd.Dollar), DefaultLease: time.Hour, MaxLease: time.Hour,
		}})
		got := decode(t, r.Call("create_instance", create(r.Offer("RTX 4090"), "")))
		require.Equal(t, tool.Done, got.Status)
		waitFor(t, r, got.InstanceID, "ready")
		r.Fails(tool.OverPolicy, "create_instance", create(r.Offer("RTX 3090"), `,"lease_hours":2`))
		foreign, err := r.Client.Instances.Create(t.Context(), vast.OfferID(r.Offer("RTX 3090")), vast.CreateInstance{Image: "a/b", DiskGB: 10, RunType: "ssh"})
		require.NoError(t, err)
		for _, name := range []string{"stop_instance", "destroy_instance"} {
			args := map[string]string{"stop_instance": `{"instance_id":%d}`, "destroy_instance": `{"instance_ids":[%d]}`}[name]
			needs := decode(t, r.Call(name, fmt.Sprintf(args, foreign)))
			require.Equal(t, tool.ApprovalNeeded, needs.Status)
			require.Contains(t, needs.Message, "vast-mcp approve "+needs.Quote.Code)
			require.Equal(t, tool.Done, decode(t, r.Call(name, fmt.Sprintf(args, got.InstanceID))).Status)
		}
	})
}
