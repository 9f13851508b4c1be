package vast

import (
	"cmp"
	"reflect"
	"strings"
	"sync"
)

// OfferID names an offer. The API calls it ask id; it is what Create takes.
type OfferID int64

// MachineID names a physical machine.
type MachineID int64

// HostID names the owner of machines.
type HostID int64

// Offer is a slice of a machine that is for rent. Prices are dollars; those
// per hour are for the whole offer, with all its GPUs.
type Offer struct {
	ID        OfferID
	MachineID MachineID
	HostID    HostID

	GPUName string
	NumGPUs int
	// GPURAMMB is per GPU, GPUTotalRAMMB for all of them.
	GPURAMMB, GPUTotalRAMMB float64
	// GPUFraction is the offer's share of its machine's GPUs.
	GPUFraction float64
	GPUArch     string
	ComputeCap  float64 // times 100: 890 is 8.9
	CUDA        float64 // the newest version that the driver supports
	Driver      string
	DLPerf      float64
	TotalFLOPS  float64 // TFLOPS of all GPUs

	CPUName string
	CPUArch string
	// CPURAMMB and CPUCores are of the whole machine; CPUCoresEffective is
	// the offer's share.
	CPURAMMB, CPUCores, CPUCoresEffective float64

	DiskSpaceGB   float64 // free for this offer
	DiskBandwidth float64 // MB/s
	UploadMbps    float64
	DownloadMbps  float64
	DirectPorts   int
	StaticIP      bool

	// PerHour is GPUPerHour plus DiskPerHour for the disk that was searched
	// with. Traffic comes on top.
	PerHour, GPUPerHour, DiskPerHour float64
	DiskPerGBMonth                   float64 // a month is 720 hours
	MinBid                           float64 // the bid that wins now, per hour
	UploadPerGB, DownloadPerGB       float64
	DiscountedPerHour                float64 // of a reservation

	Reliability  float64 // 0 to 1
	Geolocation  string  // "Sweden, SE"
	Verification string  // verified, unverified or deverified
	Datacenter   bool
	Seconds      float64 // what is left until EndDate
	EndDate      float64 // unix seconds
	Rentable     bool    // free now
	Rented       bool    // rented by this account
	IsBid        bool
	VMs          bool
}

// Country returns the two letters at the end of Geolocation, "" when it is
// unknown.
func (o Offer) Country() string { return country(o.Geolocation) }

func country(geolocation string) string {
	return strings.TrimSpace(geolocation[strings.LastIndex(geolocation, ",")+1:])
}

type offerRow struct {
	ID                id     `json:"id"`
	AskContractID     id     `json:"ask_contract_id"`
	MachineID         id     `json:"machine_id"`
	HostID            id     `json:"host_id"`
	GPUName           text   `json:"gpu_name"`
	NumGPUs           number `json:"num_gpus"`
	GPURAM            number `json:"gpu_ram"`
	GPUTotalRAM       number `json:"gpu_total_ram"`
	GPUFrac           number `json:"gpu_frac"`
	GPUArch           text   `json:"gpu_arch"`
	ComputeCap        number `json:"compute_cap"`
	CUDAMaxGood       number `json:"cuda_max_good"`
	DriverVersion     text   `json:"driver_version"`
	DLPerf            number `json:"dlperf"`
	TotalFLOPS        number `json:"total_flops"`
	CPUName           text   `json:"cpu_name"`
	CPUArch           text   `json:"cpu_arch"`
	CPURAM            number `json:"cpu_ram"`
	CPUCores          number `json:"cpu_cores"`
	CPUCoresEffective number `json:"cpu_cores_effective"`
	DiskSpace         number `json:"disk_space"`
	DiskBW            number `json:"disk_bw"`
	InetUp            number `json:"inet_up"`
	InetDown          number `json:"inet_down"`
	DirectPortCount   number `json:"direct_port_count"`
	StaticIP          flag   `json:"static_ip"`
	DPHTotal          number `json:"dph_total"`
	DPHBase           number `json:"dph_base"`
	StorageTotalCost  number `json:"storage_total_cost"`
	StorageCost       number `json:"storage_cost"`
	MinBid            number `json:"min_bid"`
	InetUpCost        number `json:"inet_up_cost"`
	InetDownCost      number `json:"inet_down_cost"`
	DiscountedTotal   number `json:"discounted_dph_total"`
	Reliability       number `json:"reliability"`
	Reliability2      number `json:"reliability2"`
	Geolocation       text   `json:"geolocation"`
	Verification      text   `json:"verification"`
	HostingType       number `json:"hosting_type"`
	Duration          number `json:"duration"`
	EndDate           number `json:"end_date"`
	Rentable          flag   `json:"rentable"`
	Rented            flag   `json:"rented"`
	IsBid             flag   `json:"is_bid"`
	VMsEnabled        flag   `json:"vms_enabled"`
}

// offerColumns is where a row keeps each column.
var offerColumns = sync.OnceValue(func() map[string]int {
	columns := map[string]int{}
	for i, f := range reflect.VisibleFields(reflect.TypeFor[offerRow]()) {
		columns[f.Tag.Get("json")] = i
	}
	return columns
})

// number is what the row keeps in that column; ok is false when it does not keep
// the column at all.
func (r *offerRow) number(column string, columns map[string]int) (n number, ok bool) {
	i, ok := columns[column]
	if !ok {
		return number{}, false
	}
	switch v := reflect.ValueOf(r).Elem().Field(i).Interface().(type) {
	case number:
		n = v
	case id:
		n = number{value: float64(v), known: v != 0}
	}
	return n, true
}

func (r offerRow) offer() Offer {
	return Offer{
		ID: OfferID(cmp.Or(r.ID, r.AskContractID)), MachineID: MachineID(r.MachineID), HostID: HostID(r.HostID),

		GPUName: r.GPUName.trimmed(), NumGPUs: r.NumGPUs.int(),
		GPURAMMB: r.GPURAM.value, GPUTotalRAMMB: r.GPUTotalRAM.value,
		GPUFraction: r.GPUFrac.value, GPUArch: r.GPUArch.trimmed(),
		ComputeCap: r.ComputeCap.value, CUDA: r.CUDAMaxGood.value, Driver: r.DriverVersion.trimmed(),
		DLPerf: r.DLPerf.value, TotalFLOPS: r.TotalFLOPS.value,

		CPUName: r.CPUName.trimmed(), CPUArch: r.CPUArch.trimmed(), CPURAMMB: r.CPURAM.value,
		CPUCores: r.CPUCores.value, CPUCoresEffective: r.CPUCoresEffective.value,

		DiskSpaceGB: r.DiskSpace.value, DiskBandwidth: r.DiskBW.value,
		UploadMbps: r.InetUp.value, DownloadMbps: r.InetDown.value,
		DirectPorts: r.DirectPortCount.int(), StaticIP: bool(r.StaticIP),

		PerHour: r.DPHTotal.value, GPUPerHour: r.DPHBase.value, DiskPerHour: r.StorageTotalCost.value,
		DiskPerGBMonth: r.StorageCost.value, MinBid: r.MinBid.value,
		UploadPerGB: r.InetUpCost.value, DownloadPerGB: r.InetDownCost.value,
		DiscountedPerHour: r.DiscountedTotal.value,

		Reliability: r.Reliability.or(r.Reliability2), Geolocation: r.Geolocation.trimmed(),
		Verification: r.Verification.trimmed(), Datacenter: r.HostingType.value == 1,
		Seconds: r.Duration.value, EndDate: r.EndDate.value,
		Rentable: bool(r.Rentable), Rented: bool(r.Rented), IsBid: bool(r.IsBid), VMs: bool(r.VMsEnabled),
	}
}
