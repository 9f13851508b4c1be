package guard_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"vast-mcp/guard"
	"vast-mcp/internal/journaltest"
	"vast-mcp/internal/usd"
	"vast-mcp/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Two realms.
const (
	alice = "https://api.example#1"
	bob   = "https://api.example#2"
)

// epoch is where the clocks of the tests start.
var epoch = time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)

// clock moves only when a test moves it.
type clock struct{ at time.Time }

func (c *clock) now() time.Time       { return c.at }
func (c *clock) pass(d time.Duration) { c.at = c.at.Add(d) }

// world is an account whose list is whatever the test says.
type world struct {
	clock *clock
	realm string
	fails error // the realm cannot be read
	blind error // the list cannot be read

	mu      sync.Mutex
	rentals []guard.Rental
	api     time.Time // its clock; zero: the wall clock's
	charges []guard.Charge
	credit  *usd.Amount
	reads   int
	need    guard.Need // of the last read
}

func (w *world) Realm(context.Context) (string, error) { return w.realm, w.fails }

func (w *world) Exposure(_ context.Context, need guard.Need) (guard.Exposure, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.need, w.reads = need, w.reads+1
	e := guard.Exposure{At: w.clock.now(), Now: w.api, Rentals: w.rentals, Charges: w.charges, Credit: w.credit}
	return e, w.blind
}

// rig is a guard, the account and the journal it works with, and a clock that
// only the test moves.
type rig struct {
	*guard.Guard

	t      *testing.T
	clock  *clock
	world  *world
	config guard.Config
	nonces *int
}

// newRig returns a guard without limits, in mode client, on an empty journal.
// edit changes that.
func newRig(t *testing.T, edit ...func(*guard.Config)) *rig {
	t.Helper()
	return rigOn(t, journaltest.Any(t), edit...)
}

// drawn is newRig for properties, which draw hundreds: always in memory.
func drawn(t *testing.T, edit ...func(*guard.Config)) *rig {
	t.Helper()
	return rigOn(t, journaltest.Memory(t), edit...)
}

func rigOn(t *testing.T, p journaltest.Place, edit ...func(*guard.Config)) *rig {
	t.Helper()
	c := &clock{at: epoch}
	w := &world{clock: c, realm: alice}
	r := &rig{t: t, clock: c, world: w, nonces: new(0)}
	r.config = guard.Config{
		Journal: p.Open(c.now), World: w, Mode: guard.Client, Now: c.now,
		Key: func() ([]byte, error) { return []byte("the key of the state folder"), nil },
	}
	return r.with(edit...)
}

// with is another guard in the same world.
func (r *rig) with(edit ...func(*guard.Config)) *rig {
	other := *r
	for _, e := range edit {
		e(&other.config)
	}
	other.Guard = guard.New(other.config)
	return &other
}

// in is the same guard in another realm.
func (r *rig) in(realm string) *rig {
	return r.with(func(c *guard.Config) { c.World = &world{clock: r.clock, realm: realm} })
}

func (r *rig) journalAt(path string) *journal.Journal {
	j := journal.New(path, r.clock.now)
	r.t.Cleanup(func() { require.NoError(r.t, j.Close()) })
	return j
}

func mode(m guard.Mode) func(*guard.Config) { return func(c *guard.Config) { c.Mode = m } }

func limits(p guard.Policy) func(*guard.Config) { return func(c *guard.Config) { c.Policy = p } }

// onFile keeps the journal in a file, which a second rig can open too.
func onFile(r *rig, path string) func(*guard.Config) {
	return func(c *guard.Config) { c.Journal = r.journalAt(path) }
}

func file(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "journal.db")
}

// call is a call of create_instance by the local caller.
func call(args string) guard.Call {
	return guard.Call{Caller: "local", Tool: "create_instance", Args: []byte(args)}
}

// create is a plan to rent for a day at rate, made just now.
func (r *rig) create(rate usd.Amount) guard.Plan {
	*r.nonces++
	return guard.Plan{
		Effect: guard.Spend, Kind: guard.KindCreate, Summary: "Rent 1x RTX 4090", Rate: rate, Lease: 24 * time.Hour,
		Nonce: fmt.Sprintf("n%015d", *r.nonces), Label: "mine", Offer: 41, Until: r.clock.at.Add(24 * time.Hour), OnExpiry: "stop",
	}
}

// act is a plan that is done at once.
func (r *rig) act(effect guard.Effect) guard.Plan {
	p := r.create(0)
	p.Effect, p.Kind, p.Lease, p.Summary = effect, guard.KindAct, 0, "Do it"
	return p
}

// quoted prices a call, which must work.
func (r *rig) quoted(c guard.Call, p guard.Plan) guard.Quote {
	r.t.Helper()
	q, err := r.Quote(r.t.Context(), c, p)
	require.NoError(r.t, err)
	return q
}

// approved is a quote that its caller's client said yes to.
func (r *rig) approved(c guard.Call, p guard.Plan) guard.Quote {
	r.t.Helper()
	q, err := r.Answer(r.t.Context(), r.quoted(c, p), guard.Answer{Yes: true, Via: "test", Took: time.Second})
	require.NoError(r.t, err)
	require.True(r.t, q.Ready)
	return q
}

// granted is a grant for a call that was approved.
func (r *rig) granted(c guard.Call, p guard.Plan) *guard.Grant {
	r.t.Helper()
	g, err := r.Redeem(r.t.Context(), c, r.approved(c, p), p)
	require.NoError(r.t, err)
	return g
}

// tx looks into the journal.
func (r *rig) tx(f func(*journal.Tx)) {
	r.t.Helper()
	require.NoError(r.t, r.config.Journal.Tx(r.t.Context(), r.world.realm, func(tx *journal.Tx) error {
		f(tx)
		return nil
	}))
}

// state is how the journal has a quote.
func (r *rig) state(q guard.Quote) (state journal.QuoteState) {
	r.t.Helper()
	r.tx(func(tx *journal.Tx) {
		row, found, err := tx.Quote(q.ID)
		require.NoError(r.t, err)
		require.True(r.t, found)
		state = row.State
	})
	return state
}

// open are the intents that count.
func (r *rig) open() (all []journal.Intent) {
	r.t.Helper()
	r.tx(func(tx *journal.Tx) {
		var err error
		all, err = tx.Counting()
		require.NoError(r.t, err)
	})
	return all
}

// kinds are the events of the journal.
func (r *rig) kinds() (all []string) {
	r.t.Helper()
	for _, e := range journaltest.Events(r.t, r.config.Journal, r.world.realm) {
		all = append(all, e.Kind)
	}
	return all
}

// refusal is the limit that err names, or "".
func refusal(err error) string {
	if r, ok := errors.AsType[*guard.Refusal](err); ok {
		return r.Limit
	}
	return ""
}

func TestAGuardTellsWhatHolds(t *testing.T) {
	p := guard.Policy{MaxInstances: new(3), DefaultLease: time.Hour}
	r := newRig(t, limits(p), mode(guard.Operator))
	require.Equal(t, p, r.Policy())
	require.Equal(t, guard.Operator, r.Mode())
}
