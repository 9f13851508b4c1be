package guard_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/journal"
)

// broken is a guard whose journal cannot be opened: a file stands where its
// folder should be.
func broken(t *testing.T, edit ...func(*guard.Config)) *rig {
	t.Helper()
	r := newRig(t, edit...)
	inTheWay := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(inTheWay, nil, 0o600))
	return r.with(onFile(r, filepath.Join(inTheWay, "journal.db")))
}

func TestWithoutAJournalNothingIsSpentAndNobodyLetIn(t *testing.T) {
	r := broken(t)
	for _, effect := range []guard.Effect{guard.Spend, guard.Access} {
		for _, free := range []bool{false, true} {
			p := r.act(effect)
			p.Free = free
			q, err := r.Quote(t.Context(), call("{}"), p)
			require.ErrorContains(t, err, "journal: ")
			require.False(t, q.Ready)
			require.False(t, q.Unwritten)
		}
	}
	_, err := r.Resume(t.Context(), call("{}"))
	require.ErrorContains(t, err, "journal: ")
}

func TestWithoutAJournalWhatIsOursCanBeEnded(t *testing.T) {
	r := broken(t)
	p := r.act(guard.Destroy)
	p.Free = true
	q := r.quoted(call("{}"), p)
	require.True(t, q.Unwritten)
	require.True(t, q.Ready)
	r.carriedOut(q, p)
}

func TestWithoutAJournalAnAnswerInTheCallCounts(t *testing.T) {
	r := broken(t)
	p := r.act(guard.Destroy)
	q := r.quoted(call("{}"), p)
	require.True(t, q.Unwritten)
	require.False(t, q.Ready)
	require.Regexp(t, `^q_[0-9a-z]{26}$`, q.ID)
	require.Equal(t, epoch.Add(10*time.Minute), q.ExpiresAt)
	require.Zero(t, r.SinceAsked(q))
	require.NoError(t, r.Asked(t.Context(), q))
	r.clock.pass(3 * time.Second)
	again := r.quoted(call("{}"), p)
	require.Equal(t, q.ID, again.ID, "the second round finds what was asked")
	require.Equal(t, 3*time.Second, r.SinceAsked(again))

	for _, ready := range []bool{true, false} {
		q.Ready = ready
		no, err := r.Redeem(t.Context(), call("{}"), q, p)
		require.ErrorIs(t, err, guard.ErrNotWaiting, "whatever the quote says")
		require.Nil(t, no)
	}
	got, err := r.Answer(t.Context(), q, guard.Answer{Took: time.Millisecond})
	require.NoError(t, err, "nobody can have said that")
	require.False(t, got.Ready)
	yes, err := r.Answer(t.Context(), q, guard.Answer{Yes: true, Took: time.Millisecond})
	require.NoError(t, err)
	require.True(t, yes.Ready)
	r.carriedOut(yes, p)
	_, err = r.Redeem(t.Context(), call("{}"), yes, p)
	require.ErrorIs(t, err, guard.ErrNotWaiting, "leave is given once")
	require.NotEqual(t, q.ID, r.quoted(call("{}"), p).ID)
}

func TestWithoutAJournalANoVoidsTheQuote(t *testing.T) {
	r := broken(t)
	q := r.quoted(call("{}"), r.act(guard.Destroy))
	_, err := r.Answer(t.Context(), q, guard.Answer{Took: time.Minute})
	require.NoError(t, err)
	_, err = r.Answer(t.Context(), q, guard.Answer{Yes: true})
	require.ErrorIs(t, err, guard.ErrNotWaiting)
	require.ErrorIs(t, r.Asked(t.Context(), q), guard.ErrNotWaiting)
	got := r.quoted(call("{}"), r.act(guard.Destroy))
	require.NotEqual(t, q.ID, got.ID)
	require.True(t, got.Asks, "it ends something, so it may be asked again")
}

func TestWhatIsKeptWithoutAJournalIsOfOneCallAndEnds(t *testing.T) {
	r := broken(t)
	p := r.act(guard.Destroy)
	q := r.quoted(call("{}"), p)
	ann := call("{}")
	ann.Caller = "ann"
	for name, got := range map[string]guard.Quote{
		"other arguments": r.quoted(call("other"), p),
		"another caller":  r.quoted(ann, p),
		"dearer":          r.quoted(call("{}"), again{plan: func(p *guard.Plan) { p.Binding = "other" }}.of(p)),
	} {
		require.NotEqual(t, q.ID, got.ID, name)
	}
	require.Equal(t, q.ID, r.quoted(call("{}"), p).ID)
	r.clock.pass(10 * time.Minute)
	_, err := r.Answer(t.Context(), q, guard.Answer{Yes: true})
	require.ErrorIs(t, err, guard.ErrNotWaiting, "it expired")

	q = r.quoted(call("{}"), p)
	for i := range 64 {
		r.quoted(call(strings.Repeat("x", i+1)), p)
	}
	require.NotEqual(t, q.ID, r.quoted(call("{}"), p).ID, "the oldest made room")
}

func TestWithoutAJournalTheLabelSaysWhoseItIs(t *testing.T) {
	for m, ready := range map[guard.Mode]bool{guard.Client: false, guard.Operator: false, guard.Model: false, guard.Auto: true} {
		r := broken(t, mode(m))
		mine, theirs := r.act(guard.Destroy), r.act(guard.Destroy)
		mine.Targets, theirs.Targets = []guard.Target{{Instance: 1, Ours: true}}, []guard.Target{{Instance: 2}}
		require.Equal(t, ready, r.quoted(call("mine"), mine).Ready, m)
		got := r.quoted(call("theirs"), theirs)
		require.False(t, got.Ready, m)
		require.Equal(t, m != guard.Operator, got.Asks, "only the owner's terminal in mode operator")
		theirs.Free, mine.Free = true, true
		require.False(t, r.quoted(call("stop theirs"), theirs).Ready)
		require.True(t, r.quoted(call("stop mine"), mine).Ready)
	}
}

func TestWithoutAJournalAQuoteCanBeNamedInModeModel(t *testing.T) {
	r := broken(t, mode(guard.Model))
	p := r.act(guard.Destroy)
	named := call("{}")
	named.Named = r.quoted(call("{}"), p).ID
	r.carriedOut(r.quoted(named, p), p)
	for _, m := range []guard.Mode{guard.Model, guard.Client, guard.Auto} {
		other := broken(t, mode(m))
		_, err := other.Quote(t.Context(), named, p)
		require.ErrorIs(t, err, guard.ErrOtherCall, m)
	}
}

// carriedOut redeems q and does all that a tool does with a grant.
func (r *rig) carriedOut(q guard.Quote, p guard.Plan) {
	r.t.Helper()
	ctx := r.t.Context()
	g, err := r.Redeem(ctx, call("{}"), q, p)
	require.NoError(r.t, err)
	require.Equal(r.t, p, g.Plan())
	require.Equal(r.t, journal.Prepared, g.Intent().State)
	require.NoError(r.t, g.Move(ctx, journal.Sent, nil, journal.Prepared))
	require.Equal(r.t, journal.Sent, g.Intent().State)
	require.NoError(r.t, g.Reread(ctx))
	first, err := g.Begin(ctx)
	require.NoError(r.t, err)
	require.True(r.t, first)
	require.NoError(r.t, g.Finish(ctx))
	require.Equal(r.t, journal.Done, g.Intent().State)
	require.NoError(r.t, g.Tell(ctx, true, "done", nil))
	require.NoError(r.t, g.GiveBack(ctx, "refused", journal.Done))
	require.Equal(r.t, journal.Refused, g.Intent().State)
}

func TestWithoutTheKeyOfTheStateFolderEndingStillWorks(t *testing.T) {
	r := newRig(t, func(c *guard.Config) { c.Key = func() ([]byte, error) { return nil, errors.New("no key") } })
	require.True(t, r.quoted(call("{}"), r.act(guard.Destroy)).Unwritten)
}

func TestAHealthyJournalIsNotGoneAround(t *testing.T) {
	r := newRig(t, mode(guard.Model))
	wrong := call("{}")
	wrong.Named = "q_00000000000000000000000000"
	_, err := r.Quote(t.Context(), wrong, r.act(guard.Destroy))
	require.ErrorIs(t, err, guard.ErrOtherCall, "a wrong approval is no outage")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = r.Quote(ctx, call("{}"), r.act(guard.Destroy))
	require.ErrorIs(t, err, context.Canceled, "nor is a call that was given up")
}

// sabotage makes the file refuse what statement says, as a full disk would.
func sabotage(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), statement)
	require.NoError(t, errors.Join(err, db.Close()))
}

const noEvents = `CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'disk full'); END`

func TestWhatIsNotWrittenDidNotHappen(t *testing.T) {
	path, r := file(t), newRig(t)
	r = r.with(onFile(r, path))
	ready := r.approved(call("ready"), r.create(1))
	asked := r.quoted(call("asked"), r.create(1))
	g := r.granted(call("granted"), r.create(1))
	sabotage(t, path, noEvents)

	q, err := r.Quote(t.Context(), call("new"), r.create(1))
	require.ErrorContains(t, err, "disk full")
	require.False(t, q.Ready)
	q, err = r.Answer(t.Context(), asked, guard.Answer{Yes: true})
	require.ErrorContains(t, err, "disk full")
	require.False(t, q.Ready)
	none, err := r.Redeem(t.Context(), call("ready"), ready, r.create(1))
	require.ErrorContains(t, err, "disk full")
	require.Nil(t, none)
	require.ErrorContains(t, g.Move(t.Context(), journal.Sent, nil, journal.Prepared), "disk full")
	require.Equal(t, journal.Prepared, g.Intent().State)
	require.ErrorContains(t, g.GiveBack(t.Context(), "never sent", journal.Prepared), "disk full")
	require.Equal(t, journal.Prepared, g.Intent().State)

	require.Equal(t, journal.Approved, r.state(ready))
	require.Equal(t, journal.Open, r.state(asked))
	require.NoError(t, g.Reread(t.Context()))
	require.Equal(t, []journal.Intent{g.Intent()}, r.open())
	require.True(t, r.quoted(call("asked"), r.act(guard.Destroy)).Unwritten, "and ending goes on")
}

func TestAnIntentThatIsGoneIsSaidSo(t *testing.T) {
	path, r := file(t), newRig(t)
	r = r.with(onFile(r, path))
	g := r.granted(call("{}"), r.create(1))
	sabotage(t, path, `DELETE FROM intents`)
	require.ErrorContains(t, g.Reread(t.Context()), "intent "+g.Intent().Nonce+" is not in the journal")
	require.Nil(t, r.resumed(call("{}")))
}

func TestAPlanThatCannotBeReadCoversNothing(t *testing.T) {
	path, r := file(t), newRig(t)
	r = r.with(onFile(r, path))
	q := r.approved(call("{}"), r.create(1))
	sabotage(t, path, `UPDATE quotes SET body = json_set(body, '$.Plan', 'gone')`)
	g, err := r.Redeem(t.Context(), call("{}"), q, r.create(1))
	require.ErrorIs(t, err, guard.ErrNotWaiting)
	require.Nil(t, g)
	require.False(t, r.quoted(call("{}"), r.create(1)).Ready)
}
