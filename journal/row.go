package journal

import (
	"cmp"
	"encoding/json"
	"time"

	"vast-mcp/internal/usd"
)

// QuoteState is where a quote stands.
type QuoteState string

// The states of a quote. Expiry is not a state but a time: see Quote.ExpiresAt.
const (
	Open       QuoteState = "open"
	Approved   QuoteState = "approved"
	Redeemed   QuoteState = "redeemed"
	Declined   QuoteState = "declined"
	Superseded QuoteState = "superseded" // a dearer plan took its place
)

// Quote is a priced plan that waits for an approval, or has had one.
type Quote struct {
	ID     string // 128 random bits, base32
	Code   string // what a person types to approve it; 40 random bits
	Caller string // who asked: "local", or the name of a bearer
	Tool   string
	Digest string // keyed hash of the arguments after defaults and of what they resolve to
	Mode   string // the approval mode it was made under
	State  QuoteState

	Plan json.RawMessage // the guard's plan, without secrets
	Rate usd.Amount      // dollars per hour
	Most usd.Amount      // up-front + rate x lease

	CreatedAt time.Time
	ExpiresAt time.Time
	AskedAt   time.Time // when the caller's client was last asked; zero: never
	ClosedAt  time.Time // when it was declined or redeemed
}

// Live reports whether the quote can still be approved or redeemed at now.
func (q Quote) Live(now time.Time) bool {
	return (q.State == Open || q.State == Approved) && now.Before(q.ExpiresAt)
}

// Approval records a yes or a no and how it came.
type Approval struct {
	Quote string
	Yes   bool
	Via   string        // for example "elicitation" or "command, same user"
	Took  time.Duration // from asking to answering; zero when it was not asked
	At    time.Time
}

// IntentState is where an intent stands; see the money path in docs/design.md.
type IntentState string

// The states of an intent. Prepared up to Rented count against the caps.
const (
	Prepared IntentState = "prepared" // written down, nothing sent
	Sent     IntentState = "sent"     // the request may be on the wire
	Answered IntentState = "answered" // the API said yes and gave an id; not seen yet
	Looking  IntentState = "looking"  // the API said no; one look found nothing, a second is due
	Unknown  IntentState = "unknown"  // nobody knows yet
	Undoing  IntentState = "undoing"  // machines are there that must go: see Extras
	Rented   IntentState = "rented"   // seen with our nonce
	Refused  IntentState = "refused"  // certainly nothing was done
	Closed   IntentState = "closed"   // no sign of it after three looks
	Ended    IntentState = "ended"    // it was there and is gone
	Done     IntentState = "done"     // a stop, destroy or key operation that was carried out
)

// Counts reports whether the intent counts against the caps.
func (s IntentState) Counts() bool {
	switch s {
	case Prepared, Sent, Answered, Looking, Unknown, Undoing, Rented:
		return true
	case Refused, Closed, Ended, Done:
		return false
	}
	return true
}

// Intent is what was about to be done, written before the request that does it.
type Intent struct {
	Nonce  string // 16 characters; it also stands in the label of a rental
	Quote  string
	Caller string
	Worker string // the process that began it; empty: not told
	Tool   string
	Kind   string // "create", "start", "extend", or "act" for what needs no settling
	State  IntentState
	Why    string // for people: what happened last

	Offer    int64
	Machine  int64      // that the offer is of; zero when it does not matter
	Instance int64      // zero until known; a hint only while unknown
	Rental   string     // of an extension: the nonce of what goes on
	Rate     usd.Amount // dollars per hour that were approved
	DiskRate usd.Amount // dollars per hour that it goes on costing when stopped
	Label    string
	Began    time.Time // when it was planned, on the API's clock: it cannot have cost anything before
	Until    time.Time // end of the lease, on the API's clock
	OnExpiry string

	IdleMinutes int // of the lease; zero: idling is not looked at

	Reusable  bool          // refused before it ran, so that the quote may be used again
	SentAt    Moment        // when its request was sent last; zero: it was not
	Within    time.Duration // for how long from then on it may be on its way
	Looks     int           // complete lists that did not have it
	LookedAt  Moment        // the last of these
	Extras    []Extra       // machines to remove, while undoing
	Removed   bool          // what it made was removed again
	Released  bool          // its owner took the lease off what it made
	Late      bool          // it turned up after it had been given up
	Told      IntentState   // the state that its caller heard of last; empty: none
	Abandoned bool          // its call ended before it could be told
	Cost      Cost          // what it is known to have cost today
	CreatedAt time.Time
	UpdatedAt time.Time // when it came into its state
}

// Extra is a machine that must go: the intent's order made it beside another,
// or it never ran.
type Extra struct {
	Instance int64
	Stop     bool   // only stopped
	Asked    bool   // its end was asked for
	Gone     int    // looks that did not find it, or found it stopped, one after the other
	LookedAt Moment // the last of these
}

// Moment is a time on two clocks: the wall clock of this machine, which its
// user may set, and the API's, which in a sandbox runs faster.
type Moment struct {
	Wall, API time.Time
}

// Since is for how long at least then has been past: the lesser of what the two
// clocks say. A wall clock that says less than nothing was set meanwhile, or is
// another machine's; then the API's counts alone.
func (m Moment) Since(then Moment) time.Duration {
	wall := m.Wall.Sub(then.Wall)
	if m.API.IsZero() || then.API.IsZero() {
		return wall
	}
	if api := m.API.Sub(then.API); wall < 0 || api < wall {
		return api
	}
	return wall
}

// InFlight reports whether the request of the intent may still be on its way
// at now.
func (in Intent) InFlight(now Moment) bool {
	return in.State == Sent && now.Since(in.SentAt) < in.Within
}

// Cost is what a rental is known to have cost by own observation on one UTC day.
type Cost struct {
	Day   string     // "2026-11-21", on the API's clock; empty: nothing was seen yet
	Spent usd.Amount // on that day, up to At
	At    time.Time  // on the API's clock
	Rate  usd.Amount // dollars per hour since At, as it was seen last
}

// Lease is the deadline that the intent was granted, for what is rented as its
// instance.
func (in Intent) Lease(at time.Time) Lease {
	return Lease{Nonce: cmp.Or(in.Rental, in.Nonce), Instance: in.Instance, Until: in.Until, OnExpiry: in.OnExpiry, IdleMinutes: in.IdleMinutes, GrantedAt: at}
}

// Outcome is what came of an intent, as the caller was told.
type Outcome struct {
	Nonce  string
	Status string
	Result json.RawMessage // the tool's structured result, without secrets
	At     time.Time
}

// Lease is the last deadline that was granted for a rental.
type Lease struct {
	Nonce       string
	Instance    int64
	Until       time.Time
	OnExpiry    string
	IdleMinutes int
	GrantedAt   time.Time
}

// Event is one line of the realm's chained log. Each hash covers the one
// before, so that damage and partial edits show.
type Event struct {
	Realm   string          `json:"realm"`
	Seq     int64           `json:"seq"` // from 1, without gaps
	At      time.Time       `json:"at"`  // whole milliseconds, UTC
	Kind    string          `json:"kind"`
	Subject string          `json:"subject"`
	Data    json.RawMessage `json:"data"`
	Prev    string          `json:"prev"` // hash of the event before; empty for the first
	Hash    string          `json:"hash"`
}
