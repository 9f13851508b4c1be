package view

import (
	"fmt"

	"vast-mcp/internal/usd"
)

// GPU is one model on the market.
type GPU struct {
	Name     string     `json:"gpu_name"`
	GPURAMGB float64    `json:"gpu_ram_gb"`
	Offers   int        `json:"offers"`
	Cheapest usd.Amount `json:"cheapest_dollars_per_gpu_hour"`
	Median   usd.Amount `json:"median_dollars_per_gpu_hour"`
}

// GPUTable is the models as a table, one line each.
func GPUTable(all []GPU) string {
	t := table{{"gpu", "vram", "offers", "cheapest $/h", "median $/h"}}
	for _, g := range all {
		t = append(t, []string{g.Name, fmt.Sprintf("%.0f GB", g.GPURAMGB), fmt.Sprint(g.Offers), fmt.Sprintf("%.4f", g.Cheapest.Float()), fmt.Sprintf("%.4f", g.Median.Float())})
	}
	return t.String()
}
