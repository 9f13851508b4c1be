package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// increaseNotice is how long before a contract ends its host may offer to go
// on at a higher price.
const increaseNotice = 48 * time.Hour

const firstIncrease = 880_001

func increaseRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/api/v0/instances/pending-price-increases/", op: "increases", access: inInstanceRead, handle: (*tx).pendingIncreases},
		{method: http.MethodPut, path: "/api/v0/instances/accept-price-increase/", op: "increase_accept", access: inInstanceWrite, writes: true, handle: (*tx).acceptIncrease},
		{method: http.MethodPut, path: "/api/v0/instances/reject-price-increase/", op: "increase_reject", access: inInstanceWrite, writes: true, handle: (*tx).rejectIncrease},
	}
}

// increaseRow is a price increase as the API serves it: GPUs and disk by the
// second, traffic by the GB. What doesn't change is null.
type increaseRow struct {
	ID              int64    `json:"pending_price_increase_id"`
	ContractID      int64    `json:"contract_id"`
	HostID          int64    `json:"host_id"`
	NewGPU          float64  `json:"new_gpu_costpersec"`
	OldGPU          float64  `json:"old_gpu_costpersec"`
	NewDisk         *float64 `json:"new_disk_ram_costpersec"`
	OldDisk         *float64 `json:"old_disk_ram_costpersec"`
	NewUp           *float64 `json:"new_bwu_cost"`
	OldUp           *float64 `json:"old_bwu_cost"`
	NewDown         *float64 `json:"new_bwd_cost"`
	OldDown         *float64 `json:"old_bwd_cost"`
	NewFee          *float64 `json:"new_platform_fee"`
	OldFee          *float64 `json:"old_platform_fee"`
	ContractEndDate float64  `json:"contract_end_date"`
	AskEndDate      float64  `json:"ask_end_date"`
	CreatedAt       float64  `json:"created_at"`
}

// increase is what a host offers before a contract ends.
type increase struct {
	id   int64
	base float64   // dollars per hour of the GPUs
	ends time.Time // the contract's new end
}

// increase is the pending one of a contract. About every second host raises,
// and only the price of rentals on demand that are not reserved.
func (t *tx) increase(c *contract) (increase, bool) {
	if c.Bid > 0 || c.Deposit != nil || c.Settled.Equal(c.Ends) || t.now.Before(c.Ends.Add(-increaseNotice)) || !t.now.Before(c.Ends) {
		return increase{}, false
	}
	d := newDice(t.st.Seed, fmt.Sprintf("increase %d %d", c.Machine, c.Ends.Unix()))
	if !d.chance(0.5) {
		return increase{}, false
	}
	return increase{
		id:   firstIncrease + (c.ID-firstContract)*100 + int64(c.Raises%100),
		base: float64(c.Rates.GPU) / 1e9 * one(d, 1.05, 1.1, 1.2, 1.25),
		ends: t.world.asks[c.Ask].ends(t.st.Born, c.Ends),
	}, true
}

// pendingIncreases answers GET /instances/pending-price-increases/.
func (t *tx) pendingIncreases() answer {
	rows := []increaseRow{}
	for _, c := range t.st.Contracts {
		if up, pending := t.increase(c); pending {
			rows = append(rows, increaseRow{
				ID: up.id, ContractID: c.ID, HostID: t.world.asks[c.Ask].m.host,
				NewGPU: up.base / 3600, OldGPU: float64(c.Rates.GPU) / 1e9 / 3600,
				ContractEndDate: unix(c.Ends), AskEndDate: unix(up.ends),
				CreatedAt: unix(latest(c.Created, c.Ends.Add(-increaseNotice))),
			})
		}
	}
	return reply(map[string]any{"success": true, "count": len(rows), "truncated": false, "pending_price_increases": rows})
}

// acceptIncrease answers PUT /instances/accept-price-increase/.
func (t *tx) acceptIncrease() answer {
	return t.settleIncrease(func(c *contract, up increase) {
		c.Base, c.Rates.GPU, c.Ends = up.base, nano(up.base), up.ends
		t.st.reprice(c, t.now)
	})
}

// rejectIncrease answers PUT /instances/reject-price-increase/: the contract
// ends when it was to.
func (t *tx) rejectIncrease() answer {
	return t.settleIncrease(func(c *contract, _ increase) { c.Settled = c.Ends })
}

// settleIncrease reads a body that may hold nothing but the id.
func (t *tx) settleIncrease(settle func(*contract, increase)) answer {
	var in struct {
		ID *int64 `json:"pending_price_increase_id"`
	}
	d := json.NewDecoder(bytes.NewReader(t.body))
	d.DisallowUnknownFields()
	if d.Decode(&in) != nil || in.ID == nil {
		return refuse(http.StatusBadRequest, "bad_request", "pending_price_increase_id: Input should be a valid integer, and nothing else is permitted")
	}
	for _, c := range t.st.Contracts {
		if up, pending := t.increase(c); pending && up.id == *in.ID {
			settle(c, up)
			c.Raises++
			return reply(map[string]any{"success": true, "pending_price_increase_id": up.id, "contract_id": c.ID})
		}
	}
	return refuse(http.StatusNotFound, "no_pending_price_increase", "There is no such pending price increase.")
}
