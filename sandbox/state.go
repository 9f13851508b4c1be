package sandbox

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"time"
)

const (
	stateVersion  = 1
	firstContract = 45_001_001
	firstKey      = 660_001
	damaged       = "the sandbox's market.json is damaged: use --sandbox-fresh to start over"
)

// state is all that is remembered of a market. The offers are not: they
// follow from the seed.
type state struct {
	Version      int         `json:"version"`
	Seed         uint64      `json:"seed"`
	Clock        marketClock `json:"clock"`
	Born         time.Time   `json:"born"`
	At           time.Time   `json:"at"`           // market time that the market has been played up to
	StartCredit  int64       `json:"start_credit"` // micro-dollars
	Contracts    []*contract `json:"contracts"`
	Past         []past      `json:"past"`
	Meters       []meter     `json:"meters,omitempty"` // those that run
	Filed        mark        `json:"filed,omitzero"`
	Fees         []fee       `json:"fees,omitempty"`
	Jobs         []job       `json:"jobs,omitempty"`
	LastJob      int64       `json:"last_job,omitempty"`
	SSHKeys      []sshKey    `json:"ssh_keys"`
	NextContract int64       `json:"next_contract"`
	NextKey      int64       `json:"next_key"`
	Account      holdings    `json:"account,omitzero"`
	Serverless   serverless  `json:"serverless,omitzero"`
	Hosting      hosting     `json:"hosting,omitzero"`
	Alerts       alerts      `json:"alerts,omitzero"`

	ended *book
}

// past is what the bills still tell of a destroyed instance.
type past struct {
	ID         int64   `json:"id"`
	Label      *string `json:"label"`
	TemplateID *int64  `json:"template_id"`
	Disk       float64 `json:"disk"`
}

func newState(seed uint64, speed, credit float64, wall time.Time) *state {
	return &state{
		Version:      stateVersion,
		Seed:         seed,
		Clock:        marketClock{Epoch: wall, Anchor: wall, Speed: speed},
		Born:         wall,
		At:           wall,
		StartCredit:  int64(math.Round(credit * 1e6)),
		NextContract: firstContract,
		NextKey:      firstKey,
		ended:        newBook(),
	}
}

// keep joins the state with the meters that ended. Older states have some of
// those among the others.
func (st *state) keep(ended *book) {
	st.ended = ended
	st.Meters = slices.DeleteFunc(st.Meters, func(m meter) bool {
		if !m.End.IsZero() {
			ended.add(m)
		}
		return !m.End.IsZero()
	})
}

// decodeState reads a stored market and refuses what this program can't have
// written, for a wrong figure here would be a wrong bill.
func decodeState(raw []byte) (*state, error) {
	st := new(state)
	if err := json.Unmarshal(raw, st); err != nil || !st.sound() {
		return nil, errors.New(damaged)
	}
	return st, nil
}

func (st *state) sound() bool {
	speed := st.Clock.Speed
	return st.Version == stateVersion && speed > 0 && speed <= maxSpeed &&
		st.NextContract >= firstContract && st.NextKey >= firstKey &&
		st.Account.sound() && st.Serverless.sound() && st.Hosting.sound() && st.Alerts.sound() &&
		sane(st.Born) && sane(st.At) && sane(st.Clock.Epoch) && sane(st.Clock.Anchor) &&
		!slices.ContainsFunc(st.Contracts, func(c *contract) bool { return c == nil || !c.sound() }) &&
		!slices.ContainsFunc(st.Fees, func(f fee) bool { return !f.sound() }) &&
		!slices.ContainsFunc(st.Jobs, func(j job) bool { return !j.sound() }) &&
		!slices.ContainsFunc(st.Meters, func(m meter) bool { return !m.sound() })
}

// sane is false for moments that arithmetic on durations would overflow on.
func sane(t time.Time) bool { return t.Year() >= 1970 && t.Year() < 2200 }

// now is market time, which never runs backwards.
func (st *state) now(wall time.Time) time.Time {
	now := st.Clock.at(wall)
	if now.Before(st.At) {
		return st.At
	}
	return now
}

func (st *state) contract(id int64) *contract {
	for _, c := range st.Contracts {
		if c.ID == id {
			return c
		}
	}
	return nil
}
