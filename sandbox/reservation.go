package sandbox

import (
	"encoding/json"
	"math"
	"net/http"
	"time"
)

func reservationRoutes() []route {
	return []route{
		{method: http.MethodPut, path: "/api/v0/instances/prepay/{id}/", op: "prepay", access: inInstanceWrite, writes: true, handle: (*tx).prepay},
		{method: http.MethodGet, path: "/api/v0/instances/balance/{id}/", op: "deposit", access: inInstanceRead, handle: (*tx).showDeposit},
	}
}

// deposit is money that was paid for an instance in advance. It is spent
// before the account's, and makes the instance cheaper until it is spent.
type deposit struct {
	Paid   int64   `json:"paid"`   // micro-dollars
	Before int64   `json:"before"` // what the instance had cost when it was first paid
	Rate   float64 `json:"rate"`   // discount, from 0 to 1
	Months float64 `json:"months"` // that the last payment covered
}

func (d *deposit) sound() bool {
	return d.Paid >= 0 && d.Before >= 0 && d.Rate >= 0 && d.Rate < 1 && d.Months >= 0
}

// discount is 0 where there is no deposit.
func (d *deposit) discount() float64 {
	if d == nil {
		return 0
	}
	return d.Rate
}

// fee is what a refund kept back of a deposit.
type fee struct {
	Instance     int64     `json:"instance"`
	At           time.Time `json:"at"`
	MicroDollars int64     `json:"micro_dollars"`
}

func (f fee) sound() bool { return f.MicroDollars >= 0 && sane(f.At) }

// prepay answers PUT /instances/prepay/{id}/.
func (t *tx) prepay() answer {
	id, _ := t.id()
	c := t.st.contract(id)
	if c == nil {
		return refuse(http.StatusBadRequest, "", "No such instance")
	}
	var in struct {
		Amount float64 `json:"amount"`
	}
	if json.Unmarshal(t.body, &in) != nil {
		return badJSON()
	}
	switch {
	case !(in.Amount > 0 && in.Amount <= maxCredit):
		return invalidArgs("Invalid args: 'amount' must be dollars, above 0")
	case c.Bid > 0:
		return invalidArgs("Instance %d is interruptible: only on-demand instances can be reserved.", c.ID)
	case int64(math.Round(in.Amount*1e6)) > t.st.credit(t.now):
		return refuse(http.StatusLengthRequired, "", "Insufficient credit") // the API's choice of status
	}
	t.st.pay(c, int64(math.Round(in.Amount*1e6)), t.world.asks[c.Ask].m.discountMax, t.now)
	return reply(struct {
		Success   bool    `json:"success"`
		Timescale float64 `json:"timescale"`
		Rate      float64 `json:"discount_rate"`
	}{true, c.Deposit.Months, c.Deposit.Rate})
}

// showDeposit answers GET /instances/balance/{id}/.
func (t *tx) showDeposit() answer {
	c, refusal, ok := t.instance()
	if !ok {
		return refusal
	}
	var out struct {
		Success    bool    `json:"success"`
		Refundable float64 `json:"refundable_deposit"`
		Discount   float64 `json:"total_discount"`
		Months     int64   `json:"discount_months"`
	}
	out.Success = true
	out.Refundable, out.Discount = dollars(t.st.refund(c, t.now)), dollars(t.st.saved(c.ID, t.now))
	if c.Deposit != nil {
		out.Months = int64(math.Round(c.Deposit.Months))
	}
	return reply(out)
}

// pay adds to the deposit. The discount follows anew from how long what is
// left now lasts at the list price.
func (st *state) pay(c *contract, amount int64, mostDiscount float64, at time.Time) {
	if c.Deposit == nil {
		c.Deposit = &deposit{Before: st.charged(c.ID, at)}
	}
	c.Deposit.Paid += amount
	monthly := float64(c.Rates.GPU+c.Rates.Disk) / 1e9 * hoursPerMonth
	c.Deposit.Months = round(dollars(st.depositLeft(c, at))/max(monthly, 1e-6), 3)
	c.Deposit.Rate = round(min(discountFor(c.Deposit.Months), mostDiscount), 4)
	st.reprice(c, at)
}

// discountFor is the discount for months paid in advance, on lines between
// the few points of the API's curve that are known.
func discountFor(months float64) float64 {
	curve := [][2]float64{{0, 0}, {0.546, 0.035}, {1, 0.2}, {3, 0.3}, {12, 0.5}}
	for i, to := range curve[1:] {
		from := curve[i]
		if months <= to[0] {
			return from[1] + (months-from[0])/(to[0]-from[0])*(to[1]-from[1])
		}
	}
	return curve[len(curve)-1][1]
}

// charged is what an instance has cost so far, in micro-dollars.
func (st *state) charged(instance int64, at time.Time) int64 {
	sum := int64(0)
	for _, i := range st.ended.of[instance] {
		sum += st.ended.meters[i].amount(at)
	}
	for _, m := range st.Meters {
		if m.Instance == instance {
			sum += m.amount(at)
		}
	}
	return sum
}

// saved is by how much the discount made an instance cheaper so far.
func (st *state) saved(instance int64, at time.Time) int64 {
	sum := int64(0)
	for _, kind := range []string{gpuMeter, diskMeter} {
		for m := range st.metersOf(instance, kind) {
			if m.Full > 0 {
				full := m
				full.Rate = m.Full
				sum += full.amount(at) - m.amount(at)
			}
		}
	}
	return sum
}

// depositLeft is what the instance's deposit still covers.
func (st *state) depositLeft(c *contract, at time.Time) int64 {
	if c.Deposit == nil {
		return 0
	}
	return max(c.Deposit.Paid-(st.charged(c.ID, at)-c.Deposit.Before), 0)
}

// refund is what comes back of a deposit when the instance is destroyed: what
// is left, less the discounts had and a twentieth of those.
func (st *state) refund(c *contract, at time.Time) int64 {
	saved := st.saved(c.ID, at)
	return max(st.depositLeft(c, at)-saved-saved/20, 0)
}

// tiedUp is what deposits and fees take from the account beside the meters.
func (st *state) tiedUp(at time.Time) int64 {
	sum := int64(0)
	for _, f := range st.Fees {
		sum += f.MicroDollars
	}
	for _, c := range st.Contracts {
		sum += st.depositLeft(c, at)
	}
	return sum
}

// settleDeposit gives back what the API gives back, and keeps the rest.
func (st *state) settleDeposit(c *contract, at time.Time) {
	if kept := st.depositLeft(c, at) - st.refund(c, at); kept > 0 {
		st.Fees = append(st.Fees, fee{Instance: c.ID, At: at, MicroDollars: kept})
	}
	c.Deposit = nil
}

// depositSpent is the first moment up to a limit at which a discount ends
// with the deposit that it came from.
func (st *state) depositSpent(limit time.Time) (*contract, time.Time) {
	var first *contract
	for _, c := range st.Contracts {
		if c.Deposit.discount() == 0 || st.depositLeft(c, limit) > 0 {
			continue
		}
		first, limit = c, st.firstTime(limit, func(at time.Time) bool { return st.depositLeft(c, at) <= 0 })
	}
	return first, limit
}

func (st *state) endDiscount(c *contract, at time.Time) {
	c.Deposit.Rate = 0
	st.reprice(c, at)
}

// describeDeposit tells of a deposit; without one the API says null.
func (row *instanceRow) describeDeposit(st *state, c *contract, now time.Time) {
	if c.Deposit != nil {
		row.CreditBalance, row.CreditDiscount = new(dollars(st.depositLeft(c, now))), new(c.Deposit.Rate)
	}
}
