package rental_test

import (
	"errors"
	"net/http"
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

// taken stops a machine and lets another one have its GPUs.
func (b *bench) taken() (id, taker vast.InstanceID) {
	b.t.Helper()
	offer := b.Offer("RTX 4090")
	id = b.answer(b.Approved("create_instance", rent(offer, ""))).InstanceID
	b.until(id, func(in vast.Instance) bool { return in.Status == "running" })
	b.answer(b.Call("stop_instance", one(id)))
	b.until(id, rental.Stopped)
	taker = b.answer(b.Approved("create_instance", rent(offer, `,"label":"taker"`))).InstanceID
	return id, taker
}

// TestAQueuedStartLeavesTheQueue: it would start, and bill, any time later.
func TestAQueuedStartLeavesTheQueue(t *testing.T) {
	on(t, rig.Options{}, func(t *testing.T, b *bench) {
		t.Helper()
		id, taker := b.taken()
		b.ask("start_instance", one(id))
		nonces := len(b.counting())
		b.Fails(tool.GPUsTaken, "start_instance", one(id))
		require.Len(t, b.counting(), nonces, "it holds no place against the caps")
		require.NoError(t, b.Client.Instances.Destroy(t.Context(), taker))
		<-time.After(time.Hour)
		require.True(t, rental.Stopped(b.row(id)))
	})
}

// TestAQueueThatCannotBeLeftIsSaidSo: the machine may start by itself.
func TestAQueueThatCannotBeLeftIsSaidSo(t *testing.T) {
	on(t, rig.Options{}, func(t *testing.T, b *bench) {
		t.Helper()
		id, taker := b.taken()
		b.ask("start_instance", one(id))
		b.Break("stop:before:500:4")
		got := b.answer(b.Call("start_instance", one(id)))
		require.Equal(t, tool.Unknown, got.Status)
		require.Contains(t, got.Message, "may start at any time")
		nonce := b.nonceOf(guard.KindStart)
		require.NoError(t, b.Client.Instances.Destroy(t.Context(), taker))
		b.until(id, rental.Running)
		<-time.After(time.Minute)
		b.look()
		require.Equal(t, journal.Rented, b.intent(nonce).State, "it did, and under the lease that was written first")
		require.True(t, rental.Ours(b.row(id)))
	})
}

// TestAnEarlierTryIsNotForgotten: the first start took effect and its answer was
// lost; that the second try fails before it starts anything proves nothing.
func TestAnEarlierTryIsNotForgotten(t *testing.T) {
	var b *bench
	blind := func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			start := req.Method == http.MethodPut && strings.Contains(body(req), `"state":"running"`)
			resp, err := next.RoundTrip(req)
			if start {
				b.Break("get:before:500:8") // four for each call
				return nil, errors.New("connection reset")
			}
			return resp, err
		})
	}
	on(t, rig.Options{Transport: blind}, func(t *testing.T, on *bench) {
		t.Helper()
		b = on
		id := b.stopped("RTX 4090")
		b.ask("start_instance", one(id))
		require.Equal(t, tool.Unknown, b.answer(b.Call("start_instance", one(id))).Status)
		nonce := b.nonceOf(guard.KindStart)
		b.Fails(tool.Unavailable, "start_instance", one(id))
		require.True(t, b.intent(nonce).State.Counts())
		<-time.After(time.Minute)
		b.look()
		require.Equal(t, journal.Rented, b.intent(nonce).State)
	})
}
