package tools_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"vast-mcp/guard"
	"vast-mcp/internal/rig"
	"vast-mcp/internal/server"
	"vast-mcp/internal/tool"
	"vast-mcp/journal"
	"vast-mcp/rental"
	"vast-mcp/vast"
)

// leases is what list_leases answers.
type leases struct {
	Leases []struct {
		InstanceID  int64    `json:"instance_id"`
		Label       string   `json:"label"`
		State       string   `json:"state"`
		MinutesLeft int      `json:"minutes_left"`
		PerHour     float64  `json:"dollars_per_hour"`
		SoFar       float64  `json:"dollars_so_far"`
		Estimated   bool     `json:"estimated"`
		Most        *float64 `json:"most_dollars"`
		AfterPerDay float64  `json:"after_stop_dollars_per_day"`
		EnforcedBy  []string `json:"enforced_by"`
		LabelLost   bool     `json:"label_lost_lease"`
	} `json:"leases"`
	Total    int     `json:"total"`
	PerHour  float64 `json:"dollars_per_hour"`
	Unleased int     `json:"instances_without_lease"`
	Journal  string  `json:"journal"`
	LeftOut  string  `json:"left_out"`
}

// orphans is what list_orphans answers.
type orphans struct {
	Orphans []struct {
		Kind      string  `json:"kind"`
		ID        int64   `json:"id"`
		Name      string  `json:"name"`
		Why       string  `json:"why"`
		Since     string  `json:"since"`
		PerHour   float64 `json:"dollars_per_hour"`
		SoFar     float64 `json:"dollars_since_start"`
		Estimated bool    `json:"estimated"`
		Next      string  `json:"next"`
	} `json:"orphans"`
	Total   int     `json:"total"`
	PerHour float64 `json:"dollars_per_hour"`
	Journal string  `json:"journal"`
	LeftOut string  `json:"left_out"`
}

// fleet is an account with all kinds of machines on it.
type fleet struct {
	*rig.Rig

	t *testing.T
}

// inFleet runs f on a market whose time is the bubble's.
func inFleet(t *testing.T, o rig.Options, f func(t *testing.T, f fleet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o.Market.Speed, o.Market.Credit = 1, 1000
		f(t, fleet{rig.New(t, o), t})
	})
}

func (f fleet) leases() (l leases) {
	f.t.Helper()
	f.Must(&l, "list_leases", `{}`)
	return l
}

func (f fleet) orphans() (o orphans) {
	f.t.Helper()
	f.Must(&o, "list_orphans", `{}`)
	return o
}

// says is what a reader of the tool's answer sees, in lines that fit a terminal.
func (f fleet) says(name string) string {
	f.t.Helper()
	var answer struct {
		Result struct {
			Content []struct {
				Text string `json:"text"`
			} `json:"content"`
		} `json:"result"`
	}
	require.NoError(f.t, json.Unmarshal([]byte(text(f.t, f.Rig, name, `{}`)), &answer))
	said := answer.Result.Content[0].Text
	for line := range strings.Lines(said) {
		require.LessOrEqual(f.t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), 80, line)
	}
	return said
}

// oneLine is a text without its breaks.
func oneLine(said string) string { return strings.Join(strings.Fields(said), " ") }

// rent rents for so many hours, and waits until it is ready.
func (f fleet) rent(label string, hours int) int64 {
	f.t.Helper()
	got := decode(f.t, f.Approved("create_instance", create(f.Offer("RTX 4090"), fmt.Sprintf(`,"label":%q,"lease_hours":%d`, label, hours))))
	require.Equal(f.t, tool.Done, got.Status)
	f.until(got.InstanceID, "running")
	return got.InstanceID
}

// foreign rents as somebody else on the account does.
func (f fleet) foreign(label string) int64 {
	f.t.Helper()
	id, err := f.Client.Instances.Create(f.t.Context(), vast.OfferID(f.Offer("RTX 3090")), vast.CreateInstance{Image: "a/b", DiskGB: 10, RunType: "ssh", Label: label})
	require.NoError(f.t, err)
	f.until(int64(id), "running")
	return int64(id)
}

func (f fleet) stop(id int64) {
	f.t.Helper()
	require.NoError(f.t, f.Client.Instances.Stop(f.t.Context(), vast.InstanceID(id)))
	f.until(id, "exited")
	f.leases() // somebody looks, as a server does
}

// until waits for what the host reports.
func (f fleet) until(id int64, status string) {
	f.t.Helper()
	for range 60 {
		<-time.After(time.Minute)
		if row, err := f.Client.Instances.Get(f.t.Context(), vast.InstanceID(id)); err == nil && row.Status == status {
			return
		}
	}
	require.Fail(f.t, "it never came to that")
}

func (f fleet) label(id int64) string {
	f.t.Helper()
	row, err := f.Client.Instances.Get(f.t.Context(), vast.InstanceID(id))
	require.NoError(f.t, err)
	return row.Label
}

func (f fleet) relabel(id int64, label string) {
	f.t.Helper()
	require.NoError(f.t, f.Client.Instances.SetLabel(f.t.Context(), vast.InstanceID(id), label))
}

func (f fleet) volume(name string) {
	f.t.Helper()
	f.Do(http.MethodPut, "/api/v0/volumes/", map[string]any{"id": 500_000_001, "size": 20, "name": name})
}

// tail is a lease that another vast-mcp granted.
func tail(until time.Time) string {
	return rental.Tail{Nonce: rental.NewNonce(time.Now()), Until: until, OnExpiry: rental.OnExpiryStop}.String()
}

// outbid rents by a bid, and loses.
func (f fleet) outbid() int64 {
	f.t.Helper()
	offers, err := f.Client.Offers.Search(f.t.Context(), vast.OfferQuery{Filter: vast.Filter{}.With("min_bid", "gt", 0.005).With("min_bid", "lt", 0.2), Pricing: vast.Interruptible})
	require.NoError(f.t, err)
	bid := offers[0].MinBid + 0.02
	got := decode(f.t, f.Approved("create_instance", create(int64(offers[0].ID), fmt.Sprintf(`,"bid_dollars_per_hour":%f,"label":"bid","disk_gb":10`, bid))))
	require.Equal(f.t, tool.Done, got.Status)
	f.until(got.InstanceID, "running")
	f.Do(http.MethodPut, fmt.Sprintf("/api/v0/instances/bid_price/%d/", got.InstanceID), map[string]any{"price": offers[0].MinBid / 2})
	return got.InstanceID
}

// rates is what each thing costs an hour by the market's own ledger.
func (f fleet) rates() map[int64]float64 {
	f.t.Helper()
	entries, err := f.Market.Ledger()
	require.NoError(f.t, err)
	rates := map[int64]float64{}
	for _, e := range entries {
		if e.End.IsZero() && slices.Contains([]string{"gpu", "disk", "volume"}, e.Kind) {
			rates[e.InstanceID] += e.DollarsPerHour
		}
	}
	return rates
}

// costs is what each thing has cost by the market's own ledger.
func (f fleet) costs() map[int64]float64 {
	f.t.Helper()
	entries, err := f.Market.Ledger()
	require.NoError(f.t, err)
	costs := map[int64]float64{}
	for _, e := range entries {
		if e.Kind != "deposit" {
			costs[e.InstanceID] += float64(e.MicroDollars) / 1e6
		}
	}
	return costs
}

// fair checks what something is said to have cost: not less than it did, and
// more only for the minutes of its boot, which count and are not charged.
func (f fleet) fair(id int64, soFar float64) {
	f.t.Helper()
	cost := f.costs()[id]
	require.GreaterOrEqual(f.t, soFar, cost-0.003, id)
	require.LessOrEqual(f.t, soFar, cost+0.05, id)
}

// TestTheWholeAccountIsShown: whatever became of a machine, it is where its
// owner looks for it, with the call that ends it.
func TestTheWholeAccountIsShown(t *testing.T) {
	inFleet(t, rig.Options{}, func(t *testing.T, f fleet) {
		t.Helper()
		over := f.rent("over", 1)
		running := f.rent("a name that is much longer than what would fit beside the rest of a line", 100)
		kept := f.rent("kept", 20)
		f.stop(kept)
		bid := f.outbid()
		theirs, disk := f.foreign("theirs"), f.foreign("")
		f.stop(disk)
		damaged := f.foreign("x [vm:0000 until:tomorrow]")
		stranger := f.foreign("far " + tail(time.Now().Add(20*time.Hour)))
		copied := f.foreign(f.label(running))
		late := f.foreign("late " + tail(time.Now().Add(9000*time.Hour)))
		f.volume("data")
		<-time.After(2 * time.Hour)
		f.stop(over)

		l := f.leases()
		var ids []int64
		for _, one := range l.Leases {
			ids = append(ids, one.InstanceID)
			require.InDelta(t, f.rates()[one.InstanceID], one.PerHour, 2e-6, one.Label)
			f.fair(one.InstanceID, one.SoFar)
			if one.InstanceID == stranger || one.InstanceID == copied {
				require.Empty(t, one.EnforcedBy, "it was rented otherwise")
				continue
			}
			require.Equal(t, []string{guard.ByBackstop}, one.EnforcedBy)
		}
		require.Equal(t, []int64{over, kept, stranger, bid, running, copied}, ids, "by their ends")
		require.Equal(t, 4, l.Unleased)
		first := l.Leases[0]
		require.Less(t, first.MinutesLeft, 0)
		require.Zero(t, *first.Most)
		require.InDelta(t, first.PerHour*24, first.AfterPerDay, 1e-5, "its disk costs on")
		require.InDelta(t, l.Leases[1].PerHour*float64(l.Leases[1].MinutesLeft)/60, *l.Leases[1].Most, 0.01)

		o := f.orphans()
		whys, next := map[int64]string{}, map[int64]string{}
		for i, one := range o.Orphans {
			whys[one.ID], next[one.ID] = one.Why, one.Next
			require.InDelta(t, f.rates()[one.ID], one.PerHour, 2e-6, one.Name)
			f.fair(one.ID, one.SoFar)
			require.True(t, i == 0 || o.Orphans[i-1].Since <= one.Since, "oldest first")
		}
		volume := o.Orphans[len(o.Orphans)-1]
		require.Equal(t, "volume", volume.Kind)
		require.Equal(t, fmt.Sprintf("vastai delete volume %d", volume.ID), volume.Next)
		for id, want := range map[int64]string{
			over: "its lease is over, and its disk goes on", theirs: "no lease", disk: "no lease", damaged: "is damaged", stranger: "with another journal",
			copied: fmt.Sprintf("copied from instance %d", running), late: "later than any lease may last", volume.ID: "a volume has no lease: its 20 GB",
		} {
			require.Contains(t, whys[id], want)
		}
		require.Len(t, whys, 8)
		require.Equal(t, fmt.Sprintf(`stop_instance {"instance_id":%d}`, theirs), next[theirs])
		require.Equal(t, fmt.Sprintf(`destroy_instance {"instance_ids":[%d]}`, disk), next[disk])

		said := f.says("list_leases")
		for _, want := range []string{"over; its disk costs $0.", "a name that is much longer than what ...; until", "outbid", "Without a lease: 4. list_orphans"} {
			require.Contains(t, said, want)
		}
		require.Contains(t, f.says("list_orphans"), "\n  "+next[disk]+"\n")
	})
}

// TestNothingIsLeft is said only of what was looked at.
func TestNothingIsLeft(t *testing.T) {
	const proven = "Nothing is left: every machine on this account has a lease that this journal knows, and there are no volumes."
	noVolumes := func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			if strings.Contains(req.URL.Path, "/volumes/") {
				return nil, io.ErrUnexpectedEOF
			}
			return next.RoundTrip(req)
		})
	}
	inFleet(t, rig.Options{}, func(t *testing.T, f fleet) {
		t.Helper()
		require.Contains(t, oneLine(f.says("list_orphans")), proven)
		f.rent("mine", 2)
		require.Contains(t, oneLine(f.says("list_orphans")), proven)
		require.Contains(t, f.says("list_leases"), "1h59m")
	})
	inFleet(t, rig.Options{Transport: noVolumes}, func(t *testing.T, f fleet) {
		t.Helper()
		said := oneLine(f.says("list_orphans"))
		require.NotContains(t, said, "Nothing is left")
		require.Contains(t, said, "Whether there are volumes could not be read.")
	})
	inFleet(t, rig.Options{Market: fault(t, "create:after:drop:1"), Transport: breakLists(4)}, func(t *testing.T, f fleet) {
		t.Helper()
		f.Approved("create_instance", create(f.Offer("RTX 4090"), ""))
		f.Break("create:before:502:9")
		got := f.Approved("create_instance", create(f.Offer("RTX 3090"), ""))
		require.NotNil(t, got.Failure, "the first is told of")
		f.Approved("create_instance", create(f.Offer("RTX 3090"), ""))
		said := oneLine(f.says("list_orphans"))
		require.NotContains(t, said, "Nothing is left")
		require.Contains(t, said, "1 order is still being settled")
		require.Contains(t, oneLine(f.says("list_leases")), "1 order is still being settled")
	})
}

// TestWithoutAJournalLabelsTell: the state folder is gone, or the database is
// broken.
func TestWithoutAJournalLabelsTell(t *testing.T) {
	for name, c := range map[string]struct {
		journal string // its path
		record  string
		says    string
	}{
		"gone":   {filepath.Join(t.TempDir(), "new", "journal.db"), "none", "By the list alone: this program has no record of earlier orders here."},
		"broken": {t.TempDir(), "unreadable", "By the list alone: the journal cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			inFleet(t, rig.Options{}, func(t *testing.T, before fleet) {
				t.Helper()
				mine, theirs := before.rent("mine", 5), before.foreign("theirs")
				f := fleet{rig.New(t, rig.Options{Beside: before.Rig, Journal: journal.New(c.journal, vast.SystemClock{}.Now)}), t}
				for range 2 { // the first look leaves nothing behind that the second could take for a record
					l, o := f.leases(), f.orphans()
					require.Len(t, l.Leases, 1)
					require.Equal(t, mine, l.Leases[0].InstanceID)
					require.Len(t, o.Orphans, 1, "what carries a lease is not called a stranger's")
					require.Equal(t, theirs, o.Orphans[0].ID)
					require.Equal(t, []string{c.record, c.record}, []string{l.Journal, o.Journal})
				}
				require.Contains(t, oneLine(f.says("list_leases")), c.says)
				require.NoError(t, f.Client.Instances.Destroy(t.Context(), vast.InstanceID(theirs)))
				said := oneLine(f.says("list_orphans"))
				require.Contains(t, said, c.says)
				require.NotContains(t, said, "Nothing is left")
			})
		})
	}
}

// TestALeaseThatItsLabelLostIsALeaseAllTheSame: the journal knows it.
func TestALeaseThatItsLabelLostIsALeaseAllTheSame(t *testing.T) {
	inFleet(t, rig.Options{Configure: func(c *server.Config) { c.EnforceEvery = time.Minute }}, func(t *testing.T, f fleet) {
		t.Helper()
		id := f.rent("mine", 5)
		f.relabel(id, "tidy\x1b[2J\n$0.00")
		l := f.leases()
		require.Len(t, l.Leases, 1)
		require.True(t, l.Leases[0].LabelLost)
		require.Equal(t, []string{guard.ByServer, guard.ByBackstop}, l.Leases[0].EnforcedBy)
		require.Equal(t, "tidy[2J $0.00", l.Leases[0].Label)
		require.Zero(t, f.orphans().Total)
		said := f.says("list_leases")
		require.Contains(t, oneLine(said), "its label lost the lease")
		require.Contains(t, oneLine(said), "They are ended by this server while it runs, by the instance itself if its image can.")
	})
}

// TestWhatStillRunsAfterItsLeaseIsSaid: no server was there to end it, and what
// it will cost nobody knows.
func TestWhatStillRunsAfterItsLeaseIsSaid(t *testing.T) {
	inFleet(t, rig.Options{}, func(t *testing.T, f fleet) {
		t.Helper()
		id := f.rent("mine", 1)
		<-time.After(2 * time.Hour)
		require.Nil(t, f.leases().Leases[0].Most)
		o := f.orphans()
		require.Contains(t, o.Orphans[0].Why, "its lease is over, and nothing has ended it")
		require.Equal(t, fmt.Sprintf(`stop_instance {"instance_id":%d}`, id), o.Orphans[0].Next)
		said := oneLine(f.says("list_leases"))
		require.Contains(t, said, "it is over and still runs: stop_instance; then its disk costs")
		require.Contains(t, said, "What is over and still runs is not in that.")
	})
}

// TestWhatAnOrderMadeInVainIsAnOrphanUntilItIsGone: the host did not start it,
// and for a while the API does not let it go.
func TestWhatAnOrderMadeInVainIsAnOrphanUntilItIsGone(t *testing.T) {
	stillborn := func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			if strings.Contains(req.URL.Path, "/asks/") {
				order := strings.Replace(body(req), `"cancel_unavail":true`, `"target_state":"stopped"`, 1)
				req = req.Clone(req.Context())
				req.Body, req.ContentLength = io.NopCloser(strings.NewReader(order)), int64(len(order))
			}
			return next.RoundTrip(req)
		})
	}
	inFleet(t, rig.Options{Transport: stillborn, Market: fault(t, "create:after:drop:1")}, func(t *testing.T, f fleet) {
		t.Helper()
		f.Break("destroy:before:500:12")
		args := create(f.Offer("RTX 4090"), `,"label":"vain"`)
		require.NotNil(t, f.Approved("create_instance", args).Failure)
		o := f.orphans()
		require.Len(t, o.Orphans, 1)
		require.Equal(t, "vain", o.Orphans[0].Name)
		require.Contains(t, o.Orphans[0].Why, "an order made it in vain, and it is being removed: its machine never ran")
		require.Equal(t, "look again in half a minute", o.Orphans[0].Next)
		for range 5 {
			<-time.After(30 * time.Second)
			o = f.orphans()
		}
		require.Zero(t, o.Total)
		require.Contains(t, f.says("list_orphans"), "Nothing is left")
	})
}

// TestChargesThatCannotBeReadAreEstimated and said to be.
func TestChargesThatCannotBeReadAreEstimated(t *testing.T) {
	noCharges := func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			if strings.Contains(req.URL.Path, "/charges/") {
				return nil, io.ErrUnexpectedEOF
			}
			return next.RoundTrip(req)
		})
	}
	inFleet(t, rig.Options{Transport: noCharges}, func(t *testing.T, f fleet) {
		t.Helper()
		id := f.rent("mine", 100)
		<-time.After(50 * time.Hour)
		one := f.leases().Leases[0]
		require.True(t, one.Estimated)
		require.InDelta(t, f.costs()[id], one.SoFar, 0.5)
		said := f.says("list_leases")
		require.Contains(t, said, "~$")
		require.Contains(t, oneLine(said), "~ is an estimate")
	})
}

// TestChargesAreReadOnce however many machines there are, over days.
func TestChargesAreReadOnce(t *testing.T) {
	inFleet(t, rig.Options{}, func(t *testing.T, f fleet) {
		t.Helper()
		for n := range 3 {
			f.rent(fmt.Sprint(n), 100)
		}
		<-time.After(50 * time.Hour)
		f.stop(f.leases().Leases[0].InstanceID)
		<-time.After(5 * time.Hour)
		before, shown := f.Requests("GET", "/charges/"), f.leases().Leases
		require.Equal(t, before+1, f.Requests("GET", "/charges/"))
		for _, one := range shown {
			f.fair(one.InstanceID, one.SoFar)
		}
	})
}

// TestNoMoreRowsThanAskedFor: and what is left out is said.
func TestNoMoreRowsThanAskedFor(t *testing.T) {
	inFleet(t, rig.Options{}, func(t *testing.T, f fleet) {
		t.Helper()
		for range 3 {
			f.rent("mine", 5)
			f.foreign("theirs")
		}
		var l leases
		f.Must(&l, "list_leases", `{"limit":2}`)
		require.Len(t, l.Leases, 2)
		require.Equal(t, 3, l.Total)
		require.Equal(t, "1 more, which end later: ask with a higher limit.", l.LeftOut)
		require.InDelta(t, f.leases().PerHour, l.PerHour, 1e-9, "the sum is of all")
		var o orphans
		f.Must(&o, "list_orphans", `{"limit":1}`)
		require.Len(t, o.Orphans, 1)
		require.Equal(t, "2 more, which are younger: ask with a higher limit.", o.LeftOut)
	})
}

// TestNoMachineIsLost: whatever is on the account is in one of the two lists,
// and both together cost what the market meters.
func TestNoMachineIsLost(t *testing.T) {
	kinds := []func(f fleet){
		func(f fleet) { f.rent("running", 50) },
		func(f fleet) { f.stop(f.rent("stopped", 50)) },
		func(f fleet) { f.stop(f.rent("over", 1)) },
		func(f fleet) { f.relabel(f.rent("tidy", 50), "tidy") },
		func(f fleet) { f.relabel(f.rent("forged", 50), tail(time.Now().Add(9000*time.Hour))) },
		func(f fleet) { f.outbid() },
		func(f fleet) { f.foreign("theirs") },
		func(f fleet) { f.stop(f.foreign("")) },
		func(f fleet) { f.foreign("[vm:") },
		func(f fleet) { f.foreign(tail(time.Now().Add(time.Hour))) },
		func(f fleet) { f.foreign(f.label(f.rent("mine", 50))) },
		func(f fleet) { f.volume("data") },
	}
	rapid.Check(t, func(rt *rapid.T) {
		chosen := rapid.SliceOfNDistinct(rapid.IntRange(0, len(kinds)-1), 1, 6, rapid.ID).Draw(rt, "kinds")
		later := time.Duration(rapid.IntRange(0, 72).Draw(rt, "hours")) * time.Hour
		inFleet(t, rig.Options{}, func(t *testing.T, f fleet) {
			t.Helper()
			for _, kind := range chosen {
				kinds[kind](f)
			}
			<-time.After(later)
			shown := map[int64]float64{}
			l, o := f.leases(), f.orphans()
			require.Equal(t, len(l.Leases), l.Total)
			require.Equal(t, len(o.Orphans), o.Total)
			for _, one := range o.Orphans {
				shown[one.ID] = one.PerHour
			}
			for _, one := range l.Leases {
				shown[one.InstanceID] = one.PerHour
			}
			require.Equal(t, len(f.rates()), len(shown))
			require.InDeltaMapValues(t, f.rates(), shown, 2e-6)
			f.says("list_leases")
			f.says("list_orphans")
		})
	})
}
