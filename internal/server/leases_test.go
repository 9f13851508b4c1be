package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/rig"
	"vast-mcp/internal/server"
	"vast-mcp/internal/tool"
	"vast-mcp/rental"
	"vast-mcp/vast"
)

// leased is a machine whose lease of an hour a running server enforces, in a
// bubble where the market's time is the bubble's.
type leased struct {
	t  *testing.T
	r  *rig.Rig
	id vast.InstanceID
}

func inLease(t *testing.T, onExpiry string, o rig.Options, test func(l *leased)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o.Market.Speed, o.Mode, o.Configure = 1, guard.Operator, endsLeases
		r := rig.New(t, o)
		ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
		ended := make(chan error, 1)
		go func() { ended <- r.App.ServeHTTP(ctx, newPipes(), server.HTTP{}) }()
		defer func() {
			stop()
			require.NoError(t, <-ended)
		}()
		if onExpiry == "" {
			test(&leased{t, r, 0})
			return
		}
		test(&leased{t, r, rent(t, r, onExpiry)})
	})
}

func endsLeases(c *server.Config) { c.EnforceEvery, c.IdleAfter = time.Minute, 30*time.Minute }

// rent rents for an hour.
func rent(t *testing.T, r *rig.Rig, onExpiry string) vast.InstanceID {
	t.Helper()
	var made struct {
		InstanceID vast.InstanceID `json:"instance_id"`
	}
	res := r.Approved("create_instance", fmt.Sprintf(`{"offer_id":%d,"image":"pytorch/pytorch","lease_hours":1,"on_expiry":%q,"label":"mine"}`, r.Offer("RTX 4090"), onExpiry))
	require.Equal(t, tool.Done, res.Status)
	require.NoError(t, json.Unmarshal(res.Structured, &made))
	return made.InstanceID
}

// row is how the market shows the machine; nothing when it is gone.
func (l *leased) row() vast.Instance {
	l.t.Helper()
	row, err := l.r.Client.Instances.Get(l.t.Context(), l.id)
	if errors.Is(err, vast.NotFound) {
		return vast.Instance{}
	}
	require.NoError(l.t, err)
	return row
}

func (l *leased) label(label string) {
	l.t.Helper()
	require.NoError(l.t, l.r.Client.Instances.SetLabel(l.t.Context(), l.id, label))
}

func (l *leased) running() bool { row := l.row(); return row.ID != 0 && rental.Running(row) }

func TestTheServerEndsLeases(t *testing.T) {
	inLease(t, rental.OnExpiryStop, rig.Options{}, func(l *leased) {
		<-time.After(59 * time.Minute)
		require.True(l.t, l.running(), "not before its time")
		<-time.After(4 * time.Minute)
		require.NotZero(l.t, l.row().ID, "it is stopped, not erased")
		require.False(l.t, l.running())
		require.Contains(l.t, l.r.Log.String(), "stopped")

		stops := l.r.Requests("PUT", "/instances/")
		<-time.After(3 * time.Hour)
		require.LessOrEqual(l.t, l.r.Requests("PUT", "/instances/"), stops+1, "what is stopped is not stopped again and again")

		require.NoError(l.t, l.r.Client.Instances.Start(l.t.Context(), l.id))
		<-time.After(2 * time.Minute)
		require.False(l.t, l.running(), "whatever wakes it, its lease is over")
	})
	inLease(t, rental.OnExpiryDestroy, rig.Options{}, func(l *leased) {
		<-time.After(59 * time.Minute)
		require.True(l.t, l.running())
		<-time.After(4 * time.Minute)
		require.Zero(l.t, l.row().ID)
	})
}

func TestTheQuoteSaysWhoEndsTheLease(t *testing.T) {
	for name, c := range map[string]struct {
		options rig.Options
		says    string
	}{
		"a server":         {rig.Options{Configure: endsLeases, Mode: guard.Operator}, `"enforced_by":["server","backstop"]`},
		"a single command": {rig.Options{Mode: guard.Operator}, `"enforced_by":["backstop"]`},
	} {
		t.Run(name, func(t *testing.T) {
			r := rig.New(t, c.options)
			res := r.Call("create_instance", fmt.Sprintf(`{"offer_id":%d,"image":"pytorch/pytorch"}`, r.Offer("RTX 4090")))
			require.Contains(t, string(res.Structured), c.says)
		})
	}
}

// TestALeaseSurvivesItsLabel: people tidy names, and code in a container may
// write what it likes.
func TestALeaseSurvivesItsLabel(t *testing.T) {
	for name, edited := range map[string]string{
		"tidied away":      "my nice machine",
		"made to last":     "mine [vm:%s until:2099-01-01T00:00:00Z destroy]",
		"damaged":          "mine [vm:%s until:tomorrow stop]",
		"with a word more": "mine [vm:%s until:2020-01-01T00:00:00Z destroy] x",
		"twice":            "[vm:%[1]s until:2020-01-01T00:00:00Z destroy] [vm:%[1]s until:2020-01-01T00:00:00Z destroy]",
	} {
		t.Run(name, func(t *testing.T) {
			inLease(t, rental.OnExpiryDestroy, rig.Options{}, func(l *leased) {
				_, was, ok := rental.ParseLabel(l.row().Label)
				require.True(l.t, ok)
				if strings.Contains(edited, "%") {
					edited = fmt.Sprintf(edited, was.Nonce)
				}
				l.label(edited)
				<-time.After(5 * time.Minute)
				_, now, ok := rental.ParseLabel(l.row().Label)
				require.True(l.t, ok, "the lease was put back into %q", l.row().Label)
				require.Equal(l.t, was.Until, now.Until)
				require.Equal(l.t, rental.OnExpiryStop, now.OnExpiry, "on an edited word nothing is erased")
				<-time.After(time.Hour)
				require.NotZero(l.t, l.row().ID)
				require.False(l.t, l.running())
			})
		})
	}
}

// TestNothingIsErasedOnADoubtfulLabel: what looks like a lease of ours may be a
// copy.
func TestNothingIsErasedOnADoubtfulLabel(t *testing.T) {
	t.Run("copied onto another of ours", func(t *testing.T) {
		inLease(t, rental.OnExpiryDestroy, rig.Options{}, func(l *leased) {
			first := *l
			<-time.After(30 * time.Minute)
			l.id = rent(l.t, l.r, rental.OnExpiryStop)
			l.label(first.row().Label)
			<-time.After(3 * time.Hour)
			require.NotZero(l.t, first.row().ID)
			require.NotZero(l.t, l.row().ID)
			require.False(l.t, first.running())
			require.False(l.t, l.running())
		})
	})
	for name, byHand := range map[string]bool{"copied from what is gone onto another of ours": false, "copied from what is gone onto a stranger": true} {
		t.Run(name, func(t *testing.T) {
			inLease(t, rental.OnExpiryDestroy, rig.Options{}, func(l *leased) {
				first := *l
				if byHand {
					l.order("theirs")
				} else {
					l.id = rent(l.t, l.r, rental.OnExpiryDestroy)
				}
				l.label(first.row().Label)
				require.NoError(l.t, l.r.Client.Instances.Destroy(l.t.Context(), first.id))
				<-time.After(3 * time.Hour)
				require.NotZero(l.t, l.row().ID)
				require.False(l.t, l.running())
			})
		})
	}
	for name, edit := range map[string]func(*rental.Tail){
		"with an earlier end": func(t *rental.Tail) { t.Until = t.Until.Add(-30 * time.Minute) },
		"with another word":   func(t *rental.Tail) { t.OnExpiry = rental.OnExpiryDestroy },
	} {
		t.Run(name, func(t *testing.T) {
			onExpiry := map[string]string{"with an earlier end": rental.OnExpiryDestroy, "with another word": rental.OnExpiryStop}[name]
			inLease(t, onExpiry, rig.Options{}, func(l *leased) {
				tail := l.tail()
				edit(&tail)
				l.label("mine " + tail.String())
				<-time.After(3 * time.Hour)
				require.NotZero(l.t, l.row().ID)
				require.False(l.t, l.running())
				require.Contains(l.t, l.r.Log.String(), "stopped instead of destroyed, for its label says another end than was granted")
			})
		})
	}
	t.Run("on a machine that the journal does not know", func(t *testing.T) {
		inLease(t, "", rig.Options{}, func(l *leased) {
			l.order("theirs [vm:0000000abcdefghj until:1999-01-01T00:00:00Z destroy]")
			<-time.After(10 * time.Minute)
			require.NotZero(l.t, l.row().ID, "its nonce was not minted when it was started")
			require.False(l.t, l.running())
		})
	})
	t.Run("with a deadline that nobody may grant", func(t *testing.T) {
		inLease(t, "", rig.Options{}, func(l *leased) {
			l.order("theirs [vm:0000000abcdefghj until:2999-01-01T00:00:00Z destroy]")
			<-time.After(10 * time.Minute)
			require.True(l.t, l.running())
			require.Contains(l.t, l.r.Log.String(), "not touched")
			require.Equal(l.t, 1, strings.Count(l.r.Log.String(), "not touched"), "said once")
		})
	})
	t.Run("none at all", func(t *testing.T) {
		inLease(t, "", rig.Options{}, func(l *leased) {
			l.order("theirs")
			<-time.After(10 * time.Hour)
			require.True(l.t, l.running())
		})
	})
}

// order rents past this program, as the console would.
func (l *leased) order(label string) {
	l.t.Helper()
	id, err := l.r.Client.Instances.Create(l.t.Context(), vast.OfferID(l.r.Offer("RTX 4090")), vast.CreateInstance{Image: "pytorch/pytorch", DiskGB: 10, Label: label})
	require.NoError(l.t, err)
	l.id = id
}

// TestLeasesOutlastAnOutage: an API that is away is asked again, and the list
// that comes back ends what is overdue.
func TestLeasesOutlastAnOutage(t *testing.T) {
	inLease(t, rental.OnExpiryStop, rig.Options{}, func(l *leased) {
		<-time.After(50 * time.Minute)
		l.r.Break("list:before:503:400")
		<-time.After(50 * time.Minute)
		require.True(l.t, l.running())
		<-time.After(4 * time.Hour)
		require.False(l.t, l.running())
	})
}
