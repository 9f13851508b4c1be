package tools_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/rig"
	"vast-mcp/internal/tool"
	"vast-mcp/vast"
)

// jitter makes each request take up to most, differently for each seed, so that
// calls that run side by side overtake each other in many ways.
func jitter(seed uint64, most time.Duration) func(http.RoundTripper) http.RoundTripper {
	var mu sync.Mutex
	dice := rand.New(rand.NewPCG(seed, 1))
	wait := func(ctx context.Context) error {
		mu.Lock()
		d := time.Duration(dice.Int64N(int64(most)))
		mu.Unlock()
		return vast.SystemClock{}.Sleep(ctx, d)
	}
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			if err := wait(req.Context()); err != nil {
				return nil, err
			}
			resp, err := next.RoundTrip(req)
			if waited := wait(req.Context()); waited != nil && err == nil {
				return nil, waited
			}
			return resp, err
		})
	}
}

// sideBySide makes the same call several times at once, each a little later
// than the one before.
func sideBySide(r *rig.Rig, seed uint64, name, args string) []tool.Result {
	dice := rand.New(rand.NewPCG(seed, 2))
	results := make([]tool.Result, 4)
	var wg sync.WaitGroup
	for i := range results {
		late := time.Duration(dice.Int64N(int64(time.Second)))
		wg.Go(func() {
			<-time.After(late)
			results[i] = r.Call(name, args)
		})
	}
	wg.Wait()
	return results
}

// twins runs f for many ways in which calls can overtake each other.
func twins(t *testing.T, f func(t *testing.T, r *rig.Rig, seed uint64)) {
	t.Helper()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f(t, rig.New(t, rig.Options{Transport: jitter(seed, 2*time.Second)}), seed)
			})
		})
	}
}

// allDone requires that each of the calls was told that it is done.
func allDone(t *testing.T, results []tool.Result) {
	t.Helper()
	for _, res := range results {
		require.Equal(t, tool.Done, decode(t, res).Status, "%s", res.Structured)
	}
}

func TestIdenticalStopsSideBySide(t *testing.T) {
	twins(t, func(t *testing.T, r *rig.Rig, seed uint64) {
		t.Helper()
		id := rentOne(t, r)
		allDone(t, sideBySide(r, seed, "stop_instance", fmt.Sprintf(`{"instance_id":%d}`, id)))
	})
}

func TestIdenticalStopsOfAForeignMachineSideBySide(t *testing.T) {
	twins(t, func(t *testing.T, r *rig.Rig, seed uint64) {
		t.Helper()
		id, err := r.Client.Instances.Create(t.Context(), vast.OfferID(r.Offer("RTX 3090")), vast.CreateInstance{Image: "a/b", DiskGB: 10, RunType: "ssh"})
		require.NoError(t, err)
		waitFor(t, r, int64(id), "ready")
		stop := fmt.Sprintf(`{"instance_id":%d}`, id)
		require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("stop_instance", stop)).Status)
		r.Approve()
		allDone(t, sideBySide(r, seed, "stop_instance", stop))
	})
}

func TestIdenticalDestroysSideBySide(t *testing.T) {
	twins(t, func(t *testing.T, r *rig.Rig, seed uint64) {
		t.Helper()
		ids := fmt.Sprintf(`{"instance_ids":[%d]}`, rentOne(t, r))
		require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("destroy_instance", ids)).Status)
		r.Approve()
		allDone(t, sideBySide(r, seed, "destroy_instance", ids))
	})
}

func TestIdenticalStartsSideBySide(t *testing.T) {
	twins(t, func(t *testing.T, r *rig.Rig, seed uint64) {
		t.Helper()
		id := rentOne(t, r)
		start := fmt.Sprintf(`{"instance_id":%d}`, id)
		allDone(t, sideBySide(r, seed, "start_instance", start)) // it runs: free
		decode(t, r.Call("stop_instance", start))
		waitFor(t, r, id, "stopped")
		require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("start_instance", start)).Status)
		r.Approve()
		before := r.Requests("PUT", "/instances/")
		allDone(t, sideBySide(r, seed, "start_instance", start))
		require.Equal(t, before+2, r.Requests("PUT", "/instances/"), "one lease is written and one start is sent")
	})
}

func TestIdenticalRentalsSideBySide(t *testing.T) {
	twins(t, func(t *testing.T, r *rig.Rig, seed uint64) {
		t.Helper()
		args := create(r.Offer("RTX 4090"), "")
		require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("create_instance", args)).Status)
		r.Approve()
		results := sideBySide(r, seed, "create_instance", args)
		allDone(t, results)
		for _, res := range results {
			require.Contains(t, r.Machines(), decode(t, res).InstanceID)
		}
		require.Equal(t, 1, r.Requests("PUT", "/asks/"))
		require.Len(t, r.Machines(), 1)
	})
}

func TestIdenticalKeysSideBySide(t *testing.T) {
	twins(t, func(t *testing.T, r *rig.Rig, seed uint64) {
		t.Helper()
		id := rentOne(t, r)
		attach := fmt.Sprintf(`{"instance_id":%d,"public_key":%q}`, id, publicKey)
		require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("attach_ssh_key", attach)).Status)
		r.Approve()
		allDone(t, sideBySide(r, seed, "attach_ssh_key", attach))

		add := fmt.Sprintf(`{"public_key":%q}`, publicKey)
		other := strings.Replace(add, "alice@example", "bob", 1)
		for _, args := range []string{add, other} {
			require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("add_ssh_key", args)).Status)
		}
		r.Approve()
		var second []tool.Result
		var wg sync.WaitGroup
		wg.Go(func() { second = sideBySide(r, seed+100, "add_ssh_key", other) })
		allDone(t, sideBySide(r, seed, "add_ssh_key", add))
		wg.Wait()
		allDone(t, second)
		stored, err := r.Client.SSHKeys.List(t.Context())
		require.NoError(t, err)
		require.Len(t, stored, 1, "the API keeps twice what it is sent twice")
	})
}

// TestAKeyWhoseAddingWasCutShort: the program failed while it sent the key, so
// that nobody knows whether it arrived. Whoever comes next looks, and sends no
// second one.
func TestAKeyWhoseAddingWasCutShort(t *testing.T) {
	for name, arrived := range map[string]bool{"it arrived": true, "it may arrive yet": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sent := 0
				r := rig.New(t, rig.Options{Transport: func(next http.RoundTripper) http.RoundTripper {
					return roundTrip(func(req *http.Request) (*http.Response, error) {
						if req.Method != http.MethodPost || !strings.HasSuffix(req.URL.Path, "/ssh/") {
							return next.RoundTrip(req)
						}
						sent++
						if arrived {
							_, err := next.RoundTrip(req)
							require.NoError(t, err)
						}
						panic("a defect")
					})
				}})
				add := fmt.Sprintf(`{"public_key":%q}`, publicKey)
				require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("add_ssh_key", add)).Status)
				r.Approve()
				r.Fails(tool.Internal, "add_ssh_key", add)
				if arrived {
					require.Equal(t, tool.Done, decode(t, r.Call("add_ssh_key", add)).Status)
				} else {
					r.Fails(tool.NotReady, "add_ssh_key", add)
					<-time.After(20 * time.Minute)
					require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("add_ssh_key", add)).Status, "the yes was for then")
				}
				require.Equal(t, 1, sent)
				<-time.After(time.Minute) // net/http keeps a timer for what it sent
			})
		})
	}
}

// TestAKeyThatWasRefusedKeepsItsYes: and is sent again by the same call.
func TestAKeyThatWasRefusedKeepsItsYes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{})
		r.Break("ssh_add:before:502:1")
		add := fmt.Sprintf(`{"public_key":%q}`, publicKey)
		require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("add_ssh_key", add)).Status)
		r.Approve()
		r.Fails(tool.Unavailable, "add_ssh_key", add)
		require.Equal(t, tool.Done, decode(t, r.Call("add_ssh_key", add)).Status)
		stored, err := r.Client.SSHKeys.List(t.Context())
		require.NoError(t, err)
		require.Len(t, stored, 1)
	})
}

// TestAFreeStartIsAskedAboutOnceItWasStopped: starting what runs is free, and the
// program failed while it did so. The same call after a stop costs money.
func TestAFreeStartIsAskedAboutOnceItWasStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gets := -1
		r := rig.New(t, rig.Options{Transport: func(next http.RoundTripper) http.RoundTripper {
			return roundTrip(func(req *http.Request) (*http.Response, error) {
				if gets >= 0 && req.Method == http.MethodGet && strings.HasPrefix(req.URL.Path, "/api/v0/instances/") {
					if gets++; gets == 2 {
						panic("a defect") // after the plan, with the grant in hand
					}
				}
				return next.RoundTrip(req)
			})
		}})
		id := rentOne(t, r)
		start := fmt.Sprintf(`{"instance_id":%d}`, id)
		gets = 0
		require.NotEqual(t, tool.Done, decode(t, r.Call("start_instance", start)).Status)
		gets = -1
		decode(t, r.Call("stop_instance", start))
		waitFor(t, r, id, "stopped")
		require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("start_instance", start)).Status)
		<-time.After(time.Minute) // net/http keeps a timer for what it sent
	})
}
