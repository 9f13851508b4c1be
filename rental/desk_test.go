package rental_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"vast-mcp/guard"
	"vast-mcp/internal/rig"
	"vast-mcp/internal/tool"
	"vast-mcp/journal"
	"vast-mcp/rental"
	"vast-mcp/vast"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is the program, and beside it a desk on the same account and journal,
// as another process has one.
type bench struct {
	*rig.Rig

	t    *testing.T
	desk *rental.Desk
}

// on runs f with the program on the bench.
func on(t *testing.T, o rig.Options, f func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, o)
		f(t, &bench{Rig: r, t: t, desk: rental.New(rental.Config{
			Client: r.Client, Journal: r.Journal, Clock: vast.SystemClock{}, Log: slog.New(slog.DiscardHandler),
			Policy: guard.Policy{DefaultLease: 24 * time.Hour}, OrderWithin: 20 * time.Second, Fingerprint: "test",
		})})
	})
}

// answer is what the guarded tools answer.
type answer struct {
	Status     tool.Status     `json:"status"`
	Replayed   bool            `json:"replayed"`
	InstanceID vast.InstanceID `json:"instance_id"`
	Message    string          `json:"message"`
	Warnings   []string        `json:"warnings"`
	Quote      *tool.Quote     `json:"quote"`
}

func (b *bench) answer(res tool.Result) (a answer) {
	b.t.Helper()
	require.Nil(b.t, res.Failure, "%+v", res.Failure)
	require.NoError(b.t, json.Unmarshal(res.Structured, &a))
	return a
}

// ask makes a guarded call that must need an approval, and approves it.
func (b *bench) ask(name, args string) {
	b.t.Helper()
	require.Equal(b.t, tool.ApprovalNeeded, b.answer(b.Call(name, args)).Status)
	b.Approve()
}

func rent(offer int64, more string) string {
	return fmt.Sprintf(`{"offer_id":%d,"image":"pytorch/pytorch:2.7.1-cuda12.8-cudnn9-runtime"%s}`, offer, more)
}

func one(id vast.InstanceID) string { return fmt.Sprintf(`{"instance_id":%d}`, id) }

// rented rents a machine and waits until it is ready.
func (b *bench) rented(gpu string) vast.InstanceID {
	b.t.Helper()
	got := b.answer(b.Approved("create_instance", rent(b.Offer(gpu), "")))
	require.Equal(b.t, tool.Done, got.Status)
	b.until(got.InstanceID, func(in vast.Instance) bool { return in.Status == "running" })
	return got.InstanceID
}

// stopped rents a machine and stops it.
func (b *bench) stopped(gpu string) vast.InstanceID {
	b.t.Helper()
	id := b.rented(gpu)
	require.Equal(b.t, tool.Done, b.answer(b.Call("stop_instance", one(id))).Status)
	b.until(id, rental.Stopped)
	return id
}

// foreign rents a machine as somebody else on the account does.
func (b *bench) foreign(gpu, label string) vast.InstanceID {
	b.t.Helper()
	id, err := b.Client.Instances.Create(b.t.Context(), vast.OfferID(b.Offer(gpu)), vast.CreateInstance{Image: "a/b", DiskGB: 10, RunType: "ssh", Label: label})
	require.NoError(b.t, err)
	return id
}

func (b *bench) until(id vast.InstanceID, so func(vast.Instance) bool) {
	b.t.Helper()
	for range 1000 {
		if so(b.row(id)) {
			return
		}
		<-time.After(10 * time.Second)
	}
	require.Fail(b.t, "it never came to that")
}

func (b *bench) row(id vast.InstanceID) vast.Instance {
	b.t.Helper()
	row, err := b.Client.Instances.Get(b.t.Context(), id)
	require.NoError(b.t, err)
	return row
}

// tx looks into the journal.
func (b *bench) tx(f func(*journal.Tx)) {
	b.t.Helper()
	realm, err := b.desk.Realm(b.t.Context())
	require.NoError(b.t, err)
	require.NoError(b.t, b.Journal.Tx(b.t.Context(), realm, func(tx *journal.Tx) error {
		f(tx)
		return nil
	}))
}

// counting are the rentals and starts that count against the caps.
func (b *bench) counting() (all []journal.Intent) {
	b.t.Helper()
	b.tx(func(tx *journal.Tx) {
		rows, err := tx.Counting()
		require.NoError(b.t, err)
		for _, in := range rows {
			if in.Kind != guard.KindAct {
				all = append(all, in)
			}
		}
	})
	return all
}

func (b *bench) intent(nonce string) (in journal.Intent) {
	b.t.Helper()
	b.tx(func(tx *journal.Tx) {
		var found bool
		var err error
		in, found, err = tx.Intent(nonce)
		require.NoError(b.t, err)
		require.True(b.t, found)
	})
	return in
}

// look is a complete list, read by the other process, that settles what it can.
func (b *bench) look() {
	b.t.Helper()
	_, err := b.desk.Exposure(b.t.Context(), guard.Need{})
	require.NoError(b.t, err)
}

// roundTrip is a way to the market.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
