package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"
)

// DefaultKey is the account's API key where Options names none, and
// DefaultHostKey the one that it offers machines with.
const (
	DefaultKey     = "sandbox-key"
	DefaultHostKey = "sandbox-host-key"
)

const (
	defaultSeed   = 1
	defaultSpeed  = 10
	defaultCredit = 100
	maxSpeed      = 1e6
	maxCredit     = 1e9
)

// Options says which market to open, and in what weather.
type Options struct {
	Dir         string           // where the market is kept; empty keeps it in memory
	Key         string           // the account's API key; empty means DefaultKey
	HostKey     string           // the account's key as a host; empty means DefaultHostKey
	Seed        uint64           // of the offers; 0 means the stored one, or 1
	Speed       float64          // market seconds per wall second; 0 means the stored one, or 10
	Fresh       bool             // empty the market first
	Credit      float64          // dollars of a new account; 0 means 100
	LegacyList  int              // status of the retired v0 list, 410 (also 0) or 200
	RateLimited bool             // refuse who asks too often, as the API does, by wall time
	Failures    bool             // a market that lives: offers and prices change, and hosts fail
	Faults      []Fault          // to begin with; more can be posted
	Now         func() time.Time // wall clock; nil means time.Now
}

// Market is a simulated marketplace with one account. It is safe for
// concurrent use, and several Markets, also in several processes, may be open
// on one Dir at a time.
type Market struct {
	key        string
	hostKey    string
	legacyList int
	live       bool
	wall       func() time.Time
	routes     []route
	faults     *faultBox
	limit      *limiter // nil: off
	objects    *logObjects

	mu    sync.Mutex // guards what follows, and is held for a transaction
	store *store
	world *world // of the last seed seen; nil until needed
	late  []lateCall
}

// Open opens the market in o.Dir, or makes a new one. It fails when the
// stored market is damaged or has another seed, and then says how to go on.
func Open(o Options) (*Market, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	m := &Market{
		key:        cmp.Or(o.Key, DefaultKey),
		hostKey:    cmp.Or(o.HostKey, DefaultHostKey),
		legacyList: cmp.Or(o.LegacyList, http.StatusGone),
		live:       o.Failures,
		wall:       o.Now,
		routes:     routes(),
		faults:     &faultBox{},
		objects:    &logObjects{},
		store:      &store{dir: o.Dir},
	}
	if m.wall == nil {
		m.wall = time.Now //nolint:forbidigo // the one place that names it
	}
	if o.RateLimited {
		m.limit = newLimiter()
	}
	if err := m.Break(o.Faults...); err != nil {
		return nil, err
	}
	if err := m.store.open(o.Fresh, func(old *state) (*state, error) { return o.begin(old, m.wallNow()) }); err != nil {
		return nil, err
	}
	return m, nil
}

func (o Options) check() error {
	switch {
	case math.IsNaN(o.Speed) || o.Speed < 0 || o.Speed > maxSpeed:
		return fmt.Errorf("sandbox speed %v: give market seconds per wall second, above 0 and at most %.0f", o.Speed, maxSpeed)
	case math.IsNaN(o.Credit) || o.Credit < 0 || o.Credit > maxCredit:
		return fmt.Errorf("sandbox credit %v: give dollars, above 0 and at most %.0f", o.Credit, maxCredit)
	case o.LegacyList != 0 && o.LegacyList != http.StatusGone && o.LegacyList != http.StatusOK:
		return fmt.Errorf("status %d of the retired list: give 410 or 200", o.LegacyList)
	}
	return nil
}

// begin is the state to go on with: the old one, re-anchored where another
// speed is asked for, or a new one where there is none.
func (o Options) begin(old *state, wall time.Time) (*state, error) {
	if old == nil {
		return newState(cmp.Or(o.Seed, defaultSeed), cmp.Or(o.Speed, defaultSpeed), cmp.Or(o.Credit, defaultCredit), wall), nil
	}
	if o.Seed != 0 && o.Seed != old.Seed {
		return nil, fmt.Errorf("the sandbox was made with seed %d, not %d: use --sandbox-fresh to start over", old.Seed, o.Seed)
	}
	if o.Speed != 0 && o.Speed != old.Clock.Speed {
		old.Clock = old.Clock.withSpeed(o.Speed, wall)
	}
	return old, nil
}

// Key returns the account's API key: the one that the market was opened with
// or, when that was reset since, its successor.
func (m *Market) Key() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := m.key
	_ = m.store.update(func(st *state) (bool, error) {
		key = st.mainKey(m.key)
		return false, nil
	}) // a market that can't be read refuses every key
	return key
}

// Origin returns the base URL to use with Transport. Nothing listens there.
func (m *Market) Origin() string { return "https://sandbox.invalid" }

// Now returns market time. Where the stored market can't be read it is the
// time that this Market knew last, run on.
func (m *Market) Now() time.Time {
	var now time.Time
	err := m.transact(func(_ *state, _ *world, at time.Time) (bool, error) {
		now = at
		return false, nil
	})
	if err != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.store.state.now(m.wallNow())
	}
	return now
}

// Ledger returns what was metered so far, oldest first, priced at market now.
func (m *Market) Ledger() ([]Entry, error) {
	var entries []Entry
	err := m.transact(func(st *state, _ *world, now time.Time) (bool, error) {
		entries = st.ledger(now)
		return false, nil
	})
	return entries, err
}

// Credit returns what the account has left at market now, in micro-dollars.
// It falls below zero when disks go on costing after the money is gone.
func (m *Market) Credit() (int64, error) {
	var credit int64
	err := m.transact(func(st *state, _ *world, now time.Time) (bool, error) {
		credit = st.credit(now)
		return false, nil
	})
	return credit, err
}

// Break adds faults to those still to strike in this process. It takes all of
// them or, when one makes no sense, none. In a Body {id} stands for the instance
// that the answer would have named or, failing that, for the account's oldest
// or a stranger's.
func (m *Market) Break(faults ...Fault) error { return m.faults.add(faults...) }

func (m *Market) wallNow() time.Time { return m.wall().Round(0).UTC() }

// transact plays the market up to now and runs act on it. What act changed is
// stored, before transact returns, when act says so.
func (m *Market) transact(act func(*state, *world, time.Time) (changed bool, err error)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.store.update(func(st *state) (bool, error) {
		if m.world == nil || m.world.seed != st.Seed {
			m.world = newWorld(st.Seed)
		}
		for _, c := range st.Contracts {
			if m.world.asks[c.Ask] == nil {
				return false, errors.New(damaged)
			}
		}
		now := st.now(m.wallNow())
		late := m.commitLate(st, now)
		m.play(st, now)
		changed, err := act(st, m.world, now)
		return changed || late, err
	})
}
