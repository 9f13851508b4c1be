package vast

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"slices"
)

// OfferService searches the market.
type OfferService service

// Search returns the offers that q selects, one page of at most 64. Numeric
// filters are checked here again, as the API does not always apply them.
func (s *OfferService) Search(ctx context.Context, q OfferQuery) ([]Offer, error) {
	page, err := s.page(ctx, q)
	return page.offers, err
}

// All returns every offer that q selects, cheapest first whatever q.Order
// says; q.Limit does not matter. The API has no pages, so each request asks
// for what costs as much as the last offer seen or more. Offers that change
// meanwhile may be missed. When a full page costs the same the rest cannot be
// reached, and the last error is Incomplete.
func (s *OfferService) All(ctx context.Context, q OfferQuery) iter.Seq2[Offer, error] {
	return func(yield func(Offer, error) bool) {
		q.Order, q.Limit = nil, maxOffers
		seen := map[OfferID]bool{}
		from := math.Inf(-1)
		for {
			page, err := s.page(ctx, q)
			if err != nil {
				yield(Offer{}, err)
				return
			}
			fresh := slices.DeleteFunc(page.offers, func(o Offer) bool { return seen[o.ID] })
			for _, o := range fresh {
				seen[o.ID] = true
				if !yield(o, nil) {
					return
				}
			}
			switch {
			case page.rows < maxOffers:
				return
			case page.last <= from && len(fresh) == 0:
				yield(Offer{}, samePrice())
				return
			}
			from = max(from, page.last)
			q.Filter = q.Filter.With("dph_total", "gte", from)
		}
	}
}

// samePrice says that price windows cannot reach the rest.
func samePrice() *Error {
	return &Error{
		Op: operations[opSearchOffers].Name, Code: Incomplete,
		Message: fmt.Sprintf("%d offers or more cost the same; narrow the search", maxOffers),
	}
}

// Get returns one offer with the price of diskGB in its PerHour. An offer
// that is missing or not free is Taken.
func (s *OfferService) Get(ctx context.Context, id OfferID, diskGB float64, p Pricing) (Offer, error) {
	found, err := s.Search(ctx, OfferQuery{
		Filter:  Filter{}.With("ask_contract_id", "eq", id),
		Pricing: p,
		DiskGB:  diskGB,
	})
	if err != nil {
		return Offer{}, err
	}
	for _, o := range found {
		if o.ID == id && o.Rentable {
			return o, nil
		}
	}
	return Offer{}, &Error{
		Op: operations[opSearchOffers].Name, Code: Taken,
		Message: fmt.Sprintf("offer %d is not for rent now", id),
	}
}

// GPUNames returns the names of all GPU models, spelled as filters want them.
func (s *OfferService) GPUNames(ctx context.Context) ([]string, error) {
	var out struct {
		Names *list[text] `json:"gpu_names"`
	}
	if err := s.c.do(ctx, opGPUNames, request{}, &out); err != nil {
		return nil, err
	}
	if out.Names == nil {
		return nil, garbled(opGPUNames, "no names in the answer")
	}
	names := make([]string, 0, len(*out.Names))
	for _, name := range *out.Names {
		names = append(names, string(name))
	}
	return names, nil
}

// offerPage is one answer of the search.
type offerPage struct {
	offers []Offer // those that pass the filter
	rows   int     // how many came, with those that do not
	last   float64 // the price of the last row
}

func (s *OfferService) page(ctx context.Context, q OfferQuery) (offerPage, error) {
	body, wrong := q.body()
	if wrong != "" {
		return offerPage{}, invalid(opSearchOffers, wrong)
	}
	var out struct {
		Offers json.RawMessage `json:"offers"`
	}
	if err := s.c.do(ctx, opSearchOffers, request{body: body}, &out); err != nil {
		return offerPage{}, err
	}
	if len(out.Offers) == 0 || string(out.Offers) == "null" {
		return offerPage{}, garbled(opSearchOffers, "no offers in the answer")
	}
	var rows list[offerRow]
	if rows.UnmarshalJSON(out.Offers) != nil {
		return offerPage{}, garbled(opSearchOffers, s.c.quote(out.Offers))
	}
	return q.Filter.page(rows, out.Offers), nil
}

// page keeps the rows that pass the filter. raw is what they were read from.
func (f Filter) page(rows []offerRow, raw json.RawMessage) offerPage {
	page := offerPage{offers: []Offer{}, rows: len(rows)}
	limits, columns := f.limits(), offerColumns()
	var others list[map[string]number] // what rows do not keep
	for i := range rows {
		o := rows[i].offer()
		page.last = o.PerHour
		ok := admits(limits, func(column string) number {
			if n, kept := rows[i].number(column, columns); kept {
				return n
			}
			if others == nil {
				_ = others.UnmarshalJSON(raw) // the rows were read from it
			}
			return others[i][column]
		})
		if o.ID > 0 && ok {
			page.offers = append(page.offers, o)
		}
	}
	return page
}
