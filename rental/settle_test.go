package rental_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/rig"
	"vast-mcp/internal/tool"
	"vast-mcp/journal"
	"vast-mcp/rental"
	"vast-mcp/sandbox"
	"vast-mcp/vast"
)

func broken(t *testing.T, text string) sandbox.Options {
	t.Helper()
	f, err := sandbox.ParseFault(text)
	require.NoError(t, err)
	return sandbox.Options{Faults: []sandbox.Fault{f}}
}

// TestALostStartIsCalledOff: one in the queue may wake at any time, so it is
// stopped, and believed when two looks agree.
func TestALostStartIsCalledOff(t *testing.T) {
	on(t, rig.Options{}, func(t *testing.T, b *bench) {
		t.Helper()
		id := b.stopped("RTX 4090")
		b.ask("start_instance", one(id))
		b.Break("start:before:502:9")
		require.Equal(t, tool.Unknown, b.answer(b.Call("start_instance", one(id))).Status)
		nonce := b.nonceOf(guard.KindStart)
		state := func() journal.IntentState { b.look(); return b.intent(nonce).State }
		<-time.After(30 * time.Second) // it may not be on its way any more
		stops := b.Requests("PUT", fmt.Sprintf("/instances/%d/", id))
		require.Equal(t, journal.Undoing, state())
		require.Equal(t, stops+1, b.Requests("PUT", fmt.Sprintf("/instances/%d/", id)), "it looks stopped, and is stopped once more")
		res := b.answer(b.Call("start_instance", one(id)))
		require.Equal(t, tool.Unknown, res.Status)
		require.Contains(t, res.Message, "called off")
		require.Equal(t, journal.Undoing, state(), "one look after the stop proves nothing")
		require.Equal(t, journal.Undoing, state(), "nor do two in a row")
		<-time.After(11 * time.Second)
		require.Equal(t, journal.Refused, state())
		require.Equal(t, "it is not seen running", b.intent(nonce).Why)
	})
}

// TestALostStartThatWakesBetweenTheLooksIsFound: the GPUs came free.
func TestALostStartThatWakesBetweenTheLooksIsFound(t *testing.T) {
	on(t, rig.Options{}, func(t *testing.T, b *bench) {
		t.Helper()
		id := b.stopped("RTX 4090")
		b.ask("start_instance", one(id))
		b.Break("start:before:502:3")
		require.Equal(t, tool.Unknown, b.answer(b.Call("start_instance", one(id))).Status)
		nonce := b.nonceOf(guard.KindStart)
		<-time.After(30 * time.Second)
		b.look()
		require.NoError(t, b.Client.Instances.Start(t.Context(), id))
		<-time.After(30 * time.Second)
		b.look()
		in := b.intent(nonce)
		require.Equal(t, journal.Rented, in.State)
		b.tx(func(tx *journal.Tx) {
			lease, found, err := tx.Lease(nonce)
			require.NoError(t, err)
			require.True(t, found, "together with its lease")
			require.Equal(t, in.Lease(lease.GrantedAt), lease)
		})
		require.True(t, b.answer(b.Call("start_instance", one(id))).Replayed)
	})
}

func (b *bench) nonceOf(kind string) string {
	b.t.Helper()
	for _, in := range b.counting() {
		if in.Kind == kind {
			return in.Nonce
		}
	}
	require.Fail(b.t, "there is no open intent of kind "+kind)
	return ""
}

// TestAMachineThatWasStartedAgainIsNotGone: a start writes a lease of its own,
// and the call that rented the machine learns that, and rents no second one.
func TestAMachineThatWasStartedAgainIsNotGone(t *testing.T) {
	for name, settle := range map[string]func(b *bench, args string){
		"by a list":                    func(b *bench, _ string) { b.look() },
		"by the call that comes again": func(b *bench, args string) { b.Call("create_instance", args) },
	} {
		t.Run(name, func(t *testing.T) {
			on(t, rig.Options{}, func(t *testing.T, b *bench) {
				t.Helper()
				args := rent(b.Offer("RTX 4090"), "")
				id := b.answer(b.Approved("create_instance", args)).InstanceID
				first := b.nonceOf(guard.KindCreate)
				b.until(id, func(in vast.Instance) bool { return in.Status == "running" })
				b.answer(b.Call("stop_instance", one(id)))
				b.until(id, rental.Stopped)
				require.Equal(t, tool.Done, b.answer(b.Approved("start_instance", one(id))).Status)
				<-time.After(2 * time.Minute)
				settle(b, args)
				in := b.intent(first)
				require.Equal(t, journal.Ended, in.State)
				require.Equal(t, "it was started again under a new lease", in.Why)
				again := b.Call("create_instance", args)
				require.True(t, again.Failure != nil || again.Status == tool.ApprovalNeeded, "never a second machine unasked")
				require.Equal(t, 1, b.Requests("PUT", "/asks/"))
			})
		})
	}
}

// TestAFreshMachineThatCannotBeReadIsLookedForInTheList: the order was answered
// and the page of its machine fails.
func TestAFreshMachineThatCannotBeReadIsLookedForInTheList(t *testing.T) {
	var b *bench
	after := func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(req)
			if strings.Contains(req.URL.Path, "/asks/") {
				b.Break("get:before:500:4")
			}
			return resp, err
		})
	}
	on(t, rig.Options{Transport: after}, func(t *testing.T, on *bench) {
		t.Helper()
		b = on
		got := b.answer(b.Approved("create_instance", rent(b.Offer("RTX 4090"), "")))
		require.Equal(t, tool.Done, got.Status, got.Message)
		require.True(t, b.Machines()[int64(got.InstanceID)])
	})
}

// TestAnOrderIsGivenUpAfterThreeLooks: of which the last is a quarter of an hour
// late. Time alone proves nothing, nor do looks alone.
func TestAnOrderIsGivenUpAfterThreeLooks(t *testing.T) {
	for name, c := range map[string]struct {
		every time.Duration // between looks
		most  int           // looks that prove nothing yet
	}{"seldom": {time.Hour, 0}, "often": {time.Minute, 15}} {
		t.Run(name, func(t *testing.T) {
			on(t, rig.Options{Market: broken(t, "create:before:502:1")}, func(t *testing.T, b *bench) {
				t.Helper()
				args := rent(b.Offer("RTX 4090"), "")
				b.ask("create_instance", args)
				require.Equal(t, tool.Unknown, b.answer(b.Call("create_instance", args)).Status)
				nonce := b.nonceOf(guard.KindCreate)
				for n := range c.most {
					<-time.After(c.every)
					b.look()
					require.Equal(t, journal.Unknown, b.intent(nonce).State, "after %d looks", n+1)
				}
				<-time.After(c.every)
				b.look()
				require.Equal(t, journal.Closed, b.intent(nonce).State)
				require.Contains(t, b.intent(nonce).Why, "presumed not rented")
			})
		})
	}
}

// TestALateAnswerKnowsMoreThanALook: the order was under way for so long that
// another process called it unknown.
func TestALateAnswerKnowsMoreThanALook(t *testing.T) {
	for name, c := range map[string]struct {
		fault string
		want  tool.Status
		why   string
	}{
		"rented":  {"", tool.Done, ""},
		"refused": {"create:before:400:1", "", ""},
		"lost":    {"create:before:502:1", tool.Unknown, "answer to the order was lost"},
	} {
		t.Run(name, func(t *testing.T) {
			slow := func(next http.RoundTripper) http.RoundTripper {
				return roundTrip(func(req *http.Request) (*http.Response, error) {
					if strings.Contains(req.URL.Path, "/asks/") {
						<-time.After(time.Minute) // and deaf to being given up
						req = req.WithContext(context.WithoutCancel(req.Context()))
					}
					return next.RoundTrip(req)
				})
			}
			o := rig.Options{Transport: slow}
			if c.fault != "" {
				o.Market = broken(t, c.fault)
			}
			on(t, o, func(t *testing.T, b *bench) {
				t.Helper()
				args := rent(b.Offer("RTX 4090"), "")
				b.ask("create_instance", args)
				var wg sync.WaitGroup
				wg.Go(func() { b.Call("create_instance", args) })
				<-time.After(30 * time.Second)
				b.look()
				nonce := b.nonceOf(guard.KindCreate)
				require.Equal(t, journal.Unknown, b.intent(nonce).State)
				wg.Wait()
				<-time.After(2 * time.Minute)
				switch in := b.intent(nonce); c.want {
				case tool.Done:
					require.Equal(t, journal.Rented, in.State)
					require.True(t, b.answer(b.Call("create_instance", args)).Replayed)
				case tool.Unknown:
					require.Equal(t, journal.Unknown, in.State)
					require.Contains(t, in.Why, c.why)
				default:
					require.Equal(t, journal.Looking, in.State)
				}
				require.Equal(t, 1, b.Requests("PUT", "/asks/"))
			})
		})
	}
}

// TestAThrottledOrderKeepsItsYesAfterTwoLooks: the API took no order, which a
// second look makes certain. Until then it counts, and is said to be open.
func TestAThrottledOrderKeepsItsYesAfterTwoLooks(t *testing.T) {
	on(t, rig.Options{Market: broken(t, "create:before:429:1")}, func(t *testing.T, b *bench) {
		t.Helper()
		args := rent(b.Offer("RTX 4090"), "")
		b.ask("create_instance", args)
		b.Fails(tool.RateLimited, "create_instance", args)
		in := b.counting()[0]
		open, err := b.desk.Open(t.Context(), nil)
		require.NoError(t, err)
		require.Equal(t, []rental.Order{{Nonce: in.Nonce, State: journal.Looking, PerHour: in.Rate, Why: in.Why}}, open)
		began := time.Now()
		require.Equal(t, tool.Done, b.answer(b.Call("create_instance", args)).Status)
		require.GreaterOrEqual(t, time.Since(began), 20*time.Second)
		require.Equal(t, journal.Refused, b.intent(in.Nonce).State)
		require.Equal(t, 2, b.Requests("PUT", "/asks/"), "one more, only after a 429 that a look proved empty")
		open, err = b.desk.Open(t.Context(), nil)
		require.NoError(t, err)
		require.Empty(t, open)
	})
}

// TestAnOrderThatNeverLeftKeepsItsYes: no connection was had, so that nothing
// can have been rented and nobody has to be asked again.
func TestAnOrderThatNeverLeftKeepsItsYes(t *testing.T) {
	down := true
	unplugged := func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			if down && strings.Contains(req.URL.Path, "/asks/") {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("no route to host")}
			}
			return next.RoundTrip(req)
		})
	}
	on(t, rig.Options{Transport: unplugged}, func(t *testing.T, b *bench) {
		t.Helper()
		args := rent(b.Offer("RTX 4090"), "")
		b.ask("create_instance", args)
		b.Fails(tool.Unavailable, "create_instance", args)
		require.Empty(t, b.counting(), "it is certain that nothing was rented")
		down = false
		require.Equal(t, tool.Done, b.answer(b.Call("create_instance", args)).Status, "the yes still stands")
		require.Equal(t, 1, b.Requests("PUT", "/asks/"))
	})
}

// TestTheIDOfAnAnswerIsNotBelievedAlone: a 200 that names somebody else's
// machine. That one is left alone, and the one with our nonce is found.
func TestTheIDOfAnAnswerIsNotBelievedAlone(t *testing.T) {
	for name, label := range map[string]string{
		"which carries another lease": "other [vm:0123456789abcdef until:2030-01-01T00:00:00Z stop]",
		"which carries none":          "other",
	} {
		t.Run(name, func(t *testing.T) {
			var other vast.InstanceID
			lie := func(next http.RoundTripper) http.RoundTripper {
				return roundTrip(func(req *http.Request) (*http.Response, error) {
					resp, err := next.RoundTrip(req)
					if other == 0 || err != nil || !strings.Contains(req.URL.Path, "/asks/") {
						return resp, err
					}
					body, err := io.ReadAll(resp.Body)
					body = regexp.MustCompile(`"new_contract":\d+`).ReplaceAll(body, fmt.Appendf(nil, `"new_contract":%d`, other))
					resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
					return resp, err
				})
			}
			on(t, rig.Options{Transport: lie}, func(t *testing.T, b *bench) {
				t.Helper()
				id := b.foreign("RTX 3090", label)
				other = id
				got := b.answer(b.Approved("create_instance", rent(b.Offer("RTX 4090"), "")))
				require.Equal(t, tool.Done, got.Status)
				require.NotEqual(t, id, got.InstanceID)
				require.True(t, rental.Ours(b.row(got.InstanceID)))
				require.Equal(t, label, b.row(id).Label)
			})
		})
	}
}

// TestAPanicInAnOrderIsSettled: the order was out when the program failed.
func TestAPanicInAnOrderIsSettled(t *testing.T) {
	failing := true
	fail := func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(req)
			if failing && strings.Contains(req.URL.Path, "/asks/") {
				panic("a defect")
			}
			return resp, err
		})
	}
	on(t, rig.Options{Transport: fail}, func(t *testing.T, b *bench) {
		t.Helper()
		args := rent(b.Offer("RTX 4090"), "")
		b.ask("create_instance", args)
		got := b.answer(b.Call("create_instance", args))
		require.Equal(t, tool.Unknown, got.Status, "the machine may be there")
		require.Contains(t, b.Log.String(), "a defect")
		failing = false
		found := b.answer(b.Call("create_instance", args))
		require.Equal(t, tool.Done, found.Status)
		require.True(t, b.Machines()[int64(found.InstanceID)])
		require.Equal(t, 1, b.Requests("PUT", "/asks/"))
		<-time.After(time.Minute) // net/http keeps a timer for what it sent
	})
}

// TestARentalMissingFromAListIsNotGone: its own page still shows it.
func TestARentalMissingFromAListIsNotGone(t *testing.T) {
	hidden := false
	hide := func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(req)
			if err == nil && hidden && strings.HasPrefix(req.URL.Path, "/api/v1/instances/") {
				_ = resp.Body.Close()
				resp.Body = io.NopCloser(strings.NewReader(`{"success":true,"instances":[],"total_instances":0,"next_token":null}`))
				resp.ContentLength = -1
			}
			return resp, err
		})
	}
	on(t, rig.Options{Transport: hide}, func(t *testing.T, b *bench) {
		t.Helper()
		id := b.rented("RTX 4090")
		nonce := b.nonceOf(guard.KindCreate)
		<-time.After(5 * time.Minute)
		hidden = true
		b.look()
		require.Equal(t, journal.Rented, b.intent(nonce).State)
		require.NoError(t, b.Client.Instances.Destroy(t.Context(), id))
		<-time.After(time.Minute)
		b.look()
		require.Equal(t, journal.Ended, b.intent(nonce).State)
	})
}

// TestAFreshRentalIsNotGone: neither page shows what was seen a moment ago.
func TestAFreshRentalIsNotGone(t *testing.T) {
	on(t, rig.Options{}, func(t *testing.T, b *bench) {
		t.Helper()
		got := b.answer(b.Approved("create_instance", rent(b.Offer("RTX 4090"), "")))
		nonce := b.nonceOf(guard.KindCreate)
		require.NoError(t, b.Client.Instances.Destroy(t.Context(), got.InstanceID))
		b.look()
		require.Equal(t, journal.Rented, b.intent(nonce).State)
		<-time.After(61 * time.Second)
		b.look()
		require.Equal(t, journal.Ended, b.intent(nonce).State)
	})
}

// TestAnOrderOnItsWayIsLeftToItsSender by everybody else who looks.
func TestAnOrderOnItsWayIsLeftToItsSender(t *testing.T) {
	on(t, rig.Options{Market: broken(t, "create:after:delay=15000:1")}, func(t *testing.T, b *bench) {
		t.Helper()
		args := rent(b.Offer("RTX 4090"), "")
		b.ask("create_instance", args)
		var wg sync.WaitGroup
		wg.Go(func() { b.Call("create_instance", args) })
		<-time.After(10 * time.Second)
		nonce := b.nonceOf(guard.KindCreate)
		b.look()
		require.Equal(t, journal.Sent, b.intent(nonce).State)
		wg.Wait()
		require.Equal(t, journal.Rented, b.intent(nonce).State)
	})
}
