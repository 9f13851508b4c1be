package sandbox

import (
	"hash/fnv"
	"math"
	"time"
)

// hoursPerMonth is the API's month: 30 days.
const hoursPerMonth = 720

// Kinds of price that a search can ask for.
const (
	onDemand = "on-demand"
	forBid   = "bid"
	reserved = "reserved"
)

// view is how offers are looked at: when, for how much disk, at which price.
type view struct {
	born, now time.Time
	storage   float64 // GB
	kind      string
	live      bool // others rent and leave, and hosts change their prices
	seed      uint64
}

// view looks at the market as it is for this request, on demand.
func (t *tx) view() view {
	return view{born: t.st.Born, now: t.now, storage: defaultStorage, live: t.m.live, seed: t.st.Seed}
}

// describe fills in what the API says of the offer at any time.
func (a *ask) describe() {
	m := a.m
	a.fixed = offerRow{
		ID: a.id, AskContractID: a.id, BundleID: m.bundle, MachineID: m.id, HostID: m.host,
		NumGPUs: int64(a.gpus), GPUFrac: a.frac,
		CreditDiscountMax: m.discountMax, StorageCost: m.storageCost,
		DirectPortCount: int64(float64(m.portCount) * a.frac),
		ResourceType:    "gpu",
		Logo:            "/static/logos/vastai_small2.png",
		RN:              1,
		AvailVolAskID:   m.volumeOffer(),
		AvailVolDPH:     m.storageCost / hoursPerMonth,
	}
	for g := range a.gpus {
		a.fixed.GPUIDs = append(a.fixed.GPUIDs, m.firstGPU+int64(a.first+g))
	}
	m.describeGPUs(&a.fixed)
	m.describeSystem(&a.fixed)
	m.describeNetwork(&a.fixed)
	m.describeTerms(&a.fixed)
}

// row is what the API says of the offer now.
func (a *ask) row(v view, s standing) offerRow {
	row := a.fixed
	row.DiskSpace = a.freeDisk(s)
	row.AvailVolSize = a.volumeSpace(s)
	row.MinBid = a.minBid(s)
	row.Rentable = !s.taken && (v.kind != forBid || row.MinBid > 0)
	row.Rented = s.mine
	ends := a.ends(v.born, v.now)
	row.EndDate, row.Duration = unix(ends), unix(ends)-unix(v.now)
	if a.m.listedDays > 0 {
		row.StartDate = new(round(unix(v.born)-a.m.listedDays*86400, 0))
	}
	base, discount := v.price(a), 0.0
	switch v.kind {
	case forBid:
		base, row.IsBid = row.MinBid, true
	case reserved:
		discount = min(row.CreditDiscountMax, 0.3)
	}
	row.price(base, v.storage, discount)
	row.Score = row.DLPerfPerDPHTotal * a.worth * a.noise(v.now)
	return row
}

func (m *machine) describeGPUs(row *offerRow) {
	n := float64(row.NumGPUs)
	row.GPUName, row.GPURAM, row.GPUTotalRAM = m.model.name, m.ram, m.ram*row.NumGPUs
	row.ComputeCap, row.GPUArch = m.computeCap, "nvidia"
	if m.computeCap == nil {
		row.GPUArch = "amd"
	}
	row.DLPerf, row.TotalFLOPS = m.dlperf*n, m.model.tflops*n
	row.GPUMemBW, row.BWNVLink, row.GPULanes = m.memBW, m.nvlink, m.lanes
	row.PCIGen, row.PCIeBW = m.pciGen, m.pcieBW
	row.GPUMaxPower, row.GPUMaxTemp = m.model.watts, float64(28+m.index%20)
}

func (m *machine) describeSystem(row *offerRow) {
	row.CPUArch, row.CPUName, row.MoboName, row.HasAVX = "amd64", m.cpu.name, m.cpu.board, 1
	row.CPUCores, row.CPUCoresEffective = m.cpu.threads, float64(m.cpu.threads)*row.GPUFrac
	row.CPUGHz, row.CPURAM = m.cpu.ghz, m.cpuRAM
	row.DiskBW, row.DiskName = m.diskBW, m.diskName
	row.CUDAMaxGood, row.DriverVersion, row.DriverVers = m.cuda, m.driver, m.driverVers
	row.OSVersion, row.VMsEnabled = m.os, m.vms
}

func (m *machine) describeNetwork(row *offerRow) {
	row.Geolocation, row.country, row.Geolocode = m.place, m.country, geocode(m.country)
	row.PublicIPAddr, row.StaticIP = m.ip, m.staticIP
	row.InetDown, row.InetUp = m.down, m.up
	row.InetDownCost, row.InetUpCost = m.downCost, m.upCost
	row.InternetDownPerTB, row.InternetUpPerTB = m.downCost*1024, m.upCost*1024
}

func (m *machine) describeTerms(row *offerRow) {
	row.Verification, row.isVerified = m.verification, m.verification == "verified"
	if row.isVerified {
		row.Vericode = 1
	}
	hosting := int64(0)
	if m.datacenter {
		hosting = 1
	}
	row.HostingType, row.isDatacenter = &hosting, m.datacenter
	row.Reliability, row.Reliability2 = m.reliability, m.reliability
	row.ReliabilityMult = round(math.Pow(m.reliability, 7), 4)
}

// price derives every figure that follows from the price of the GPUs.
func (row *offerRow) price(base, storageGB, discount float64) {
	disk := row.StorageCost * storageGB / hoursPerMonth
	total := base + disk
	row.DPHBase, row.StorageTotalCost, row.DPHTotal = base, disk, total
	row.DPHTotalAdj = total + 2*row.InetDownCost
	row.DLPerfPerDPHTotal, row.FLOPSPerDPHTotal = perDollar(row.DLPerf, total), perDollar(row.TotalFLOPS, total)
	row.VRAMCostPerHour = base / float64(row.GPUTotalRAM) * 1024
	row.DiscountRate, row.DiscountedHourly = discount, total*discount
	row.DiscountedDPHTotal = total - row.DiscountedHourly
	row.Search = hourly{
		GPUCostPerHour: base, DiskHour: disk, TotalHour: total,
		DiscountTotalHour: row.DiscountedHourly, DiscountedTotalPerHour: row.DiscountedDPHTotal,
	}
	row.Instance = hourly{DiskHour: disk, TotalHour: disk, DiscountedTotalPerHour: disk}
}

func perDollar(x, dollars float64) float64 {
	if dollars == 0 {
		return 0
	}
	return x / dollars
}

// noise shifts the default order a little from day to day.
func (a *ask) noise(now time.Time) float64 {
	day := uint64(now.Unix() / 86400)
	return 0.95 + 0.1*float64((uint64(a.id)*2654435761+day*40503)%1000)/1000
}

func geocode(country string) int64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(country))
	return int64(h.Sum32() >> 2)
}
