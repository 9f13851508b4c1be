package rental

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"vast-mcp/guard"
	"vast-mcp/journal"
	"vast-mcp/vast"
)

// Config is what a Desk needs. All fields are required.
type Config struct {
	Client      *vast.Client
	Journal     *journal.Journal
	Clock       vast.Clock // wall time
	Log         *slog.Logger
	Policy      guard.Policy  // its leases, and the price that no rental may turn out to have
	EnforcedBy  []string      // who ends leases; empty: nobody
	OrderWithin time.Duration // how long an order may stay on the wire
	Fingerprint string        // of the API key, names the realm when the account cannot be read
	Session     bool          // the key is a login's, and ends with it
	ReadOnly    bool          // nothing is removed or relabelled while settling
}

// Desk prices and carries out what costs money or ends something. It is safe
// for concurrent use.
type Desk struct {
	client      *vast.Client // goes first: finds out what became of orders, and ends
	calm        *vast.Client // waits its turn: what is planned, told and ordered
	journal     *journal.Journal
	clock       vast.Clock
	log         *slog.Logger
	policy      guard.Policy
	orderWithin time.Duration
	fingerprint string
	enforcedBy  []string
	readOnly    bool
	session     bool

	working sync.WaitGroup // orders on the wire, which outlive their calls
	asking  chan struct{}  // holds one: who reads the account, which the others then share
	labels  locks          // held by whoever reads a label to write it anew
	idle    idling

	mu     sync.Mutex
	realm  string
	user   vast.User
	userAt time.Time

	recalled sync.Once
	parked   parked
	owed     owed
}

// New returns a Desk. It sends nothing.
func New(c Config) *Desk {
	return &Desk{
		client: c.Client.Urgent(), calm: c.Client, journal: c.Journal, clock: c.Clock, log: c.Log,
		policy: c.Policy, enforcedBy: c.EnforcedBy, orderWithin: c.OrderWithin, fingerprint: c.Fingerprint, readOnly: c.ReadOnly, session: c.Session,
		asking: make(chan struct{}, 1), parked: parked{},
	}
}

// Wait returns when no order is on the wire any more and every outcome is
// written. New orders must not come in meanwhile.
func (d *Desk) Wait() { d.working.Wait() }

// Realm names the account that everything is judged in: the API's origin, the
// account and its team. It asks the API once.
func (d *Desk) Realm(ctx context.Context) (string, error) {
	d.mu.Lock()
	realm := d.realm
	d.mu.Unlock()
	if realm != "" {
		return realm, nil
	}
	if _, err := d.account(ctx); err != nil {
		return "", err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.realm, nil
}

// RealmOf names the account u at that origin of the API.
func RealmOf(origin string, u vast.User) string {
	realm := origin + "#" + strconv.FormatInt(u.ID, 10)
	if u.TeamID != 0 {
		realm += "/" + strconv.FormatInt(u.TeamID, 10)
	}
	return realm
}

// RealmOfKey names the account of a key that may not read it.
func RealmOfKey(origin, fingerprint string) string { return origin + "#key:" + fingerprint }

// userFresh is how long the account's details serve again: they name a label
// and warn of little credit, and decide nothing.
const userFresh = 10 * time.Second

// account is the account as it was within the last seconds. However many ask,
// one request goes out, and first: without a realm no lease is known.
func (d *Desk) account(ctx context.Context) (vast.User, error) {
	if user, fresh := d.knownUser(); fresh {
		return user, nil
	}
	select {
	case d.asking <- struct{}{}:
		defer func() { <-d.asking }()
	case <-ctx.Done():
		return vast.User{}, ctx.Err()
	}
	if user, fresh := d.knownUser(); fresh {
		return user, nil
	}
	return d.readUser(ctx)
}

// knownUser is the account as it was read last, without asking.
func (d *Desk) knownUser() (user vast.User, fresh bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.user, !d.userAt.IsZero() && d.clock.Now().Sub(d.userAt) < userFresh
}

// readUser reads the account, and on the way learns the realm. A key that may
// not read it, but is a key, has a realm of its own.
func (d *Desk) readUser(ctx context.Context) (vast.User, error) {
	user, err := d.client.Account.Current(ctx)
	realm := RealmOf(d.client.Origin(), user)
	if errors.Is(err, vast.Denied) {
		if _, listErr := d.client.Instances.All(ctx); listErr != nil {
			return user, err
		}
		realm, err = RealmOfKey(d.client.Origin(), d.fingerprint), nil
	}
	if err != nil {
		return user, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.user, d.userAt = user, d.clock.Now()
	if d.realm == "" {
		d.realm = realm
	}
	return user, nil
}

// Knew reports whether this program ever had to do with the instance. A journal
// that cannot be read knows nothing.
func (d *Desk) Knew(ctx context.Context, id vast.InstanceID) (known bool) {
	realm, err := d.Realm(ctx)
	if err != nil {
		return false
	}
	err = d.journal.Tx(ctx, realm, func(tx *journal.Tx) (err error) {
		known, err = tx.Knows(int64(id))
		return err
	})
	return known && err == nil
}

// Running reports whether the instance costs GPU time now, or will as soon as
// it can.
func Running(in vast.Instance) bool {
	return in.Wanted != "stopped" || in.ContractState == "running"
}

// Ours reports whether this program rented the instance: its label carries a
// lease.
func Ours(in vast.Instance) bool {
	_, _, ok := ParseLabel(in.Label)
	return ok
}

// apiNow is the API's clock as its newest answer told it. Leases run on it: the
// clock of this machine may be days off. Call it right after an answer.
func (d *Desk) apiNow() time.Time {
	if at := d.client.ServerTime(); !at.IsZero() {
		return at
	}
	return d.clock.Now()
}

// moment is now, right after an answer.
func (d *Desk) moment() journal.Moment {
	return journal.Moment{Wall: d.clock.Now(), API: d.apiNow()}
}

// ownerName is the label text of a rental that was given none.
func ownerName(u vast.User) string {
	local, _, _ := strings.Cut(u.Email, "@")
	for _, name := range []string{u.Username, local} {
		if name != "" {
			return name
		}
	}
	return "vast-user"
}

// poll calls look until it says it is done, waiting pause in between and for
// most at the longest. It reports whether look was done in time.
func (d *Desk) poll(ctx context.Context, pause, most time.Duration, look func() (bool, error)) (bool, error) {
	for end := d.clock.Now().Add(most); ; {
		done, err := look()
		if done || err != nil {
			return done, err
		}
		if !d.clock.Now().Add(pause).Before(end) {
			return false, nil
		}
		if err := d.clock.Sleep(ctx, pause); err != nil {
			return false, err
		}
	}
}
