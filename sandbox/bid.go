package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// mostBidPerGPU is in dollars per hour.
const mostBidPerGPU = 32

func bidRoutes() []route {
	return []route{
		{method: http.MethodPut, path: "/api/v0/instances/bid_price/{id}/", op: "bid", access: inInstanceWrite, writes: true, handle: (*tx).changeBid},
	}
}

// bidTooLow refuses a bid. Where the renter would rather wait than be refused
// the API makes an instance all the same: stopped, and costing its disk.
func (t *tx) bidTooLow(c *contract, least float64, cancel bool) answer {
	out := outcome{
		Error: "invalid_price", AskID: c.Ask,
		Msg: fmt.Sprintf("error 400/3479: price %g is below the minimum bid %g of offer %d", c.Bid, least, c.Ask),
	}
	if !cancel {
		t.sign(c, false)
		out.NewContract = c.ID
	}
	a := reply(out)
	a.status, a.kept = http.StatusBadRequest, !cancel
	return a
}

// changeBid answers PUT /instances/bid_price/{id}/. A price of null is the
// least that wins.
func (t *tx) changeBid() answer {
	c, refusal, ok := t.instance()
	if !ok {
		if _, isID := t.id(); isID {
			return refuse(http.StatusNotFound, "no_such_instance", "Instance with that ID does not exist.")
		}
		return refusal
	}
	var in struct {
		Price *float64 `json:"price"`
	}
	if json.Unmarshal(t.body, &in) != nil {
		return badJSON()
	}
	price := t.winningBid(c)
	if in.Price != nil {
		price = *in.Price
	}
	most := float64(mostBidPerGPU * c.GPUs)
	switch {
	case c.Bid == 0:
		return invalidArgs("Instance %d is on demand and has no bid.", c.ID)
	case !(price >= leastPrice):
		return invalidArgs("Please set a bid price >= %g.", leastPrice)
	case price > most:
		return invalidArgs("Please set a bid price <= %g.", most)
	}
	t.st.rebid(c, price, t.now)
	return success()
}

// winningBid is what it takes to have the contract's GPUs, whatever it bids
// itself.
func (t *tx) winningBid(c *contract) float64 {
	var others []claim
	for _, o := range t.st.Contracts {
		if o != c && o.Machine == c.Machine {
			others = append(others, o.claim())
		}
	}
	a := t.world.asks[c.Ask]
	return a.minBid(a.standing(others))
}

// rebid changes the price from now on. A bid that doesn't win loses its GPUs;
// one that does starts only what waits for them.
func (st *state) rebid(c *contract, price float64, at time.Time) {
	c.Bid, c.Base, c.Rates.GPU = price, price, nano(price)
	st.reprice(c, at)
	if c.holds() && !c.bidsEnough() {
		st.halt(c, at)
	}
	st.serveQueue(at)
}
