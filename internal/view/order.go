package view

import (
	"fmt"

	"vast-mcp/internal/usd"
	"vast-mcp/rental"
)

// OpenOrder is a rental or a start whose outcome nobody knows yet.
type OpenOrder struct {
	Nonce    string     `json:"nonce"`
	Removing []int64    `json:"removing,omitempty" jsonschema_description:"instances"`
	PerHour  usd.Amount `json:"dollars_per_hour"`
	Why      string     `json:"why"`
}

// OfOrders is how an agent sees orders that are open.
func OfOrders(open []rental.Order) (all []OpenOrder) {
	for _, o := range open {
		all = append(all, OpenOrder{Nonce: o.Nonce, Removing: o.Removing, PerHour: o.PerHour, Why: o.Why})
	}
	return all
}

// Text says what is known, in one line.
func (o OpenOrder) Text() string {
	return fmt.Sprintf("1 order is still being settled: nonce %s, %s/h: %s. A machine may be running for it: do not rent another, look again in half a minute.\n", o.Nonce, o.PerHour, o.Why)
}
