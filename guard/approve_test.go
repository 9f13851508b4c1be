package guard_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/journaltest"
	"vast-mcp/journal"
)

// waiting is what the command line sees of q.
func (r *rig) waiting(q guard.Quote) guard.Waiting {
	return guard.Waiting{Realm: r.world.realm, ID: q.ID, Code: q.Code}
}

// outOfBand answers from the command line.
func (r *rig) outOfBand(q guard.Quote, yes bool) error {
	a := guard.Answer{Yes: yes, Via: "command, same user", OutBand: true}
	return guard.AnswerWaiting(r.t.Context(), r.config.Journal, r.waiting(q), a)
}

func TestAYesCountsAtAnySpeed(t *testing.T) {
	for _, took := range []time.Duration{0, 1, 399 * time.Millisecond, 400 * time.Millisecond, time.Hour} {
		r := newRig(t)
		a := guard.Answer{Yes: true, Via: "elicitation", Took: took}
		require.False(t, a.Unasked())
		got, err := r.Answer(t.Context(), r.quoted(call("{}"), r.create(1)), a)
		require.NoError(t, err)
		require.True(t, got.Ready)
		require.True(t, r.quoted(call("{}"), r.create(1)).Ready)
		require.Equal(t, []string{"quoted", "approved"}, r.kinds())
	}
}

func TestANoThatNobodyGaveLeavesTheQuoteOpen(t *testing.T) {
	r := newRig(t)
	q := r.quoted(call("{}"), r.create(1))
	for _, took := range []time.Duration{1, 399 * time.Millisecond} {
		a := guard.Answer{Took: took}
		require.True(t, a.Unasked())
		got, err := r.Answer(t.Context(), q, a)
		require.NoError(t, err)
		require.False(t, got.Ready)
	}
	found := r.quoted(call("{}"), r.create(1))
	require.Equal(t, q.ID, found.ID)
	require.False(t, found.Quiet)
	require.Equal(t, []string{"quoted"}, r.kinds())
	require.NoError(t, r.outOfBand(q, true), "it can still be approved")
}

func TestANoKillsTheQuote(t *testing.T) {
	for name, no := range map[string]func(*rig, guard.Quote) error{
		"by the client, slowly": func(r *rig, q guard.Quote) error {
			_, err := r.Answer(t.Context(), q, guard.Answer{Took: 400 * time.Millisecond})
			return err
		},
		"by the command": func(r *rig, q guard.Quote) error { return r.outOfBand(q, false) },
	} {
		for _, approve := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				r := newRig(t, mode(guard.Model))
				q := r.quoted(call("{}"), r.create(1))
				if approve {
					q = r.approved(call("{}"), r.create(1))
				}
				require.NoError(t, no(r, q))
				require.Equal(t, journal.Declined, r.state(q))

				_, err := r.Answer(t.Context(), q, guard.Answer{Yes: true})
				require.ErrorIs(t, err, guard.ErrNotWaiting)
				require.ErrorIs(t, r.outOfBand(q, true), guard.ErrNotWaiting)
				require.ErrorIs(t, no(r, q), guard.ErrNotWaiting)
				named := call("{}")
				named.Named = q.ID
				got := r.quoted(named, r.create(1))
				require.False(t, got.Ready)
				require.NotEqual(t, q.ID, got.ID)
				q.Ready = true
				_, err = r.Redeem(t.Context(), call("{}"), q, r.create(1))
				require.ErrorIs(t, err, guard.ErrNotWaiting)
				require.Empty(t, r.open())
			})
		}
	}
}

func TestAfterANoTheToolAsksNobodyForTenMinutes(t *testing.T) {
	r := newRig(t)
	start := guard.Call{Caller: "local", Tool: "start_instance", Args: []byte("{}")}
	ann := guard.Call{Caller: "ann", Tool: "create_instance", Args: []byte("{}")}
	require.NoError(t, r.outOfBand(r.quoted(call("{}"), r.create(1)), false))

	for _, passed := range []time.Duration{0, 10*time.Minute - time.Millisecond} {
		r.clock.pass(passed)
		for _, args := range []string{"{}", "other arguments"} {
			q := r.quoted(call(args), r.create(1))
			require.True(t, q.Quiet)
			require.False(t, q.Ready)
			require.NotEmpty(t, q.Code, "the command is still a way")
		}
		require.False(t, r.quoted(start, r.create(1)).Quiet, "another tool")
		require.False(t, r.quoted(ann, r.create(1)).Quiet, "another caller")
		require.False(t, r.in(bob).quoted(call("{}"), r.create(1)).Quiet, "another realm")
	}
	r.clock.pass(time.Millisecond)
	require.False(t, r.quoted(call("{}"), r.create(1)).Quiet)
}

func TestDestroyingMayAlwaysBeAskedAgain(t *testing.T) {
	r := newRig(t)
	q := r.quoted(call("{}"), r.act(guard.Destroy))
	_, err := r.Answer(t.Context(), q, guard.Answer{Took: time.Minute})
	require.NoError(t, err)
	require.Equal(t, journal.Declined, r.state(q))
	got := r.quoted(call("{}"), r.act(guard.Destroy))
	require.False(t, got.Quiet)
	require.False(t, got.Ready)
}

func TestAnOutOfBandYesGivesFifteenMinutes(t *testing.T) {
	for _, after := range []time.Duration{0, 9 * time.Minute} {
		r := newRig(t)
		q := r.quoted(call("{}"), r.create(1))
		r.clock.pass(after)
		require.NoError(t, r.outOfBand(q, true))
		require.NoError(t, r.outOfBand(q, true), "saying it twice adds nothing")
		r.clock.pass(15*time.Minute - time.Millisecond - after)
		got := r.quoted(call("{}"), r.create(1))
		require.Equal(t, q.ID, got.ID)
		require.True(t, got.Ready)
		require.Equal(t, epoch.Add(15*time.Minute), got.ExpiresAt)
		r.clock.pass(time.Millisecond)
		require.NotEqual(t, q.ID, r.quoted(call("{}"), r.create(1)).ID)
	}
}

func TestAYesInTheCallGivesNoMoreTime(t *testing.T) {
	r := newRig(t)
	q := r.approved(call("{}"), r.create(1))
	r.clock.pass(10*time.Minute - time.Millisecond)
	require.True(t, r.quoted(call("{}"), r.create(1)).Ready)
	r.clock.pass(time.Millisecond)
	require.NotEqual(t, q.ID, r.quoted(call("{}"), r.create(1)).ID)
}

func TestTooLateToAnswer(t *testing.T) {
	r := newRig(t)
	q := r.quoted(call("{}"), r.create(1))
	r.clock.pass(10 * time.Minute)
	for _, yes := range []bool{true, false} {
		_, err := r.Answer(t.Context(), q, guard.Answer{Yes: yes, Took: time.Minute})
		require.ErrorIs(t, err, guard.ErrNotWaiting)
		require.ErrorIs(t, r.outOfBand(q, yes), guard.ErrNotWaiting)
	}
	require.Equal(t, []string{"quoted"}, r.kinds())
}

func TestTheJournalSaysHowAnAnswerCame(t *testing.T) {
	r := newRig(t)
	q := r.quoted(call("{}"), r.create(1))
	_, err := r.Answer(t.Context(), q, guard.Answer{Yes: true, Via: "elicitation: the caller's client", Took: 2500 * time.Millisecond})
	require.NoError(t, err)
	require.NoError(t, r.outOfBand(q, false))
	all := journaltest.Events(t, r.config.Journal, alice)
	require.Len(t, all, 3)
	require.Equal(t, "approved", all[1].Kind)
	require.Equal(t, q.ID, all[1].Subject)
	require.JSONEq(t, `{"via":"elicitation: the caller's client","took_ms":2500}`, string(all[1].Data))
	require.Equal(t, "declined", all[2].Kind)
	require.JSONEq(t, `{"via":"command, same user","took_ms":0}`, string(all[2].Data))
}

func TestSinceAsked(t *testing.T) {
	r := newRig(t)
	q := r.quoted(call("{}"), r.create(1))
	require.Zero(t, r.SinceAsked(q), "nobody was asked")
	require.NoError(t, r.Asked(t.Context(), q))
	q = r.quoted(call("{}"), r.create(1))
	require.Positive(t, r.SinceAsked(q), "asked this very moment is asked")
	r.clock.pass(3 * time.Second)
	require.Equal(t, 3*time.Second, r.SinceAsked(q))
	r.clock.pass(-time.Minute)
	require.Positive(t, r.SinceAsked(q), "whatever the clock does")

	require.NoError(t, r.outOfBand(q, false))
	require.ErrorIs(t, r.Asked(t.Context(), q), journal.ErrMoved)
}

func TestWhatWaitsIsListedAndAnsweredByCode(t *testing.T) {
	path := file(t)
	r := newRig(t)
	r = r.with(onFile(r, path))
	j := r.config.Journal
	list := func() []guard.Waiting {
		all, err := guard.ListWaiting(t.Context(), j, r.clock.at)
		require.NoError(t, err)
		return all
	}
	require.Empty(t, list())
	require.NoFileExists(t, path, "looking creates nothing")

	p := r.create(400_000)
	p.Facts = []guard.Fact{{Name: "offer", Value: "41"}}
	first := r.quoted(call("{}"), p)
	r.clock.pass(time.Minute)
	second := r.in(bob).approved(call("{}"), r.create(2))
	r.clock.pass(time.Minute)
	for _, done := range []guard.Quote{r.quoted(call("declined"), r.create(1)), r.quoted(call("dearer"), r.create(1))} {
		require.NoError(t, r.outOfBand(done, false))
	}
	r.granted(call("redeemed"), r.create(1))

	all := list()
	require.Len(t, all, 2)
	require.Equal(t, guard.Waiting{
		Realm: alice, ID: first.ID, Code: first.Code, Caller: "local", Tool: "create_instance", Plan: p, ExpiresAt: first.ExpiresAt,
	}, all[0])
	require.Equal(t, second.ID, all[1].ID)
	require.Equal(t, bob, all[1].Realm)
	require.True(t, all[1].Approved)

	require.NoError(t, guard.AnswerWaiting(t.Context(), j, all[0], guard.Answer{Yes: true, Via: "command, same user", OutBand: true}))
	require.True(t, r.quoted(call("{}"), p).Ready, "the same call goes ahead now")
	require.True(t, list()[0].Approved)

	r.clock.pass(15 * time.Minute)
	require.Empty(t, list(), "what expired does not wait")
}

func TestListWaitingOfAFileThatIsNoJournal(t *testing.T) {
	path := file(t)
	require.NoError(t, os.WriteFile(path, []byte("this is no database, but long enough to be looked at"), 0o600))
	_, err := guard.ListWaiting(t.Context(), newRig(t).journalAt(path), epoch)
	require.Error(t, err)
}

func TestAnAnswerInTheWrongRealmIsNoAnswer(t *testing.T) {
	r := newRig(t)
	q := r.quoted(call("{}"), r.create(1))
	w := r.waiting(q)
	w.Realm = bob
	err := guard.AnswerWaiting(t.Context(), r.config.Journal, w, guard.Answer{Yes: true, OutBand: true})
	require.ErrorIs(t, err, guard.ErrNotWaiting)
	require.ErrorContains(t, err, q.ID)
	require.Equal(t, journal.Open, r.state(q))
}
