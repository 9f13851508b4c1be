package sandbox

import (
	"encoding/json"
	"slices"
	"time"
)

// holdings are what the account has beside its instances and SSH keys.
type holdings struct {
	APIKeys     []apiKey                   `json:"api_keys,omitempty"`
	Resets      map[string]string          `json:"resets,omitempty"`   // main keys that are void, and what replaced them
	EnvVars     []string                   `json:"env_vars,omitempty"` // names only: nothing ever tells a value
	Templates   []templateRow              `json:"templates,omitempty"`
	Volumes     []*volume                  `json:"volumes,omitempty"`
	Subaccounts []subaccount               `json:"subaccounts,omitempty"`
	Profile     map[string]json.RawMessage `json:"profile,omitempty"`
	Team        *team                      `json:"team,omitempty"`
	Payments    []payment                  `json:"payments,omitempty"`
	Audit       []auditRow                 `json:"audit,omitempty"`
	Addresses   []address                  `json:"addresses,omitempty"`
	Made        int64                      `json:"made,omitempty"` // how many of these were ever made
}

func (h *holdings) sound() bool {
	return h.Made >= 0 && (h.Team == nil || h.Team.sound()) &&
		!slices.ContainsFunc(h.Volumes, func(v *volume) bool { return v == nil || !v.sound() }) &&
		!slices.ContainsFunc(h.Payments, func(p payment) bool { return !p.sound() })
}

// serial is a number that no other of the holdings has.
func (h *holdings) serial() int64 {
	h.Made++
	return h.Made
}

// sent is what payments took from the account, in micro-dollars.
func (h *holdings) sent() int64 {
	sum := int64(0)
	for _, p := range h.Payments {
		sum += p.MicroDollars
	}
	return sum
}

// entries are the payments as the ledger shows them.
func (h *holdings) entries() []Entry {
	var entries []Entry
	for _, p := range h.Payments {
		entries = append(entries, Entry{Kind: transferEntry, Start: p.At, End: p.At, MicroDollars: p.MicroDollars})
	}
	return entries
}

// payment is credit that was given to somebody else.
type payment struct {
	ID           int64     `json:"id"`
	At           time.Time `json:"at"`
	MicroDollars int64     `json:"micro_dollars"`
	Before       int64     `json:"before"` // the credit before it
	To           string    `json:"to"`
}

func (p payment) sound() bool {
	return p.MicroDollars >= 0 && p.MicroDollars <= maxCredit*1e6 && sane(p.At)
}
