package view

import (
	"fmt"
	"math"

	"vast-mcp/internal/plain"
	"vast-mcp/internal/region"
	"vast-mcp/internal/usd"
	"vast-mcp/vast"
)

// Offer is one machine, or a slice of one, that can be rented. Prices are
// dollars; the hourly price includes the disk that was asked for.
type Offer struct {
	OfferID       vast.OfferID   `json:"offer_id"`
	MachineID     vast.MachineID `json:"machine_id"`
	GPUName       string         `json:"gpu_name"`
	NumGPUs       int            `json:"num_gpus"`
	GPURAMGB      float64        `json:"gpu_ram_gb" jsonschema_description:"per GPU"`
	PerHour       usd.Amount     `json:"dollars_per_hour" jsonschema_description:"all GPUs and the disk asked for; traffic not included"`
	GPUPerHour    usd.Amount     `json:"gpu_dollars_per_hour"`
	DiskPerHour   usd.Amount     `json:"disk_dollars_per_hour"`
	MinBidPerHour usd.Amount     `json:"min_bid_dollars_per_hour,omitempty"`
	DownloadPerGB float64        `json:"download_dollars_per_gb"`
	UploadPerGB   float64        `json:"upload_dollars_per_gb"`
	Reliability   float64        `json:"reliability"`
	Verification  string         `json:"verification"`
	Datacenter    bool           `json:"datacenter,omitempty"`
	Region        string         `json:"region"`
	CPUCores      float64        `json:"cpu_cores" jsonschema_description:"this offer's share"`
	RAMGB         float64        `json:"ram_gb" jsonschema_description:"this offer's share"`
	DiskFreeGB    float64        `json:"disk_free_gb"`
	DownloadMbps  float64        `json:"download_mbps"`
	UploadMbps    float64        `json:"upload_mbps"`
	CUDA          float64        `json:"max_cuda"`
	DirectPorts   int            `json:"direct_ports"`
	DLPerf        float64        `json:"dlperf"`
	HoursLeft     float64        `json:"hours_left" jsonschema_description:"until the host's offer ends"`
}

// OfOffer is how an agent sees o.
func OfOffer(o vast.Offer) Offer {
	return Offer{
		OfferID: o.ID, MachineID: o.MachineID, GPUName: plain.Line(o.GPUName, 60), NumGPUs: o.NumGPUs, GPURAMGB: gib(o.GPURAMMB),
		PerHour: usd.Ceil(o.PerHour), GPUPerHour: usd.Ceil(o.GPUPerHour), DiskPerHour: usd.Ceil(o.DiskPerHour), MinBidPerHour: usd.Ceil(o.MinBid),
		DownloadPerGB: micro(o.DownloadPerGB), UploadPerGB: micro(o.UploadPerGB),
		Reliability: round(o.Reliability, 4), Verification: plain.Line(o.Verification, 20), Datacenter: o.Datacenter, Region: region.Place(o.Geolocation, noPlace),
		CPUCores: round(o.CPUCoresEffective, 1), RAMGB: round(gib(o.CPURAMMB)*o.GPUFraction, 0), DiskFreeGB: round(o.DiskSpaceGB, 0),
		DownloadMbps: round(o.DownloadMbps, 0), UploadMbps: round(o.UploadMbps, 0), CUDA: o.CUDA, DirectPorts: o.DirectPorts,
		DLPerf: round(o.DLPerf, 1), HoursLeft: round(o.Seconds/3600, 0),
	}
}

// OfferTable is the offers as a table, one line each.
func OfferTable(offers []Offer) string {
	t := table{{"offer_id", "gpu", "vram", "$/h", "reliab.", "cuda", "down Mb/s", "disk", "region"}}
	for _, o := range offers {
		t = append(t, []string{
			fmt.Sprint(o.OfferID), fmt.Sprintf("%dx %s", o.NumGPUs, o.GPUName), fmt.Sprintf("%.0f GB", o.GPURAMGB), fmt.Sprintf("%.4f", o.PerHour.Float()),
			fmt.Sprintf("%.3f", o.Reliability), fmt.Sprint(o.CUDA), fmt.Sprintf("%.0f", o.DownloadMbps), fmt.Sprintf("%.0f GB", o.DiskFreeGB), o.Region,
		})
	}
	return t.String()
}

// noPlace is where a machine is that does not say.
const noPlace = "unknown"

// gib turns the driver's megabytes, which are MiB, into GiB.
func gib(mb float64) float64 { return round(mb/1024, 1) }

func micro(dollars float64) float64 { return round(dollars, 6) }

func round(f float64, decimals int) float64 {
	p := math.Pow10(decimals)
	return math.Round(f*p) / p
}
