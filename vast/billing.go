package vast

import (
	"context"
	"encoding/json"
	"iter"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// BillingService reads what was charged.
type BillingService service

// Charge is what one source cost in one period. Amounts are dollars, rounded
// by the API to a tenth of a cent.
type Charge struct {
	Start, End  float64 // unix seconds
	Type        string  // instance, volume…; of items gpu, disk, bwd (download) or bwu (upload)
	Source      string  // "instance-45001234"
	Description string
	Amount      float64
	Label       string // of the instance
	Items       []Charge
}

// InstanceID returns the instance that was charged for, if it was one.
func (c Charge) InstanceID() (InstanceID, bool) {
	digits, ok := strings.CutPrefix(c.Source, "instance-")
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || n <= 0 {
		return 0, false
	}
	return InstanceID(n), true
}

// ChargeQuery selects charges. From and To are both needed.
type ChargeQuery struct {
	From, To time.Time
	Types    []string // instance, volume, serverless; empty means all
}

type chargeRow struct {
	Start       number          `json:"start"`
	End         number          `json:"end"`
	Type        text            `json:"type"`
	Source      text            `json:"source"`
	Description text            `json:"description"`
	Amount      number          `json:"amount"`
	Metadata    metadata        `json:"metadata"`
	Items       list[chargeRow] `json:"items"`
}

// metadata is the part of a charge that names what it is for.
type metadata struct{ label text }

func (m *metadata) UnmarshalJSON(data []byte) error {
	var named struct {
		Label text `json:"label"`
	}
	_ = json.Unmarshal(data, &named) // anything but an object has no label
	m.label = named.Label
	return nil
}

const chargePageSize = 100

// Charges returns all charges that q selects, oldest first. Those of an
// instance that still exists may grow until it is destroyed.
func (s *BillingService) Charges(ctx context.Context, q ChargeQuery) iter.Seq2[Charge, error] {
	fetch := func(token string) ([]Charge, string, error) {
		query, wrong := q.query(token)
		if wrong != "" {
			return nil, "", invalid(opCharges, wrong)
		}
		var out struct {
			Results   *list[chargeRow] `json:"results"`
			NextToken text             `json:"next_token"`
		}
		if err := s.c.do(ctx, opCharges, request{query: query}, &out); err != nil {
			return nil, "", err
		}
		if out.Results == nil {
			return nil, "", garbled(opCharges, "no results in the answer")
		}
		return charges(*out.Results), string(out.NextToken), nil
	}
	return rows(pages(opCharges, fetch), func(page []Charge) []Charge { return page })
}

func charges(rows []chargeRow) []Charge {
	var out []Charge
	for _, r := range rows {
		out = append(out, Charge{
			Start: r.Start.value, End: r.End.value, Type: r.Type.trimmed(), Source: r.Source.trimmed(),
			Description: string(r.Description), Amount: r.Amount.value, Label: string(r.Metadata.label),
			Items: charges(r.Items),
		})
	}
	return out
}

func (q ChargeQuery) query(token string) (query url.Values, wrong string) {
	if q.From.IsZero() || q.To.IsZero() {
		return nil, "both ends of the time to charge for are needed"
	}
	filter := Filter{}.With("day", "gte", q.From.Unix()).With("day", "lte", q.To.Unix())
	if len(q.Types) > 0 {
		filter = filter.With("type", "in", q.Types)
	}
	argument, wrong := filter.text()
	query = url.Values{
		"select_filters": {argument},
		"format":         {"table"},
		"latest_first":   {"false"},
		"limit":          {strconv.Itoa(chargePageSize)},
	}
	if token != "" {
		query.Set("after_token", token)
	}
	return query, wrong
}
