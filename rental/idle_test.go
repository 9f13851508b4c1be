package rental_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"vast-mcp/guard"
	"vast-mcp/internal/rig"
	"vast-mcp/internal/tool"
	"vast-mcp/journal"
	"vast-mcp/rental"
	"vast-mcp/sandbox"
	"vast-mcp/vast"
)

// tester is a test, or one try of a property.
type tester interface {
	require.TestingT
	Cleanup(f func())
}

// office is desks on one journal at a time that the test sets.
type office struct {
	now     time.Time
	client  *vast.Client
	journal *journal.Journal
	log     strings.Builder
}

func newOffice(t tester, kept *journal.Journal) *office {
	t.Cleanup(func() { require.NoError(t, kept.Close()) })
	o := &office{now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), journal: kept}
	answer := roundTrip(func(req *http.Request) (*http.Response, error) {
		header := http.Header{"Date": {o.now.Format(http.TimeFormat)}}
		return &http.Response{StatusCode: http.StatusOK, Header: header, Body: io.NopCloser(strings.NewReader(`{"id":1,"credit":1}`)), Request: req}, nil
	})
	client, err := vast.NewClient("key", vast.WithTransport(answer))
	require.NoError(t, err)
	o.client = client
	return o
}

func (o *office) desk() *rental.Desk {
	return rental.New(rental.Config{Client: o.client, Journal: o.journal, Clock: vast.SystemClock{}, Log: slog.New(slog.NewTextHandler(&o.log, nil))})
}

// see lets a desk look at machine 7 at this moment; zero: it does not idle.
func (o *office) see(ctx context.Context, t tester, d *rental.Desk, row vast.Instance) time.Time {
	_, err := o.client.Account.Current(context.Background()) // which tells the time
	require.NoError(t, err)
	row.ID = 7
	return d.SeeIdle(ctx, []vast.Instance{row})[7]
}

// using is a machine that runs with that use of its GPUs.
func using(percent float64) vast.Instance {
	return vast.Instance{Status: "running", Wanted: "running", GPUUtil: &percent}
}

func TestWhatCountsAsIdling(t *testing.T) {
	unknown, off, stopped := using(0), using(0), using(0)
	unknown.GPUUtil, off.Status, stopped.Wanted = nil, "exited", "stopped"
	for name, c := range map[string]struct {
		row  vast.Instance
		idle bool
	}{
		"nothing to do": {using(0), true}, "a twitch": {using(4.9), true}, "some work": {using(5), false}, "work": {using(97), false},
		"no use known": {unknown, false}, "no use told": {using(-1), false}, "not running": {off, false}, "being stopped": {stopped, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, journal.New("", time.Now))
			d := o.desk()
			o.see(t.Context(), t, d, using(0))
			o.now = o.now.Add(time.Minute)
			since := o.see(t.Context(), t, d, c.row)
			require.Equal(t, c.idle, !since.IsZero())
			o.now = o.now.Add(time.Minute)
			again := o.see(t.Context(), t, d, using(0))
			require.Equal(t, c.idle, again.Before(o.now), "what interrupts it starts the count anew")
		})
	}
}

// TestAGapOfLooksStartsTheCountAnew: nobody knows what the GPUs did meanwhile.
func TestAGapOfLooksStartsTheCountAnew(t *testing.T) {
	for gap, kept := range map[time.Duration]bool{15 * time.Minute: true, 15*time.Minute + time.Second: false, -time.Hour: false} {
		o := newOffice(t, journal.New("", time.Now))
		d := o.desk()
		first := o.see(t.Context(), t, d, using(0))
		o.now = o.now.Add(gap)
		require.Equal(t, kept, o.see(t.Context(), t, d, using(0)).Equal(first), gap)
	}
}

// TestWithoutAJournalMemoryCounts, which is said once.
func TestWithoutAJournalMemoryCounts(t *testing.T) {
	o := newOffice(t, journal.New(t.TempDir(), time.Now)) // a folder is no journal
	d := o.desk()
	first := o.see(t.Context(), t, d, using(0))
	for range 30 {
		o.now = o.now.Add(time.Minute)
		require.Equal(t, first, o.see(t.Context(), t, d, using(0)))
	}
	require.Equal(t, 1, strings.Count(o.log.String(), "by memory alone"))
	require.Equal(t, o.now, o.see(t.Context(), t, o.desk(), using(0)), "another process knows nothing of it")
}

func TestALookMakesNoJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	o := newOffice(t, journal.New(path, time.Now))
	require.Equal(t, o.now, o.see(t.Context(), t, o.desk(), using(0)))
	require.NoFileExists(t, path)
	require.Empty(t, o.log.String())
}

// seen is one look that some desk took.
type seen struct {
	at   time.Time
	idle bool
	by   int
}

// began is since when looks, taken together, show nothing but idling.
func began(looks []seen) (since time.Time) {
	for i, l := range looks {
		switch {
		case !l.idle:
			since = time.Time{}
		case since.IsZero() || l.at.Sub(looks[i-1].at) > 15*time.Minute:
			since = l.at
		}
	}
	return since
}

// TestIdlingNeverBeganEarlierThanSeen: several processes look, end, begin anew,
// and lose the journal for a while. What one of them saw at work did work.
func TestIdlingNeverBeganEarlierThanSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := newOffice(t, journal.New("", time.Now))
		desks := make([]*rental.Desk, rapid.IntRange(1, 3).Draw(t, "desks"))
		for i := range desks {
			desks[i] = o.desk()
		}
		outages, ends := rapid.Bool().Draw(t, "outages"), rapid.Bool().Draw(t, "ends")
		var looks []seen
		for range rapid.IntRange(1, 40).Draw(t, "looks") {
			o.now = o.now.Add(time.Duration(rapid.SampledFrom([]int{1, 59, 60, 300, 840, 900, 901, 2000}).Draw(t, "seconds")) * time.Second)
			by := rapid.IntRange(0, len(desks)-1).Draw(t, "by")
			if ends && rapid.IntRange(0, 3).Draw(t, "new process") == 0 {
				desks[by] = o.desk()
			}
			ctx, cancel := context.WithCancel(context.Background())
			if outages && rapid.Bool().Draw(t, "outage") {
				cancel()
			}
			row := using(rapid.SampledFrom([]float64{0, 0, 0, 0, 4, 80}).Draw(t, "use"))
			idle := *row.GPUUtil < 5
			looks = append(looks, seen{o.now, idle, by})
			since := o.see(ctx, t, desks[by], row)
			cancel()
			require.Equal(t, idle, !since.IsZero())
			switch truth := began(looks); {
			case !idle:
			case outages:
				for _, l := range looks {
					require.False(t, !l.idle && l.by == by && !ends && !since.After(l.at), "it saw work at %s, and idling since %s", l.at, since)
				}
			case len(desks) == 1 && !ends:
				require.Equal(t, truth, since)
			default:
				require.False(t, since.Before(truth), "idling since %s, and it was since %s", since, truth)
			}
		}
	})
}

// idle rents a machine without work under a lease that minds, and waits until
// it runs.
func (b *bench) idle(more string) vast.InstanceID {
	b.t.Helper()
	got := b.answer(b.Approved("create_instance", fmt.Sprintf(`{"offer_id":%d,"image":"sandbox/idle"%s}`, b.Offer("RTX 4090"), more)))
	require.Equal(b.t, tool.Done, got.Status)
	b.until(got.InstanceID, func(in vast.Instance) bool { return in.Status == "running" })
	return got.InstanceID
}

// round is one look of a process that enforces leases.
func (b *bench) round(d *rental.Desk) []rental.Ending {
	b.t.Helper()
	rows, err := b.Client.Instances.All(b.t.Context())
	require.NoError(b.t, err)
	return d.StopIdle(b.t.Context(), rows)
}

// TestCronStopsWhatIdles: each round is a process of its own, and only the
// journal remembers the one before it.
func TestCronStopsWhatIdles(t *testing.T) {
	on(t, rig.Options{Market: sandbox.Options{Speed: 1}}, func(t *testing.T, b *bench) {
		t.Helper()
		id := b.idle(`,"stop_when_idle_minutes":30`)
		for minutes := 0; minutes < 30; minutes += 5 {
			require.Empty(t, b.round(b.another()))
			<-time.After(5 * time.Minute)
		}
		said := b.round(b.another())
		require.Len(t, said, 1)
		require.NoError(t, said[0].Err)
		require.Equal(t, "stopped before its lease ended: its GPUs idled for 30 min", said[0].Did)
		b.until(id, rental.Stopped)
		require.Empty(t, b.round(b.another()))
	})
}

// another is a desk as a new process has one.
func (b *bench) another() *rental.Desk {
	return rental.New(rental.Config{Client: b.Client, Journal: b.Journal, Clock: vast.SystemClock{}, Log: slog.New(slog.DiscardHandler)})
}

// TestALeaseThatTwoCarryStopsNothingIdle: one of them has copied the label.
func TestALeaseThatTwoCarryStopsNothingIdle(t *testing.T) {
	on(t, rig.Options{Market: sandbox.Options{Speed: 1}}, func(t *testing.T, b *bench) {
		t.Helper()
		id := b.idle(`,"stop_when_idle_minutes":1`)
		b.foreign("RTX 3090", b.row(id).Label)
		for range 5 {
			require.Empty(t, b.round(b.desk))
			<-time.After(time.Minute)
		}
	})
}

// TestTheLastLookBeforeAStopCounts: the list may be older than what just began.
func TestTheLastLookBeforeAStopCounts(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(b *bench, id vast.InstanceID)
		page    string // what it says of the GPUs by then
		said    int
	}{
		"still idle": {nil, "1", 1},
		"work began": {nil, "90", 0},
		"relabelled": {func(b *bench, id vast.InstanceID) {
			require.NoError(b.t, b.Client.Instances.SetLabel(b.t.Context(), id, "kept"))
		}, "1", 0},
		"destroyed": {func(b *bench, id vast.InstanceID) {
			require.NoError(b.t, b.Client.Instances.Destroy(b.t.Context(), id))
		}, "1", 0},
		"unreadable": {func(b *bench, _ vast.InstanceID) { b.Break("get:before:500:9") }, "1", 1},
	} {
		t.Run(name, func(t *testing.T) {
			var use atomic.Pointer[string]
			o := rig.Options{Market: sandbox.Options{Speed: 1}, Transport: func(next http.RoundTripper) http.RoundTripper { return working{next, &use} }}
			on(t, o, func(t *testing.T, b *bench) {
				t.Helper()
				id := b.idle(`,"stop_when_idle_minutes":5`)
				b.round(b.desk)
				<-time.After(6 * time.Minute)
				rows, err := b.Client.Instances.All(t.Context())
				require.NoError(t, err)
				if c.happens != nil {
					c.happens(b, id)
				}
				use.Store(&c.page)
				stops := b.Requests("PUT", "/instances/")
				said := b.desk.StopIdle(t.Context(), rows)
				require.Len(t, said, c.said)
				stopped := c.said == 1 && said[0].Err == nil
				require.Equal(t, stopped, b.Requests("PUT", "/instances/") > stops)
				require.Equal(t, name == "still idle", stopped)
			})
		})
	}
}

// working makes the pages of instances tell another use of their GPUs.
type working struct {
	next http.RoundTripper
	use  *atomic.Pointer[string]
}

// RoundTrip passes on and edits.
func (w working) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := w.next.RoundTrip(req)
	use := w.use.Load()
	if err != nil || use == nil || !strings.HasPrefix(req.URL.Path, "/api/v0/instances/") {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	body = regexp.MustCompile(`"gpu_util":[0-9.]+`).ReplaceAll(body, []byte(`"gpu_util":`+*use))
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, err
}

// TestAStartKeepsWhatIdlingMeans unless it says otherwise.
func TestAStartKeepsWhatIdlingMeans(t *testing.T) {
	on(t, rig.Options{}, func(t *testing.T, b *bench) {
		t.Helper()
		id := b.idle(`,"stop_when_idle_minutes":30`)
		for _, c := range []struct {
			more string
			want int
		}{{"", 30}, {`,"stop_when_idle_minutes":45`, 45}, {"", 45}} {
			b.answer(b.Call("stop_instance", one(id)))
			b.until(id, rental.Stopped)
			args := fmt.Sprintf(`{"instance_id":%d%s}`, id, c.more)
			require.Equal(t, tool.ApprovalNeeded, b.answer(b.Call("start_instance", args)).Status)
			waiting, err := guard.ListWaiting(t.Context(), b.Journal, time.Now())
			require.NoError(t, err)
			require.Contains(t, waiting[0].Plan.Text(), fmt.Sprintf("idle       stopped when its GPUs idle for %d min", c.want))
			require.Equal(t, tool.Done, b.answer(b.Approved("start_instance", args)).Status)
			_, tail, _ := rental.ParseLabel(b.row(id).Label)
			require.Equal(t, c.want, tail.IdleMinutes)
			b.tx(func(tx *journal.Tx) {
				lease, ok, err := tx.Lease(tail.Nonce)
				require.NoError(t, err)
				require.True(t, ok)
				require.Equal(t, c.want, lease.IdleMinutes)
			})
		}
	})
}
