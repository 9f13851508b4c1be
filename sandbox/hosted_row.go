package sandbox

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// hostedRow is a machine as the API serves it to its host.
type hostedRow struct {
	ID                int64    `json:"id"`
	MachineID         int64    `json:"machine_id"`
	HostID            int64    `json:"host_id"`
	Hostname          string   `json:"hostname"`
	Geolocation       string   `json:"geolocation"`
	Timeout           float64  `json:"timeout"`
	NumGPUs           int64    `json:"num_gpus"`
	GPUName           string   `json:"gpu_name"`
	GPURAM            float64  `json:"gpu_ram"`
	CPUName           string   `json:"cpu_name"`
	CPURAM            float64  `json:"cpu_ram"`
	CPUCores          int64    `json:"cpu_cores"`
	MoboName          string   `json:"mobo_name"`
	Listed            bool     `json:"listed"`
	ListedGPUCost     float64  `json:"listed_gpu_cost"`
	ListedStorageCost float64  `json:"listed_storage_cost"`
	ListedVolumeCost  float64  `json:"listed_volume_cost"`
	ListedInetUp      float64  `json:"listed_inet_up_cost"`
	ListedInetDown    float64  `json:"listed_inet_down_cost"`
	ListedMinGPUs     int64    `json:"listed_min_gpu_count"`
	MinBidPrice       float64  `json:"min_bid_price"`
	CreditDiscountMax float64  `json:"credit_discount_max"`
	EndDate           float64  `json:"end_date"`
	GPUOccupancy      string   `json:"gpu_occupancy"`
	DiskSpace         float64  `json:"disk_space"`
	InetUp            float64  `json:"inet_up"`
	InetDown          float64  `json:"inet_down"`
	EarnHour          float64  `json:"earn_hour"`
	EarnDay           float64  `json:"earn_day"`
	RentalsRunning    int64    `json:"current_rentals_running"`
	RentalsOnDemand   int64    `json:"current_rentals_running_on_demand"`
	RentalsResident   int64    `json:"current_rentals_resident"`
	RentalsOnDemandIn int64    `json:"current_rentals_on_demand"`
	Reliability2      float64  `json:"reliability2"`
	Verification      string   `json:"verification"`
	PublicIPAddr      string   `json:"public_ipaddr"`
	DirectPortCount   int64    `json:"direct_port_count"`
	DriverVersion     string   `json:"driver_version"`
	CUDAMaxGood       string   `json:"cuda_max_good"`
	HostingType       int64    `json:"hosting_type"`
	NumReports        int64    `json:"num_reports"`
	ErrorDescription  *string  `json:"error_description"`
	Maintenance       []string `json:"machine_maintenance"`
}

// over is a, with what it leaves open taken from another.
func (a asked) over(o asked) asked {
	return asked{
		Unlisted:    a.Unlisted,
		PriceGPU:    cmp.Or(a.PriceGPU, o.PriceGPU),
		PriceDisk:   cmp.Or(a.PriceDisk, o.PriceDisk),
		PriceInetUp: cmp.Or(a.PriceInetUp, o.PriceInetUp),
		PriceInetDn: cmp.Or(a.PriceInetDn, o.PriceInetDn),
		PriceMinBid: cmp.Or(a.PriceMinBid, o.PriceMinBid),
		MinChunk:    cmp.Or(a.MinChunk, o.MinChunk),
		EndDate:     cmp.Or(a.EndDate, o.EndDate),
		DiscountMax: cmp.Or(a.DiscountMax, o.DiscountMax),
		VolSize:     cmp.Or(a.VolSize, o.VolSize),
		VolPrice:    cmp.Or(a.VolPrice, o.VolPrice),
	}
}

// listMachines answers GET /machines/. A renter has none.
func (t *tx) listMachines() answer {
	rows := []hostedRow{}
	if t.isHost() {
		rows = t.hostedRows()
	}
	return reply(map[string]any{"machines": rows})
}

// getMachine answers GET /machines/{id}/, with a list of one or none.
func (t *tx) getMachine() answer {
	rows := []hostedRow{}
	if _, m := t.machine(); m != nil {
		rows = append(rows, t.hostedRow(m))
	}
	return reply(rows)
}

func (t *tx) hostedRows() []hostedRow {
	rows := []hostedRow{}
	last := -1
	for _, a := range t.world.offers { // machine by machine
		if a.m.index >= machines-hosted && a.m.index != last {
			rows = append(rows, t.hostedRow(a.m))
			last = a.m.index
		}
	}
	return rows
}

func (t *tx) hostedRow(m *machine) hostedRow {
	row := hostedRow{
		ID: m.id, MachineID: m.id, HostID: m.host, Hostname: fmt.Sprintf("sandbox-%d", m.id),
		NumGPUs: int64(m.gpus), GPUName: m.model.name, GPURAM: float64(m.ram),
		CPUName: m.cpu.name, CPURAM: float64(m.cpuRAM), CPUCores: m.cpu.threads, MoboName: m.cpu.board,
		DiskSpace: m.disk, InetUp: m.up, InetDown: m.down,
		Reliability2: m.reliability, Verification: m.verification, PublicIPAddr: m.ip, DirectPortCount: m.portCount,
		DriverVersion: m.driver, CUDAMaxGood: fmt.Sprintf("%.1f", m.cuda), Maintenance: []string{},
	}
	if m.place != nil {
		row.Geolocation = *m.place
	}
	if m.datacenter {
		row.HostingType = 1
	}
	t.describeListing(&row, m)
	t.describeRentals(&row, m)
	return row
}

func (t *tx) describeListing(row *hostedRow, m *machine) {
	a := t.listing(m)
	or := func(f *float64, own float64) float64 {
		if f == nil {
			return own
		}
		return *f
	}
	row.Listed = !a.Unlisted
	row.ListedGPUCost, row.MinBidPrice = or(a.PriceGPU, m.perGPU), or(a.PriceMinBid, m.bidPerGPU)
	row.ListedStorageCost, row.ListedVolumeCost = or(a.PriceDisk, m.storageCost), or(a.VolPrice, m.storageCost)
	row.ListedInetUp, row.ListedInetDown = or(a.PriceInetUp, m.upCost), or(a.PriceInetDn, m.downCost)
	row.ListedMinGPUs, row.CreditDiscountMax = int64(or(a.MinChunk, float64(m.chunk))), or(a.DiscountMax, m.discountMax)
	row.EndDate = or(a.EndDate, unix(t.st.Born)+m.endDays*86400)
	for _, r := range t.st.Hosting.Reports {
		if r.Machine == m.id {
			row.NumReports++
		}
	}
}

// describeRentals counts what is let: to others for good, and to the
// account's own renter.
func (t *tx) describeRentals(row *hostedRow, m *machine) {
	occupied := slices.Repeat([]string{"x"}, m.gpus)
	let := func(first, gpus int, code string) {
		for g := first; g < first+gpus; g++ {
			occupied[g] = code
		}
	}
	if m.rented[1] > 0 {
		let(m.rented[0], m.rented[1], "D")
		row.RentalsRunning, row.RentalsResident = 1, 1
		row.EarnHour = round(m.perGPU*float64(m.rented[1]), 4)
	}
	for _, c := range t.st.Contracts {
		if c.Machine != m.index {
			continue
		}
		row.RentalsResident++
		if c.holds() {
			row.RentalsRunning++
			let(c.First, c.GPUs, "D")
			row.EarnHour = round(row.EarnHour+float64(c.Rates.GPU)/1e9, 4)
		}
	}
	row.RentalsOnDemand, row.RentalsOnDemandIn = row.RentalsRunning, row.RentalsResident
	row.EarnDay = round(row.EarnHour*24, 4)
	row.GPUOccupancy = strings.Join(occupied, " ")
}
