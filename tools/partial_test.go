package tools_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/rig"
	"vast-mcp/internal/tool"
	"vast-mcp/vast"
)

// dying is an API that destroys some of what it is asked to, and then answers
// nobody until it is revived.
type dying struct {
	next http.RoundTripper
	some []int64
	dead bool
}

// RoundTrip passes on what it can.
func (d *dying) RoundTrip(req *http.Request) (*http.Response, error) {
	if !d.dead && (len(d.some) == 0 || req.Method != http.MethodDelete) {
		return d.next.RoundTrip(req)
	}
	for _, id := range d.some {
		one := req.Clone(req.Context())
		one.URL.Path, one.Body, one.ContentLength = fmt.Sprintf("/api/v0/instances/%d/", id), http.NoBody, 0
		if _, err := d.next.RoundTrip(one); err != nil {
			return nil, err
		}
	}
	d.some, d.dead = nil, true
	return nil, errors.New("connection reset by peer")
}

// TestADestroyThatWasCutShortGoesOnUnderItsYes: five may go, three are gone, and
// the API dies.
func TestADestroyThatWasCutShortGoesOnUnderItsYes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &dying{}
		r := rig.New(t, rig.Options{Transport: func(next http.RoundTripper) http.RoundTripper {
			api.next = next
			return api
		}})
		var ids []int64
		for i := range 5 {
			ids = append(ids, decode(t, r.Approved("create_instance", create(r.Offer("RTX 4090"), fmt.Sprintf(`,"label":"n%d"`, i)))).InstanceID)
		}
		destroy := strings.ReplaceAll(fmt.Sprintf(`{"instance_ids":%d}`, ids), " ", ",")
		require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("destroy_instance", destroy)).Status)
		r.Approve()
		api.some = ids[:3]
		for range 2 { // it says that it did not finish, and again
			res := r.Call("destroy_instance", destroy)
			require.True(t, res.Failure != nil && res.Failure.Code == tool.Unavailable || res.Status == tool.Unknown, "%s", res.Structured)
		}
		api.dead = false
		gone := decode(t, r.Call("destroy_instance", destroy))
		require.Equal(t, tool.Done, gone.Status, "nobody is asked again")
		require.True(t, gone.Replayed)
		for _, id := range ids {
			_, err := r.Client.Instances.Get(t.Context(), vast.InstanceID(id))
			require.ErrorIs(t, err, vast.NotFound)
		}
	})
}

// TestADestroyThatWasCutShortIsAskedAboutOnceItsYesIsOver: what is left by then.
func TestADestroyThatWasCutShortIsAskedAboutOnceItsYesIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &dying{}
		r := rig.New(t, rig.Options{Transport: func(next http.RoundTripper) http.RoundTripper {
			api.next = next
			return api
		}})
		first, second := rentOne(t, r), decode(t, r.Approved("create_instance", create(r.Offer("RTX 3090"), ""))).InstanceID
		destroy := fmt.Sprintf(`{"instance_ids":[%d,%d]}`, first, second)
		require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("destroy_instance", destroy)).Status)
		r.Approve()
		api.some = []int64{first}
		r.Call("destroy_instance", destroy)
		api.dead = false
		<-time.After(15 * time.Minute)
		needs := decode(t, r.Call("destroy_instance", destroy))
		require.Equal(t, tool.ApprovalNeeded, needs.Status)
		require.Contains(t, needs.Quote.Summary, fmt.Sprintf("Destroy instance %d and", second))
		r.Approve()
		require.Equal(t, tool.Done, decode(t, r.Call("destroy_instance", destroy)).Status)
	})
}
