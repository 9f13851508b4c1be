package guard

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"vast-mcp/internal/faultpoint"
	"vast-mcp/internal/usd"
	"vast-mcp/journal"
)

// World is what the guard needs to know of the account.
type World interface {
	// Realm names the account: API origin, account and team.
	Realm(ctx context.Context) (string, error)
	// Exposure lists all that runs, and what of the rest is needed. It fails
	// when the list cannot be proven complete.
	Exposure(ctx context.Context, need Need) (Exposure, error)
}

// Guard makes quotes, judges them and redeems them. It is safe for concurrent
// use, and several processes may share one journal.
type Guard struct {
	journal *journal.Journal
	world   World
	policy  Policy
	mode    Mode
	key     func() ([]byte, error)
	now     func() time.Time
	loose   unwritten
	atWork  atWork
	worker  string
	ended   func(worker string) bool
}

// Config is what New needs. All fields but the last two are required.
type Config struct {
	Journal *journal.Journal
	World   World
	Policy  Policy
	Mode    Mode
	Key     func() ([]byte, error) // secret for hashing arguments, read when first needed
	Now     func() time.Time       // wall clock

	// Worker names this process, and Ended reports whether the process of another
	// name is certain to have ended. Both or neither are set.
	Worker string
	Ended  func(worker string) bool
}

// New returns a Guard. It opens nothing.
func New(c Config) *Guard {
	return &Guard{journal: c.Journal, world: c.World, policy: c.Policy, mode: c.Mode, key: c.Key, now: c.Now, worker: c.Worker, ended: c.Ended}
}

// Policy returns the limits in force.
func (g *Guard) Policy() Policy { return g.policy }

// Mode returns who the owner wants to approve.
func (g *Guard) Mode() Mode { return g.mode }

// Call identifies one tool call. The same call, made again, finds the same quote.
type Call struct {
	Caller string
	Tool   string
	Args   []byte    // canonical JSON, after defaults
	Named  string    // the quote ID that the caller gave back as its approval, mode model only
	Began  time.Time // when the call came in: what an identical one did since counts for both; zero: nothing does
}

// Quote is a priced plan as the caller sees it.
type Quote struct {
	ID        string
	Code      string // empty while an approver is set
	Plan      Plan
	Most      usd.Amount
	ExpiresAt time.Time
	Mode      Mode // who may approve it: Operator while an approver is set
	Sealed    bool // an approver is set: only the approve command with the passphrase counts
	Asks      bool // the caller's client may ask its user
	Ready     bool // approved, or allowed without asking
	Quiet     bool // a person said no to this tool a moment ago: do not ask again, leave it to the approve command
	Unwritten bool // the journal is out of order: only an answer within this call counts

	realm    string
	exposure Exposure
	askedAt  time.Time
}

// ErrGranted says that the very same call was granted a moment ago: Resume has
// its grant.
var ErrGranted = errors.New("the same call was granted already")

const (
	quoteLife    = 10 * time.Minute
	approvedLife = 15 * time.Minute // from the making of the quote, once approved out of band
	quietAfterNo = 10 * time.Minute
)

// ErrOtherCall says that a named approval belongs to another call, or to
// nobody: the two are not told apart.
var ErrOtherCall = errors.New("this approval is not for this call")

// Quote prices a call: it finds the live quote that covers plan p, or makes a
// new one. It fails with a *Refusal when the policy denies, and once with an
// *Untold when it would rent and the caller does not know of an earlier rental.
//
// With the journal out of order it still quotes what ends something (effect
// Destroy), for stopping must never be harder than renting.
func (g *Guard) Quote(ctx context.Context, c Call, p Plan) (Quote, error) {
	realm, err := g.world.Realm(ctx)
	if err != nil {
		return Quote{}, err
	}
	exposure, err := g.exposure(ctx, realm, p)
	if err != nil {
		return Quote{}, err
	}
	if p.Kind == KindCreate {
		if err := g.untold(ctx, realm, c); err != nil {
			return Quote{}, err
		}
	}
	q := Quote{Plan: p, Most: p.Most(), realm: realm, exposure: exposure}
	err = g.journal.Tx(ctx, realm, func(tx *journal.Tx) error {
		return g.quote(tx, c, &q)
	})
	if err != nil && p.Effect == Destroy && !errors.Is(err, ErrOtherCall) && !errors.Is(err, ErrGranted) && ctx.Err() == nil {
		return g.quoteUnwritten(realm, c, p)
	}
	if err == nil && q.Ready {
		faultpoint.Hit(faultpoint.Approved)
	} else if err == nil {
		faultpoint.Hit(faultpoint.Quoted)
	}
	return q, err
}

// quote fills q inside the transaction.
func (g *Guard) quote(tx *journal.Tx, c Call, q *Quote) error {
	sum, err := g.digest(c)
	if err != nil {
		return err
	}
	if _, _, stands, err := g.standing(tx, c, sum); err != nil || stands {
		return cmp.Or(err, ErrGranted)
	}
	warnings, err := g.judge(tx, q.Plan, q.exposure)
	if err != nil {
		return err
	}
	if err := g.rules(tx, c, q); err != nil {
		return err
	}
	q.Plan.Warnings = slices.Concat(q.Plan.Warnings, warnings)
	row, found, err := tx.LastQuote(c.Caller, c.Tool, sum)
	if err != nil {
		return err
	}
	if c.Named != "" && (!q.takesName(g.mode) || !found || row.ID != c.Named) {
		return ErrOtherCall
	}
	if !found || !row.Live(tx.Now()) || row.Mode != q.rule() || !rowPlan(row).covers(q.Plan) {
		if row, err = g.newRow(tx, c, sum, q, row); err != nil {
			return err
		}
	}
	if row, err = g.echo(tx, c, *q, row); err != nil {
		return err
	}
	q.fill(row)
	return nil
}

// fill copies what the journal holds. The price shown stays the one that was
// quoted first, even if the plan has become cheaper.
func (q *Quote) fill(row journal.Quote) {
	q.ID, q.ExpiresAt, q.askedAt = row.ID, row.ExpiresAt, row.AskedAt
	if !q.Sealed {
		q.Code = row.Code
	}
	q.Plan = q.Plan.asQuoted(rowPlan(row))
	q.Most, q.Plan.Rate = row.Most, max(row.Rate, q.Plan.Rate)
	q.Ready = row.State == journal.Approved || q.Plan.Free
}

func rowPlan(row journal.Quote) (p Plan) {
	_ = json.Unmarshal(row.Plan, &p) // an unreadable plan covers nothing
	return p
}

// newRow writes a fresh quote and retires the one it replaces.
func (g *Guard) newRow(tx *journal.Tx, c Call, sum string, q *Quote, old journal.Quote) (journal.Quote, error) {
	if old.Live(tx.Now()) {
		if _, err := tx.SwapQuote(old.ID, func(q *journal.Quote) { q.State = journal.Superseded }, old.State); err != nil {
			return old, err
		}
	}
	p := q.Plan
	plan, err := json.Marshal(p)
	if err != nil {
		return old, err
	}
	row := journal.Quote{
		ID: newQuoteID(), Code: newCode(), Caller: c.Caller, Tool: c.Tool, Digest: sum, Mode: q.rule(),
		State: journal.Open, Plan: plan, Rate: p.Rate, Most: p.Most(),
		CreatedAt: tx.Now(), ExpiresAt: tx.Now().Add(quoteLife),
	}
	if err := tx.PutQuote(row); err != nil {
		return row, err
	}
	return row, tx.Append("quoted", row.ID, map[string]any{"tool": c.Tool, "caller": c.Caller, "summary": p.Summary, "rate": p.Rate, "most": row.Most})
}

// judge compares the limits in force with everything that runs or may be about
// to. It returns what p should warn of.
func (g *Guard) judge(tx *journal.Tx, p Plan, e Exposure) (warnings []string, err error) {
	if !p.judged() {
		return nil, nil
	}
	in, err := g.inForce(tx)
	if err != nil {
		return nil, err
	}
	load, err := weigh(tx, e, p)
	if err != nil {
		return nil, err
	}
	if r := in.Policy.Judge(p, load); r != nil {
		return nil, r
	}
	return in.Policy.warnings(p, load), nil
}

// quiet reports whether a person just said no to this tool. Destroying is
// exempt: it must never be harder than renting.
func quiet(tx *journal.Tx, c Call, p Plan) (bool, error) {
	if p.Effect == Destroy {
		return false, nil
	}
	last, found, err := tx.LastDeclined(c.Caller, c.Tool)
	return found && tx.Now().Sub(last.ClosedAt) < quietAfterNo, err
}

func (g *Guard) digest(c Call) (string, error) {
	key, err := g.key()
	if err != nil {
		return "", fmt.Errorf("reading the key of the state folder: %w", err)
	}
	return digest(key, c.Tool, c.Args), nil
}
