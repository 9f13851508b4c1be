package rental_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/rig"
	"vast-mcp/internal/tool"
	"vast-mcp/internal/usd"
	"vast-mcp/journal"
	"vast-mcp/rental"
	"vast-mcp/vast"
)

// rewrite changes the bodies of requests, and of answers, whose path contains
// part.
func rewrite(part string, request, answer func(string) string) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			if !strings.Contains(req.URL.Path, part) {
				return next.RoundTrip(req)
			}
			if request != nil && req.Body != nil {
				body, err := io.ReadAll(req.Body)
				if err != nil {
					return nil, err
				}
				text := request(string(body))
				req = req.Clone(req.Context())
				req.Body, req.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
			}
			resp, err := next.RoundTrip(req)
			if err != nil || answer == nil {
				return resp, err
			}
			body, err := io.ReadAll(resp.Body)
			text := answer(string(body))
			resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader([]byte(text))), int64(len(text))
			return resp, err
		})
	}
}

func (b *bench) all() []vast.Instance {
	b.t.Helper()
	rows, err := b.Client.Instances.All(b.t.Context())
	require.NoError(b.t, err)
	return rows
}

// settle lets the other process look, with pauses in which what it saw is
// confirmed.
func (b *bench) settle(times int) {
	b.t.Helper()
	for range times {
		_, _, err := b.desk.Settle(b.t.Context())
		require.NoError(b.t, err)
		<-time.After(12 * time.Second)
	}
}

// TestAnOrderCarriedOutTwiceKeepsOne: a proxy sent it again, and what came of
// both carries one nonce.
func TestAnOrderCarriedOutTwiceKeepsOne(t *testing.T) {
	var b *bench
	twice := func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			if !strings.Contains(req.URL.Path, "/asks/") {
				return next.RoundTrip(req)
			}
			body, err := io.ReadAll(req.Body)
			if err != nil {
				return nil, err
			}
			again := req.Clone(req.Context())
			again.URL.Path = fmt.Sprintf("/api/v0/asks/%d/", b.Offer("RTX 3090"))
			again.Body, req.Body = io.NopCloser(bytes.NewReader(body)), io.NopCloser(bytes.NewReader(body))
			first, err := next.RoundTrip(req)
			if err != nil {
				return nil, err
			}
			_ = first.Body.Close()
			return next.RoundTrip(again)
		})
	}
	on(t, rig.Options{Transport: twice}, func(t *testing.T, on *bench) {
		t.Helper()
		b = on
		args := rent(b.Offer("RTX 4090"), "")
		got := b.answer(b.Approved("create_instance", args))
		require.Equal(t, tool.Done, got.Status)
		require.Len(t, b.all(), 2)
		<-time.After(90 * time.Second)
		b.settle(1)
		require.Equal(t, journal.Undoing, b.intent(b.nonceOf(guard.KindCreate)).State)
		require.Equal(t, tool.Done, b.answer(b.Call("create_instance", args)).Status, "it is rented all the same")
		b.settle(3)
		rows := b.all()
		require.Len(t, rows, 1)
		require.Equal(t, got.InstanceID, rows[0].ID, "the one that its caller was told of")
		in := b.intent(b.nonceOf(guard.KindCreate))
		require.Equal(t, journal.Rented, in.State)
		require.Empty(t, in.Extras)
	})
}

// TestAMachineThatNeverRanIsRemoved: the order led to a stopped instance whose
// disk is billed, and the answer was lost.
func TestAMachineThatNeverRanIsRemoved(t *testing.T) {
	stillborn := rewrite("/asks/", func(body string) string {
		return strings.Replace(body, `"cancel_unavail":true`, `"target_state":"stopped"`, 1)
	}, nil)
	on(t, rig.Options{Market: broken(t, "create:after:drop:1"), Transport: stillborn}, func(t *testing.T, b *bench) {
		t.Helper()
		args := rent(b.Offer("RTX 4090"), "")
		b.ask("create_instance", args)
		f := b.Fails(tool.NotRented, "create_instance", args)
		require.Contains(t, f.Message, "never ran")
		require.Contains(t, f.Message, "being removed: [45001001]")
		require.Contains(t, b.Fails(tool.NotRented, "create_instance", args).Message, "being removed")
		nonce := b.nonceOf(guard.KindCreate)
		b.settle(4)
		require.Empty(t, b.all())
		require.Equal(t, journal.Refused, b.intent(nonce).State)
		require.Equal(t, 1, b.Requests("PUT", "/asks/"))
	})
}

// TestAMachineDearerThanAllowedIsNotKept: its host raised the price between the
// look and the order. Above the quote alone it is kept, and said.
func TestAMachineDearerThanAllowedIsNotKept(t *testing.T) {
	raised := rewrite("/instances/", nil, func(body string) string {
		return regexp.MustCompile(`"dph_total":[0-9.]+`).ReplaceAllString(body, `"dph_total":0.75`)
	})
	for name, c := range map[string]struct {
		policy guard.Policy
		why    string // it is not kept
	}{
		"above the limit": {guard.Policy{MaxPerHour: new(usd.Dollar / 2)}, "it costs $0.75/h, and the owner allows $0.50/h"},
		"above the total": {guard.Policy{MaxTotalPerHour: new(usd.Dollar / 2)}, "with which all that runs costs $0.75/h, and the owner allows $0.50/h"},
		"above the quote": {guard.Policy{MaxPerHour: new(usd.Dollar), MaxTotalPerHour: new(usd.Dollar)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			policy := c.policy
			policy.DefaultLease, policy.MaxLease = 24*time.Hour, 168*time.Hour
			on(t, rig.Options{Transport: raised, Policy: policy}, func(t *testing.T, b *bench) {
				t.Helper()
				args := rent(b.Offer("RTX 4090"), "")
				b.ask("create_instance", args)
				if c.why == "" {
					got := b.answer(b.Call("create_instance", args))
					require.Equal(t, tool.Done, got.Status)
					require.Len(t, got.Warnings, 1)
					require.Regexp(t, `^it costs \$0.75/h, and the quote said \$0\.[0-9]+/h$`, got.Warnings[0])
					return
				}
				require.Contains(t, b.Fails(tool.NotRented, "create_instance", args).Message, c.why)
				in := b.intent(b.nonceOf(guard.KindCreate))
				require.Equal(t, usd.Amount(750_000), in.Rate, "which it counts at until it is gone")
				b.settle(4)
				require.Empty(t, b.all())
			})
		})
	}
}

// held keeps an order back, and answers it itself; late lets it go on its way.
func held(late *func(), answer roundTrip) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			if !strings.Contains(req.URL.Path, "/asks/") {
				return next.RoundTrip(req)
			}
			body, err := io.ReadAll(req.Body)
			if err != nil {
				return nil, err
			}
			*late = func() {
				req := req.Clone(context.WithoutCancel(req.Context()))
				req.Body = io.NopCloser(bytes.NewReader(body))
				if resp, err := next.RoundTrip(req); err == nil {
					_ = resp.Body.Close()
				}
			}
			return answer(req)
		})
	}
}

// TestARentalThatTurnsUpLate: the order took effect long after it had been
// given up. It counts again, and its caller is told.
func TestARentalThatTurnsUpLate(t *testing.T) {
	var late func()
	reset := func(*http.Request) (*http.Response, error) { return nil, errors.New("connection reset") }
	on(t, rig.Options{Transport: held(&late, reset)}, func(t *testing.T, b *bench) {
		t.Helper()
		args := rent(b.Offer("RTX 4090"), "")
		b.ask("create_instance", args)
		require.Equal(t, tool.Unknown, b.answer(b.Call("create_instance", args)).Status)
		nonce := b.nonceOf(guard.KindCreate)
		<-time.After(16 * time.Minute)
		b.settle(3)
		require.Equal(t, journal.Closed, b.intent(nonce).State)
		late()
		<-time.After(2 * time.Minute)
		b.settle(1)
		in := b.intent(nonce)
		require.Equal(t, journal.Rented, in.State)
		require.True(t, in.Late)
		f := b.Fails(tool.Undelivered, "create_instance", rent(b.Offer("RTX 3090"), ""))
		require.Contains(t, f.Message, "turned up after it had been given up: instance 45001001")
	})
}

// TestACopiedLabelIsLeftAlone: a person labelled another machine, tail included.
func TestACopiedLabelIsLeftAlone(t *testing.T) {
	on(t, rig.Options{}, func(t *testing.T, b *bench) {
		t.Helper()
		older := b.foreign("RTX 3090", "")
		<-time.After(2 * time.Hour)
		id := b.rented("RTX 4090")
		younger := b.foreign("RTX 3090", "")
		for _, other := range []vast.InstanceID{older, younger} {
			require.NoError(t, b.Client.Instances.SetLabel(t.Context(), other, b.row(id).Label))
		}
		b.settle(4)
		require.Len(t, b.all(), 3)
		in := b.intent(b.nonceOf(guard.KindCreate))
		require.Equal(t, int64(id), in.Instance)
		require.Equal(t, journal.Rented, in.State)
		for _, other := range []vast.InstanceID{older, younger} {
			require.True(t, rental.Running(b.row(other)))
		}
	})
}

// TestARentalWithoutItsLabelIsGivenOne: the API answered with its id, and the
// label went missing on the way. Nothing would end it.
func TestARentalWithoutItsLabelIsGivenOne(t *testing.T) {
	bare := rewrite("/asks/", func(body string) string {
		body = regexp.MustCompile(`"label":"[^"]*",`).ReplaceAllString(body, "")
		return strings.Replace(body, "VAST_MCP_RENTAL", "OTHER", 1)
	}, nil)
	on(t, rig.Options{Transport: bare}, func(t *testing.T, b *bench) {
		t.Helper()
		got := b.answer(b.Approved("create_instance", rent(b.Offer("RTX 4090"), "")))
		require.Equal(t, tool.Done, got.Status, got.Message)
		require.True(t, rental.Ours(b.row(got.InstanceID)))
	})
}

// TestADamagedLabelIsMendedBeforeItIsCalledRented: the environment says whose it
// is, and what is left of the lease goes.
func TestADamagedLabelIsMendedBeforeItIsCalledRented(t *testing.T) {
	for name, edit := range map[string]func(string) string{
		"cut":  func(body string) string { return regexp.MustCompile(` stop\]`).ReplaceAllString(body, "") },
		"lost": func(body string) string { return regexp.MustCompile(`"label":"[^"]*",`).ReplaceAllString(body, "") },
	} {
		t.Run(name, func(t *testing.T) {
			on(t, rig.Options{Transport: rewrite("/asks/", edit, nil)}, func(t *testing.T, b *bench) {
				t.Helper()
				got := b.answer(b.Approved("create_instance", rent(b.Offer("RTX 4090"), `,"label":"job one"`)))
				require.Equal(t, tool.Done, got.Status, got.Message)
				text, _, leased := rental.ParseLabel(b.row(got.InstanceID).Label)
				require.True(t, leased)
				require.Equal(t, "job one", text)
			})
		})
	}
}

// TestACopiedLabelIsNotTakenForTheRental: the answer was lost, our machine is not
// listed yet, and somebody copied its label.
func TestACopiedLabelIsNotTakenForTheRental(t *testing.T) {
	var b *bench
	hidden := true
	o := rig.Options{Market: broken(t, "create:after:drop:1"), Transport: func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(req)
			if err != nil || !hidden || !strings.HasPrefix(req.URL.Path, "/api/v1/instances/") {
				return resp, err
			}
			body, err := io.ReadAll(resp.Body)
			body = bytes.ReplaceAll(body, []byte("VAST_MCP_RENTAL"), []byte("OTHER"))
			body = regexp.MustCompile(`"machine_id":\d+`).ReplaceAll(body, []byte(`"machine_id":1`))
			resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			return resp, err
		})
	}}
	on(t, o, func(t *testing.T, on *bench) {
		t.Helper()
		b = on
		args := rent(b.Offer("RTX 4090"), "")
		b.ask("create_instance", args)
		require.Equal(t, tool.Unknown, b.answer(b.Call("create_instance", args)).Status, "what carries the label was not made by the order")
		hidden = false
		require.Equal(t, tool.Done, b.answer(b.Call("create_instance", args)).Status)
		require.Len(t, b.all(), 1)
	})
}

// clock is a wall clock that somebody set.
type clock struct {
	vast.SystemClock

	off time.Duration
}

func (c clock) Now() time.Time { return c.SystemClock.Now().Add(c.off) }

// TestAClockThatWasSetClosesNothingEarly: nor does one set back keep an order
// open for ever.
func TestAClockThatWasSetClosesNothingEarly(t *testing.T) {
	for name, off := range map[string]time.Duration{"a year ahead": 365 * 24 * time.Hour, "a year behind": -365 * 24 * time.Hour, "right": 0} {
		t.Run(name, func(t *testing.T) {
			market := broken(t, "create:before:502:1")
			market.Speed = 1 // the API's clock is right, and runs as fast as any
			on(t, rig.Options{Market: market}, func(t *testing.T, b *bench) {
				t.Helper()
				b.desk = rental.New(rental.Config{
					Client: b.Client, Journal: b.Journal, Clock: clock{off: off}, Log: slog.New(slog.DiscardHandler), OrderWithin: 20 * time.Second, Fingerprint: "test",
				})
				args := rent(b.Offer("RTX 4090"), "")
				b.ask("create_instance", args)
				require.Equal(t, tool.Unknown, b.answer(b.Call("create_instance", args)).Status)
				nonce := b.nonceOf(guard.KindCreate)
				b.settle(20)
				require.Equal(t, journal.Unknown, b.intent(nonce).State)
				<-time.After(15 * time.Minute)
				b.settle(3)
				require.Equal(t, journal.Closed, b.intent(nonce).State)
			})
		})
	}
}

// TestARefusedRentalThatTurnsUpLate: a proxy answered no, and passed the order on
// much later.
func TestARefusedRentalThatTurnsUpLate(t *testing.T) {
	var late func()
	gone := func(req *http.Request) (*http.Response, error) {
		no := `{"success":false,"error":"no_such_ask","msg":"gone"}`
		return &http.Response{StatusCode: http.StatusGone, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(no)), Request: req}, nil
	}
	on(t, rig.Options{Transport: held(&late, gone)}, func(t *testing.T, b *bench) {
		t.Helper()
		args := rent(b.Offer("RTX 4090"), "")
		b.ask("create_instance", args)
		b.Fails(tool.OfferGone, "create_instance", args)
		nonce := b.nonceOf(guard.KindCreate)
		<-time.After(30 * time.Second)
		b.settle(1)
		require.Equal(t, journal.Refused, b.intent(nonce).State)
		late()
		f := b.Fails(tool.Undelivered, "create_instance", rent(b.Offer("RTX 3090"), ""))
		require.Contains(t, f.Message, "turned up after it had been given up", "the list that prices the next order shows it")
		require.Equal(t, journal.Rented, b.intent(nonce).State)
		require.True(t, b.intent(nonce).Late)
	})
}

// TestAListThatLagsBringsNothingBack: it still shows what was destroyed a moment
// ago.
func TestAListThatLagsBringsNothingBack(t *testing.T) {
	var stale []byte
	frozen := false
	lag := func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(req)
			if err != nil || !strings.HasPrefix(req.URL.Path, "/api/v1/instances/") || req.Method != http.MethodGet {
				return resp, err
			}
			body, err := io.ReadAll(resp.Body)
			if !frozen {
				stale = body
			}
			resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(stale)), int64(len(stale))
			return resp, err
		})
	}
	on(t, rig.Options{Transport: lag}, func(t *testing.T, b *bench) {
		t.Helper()
		id := b.rented("RTX 4090")
		nonce := b.nonceOf(guard.KindCreate)
		b.look()
		frozen = true
		require.Equal(t, tool.Done, b.answer(b.Approved("destroy_instance", fmt.Sprintf(`{"instance_ids":[%d]}`, id))).Status)
		require.Equal(t, journal.Ended, b.intent(nonce).State)
		b.look()
		require.Equal(t, journal.Ended, b.intent(nonce).State)
	})
}

// TestAnAnswerThatNamesAnothersMachineIsNoRental, and counts until it is settled.
func TestAnAnswerThatNamesAnothersMachineIsNoRental(t *testing.T) {
	var other vast.InstanceID
	lie := func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			if other == 0 || !strings.Contains(req.URL.Path, "/asks/") {
				return next.RoundTrip(req)
			}
			yes := fmt.Sprintf(`{"success":true,"new_contract":%d}`, other)
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(yes)), Request: req}, nil
		})
	}
	policy := guard.Policy{MaxInstances: new(2), DefaultLease: 24 * time.Hour, MaxLease: 168 * time.Hour}
	on(t, rig.Options{Transport: lie, Policy: policy}, func(t *testing.T, b *bench) {
		t.Helper()
		id := b.foreign("RTX 3090", "mine")
		args := rent(b.Offer("RTX 4090"), "")
		b.ask("create_instance", args)
		other = id
		require.Equal(t, tool.Unknown, b.answer(b.Call("create_instance", args)).Status)
		require.Equal(t, journal.Unknown, b.intent(b.nonceOf(guard.KindCreate)).State)
		b.Fails(tool.OverPolicy, "create_instance", rent(b.Offer("RTX 3090"), ""))
		require.Equal(t, "mine", b.row(id).Label)
	})
}

// TestAMachineThatWasStartedAgainBringsNothingBack, even when somebody tidies its
// label away: its environment still carries the nonce of the order.
func TestAMachineThatWasStartedAgainBringsNothingBack(t *testing.T) {
	on(t, rig.Options{}, func(t *testing.T, b *bench) {
		t.Helper()
		id := b.rented("RTX 4090")
		first := b.nonceOf(guard.KindCreate)
		require.Equal(t, tool.Done, b.answer(b.Call("stop_instance", one(id))).Status)
		b.until(id, rental.Stopped)
		require.Equal(t, tool.Done, b.answer(b.Approved("start_instance", one(id))).Status)
		<-time.After(2 * time.Minute)
		b.look()
		require.Equal(t, journal.Ended, b.intent(first).State, "it goes on under the lease of the start")
		require.NoError(t, b.Client.Instances.SetLabel(t.Context(), id, "tidy"))
		<-time.After(2 * time.Minute)
		b.look()
		require.Equal(t, journal.Ended, b.intent(first).State)
		require.Equal(t, journal.Rented, b.intent(b.nonceOf(guard.KindStart)).State)
	})
}
