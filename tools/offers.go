package tools

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"vast-mcp/guard"
	"vast-mcp/internal/tool"
	"vast-mcp/internal/usd"
	"vast-mcp/internal/view"
	"vast-mcp/vast"
)

type offers struct {
	market  Market
	inForce func(ctx context.Context) guard.InForce
	names   nameCache
}

func offerTools(d Deps) []tool.Tool {
	o := &offers{market: d.Market, inForce: d.InForce}
	return []tool.Tool{
		tool.Read(tool.Spec{
			Name: "search_offers", Title: "Search offers",
			Doc: "Find GPUs to rent. Prices are dollars per hour, all GPUs and the disk of disk_gb included.",
		}, o.search),
		tool.Read(tool.Spec{
			Name: "list_gpus", Title: "List GPU models",
			Doc: "GPU models on the market with VRAM, number of offers, cheapest and median price per GPU.",
		}, o.listGPUs),
	}
}

// searchInput is what search_offers takes.
type searchInput struct {
	GPUNames       []string                  `json:"gpu_names,omitempty" jsonschema_description:"any of these, e.g. RTX 4090, H100 SXM"`
	NumGPUs        int                       `json:"num_gpus,omitempty" jsonschema:"minimum=1,maximum=64" jsonschema_description:"exactly so many"`
	MinGPURAMGB    float64                   `json:"min_gpu_ram_gb,omitempty" jsonschema:"minimum=1" jsonschema_description:"per GPU"`
	MaxPerHour     float64                   `json:"max_dollars_per_hour,omitempty" jsonschema:"exclusiveMinimum=0" jsonschema_description:"disk included"`
	MinReliability float64                   `json:"min_reliability,omitempty" jsonschema:"exclusiveMinimum=0,maximum=1" jsonschema_description:"0 to 1"`
	Regions        []string                  `json:"regions,omitempty" jsonschema_description:"country codes or names, or continents"`
	VerifiedOnly   bool                      `json:"verified_only" jsonschema:"default=true" jsonschema_description:"only machines that Vast.ai verified"`
	DatacenterOnly bool                      `json:"datacenter_only,omitempty" jsonschema_description:"only datacenters"`
	Interruptible  bool                      `json:"interruptible,omitempty" jsonschema_description:"price by bid: cheaper, may be stopped any time"`
	DiskGB         float64                   `json:"disk_gb" jsonschema:"default=32,minimum=8" jsonschema_description:"disk you will rent"`
	Strategy       string                    `json:"strategy" jsonschema:"default=cheapest,enum=cheapest,enum=second_cheapest,enum=best_value,enum=most_reliable" jsonschema_description:"order of the list"`
	Limit          int                       `json:"limit" jsonschema:"default=10,minimum=1,maximum=64" jsonschema_description:"rows"`
	Query          map[string]map[string]any `json:"query,omitempty" jsonschema_description:"raw API filter, RAM in MB, e.g. {\"cuda_max_good\":{\"gte\":12.4}}"`
}

// searchOutput is what search_offers answers.
type searchOutput struct {
	Offers        []view.Offer   `json:"offers"`
	AppliedFilter map[string]any `json:"applied_filter" jsonschema_description:"by argument, as understood"`
	LeftOut       string         `json:"left_out,omitempty"`
}

// Text is the answer as a table.
func (o searchOutput) Text() string {
	if len(o.Offers) == 0 {
		return "No offer matches. " + o.LeftOut + "\nFilter: " + filterText(o.AppliedFilter) + "\n"
	}
	text := view.OfferTable(o.Offers) + "Filter: " + filterText(o.AppliedFilter) + "\n"
	if o.LeftOut != "" {
		text += o.LeftOut + "\n"
	}
	return text
}

// mostRows is what the API answers at most, whatever it is asked for.
const mostRows = 64

func (o *offers) search(ctx context.Context, _ tool.Call, in searchInput) (searchOutput, error) {
	terms, err := o.terms(ctx, in)
	if err != nil {
		return searchOutput{}, err
	}
	found, err := o.market.Search(ctx, in.query(terms))
	if err != nil {
		return searchOutput{}, err
	}
	found = slices.DeleteFunc(found, o.forbidden(ctx))
	out := searchOutput{Offers: []view.Offer{}, AppliedFilter: applied(in, terms)}
	if len(found) == 0 {
		out.LeftOut = o.blame(ctx, in, terms)
		return out, nil
	}
	ranked, slices := rank(found, in.Strategy)
	for _, offer := range ranked[:min(in.Limit, len(ranked))] {
		out.Offers = append(out.Offers, view.OfOffer(offer))
	}
	out.LeftOut = leftOut(len(out.Offers), len(ranked), slices, len(found) >= mostRows, in.Strategy)
	return out, nil
}

// leftOut says what of the matches is not shown.
func leftOut(shown, total, slices int, more bool, strategy string) string {
	var parts []string
	if shown < total || more {
		of := fmt.Sprint(total)
		if more {
			of += " or more"
		}
		parts = append(parts, fmt.Sprintf("%d of %s offers are shown; narrow the filter or raise limit to see others.", shown, of))
	}
	if slices > 0 {
		parts = append(parts, fmt.Sprintf("%d further slices of these machines at the same price are left out.", slices))
	}
	if strategy == "second_cheapest" {
		parts = append(parts, "The cheapest machine is left out.")
	}
	return strings.Join(parts, " ")
}

// term is one filter that the caller asked for, by the name of its argument.
type term struct {
	name      string
	shown     any    // the value as understood
	field, op string // what it compares; empty for the raw filter
	add       func(vast.Filter) vast.Filter
	owner     bool // the owner's policy asked for it
}

// vramTolerance allows for what drivers report: a 24 GB card has 24564 MiB or
// 23028, an 80 GB card 81559, a 48 GB card 46068.
const vramTolerance = 0.93

// where is the term of an argument that becomes one comparison.
func where(name string, shown any, field, op string, value any) term {
	return term{name: name, shown: shown, field: field, op: op, add: func(f vast.Filter) vast.Filter { return f.With(field, op, value) }}
}

// terms turns the arguments into filters, checking names that must exist.
func (o *offers) terms(ctx context.Context, in searchInput) ([]term, error) {
	var all []term
	if len(in.GPUNames) > 0 {
		names, err := o.resolveGPUs(ctx, in.GPUNames)
		if err != nil {
			return nil, err
		}
		all = append(all, where("gpu_names", names, "gpu_name", "in", names))
	}
	policy := o.inForce(ctx).Policy
	places, err := in.places(policy.AllowRegions)
	if err != nil {
		return nil, err
	}
	all = slices.Concat(all, places, in.comparisons(policy.MaxPerHour))
	if len(in.Query) == 0 {
		return all, nil
	}
	if err := in.checkQuery(all); err != nil {
		return nil, err
	}
	return append(all, term{name: "query", shown: in.Query, add: in.addQuery}), nil
}

// checkQuery refuses a raw filter that would take the place of what is decided
// here or by another argument.
func (in searchInput) checkQuery(others []term) error {
	for _, field := range []string{"rentable", "rented"} {
		if _, given := in.Query[field]; given {
			return tool.Fail(tool.InvalidArguments, "query: %s is decided here: only offers that are free are shown", field).Hint("leave it out")
		}
	}
	for _, t := range others {
		_, given := in.Query[t.field][t.op]
		if given && t.owner {
			return tool.Fail(tool.InvalidArguments, "query: %s %s is set by the owner's limit %v", t.field, t.op, t.shown).
				Hint("leave it out; max_dollars_per_hour and regions can narrow the search further")
		}
		if given {
			return tool.Fail(tool.InvalidArguments, "query: %s %s is what %s says already", t.field, t.op, t.name).
				Hint("say it once: with %s, and leave %s out of query", t.name, t.field)
		}
	}
	return nil
}

// comparisons are the terms of the arguments that were given, and of the most
// that the owner allows for one instance.
func (in searchInput) comparisons(most *usd.Amount) []term {
	ram := math.Floor(in.MinGPURAMGB * 1024 * vramTolerance)
	capped := most != nil && (in.MaxPerHour == 0 || in.MaxPerHour > most.Float())
	all := []term{where("disk_gb", in.DiskGB, "disk_space", "gte", in.DiskGB)}
	for _, c := range []struct {
		given bool
		term  term
	}{
		{in.NumGPUs > 0, where("num_gpus", in.NumGPUs, "num_gpus", "eq", in.NumGPUs)},
		{in.MinGPURAMGB > 0, where("min_gpu_ram_gb", in.MinGPURAMGB, "gpu_ram", "gte", ram)},
		{in.MaxPerHour > 0 && !capped, where("max_dollars_per_hour", in.MaxPerHour, "dph_total", "lte", in.MaxPerHour)},
		{capped, byOwner(where("owner_max_dollars_per_hour", most, "dph_total", "lte", most))},
		{in.MinReliability > 0, where("min_reliability", in.MinReliability, "reliability", "gte", in.MinReliability)},
		{in.VerifiedOnly, where("verified_only", true, "verified", "eq", true)},
		{in.DatacenterOnly, where("datacenter_only", true, "datacenter", "eq", true)},
	} {
		if c.given {
			all = append(all, c.term)
		}
	}
	return all
}

func byOwner(t term) term {
	t.owner = true
	return t
}

// addQuery adds the raw filter, field by field.
func (in searchInput) addQuery(f vast.Filter) vast.Filter {
	for field, ops := range in.Query {
		for op, value := range ops {
			f = f.With(field, op, value)
		}
	}
	return f
}

// query is the request for these terms.
func (in searchInput) query(terms []term) vast.OfferQuery {
	f := vast.Filter{}
	for _, t := range terms {
		f = t.add(f)
	}
	f = f.With("rentable", "eq", true).With("rented", "eq", false)
	q := vast.OfferQuery{Filter: f, Pricing: vast.OnDemand, DiskGB: in.DiskGB, Limit: mostRows}
	if in.Interruptible {
		q.Pricing = vast.Interruptible
	}
	switch in.Strategy {
	case "best_value":
		q.Order = []vast.Order{{Field: "dlperf_per_dphtotal", Desc: true}}
	case "most_reliable":
		q.Order = []vast.Order{{Field: "reliability", Desc: true}, {Field: "dph_total"}}
	default:
		q.Order = []vast.Order{{Field: "dph_total"}}
	}
	return q
}

// rank orders what was found by the strategy, one slice for each machine, size
// and price, and counts the other slices.
func rank(found []vast.Offer, strategy string) (ranked []vast.Offer, same int) {
	found = slices.DeleteFunc(found, func(o vast.Offer) bool { return o.PerHour <= 0 }) // it could not be quoted
	slices.SortFunc(found, func(a, b vast.Offer) int { return cmp.Or(cmp.Compare(a.PerHour, b.PerHour), cmp.Compare(a.ID, b.ID)) })
	type slice struct {
		machine vast.MachineID
		gpus    int
		price   float64
	}
	seen := map[slice]bool{}
	for _, o := range found {
		key := slice{o.MachineID, o.NumGPUs, o.PerHour}
		if seen[key] {
			same++
			continue
		}
		seen[key] = true
		ranked = append(ranked, o)
	}
	switch strategy {
	case "second_cheapest":
		if len(ranked) == 0 {
			break
		}
		first := ranked[0].MachineID
		ranked = slices.DeleteFunc(ranked, func(o vast.Offer) bool { return o.MachineID == first })
	case "best_value":
		slices.SortStableFunc(ranked, func(a, b vast.Offer) int { return cmp.Compare(value(b), value(a)) })
	case "most_reliable":
		slices.SortStableFunc(ranked, func(a, b vast.Offer) int { return cmp.Compare(b.Reliability, a.Reliability) })
	}
	return ranked, same
}

// value is performance per dollar, discounted by how likely the machine stays up.
func value(o vast.Offer) float64 {
	if o.PerHour <= 0 {
		return 0
	}
	return o.DLPerf / o.PerHour * math.Pow(o.Reliability, 4)
}

// blameWithin is how long the reason why nothing matches is looked for: each
// try is a search, of which the API takes few.
const blameWithin = 20 * time.Second

// blame finds the single filter that excludes most when nothing matches. That
// nothing does is the answer, whether or not a reason is found in time.
func (o *offers) blame(ctx context.Context, in searchInput, terms []term) string {
	ctx, cancel := context.WithTimeout(ctx, blameWithin)
	defer cancel()
	worst, most, failed := "", 0, false
	for i, t := range terms {
		if ctx.Err() != nil {
			failed = true
			break
		}
		found, err := o.market.Search(ctx, in.query(slices.Delete(slices.Clone(terms), i, i+1)))
		failed = failed || err != nil
		if len(found) > most {
			worst, most = t.name, len(found)
		}
	}
	switch {
	case worst == "" && failed:
		return "Which filter excludes most could not be found out."
	case worst == "":
		return "No single filter is to blame: loosen several."
	}
	of := fmt.Sprint(most)
	if most >= mostRows {
		of += " or more"
	}
	return fmt.Sprintf("Without %s there would be %s.", worst, of)
}
