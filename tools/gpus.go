package tools

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"vast-mcp/internal/tool"
	"vast-mcp/internal/usd"
	"vast-mcp/internal/view"
	"vast-mcp/vast"
)

// gpusInput is what list_gpus takes.
type gpusInput struct {
	GPUNames     []string `json:"gpu_names,omitempty" jsonschema_description:"any of these; a family like H100 is fine"`
	MinGPURAMGB  float64  `json:"min_gpu_ram_gb,omitempty" jsonschema:"minimum=1" jsonschema_description:"per GPU"`
	VerifiedOnly bool     `json:"verified_only" jsonschema:"default=true" jsonschema_description:"only verified machines"`
}

// gpusOutput is what list_gpus answers.
type gpusOutput struct {
	GPUs          []view.GPU     `json:"gpus"`
	AppliedFilter map[string]any `json:"applied_filter"`
	LeftOut       string         `json:"left_out,omitempty"`
}

// Text is the models as a table.
func (o gpusOutput) Text() string {
	return view.GPUTable(o.GPUs) + fmt.Sprintf("%d models; dollars per GPU and hour on demand, without disk.\nFilter: %s\n%s", len(o.GPUs), filterText(o.AppliedFilter), o.LeftOut)
}

// listWithin is how long the market is read for one answer: the API hands out
// 64 offers at a time, and fewer than one page a second.
const listWithin = 30 * time.Second

// model is a GPU by name and memory: modded cards share a name.
type model struct {
	name string
	gb   float64
}

func (o *offers) listGPUs(ctx context.Context, _ tool.Call, in gpusInput) (gpusOutput, error) {
	search := searchInput{GPUNames: in.GPUNames, MinGPURAMGB: in.MinGPURAMGB, VerifiedOnly: in.VerifiedOnly, DiskGB: smallestDisk}
	terms, err := o.terms(ctx, search)
	if err != nil {
		return gpusOutput{}, err
	}
	out := gpusOutput{GPUs: []view.GPU{}, AppliedFilter: applied(search, terms)}
	delete(out.AppliedFilter, "strategy")
	prices, top, err := o.prices(ctx, search, terms)
	if err != nil && len(prices) == 0 {
		return gpusOutput{}, err
	}
	if err != nil {
		out.LeftOut = fmt.Sprintf("Offers dearer than %s/h in all are left out: %s\n", usd.Ceil(top), unread(err))
	}
	for m, all := range prices {
		slices.Sort(all)
		out.GPUs = append(out.GPUs, view.GPU{
			Name: m.name, GPURAMGB: m.gb, Offers: len(all),
			Cheapest: usd.Ceil(all[0]), Median: usd.Ceil(all[len(all)/2]),
		})
	}
	slices.SortFunc(out.GPUs, func(a, b view.GPU) int {
		return cmp.Or(cmp.Compare(a.Median, b.Median), cmp.Compare(a.Name, b.Name), cmp.Compare(a.GPURAMGB, b.GPURAMGB))
	})
	return out, nil
}

// unread says why the market was read only in part, and what to do about it.
func unread(err error) string {
	failed, _ := errors.AsType[*vast.Error](err)
	outOfTime := errors.Is(err, context.DeadlineExceeded) || failed != nil && failed.Code == vast.Throttled && failed.NotSent
	if outOfTime || errors.Is(err, vast.Incomplete) {
		return "there are too many to read. Name gpu_names to see those models."
	}
	if f := Explain(err); f != nil {
		return "they could not be read, for " + f.Message + ". Call again to see them."
	}
	return "they could not be read. Call again to see them."
}

const smallestDisk = 8 // GB that an instance has at least

// prices reads the offers, cheapest first, for as long as there is time: the
// prices per GPU by model, and how dear the last one was. With an error it
// returns what it has.
func (o *offers) prices(ctx context.Context, in searchInput, terms []term) (all map[model][]float64, top float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, listWithin)
	defer cancel()
	all = map[model][]float64{}
	for offer, err := range o.market.All(ctx, in.query(terms)) {
		if err != nil {
			return all, top, err
		}
		if offer.NumGPUs > 0 {
			m := model{offer.GPUName, view.OfOffer(offer).GPURAMGB}
			all[m] = append(all[m], offer.GPUPerHour/float64(offer.NumGPUs))
			top = offer.PerHour
		}
	}
	return all, top, nil
}
