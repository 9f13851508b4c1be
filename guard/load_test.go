package guard_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/usd"
	"vast-mcp/journal"
)

// An intent as the load tests write it: what it is for, and how long ago it
// was moved last.
func written(nonce, kind string, state journal.IntentState, instance int64) journal.Intent {
	return journal.Intent{Nonce: nonce, Quote: "of " + nonce, Kind: kind, State: state, Instance: instance, Rate: 500_000}
}

func TestLoadJoinsTheListWithTheIntents(t *testing.T) {
	const (
		create = guard.KindCreate
		start  = guard.KindStart
	)
	running := func(id int64, nonce string) guard.Rental {
		return guard.Rental{Instance: id, Nonce: nonce, Running: true, Rate: 400_000}
	}
	stopped := func(id int64, nonce string) guard.Rental {
		return guard.Rental{Instance: id, Nonce: nonce, Rate: 400_000}
	}
	type rows = []guard.Rental
	type intents = []journal.Intent
	for name, c := range map[string]struct {
		list      rows
		intents   intents
		age       time.Duration // of the intents
		starts    int64         // the instance that is to be started, or none
		instances int
		rate      string
	}{
		"nothing":                             {nil, nil, 0, 0, 0, "$0.00"},
		"what runs, ours or not":              {rows{running(1, ""), running(2, "a"), stopped(3, ""), stopped(4, "b")}, nil, 0, 0, 2, "$0.80"},
		"an unreadable price":                 {rows{running(1, ""), {Instance: 2, Running: true, Rate: usd.Max}}, nil, 0, 0, 2, "an unreadable price"},
		"an order that is not listed yet":     {rows{running(1, "")}, intents{written("a", create, journal.Sent, 0)}, time.Hour, 0, 2, "$0.90"},
		"an order that is listed":             {rows{running(1, "a")}, intents{written("a", create, journal.Sent, 0)}, 0, 0, 1, "$0.40"},
		"found by its nonce alone":            {rows{running(1, "a")}, intents{written("a", create, journal.Unknown, 0)}, 0, 0, 1, "$0.40"},
		"a rental whose label was edited":     {rows{running(1, "")}, intents{written("a", create, journal.Rented, 1)}, 0, 0, 1, "$0.40"},
		"a rental that was started again":     {rows{running(1, "b")}, intents{written("a", create, journal.Rented, 1), written("b", start, journal.Rented, 1)}, 0, 0, 1, "$0.40"},
		"an act, whatever its state":          {nil, intents{written("a", guard.KindAct, journal.Prepared, 1), written("b", guard.KindAct, journal.Unknown, 2)}, 0, 0, 0, "$0.00"},
		"rented and missing, a minute ago":    {nil, intents{written("a", create, journal.Rented, 1)}, time.Minute, 0, 1, "$0.50"},
		"rented and missing for longer":       {nil, intents{written("a", create, journal.Rented, 1)}, time.Minute + time.Millisecond, 0, 0, "$0.00"},
		"a machine that was stopped":          {rows{stopped(1, "a")}, intents{written("a", create, journal.Rented, 1)}, time.Hour, 0, 0, "$0.00"},
		"started, the list not yet caught up": {rows{stopped(1, "a")}, intents{written("a", start, journal.Rented, 1)}, time.Second, 0, 1, "$0.50"},
		"a start nobody knows the end of":     {rows{stopped(1, "a")}, intents{written("a", start, journal.Unknown, 1)}, time.Hour, 0, 1, "$0.50"},
		"a start that was carried out":        {rows{running(1, "a")}, intents{written("a", start, journal.Unknown, 1)}, time.Hour, 0, 1, "$0.40"},
		"the one that would be started":       {rows{stopped(1, "a"), running(2, "")}, intents{written("a", create, journal.Rented, 1)}, 0, 1, 1, "$0.40"},
		"the one that runs and is started":    {rows{running(1, "a")}, intents{written("b", start, journal.Unknown, 1)}, 0, 1, 0, "$0.00"},
		"another one while one is started":    {rows{running(1, "a")}, intents{written("a", create, journal.Rented, 1)}, 0, 2, 1, "$0.40"},
		"an id that was only hinted at":       {rows{running(1, "")}, intents{written("a", create, journal.Unknown, 1)}, 0, 0, 2, "$0.90"},
		"a hint at what would be started":     {rows{stopped(1, "")}, intents{written("a", create, journal.Unknown, 1)}, 0, 1, 1, "$0.50"},
		"two rows of one nonce":               {rows{stopped(1, "a"), running(2, "a")}, intents{written("a", create, journal.Unknown, 0)}, 0, 0, 1, "$0.40"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.world.rentals = c.list
			r.tx(func(tx *journal.Tx) {
				for _, in := range c.intents {
					require.NoError(t, tx.PutIntent(in))
				}
			})
			r.clock.pass(c.age)
			p := r.create(100_000)
			if c.starts != 0 {
				p.Kind, p.Instance = start, c.starts
			}
			r.requireLoad(p, c.instances, c.rate)
		})
	}
}

func TestWhichStatesCount(t *testing.T) {
	for _, state := range []journal.IntentState{
		journal.Prepared, journal.Sent, journal.Answered, journal.Looking, journal.Unknown, journal.Undoing, journal.Rented,
		journal.Refused, journal.Closed, journal.Ended, journal.Done,
	} {
		for _, kind := range []string{guard.KindCreate, guard.KindStart, guard.KindAct} {
			r := newRig(t)
			r.tx(func(tx *journal.Tx) { require.NoError(t, tx.PutIntent(written("a", kind, state, 0))) })
			instances, rate := 0, "$0.00"
			if state.Counts() && kind != guard.KindAct {
				instances, rate = 1, "$0.50"
			}
			r.requireLoad(r.create(100_000), instances, rate)
		}
	}
}

func TestWhatIsNotJudgedNeedsNoList(t *testing.T) {
	r := newRig(t)
	r.world.blind = errors.New("the list is incomplete")
	for _, effect := range []guard.Effect{guard.Destroy, guard.Access} {
		r.granted(call(string(effect)), r.act(effect))
	}
	require.Zero(t, r.world.reads)
	_, err := r.Quote(t.Context(), call("rent"), r.create(1))
	require.ErrorIs(t, err, r.world.blind, "what cannot be read counts against")
}
