package guard_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/journal"
)

func (r *rig) resumed(c guard.Call) *guard.Grant {
	r.t.Helper()
	g, err := r.Resume(r.t.Context(), c)
	require.NoError(r.t, err)
	return g
}

func TestResumeFindsWhatStands(t *testing.T) {
	for state, lasting := range map[journal.IntentState][2]bool{ // found: if it is no lasting plan, if it is one
		journal.Prepared: {true, true}, journal.Sent: {true, true}, journal.Answered: {true, true}, journal.Looking: {true, true},
		journal.Unknown: {true, true}, journal.Undoing: {true, true}, journal.Rented: {true, true},
		journal.Refused: {false, false}, journal.Closed: {false, false}, journal.Ended: {false, false},
		journal.Done: {false, true},
	} {
		for i, found := range lasting {
			r := newRig(t)
			require.Nil(t, r.resumed(call("{}")), "nothing was granted yet")
			p := r.create(1)
			p.Lasting = i == 1
			g := r.granted(call("{}"), p)
			require.NoError(t, g.Move(t.Context(), state, nil, journal.Prepared))
			r.clock.pass(24 * time.Hour)

			got := r.resumed(call("{}"))
			require.Equal(t, found, got != nil, "%s, lasting %t", state, p.Lasting)
			if found {
				require.True(t, got.Resumed())
				require.Equal(t, g.Intent(), got.Intent())
				require.Equal(t, p, got.Plan())
			}
			require.Nil(t, r.resumed(call("other")), "another call")
			ann := call("{}")
			ann.Caller = "ann"
			require.Nil(t, r.resumed(ann), "another caller")
		}
	}
}

func TestResumeIsNotForWhatWaits(t *testing.T) {
	r := newRig(t)
	q := r.approved(call("{}"), r.create(1))
	require.Nil(t, r.resumed(call("{}")))
	require.NoError(t, r.outOfBand(q, false))
	require.Nil(t, r.resumed(call("{}")))
}

// Two identical calls at a time: one is between looking for a grant and asking
// for a quote while the other redeems. It must find the first machine, neither
// be quoted a second nor be told that the first leaves no room.
func TestAnIdenticalCallThatCameTooLateFindsTheFirst(t *testing.T) {
	r := newRig(t, limits(guard.Policy{MaxInstances: new(1)}))
	first := r.granted(call("{}"), r.create(1))
	_, err := r.Quote(t.Context(), call("{}"), r.create(1))
	require.ErrorIs(t, err, guard.ErrGranted)
	require.Equal(t, first.Intent().Nonce, r.resumed(call("{}")).Intent().Nonce)
	require.Len(t, r.open(), 1)

	_, err = r.Quote(t.Context(), call("other"), r.create(1))
	require.Equal(t, "max-instances", refusal(err), "which is what another call is told")
	require.NoError(t, first.Move(t.Context(), journal.Ended, nil, journal.Prepared))
	_, err = r.Quote(t.Context(), call("{}"), r.create(1))
	require.NoError(t, err, "once the first is over, the same call is a new question")
}

func TestATwinIsFoundWhileEndingToo(t *testing.T) {
	r := newRig(t)
	r.granted(call("{}"), r.act(guard.Destroy))
	_, err := r.Quote(t.Context(), call("{}"), r.act(guard.Destroy))
	require.ErrorIs(t, err, guard.ErrGranted, "a twin is no outage of the journal")
}

func TestAMachineThatTurnedUpLateIsFoundBeforeAnotherIsOrdered(t *testing.T) {
	r := newRig(t)
	first := r.granted(call("{}"), r.create(1))
	require.NoError(t, first.Move(t.Context(), journal.Closed, nil, journal.Prepared))
	second := r.approved(call("{}"), r.create(1))
	require.NoError(t, first.Move(t.Context(), journal.Rented, nil, journal.Closed))

	g, err := r.Redeem(t.Context(), call("{}"), second, r.create(1))
	require.ErrorIs(t, err, guard.ErrNotWaiting)
	require.Nil(t, g)
	require.Equal(t, first.Intent().Nonce, r.resumed(call("{}")).Intent().Nonce, "a newer quote does not hide it")
}

func TestOneMovesAnIntent(t *testing.T) {
	r := newRig(t)
	owner := r.granted(call("{}"), r.create(1))
	other := r.resumed(call("{}"))
	sent := func(in *journal.Intent) { in.Within = 20 * time.Second }
	require.NoError(t, owner.Move(t.Context(), journal.Sent, sent, journal.Prepared))
	require.Equal(t, journal.Sent, owner.Intent().State)

	err := other.Move(t.Context(), journal.Sent, func(*journal.Intent) { t.Error("the loser changes nothing") }, journal.Prepared)
	require.ErrorIs(t, err, journal.ErrMoved)
	require.ErrorIs(t, other.GiveBack(t.Context(), "never sent", journal.Prepared), journal.ErrMoved)
	require.Equal(t, owner.Intent(), other.Intent(), "the loser learns how far the winner came")
	require.Equal(t, []string{"quoted", "approved", "redeemed", "sent"}, r.kinds())
}

func TestMovingOutlivesTheCall(t *testing.T) {
	r := newRig(t)
	g := r.granted(call("{}"), r.create(1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, g.Move(ctx, journal.Sent, nil, journal.Prepared))
	require.NoError(t, g.Rented(ctx, 7, journal.Sent))
	granted := journal.Lease{Nonce: g.Intent().Nonce, Instance: 7, Until: g.Plan().Until, OnExpiry: "stop", GrantedAt: epoch}
	require.NoError(t, g.Tell(ctx, true, "done", json.RawMessage(`{"instance_id":7}`)))
	r.tx(func(tx *journal.Tx) {
		in, _, err := tx.Intent(g.Intent().Nonce)
		require.NoError(t, err)
		require.Equal(t, journal.Rented, in.Told)
		in.Told = ""
		require.Equal(t, g.Intent(), in)
		require.Equal(t, int64(7), in.Instance)
		lease, _, err := tx.Lease(in.Nonce)
		require.NoError(t, err)
		require.Equal(t, granted, lease)
		told, _, err := tx.Outcome(in.Nonce)
		require.NoError(t, err)
		require.Equal(t, journal.Outcome{Nonce: in.Nonce, Status: "done", Result: json.RawMessage(`{"instance_id":7}`), At: epoch}, told)
	})
}

func TestGiveBackReturnsTheYes(t *testing.T) {
	r := newRig(t)
	p := r.create(1)
	q := r.approved(call("{}"), p)
	g, err := r.Redeem(t.Context(), call("{}"), q, p)
	require.NoError(t, err)
	require.NoError(t, g.Move(t.Context(), journal.Sent, nil, journal.Prepared))
	require.ErrorIs(t, g.GiveBack(t.Context(), "never sent", journal.Prepared), journal.ErrMoved)
	require.Equal(t, journal.Redeemed, r.state(q))
	require.NoError(t, g.GiveBack(t.Context(), "never sent", journal.Prepared, journal.Sent))

	require.Equal(t, journal.Refused, g.Intent().State)
	require.Equal(t, "never sent", g.Intent().Why)
	require.Equal(t, journal.Approved, r.state(q))
	require.Empty(t, r.open())
	require.Nil(t, r.resumed(call("{}")))
	again := r.quoted(call("{}"), r.create(1))
	require.Equal(t, q.ID, again.ID)
	require.True(t, again.Ready)
	second, err := r.Redeem(t.Context(), call("{}"), again, r.create(1))
	require.NoError(t, err)
	require.NotEqual(t, g.Intent().Nonce, second.Intent().Nonce, "each try has its own nonce")
	require.ErrorIs(t, g.GiveBack(t.Context(), "twice", journal.Prepared, journal.Sent), journal.ErrMoved)
	require.Equal(t, journal.Redeemed, r.state(q), "the yes was used again")
}

func TestTheYesThatWasGivenBackStillExpires(t *testing.T) {
	r := newRig(t)
	p := r.create(1)
	g := r.granted(call("{}"), p)
	require.NoError(t, g.GiveBack(t.Context(), "never sent", journal.Prepared))
	r.clock.pass(10 * time.Minute)
	require.False(t, r.quoted(call("{}"), r.create(1)).Ready)
}

func TestFinish(t *testing.T) {
	for _, from := range []journal.IntentState{journal.Prepared, journal.Sent, journal.Refused, journal.Done} {
		r := newRig(t)
		g := r.granted(call("{}"), r.act(guard.Destroy))
		require.NoError(t, g.Move(t.Context(), from, nil, journal.Prepared))
		require.NoError(t, g.Finish(t.Context()), "what was carried out stays so, whoever wrote it down")
		require.Equal(t, from != journal.Refused, g.Finished(), from)
		require.Empty(t, r.open())
	}
}

// Of two calls with one grant, one begins; the other learns how far it came.
func TestBegin(t *testing.T) {
	r := newRig(t)
	owner := r.granted(call("{}"), r.act(guard.Access))
	other := r.resumed(call("{}"))
	first, err := owner.Begin(t.Context())
	require.NoError(t, err)
	require.True(t, first)
	first, err = other.Begin(t.Context())
	require.NoError(t, err)
	require.False(t, first)
	require.False(t, other.Finished())
	require.NoError(t, owner.Finish(t.Context()))
	first, err = other.Begin(t.Context())
	require.NoError(t, err)
	require.False(t, first)
	require.True(t, other.Finished())
}

func TestWhatFailedGivesTheYesBackAndIsOverForItsTwin(t *testing.T) {
	r := newRig(t)
	p := r.act(guard.Access)
	q := r.approved(call("{}"), p)
	owner, err := r.Redeem(t.Context(), call("{}"), q, p)
	require.NoError(t, err)
	twin := r.resumed(call("{}"))
	_, err = owner.Begin(t.Context())
	require.NoError(t, err)
	broken := errors.New("the API said no")
	require.Equal(t, broken.Error(), owner.Failed(t.Context(), broken).Error())
	require.Equal(t, journal.Approved, r.state(q))
	_, err = twin.Begin(t.Context())
	require.ErrorIs(t, err, guard.ErrOver)
	require.Equal(t, broken.Error(), twin.Failed(t.Context(), broken).Error(), "another call carried on: nothing to write down")
}

// A rental and its lease are one line in the journal: neither is there without
// the other.
func TestARentalIsWrittenTogetherWithItsLease(t *testing.T) {
	path, r := file(t), newRig(t)
	r = r.with(onFile(r, path))
	g := r.granted(call("{}"), r.create(1))
	require.NoError(t, g.Move(t.Context(), journal.Sent, nil, journal.Prepared))
	sabotage(t, path, `CREATE TRIGGER full BEFORE INSERT ON leases BEGIN SELECT RAISE(FAIL, 'the disk is full'); END`)
	require.ErrorContains(t, g.Rented(t.Context(), 7, journal.Sent), "the disk is full")
	require.Equal(t, journal.Sent, g.Intent().State)
	require.Equal(t, journal.Sent, r.open()[0].State)
}

// What an identical call did while this one was under way was done for both;
// what one did before is over.
func TestWhatWasDoneMeanwhileCountsForBoth(t *testing.T) {
	for name, c := range map[string]struct {
		began   time.Duration // after the other one's beginning
		setBack time.Duration // the wall clock, afterwards
		found   bool
	}{
		"side by side":                         {time.Second, 0, true},
		"afterwards":                           {5 * time.Second, 0, false},
		"afterwards, by a clock that ran back": {5 * time.Second, time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			g := r.granted(call("{}"), r.act(guard.Destroy))
			late := call("{}")
			late.Began = r.clock.at.Add(c.began)
			r.clock.pass(3 * time.Second)
			require.NoError(t, g.Finish(t.Context()))
			r.clock.pass(5*time.Second - c.setBack)
			if c.setBack > 0 {
				late.Began = r.clock.at
			}
			require.Equal(t, c.found, r.resumed(late) != nil)
			_, err := r.Quote(t.Context(), late, r.act(guard.Destroy))
			require.Equal(t, c.found, errors.Is(err, guard.ErrGranted), "%v", err)
		})
	}
}
