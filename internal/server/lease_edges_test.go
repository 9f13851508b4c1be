package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/rig"
	"vast-mcp/internal/tool"
	"vast-mcp/rental"
)

// TestALeaseHasAMinutesGrace: clocks differ by seconds.
func TestALeaseHasAMinutesGrace(t *testing.T) {
	inLease(t, rental.OnExpiryStop, rig.Options{}, func(l *leased) {
		<-time.After(time.Hour + 10*time.Second)
		require.True(l.t, l.running())
		<-time.After(3 * time.Minute)
		require.False(l.t, l.running())
	})
}

func TestAReadOnlyServerEndsNoLease(t *testing.T) {
	inLease(t, "", rig.Options{Selection: tool.Selection{ReadOnly: true}}, func(l *leased) {
		l.order("theirs [vm:0000000abcdefghj until:1999-01-01T00:00:00Z stop]")
		<-time.After(20 * time.Minute)
		require.True(l.t, l.running())
	})
}

// later is the label of the machine with a later deadline, as another server
// that extends the lease would write it.
func (l *leased) later(by time.Duration) string {
	l.t.Helper()
	text, tail, ok := rental.ParseLabel(l.row().Label)
	require.True(l.t, ok)
	tail.Until = tail.Until.Add(by)
	return text + " " + tail.String()
}

// TestAnExtensionByAnotherServerHolds: the label wins over an older journal, as
// far as a lease may go.
func TestAnExtensionByAnotherServerHolds(t *testing.T) {
	inLease(t, rental.OnExpiryStop, rig.Options{}, func(l *leased) {
		l.label(l.later(5 * time.Hour))
		<-time.After(5 * time.Hour)
		require.True(l.t, l.running())
		<-time.After(time.Hour + 5*time.Minute)
		require.False(l.t, l.running())
	})
}

// inBetween does something once, right before one instance is read.
type inBetween struct {
	next http.RoundTripper
	once *atomic.Pointer[func()]
}

// RoundTrip passes on.
func (b inBetween) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodGet && strings.HasPrefix(req.URL.Path, "/api/v0/instances/") {
		if do := b.once.Swap(nil); do != nil {
			(*do)()
		}
	}
	return b.next.RoundTrip(req)
}

// TestAnExtensionInFlightIsNotOverrun: the list that a lease is judged by may be
// older than what just happened.
func TestAnExtensionInFlightIsNotOverrun(t *testing.T) {
	once := &atomic.Pointer[func()]{}
	o := rig.Options{Transport: func(next http.RoundTripper) http.RoundTripper { return inBetween{next, once} }}
	inLease(t, rental.OnExpiryDestroy, o, func(l *leased) {
		<-time.After(50 * time.Minute)
		extended := l.later(time.Hour)
		extend := func() { l.label(extended) }
		once.Store(&extend)
		<-time.After(20 * time.Minute)
		require.Nil(l.t, once.Load(), "it was looked at before it was to end")
		require.True(l.t, l.running())
	})
}

// TestAMachineThatWasStartedAgainMayBeDestroyed: its new lease was minted long
// after the machine, but the journal knows it.
func TestAMachineThatWasStartedAgainMayBeDestroyed(t *testing.T) {
	inLease(t, rental.OnExpiryStop, rig.Options{}, func(l *leased) {
		<-time.After(3 * time.Hour)
		require.False(l.t, l.running())
		res := l.r.Approved("start_instance", fmt.Sprintf(`{"instance_id":%d,"lease_hours":1,"on_expiry":"destroy"}`, l.id))
		require.Equal(l.t, tool.Done, res.Status, "%+v", res.Failure)
		<-time.After(50 * time.Minute)
		require.True(l.t, l.running())
		<-time.After(15 * time.Minute)
		require.Zero(l.t, l.row().ID)
	})
}
