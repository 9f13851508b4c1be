package guard_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/journaltest"
	"vast-mcp/journal"
)

const secret = "correct horse battery"

// setApprover makes secret the passphrase of r's journal.
func (r *rig) setApprover() {
	r.t.Helper()
	require.NoError(r.t, guard.SetApprover(r.t.Context(), r.config.Journal, nil, []byte(secret)))
}

// byPassphrase approves q as the approve command does.
func (r *rig) byPassphrase(q guard.Quote, passphrase string) error {
	return guard.ApproveWaiting(r.t.Context(), r.config.Journal, r.waiting(q), []byte(passphrase))
}

// hasApprover reads the journal.
func (r *rig) hasApprover() bool {
	r.t.Helper()
	set, err := guard.HasApprover(r.t.Context(), r.config.Journal)
	require.NoError(r.t, err)
	return set
}

// own are the events that belong to the journal itself, as "kind data".
func (r *rig) own() (all []string) {
	r.t.Helper()
	for _, e := range journaltest.Events(r.t, r.config.Journal, journal.Own) {
		all = append(all, e.Kind+" "+string(e.Data))
	}
	return all
}

func TestAnApproverIsSetChangedAndCleared(t *testing.T) {
	path, r := file(t), newRig(t)
	r = r.with(onFile(r, path))
	j, ctx := r.config.Journal, t.Context()
	require.False(t, r.hasApprover())
	require.NoFileExists(t, path, "looking creates nothing")
	require.ErrorIs(t, guard.ClearApprover(ctx, j, []byte(secret)), guard.ErrNoApprover)
	require.ErrorContains(t, guard.SetApprover(ctx, j, nil, []byte("seven77")), "at least 8")
	require.NoFileExists(t, path)

	r.setApprover()
	require.True(t, r.hasApprover())
	require.ErrorIs(t, guard.SetApprover(ctx, j, nil, []byte("another one")), guard.ErrWrongPassphrase)
	require.ErrorIs(t, guard.SetApprover(ctx, j, []byte("guess"), []byte("another one")), guard.ErrWrongPassphrase)
	require.ErrorIs(t, guard.ClearApprover(ctx, j, []byte("another one")), guard.ErrWrongPassphrase)
	require.NoError(t, guard.SetApprover(ctx, j, []byte(secret), []byte("another one")))
	require.ErrorIs(t, guard.ClearApprover(ctx, j, []byte(secret)), guard.ErrWrongPassphrase)
	require.NoError(t, guard.ClearApprover(ctx, j, []byte("another one")))
	require.False(t, r.hasApprover())

	require.Equal(t, []string{
		`approver_set {"changed":false}`, `wrong_passphrase {"wrong":1}`, `wrong_passphrase {"wrong":2}`, `wrong_passphrase {"wrong":3}`,
		`approver_set {"changed":true}`, `wrong_passphrase {"wrong":1}`, `approver_cleared {}`,
	}, r.own(), "a right one forgives the wrong ones before it")
}

func TestFiveWrongPassphrasesLockForFifteenMinutes(t *testing.T) {
	path, r := file(t), newRig(t)
	here, there := r.with(onFile(r, path)), r.with(onFile(r, path))
	here.setApprover()
	q := here.quoted(call("{}"), r.create(1))
	for i := range 5 {
		guesser := []*rig{here, there}[i%2] // another process
		require.ErrorIs(t, guesser.byPassphrase(q, "guess"), guard.ErrWrongPassphrase)
		r.clock.pass(time.Minute)
	}
	locked := func() {
		t.Helper()
		for _, passphrase := range []string{secret, "guess"} {
			require.ErrorIs(t, there.byPassphrase(q, passphrase), guard.ErrLocked)
			require.ErrorIs(t, guard.ClearApprover(t.Context(), here.config.Journal, []byte(passphrase)), guard.ErrLocked)
		}
		require.Equal(t, journal.Open, here.state(q))
	}
	locked()
	require.Len(t, here.own(), 6, "what is not judged is not counted")
	require.Contains(t, here.own()[5], `"locked_until":"2026-03-02T09:49:00Z"`)
	r.clock.pass(14*time.Minute - time.Millisecond)
	locked()
	r.clock.pass(-time.Hour)
	locked() // a clock that is set back changes nothing
	r.clock.pass(time.Hour + time.Millisecond)
	q = here.quoted(call("{}"), r.create(1))
	require.NoError(t, here.byPassphrase(q, secret))
}

func TestWrongPassphrasesOfLongAgoAreForgotten(t *testing.T) {
	r := newRig(t)
	r.setApprover()
	for range 6 {
		require.ErrorIs(t, r.byPassphrase(guard.Quote{}, "guess"), guard.ErrWrongPassphrase)
		r.clock.pass(4 * time.Minute)
	}
}

// modeNow is who may approve.
func (r *rig) modeNow() guard.Mode {
	r.t.Helper()
	in, err := r.InForce(r.t.Context())
	require.NoError(r.t, err)
	return in.Mode
}

func TestWithAnApproverOnlyThePassphraseCounts(t *testing.T) {
	for _, m := range []guard.Mode{guard.Client, guard.Operator, guard.Model, guard.Auto} {
		r := newRig(t, mode(m))
		before := r.quoted(call("before"), r.create(1))
		r.setApprover()
		require.Equal(t, guard.Operator, r.modeNow())
		require.Equal(t, m, r.Mode())
		require.NotEqual(t, before.ID, r.quoted(call("before"), r.create(1)).ID, "what was asked or approved before is void")

		q := r.quoted(call("{}"), r.create(1))
		require.Equal(t, guard.Operator, q.Mode)
		require.True(t, q.Sealed)
		require.False(t, q.Ready)
		require.False(t, q.Asks)
		require.Empty(t, q.Code)
		_, err := r.Answer(t.Context(), q, guard.Answer{Yes: true, Via: guard.ViaClient, Took: time.Minute})
		require.ErrorIs(t, err, guard.ErrNeedsPassphrase)
		require.ErrorIs(t, r.outOfBand(q, true), guard.ErrNeedsPassphrase)
		if m == guard.Model {
			named := call("{}")
			named.Named = q.ID
			require.False(t, r.quoted(named, r.create(1)).Ready)
		}
		q.Ready = true
		_, err = r.Redeem(t.Context(), call("{}"), q, r.create(1))
		require.Error(t, err, "whatever the quote says")
		require.Equal(t, journal.Open, r.state(q))

		free := r.act(guard.Destroy)
		free.Free = true
		require.True(t, r.quoted(call("stop"), free).Ready, "what is free stays free")
		all, err := guard.ListWaiting(t.Context(), r.config.Journal, r.clock.at)
		require.NoError(t, err)
		require.NotEmpty(t, all)
		for _, w := range all {
			require.True(t, w.Sealed)
			require.Empty(t, w.Code)
			require.False(t, w.Approved)
		}

		require.NoError(t, r.byPassphrase(q, secret))
		got := r.quoted(call("{}"), r.create(1))
		require.Equal(t, q.ID, got.ID)
		require.True(t, got.Ready)
		_, err = r.Redeem(t.Context(), call("{}"), got, r.create(1))
		require.NoError(t, err)
		require.Contains(t, r.data("approved"), `"via":"command, passphrase"`)
	}
}

// data is what the newest event of that kind says.
func (r *rig) data(kind string) (last string) {
	r.t.Helper()
	for _, e := range journaltest.Events(r.t, r.config.Journal, r.world.realm) {
		if e.Kind == kind {
			last = string(e.Data)
		}
	}
	return last
}

func TestAnApproverVoidsWhatWasApprovedWithoutIt(t *testing.T) {
	r := newRig(t)
	q := r.approved(call("{}"), r.create(1))
	r.setApprover()
	_, err := r.Redeem(t.Context(), call("{}"), q, r.create(1))
	require.ErrorIs(t, err, guard.ErrNotWaiting)
	require.NoError(t, r.byPassphrase(q, secret), "the owner may say yes to that very quote")
	require.True(t, r.quoted(call("{}"), r.create(1)).Ready)

	require.NoError(t, guard.ClearApprover(t.Context(), r.config.Journal, []byte(secret)))
	got := r.quoted(call("{}"), r.create(1))
	require.NotEqual(t, q.ID, got.ID)
	require.False(t, got.Ready)
	require.True(t, got.Asks)
	require.NotEmpty(t, got.Code)
	require.Equal(t, guard.Client, r.modeNow())
	require.ErrorIs(t, r.byPassphrase(got, secret), guard.ErrNoApprover)
}

func TestANoNeedsNoPassphrase(t *testing.T) {
	r := newRig(t)
	r.setApprover()
	q := r.quoted(call("{}"), r.create(1))
	require.NoError(t, r.outOfBand(q, false))
	require.ErrorIs(t, r.byPassphrase(q, secret), guard.ErrNotWaiting)
}

func TestADamagedApproverApprovesNothing(t *testing.T) {
	for _, damage := range []string{`$.Passes`, `$.Threads`, `$.MemoryKB`, `$.Salt`, `$.Hash`} {
		path, r := file(t), newRig(t)
		r = r.with(onFile(r, path))
		r.setApprover()
		q := r.quoted(call("{}"), r.create(1))
		value := "json('\"AAAA\"')"
		if !strings.HasSuffix(damage, "t") && !strings.HasSuffix(damage, "h") {
			value = "4294967295"
		}
		if damage == `$.Threads` || damage == `$.Passes` {
			value = "0"
		}
		sabotage(t, path, `UPDATE settings SET body = json_set(body, '`+damage+`', `+value+`) WHERE name = 'approver'`)
		require.Error(t, r.byPassphrase(q, secret), damage)
		require.Error(t, r.outOfBand(q, true), damage)
		require.Equal(t, journal.Open, r.state(q))
	}
}

func TestTwentyWrongCodesLockCodesForFifteenMinutes(t *testing.T) {
	path, r := file(t), newRig(t)
	r = r.with(onFile(r, path))
	j := r.config.Journal
	require.NoError(t, guard.WrongName(t.Context(), j))
	require.NoError(t, guard.CodesLocked(t.Context(), j))
	require.NoFileExists(t, path, "a journal that is not there is not made")
	r.quoted(call("{}"), r.create(1))
	for range 20 {
		require.NoError(t, guard.CodesLocked(t.Context(), j))
		require.NoError(t, guard.WrongName(t.Context(), r.journalAt(path)), "by any process")
		r.clock.pass(40 * time.Second)
	}
	require.Len(t, r.own(), 20, "each is an event")
	require.ErrorIs(t, guard.CodesLocked(t.Context(), j), guard.ErrLocked)
	require.ErrorIs(t, guard.WrongName(t.Context(), j), guard.ErrLocked)
	r.clock.pass(15*time.Minute - 40*time.Second - time.Millisecond)
	require.ErrorIs(t, guard.CodesLocked(t.Context(), j), guard.ErrLocked)
	r.clock.pass(time.Millisecond)
	require.NoError(t, guard.CodesLocked(t.Context(), j))
	for range 30 {
		require.NoError(t, guard.WrongName(t.Context(), j))
		r.clock.pass(48 * time.Second)
	}
	require.NoError(t, guard.CodesLocked(t.Context(), j), "so few in a quarter of an hour are typing errors")
}
