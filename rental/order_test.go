package rental_test

import (
	"database/sql"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/rig"
	"vast-mcp/internal/tool"
	"vast-mcp/journal"
	"vast-mcp/rental"
	"vast-mcp/vast"
)

// granted is a grant for r, in the hands of a process that knows no better than
// that nothing was sent, and the same grant in those of another.
func (b *bench) granted(r rental.Request) (mine, other *guard.Grant) {
	b.t.Helper()
	g := guard.New(guard.Config{
		Journal: b.Journal, World: b.desk, Mode: guard.Client, Now: time.Now,
		Key: func() ([]byte, error) { return []byte("a key for tests that is long enough"), nil },
	})
	call := guard.Call{Caller: "local", Tool: "create_instance", Args: []byte(`{}`)}
	plan, err := b.desk.PlanCreate(b.t.Context(), r)
	require.NoError(b.t, err)
	plan.Effect = guard.Spend
	quote, err := g.Quote(b.t.Context(), call, plan)
	require.NoError(b.t, err)
	quote, err = g.Answer(b.t.Context(), quote, guard.Answer{Yes: true, Via: "test"})
	require.NoError(b.t, err)
	mine, err = g.Redeem(b.t.Context(), call, quote, plan)
	require.NoError(b.t, err)
	other, err = g.Resume(b.t.Context(), call)
	require.NoError(b.t, err)
	return mine, other
}

// TestWhoeverLosesTheSwapSendsNothing: and answers by how far the other came.
func TestWhoeverLosesTheSwapSendsNothing(t *testing.T) {
	for state, c := range map[journal.IntentState]struct {
		known bool
		over  bool
	}{
		journal.Sent: {}, journal.Unknown: {}, journal.Answered: {}, journal.Rented: {known: true},
		journal.Refused: {over: true}, journal.Closed: {over: true}, journal.Ended: {over: true},
	} {
		t.Run(string(state), func(t *testing.T) {
			on(t, rig.Options{}, func(t *testing.T, b *bench) {
				t.Helper()
				r := rental.Request{Offer: vast.OfferID(b.Offer("RTX 4090")), Image: "a/b", DiskGB: 10, OnExpiry: rental.OnExpiryStop}
				mine, other := b.granted(r)
				id := b.foreign("RTX 3090", mine.Intent().Label)
				orders := b.Requests("PUT", "/asks/")
				require.NoError(t, other.Move(t.Context(), state, func(in *journal.Intent) { in.Instance = int64(id) }, journal.Prepared))
				res, err := b.desk.Create(t.Context(), mine, r)
				b.desk.Wait()
				if c.over {
					require.ErrorIs(t, err, guard.ErrOver)
				} else {
					require.NoError(t, err)
					require.Equal(t, c.known, res.Known)
				}
				if c.known {
					require.Equal(t, id, res.Instance.ID)
				} else if !c.over {
					require.Contains(t, res.Why, mine.Intent().Nonce)
				}
				require.Equal(t, orders, b.Requests("PUT", "/asks/"))
			})
		})
	}
}

// TestAnOrderWhoseOutcomeCannotBeWritten: the disk is full from the order on.
// What may be running is not called failed.
func TestAnOrderWhoseOutcomeCannotBeWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	full := func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			if strings.Contains(req.URL.Path, "/asks/") {
				db, err := sql.Open("sqlite", "file:"+path)
				require.NoError(t, err)
				_, err = db.ExecContext(req.Context(), `CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'disk full'); END`)
				require.NoError(t, errors.Join(err, db.Close()))
			}
			return next.RoundTrip(req)
		})
	}
	on(t, rig.Options{Journal: journal.New(path, time.Now), Transport: full}, func(t *testing.T, b *bench) {
		t.Helper()
		args := rent(b.Offer("RTX 4090"), "")
		b.ask("create_instance", args)
		got := b.answer(b.Call("create_instance", args))
		require.Equal(t, tool.Unknown, got.Status)
		require.Contains(t, got.Message, "could not be recorded")
		require.Contains(t, got.Message, b.nonceOf(guard.KindCreate))
		require.Contains(t, b.Log.String(), "disk full")
	})
}
