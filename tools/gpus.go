package tools

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"vast-mcp/internal/tool"
	"vast-mcp/internal/usd"
	"vast-mcp/internal/view"
)

// gpusInput is what list_gpus takes.
type gpusInput struct {
	MinGPURAMGB  float64 `json:"min_gpu_ram_gb,omitempty" jsonschema:"minimum=1" jsonschema_description:"per GPU"`
	VerifiedOnly bool    `json:"verified_only" jsonschema:"default=true" jsonschema_description:"only verified machines"`
}

// gpusOutput is what list_gpus answers.
type gpusOutput struct {
	GPUs []view.GPU `json:"gpus"`
}

// Text is the models as a table.
func (o gpusOutput) Text() string {
	return view.GPUTable(o.GPUs) + fmt.Sprintf("%d models; dollars per GPU and hour on demand, without disk.\n", len(o.GPUs))
}

// listGPUs groups every offer by model and memory: modded cards share a name.
func (o *offers) listGPUs(ctx context.Context, _ tool.Call, in gpusInput) (gpusOutput, error) {
	search := searchInput{MinGPURAMGB: in.MinGPURAMGB, VerifiedOnly: in.VerifiedOnly, DiskGB: 8}
	terms, err := o.terms(ctx, search)
	if err != nil {
		return gpusOutput{}, err
	}
	type model struct {
		name string
		gb   float64
	}
	prices := map[model][]float64{}
	for offer, err := range o.market.All(ctx, search.query(terms)) {
		if err != nil {
			return gpusOutput{}, err
		}
		if offer.NumGPUs > 0 {
			m := model{offer.GPUName, view.OfOffer(offer).GPURAMGB}
			prices[m] = append(prices[m], offer.GPUPerHour/float64(offer.NumGPUs))
		}
	}
	out := gpusOutput{GPUs: []view.GPU{}}
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
