package sandbox

import (
	"fmt"
	"math"
)

type cpu struct {
	name    string
	board   string
	threads int64
	ghz     float64
}

var serverCPUs = []cpu{
	{"AMD EPYC 7543 32-Core Processor", "ROME2D32GM-2T", 64, 3.35},
	{"AMD EPYC 7742 64-Core Processor", "H12DSG-O-CPU", 256, 2.25},
	{"AMD EPYC 7763 64-Core Processor", "H12DSG-O-CPU", 256, 2.45},
	{"AMD EPYC 9354 32-Core Processor", "GENOA2D24G-2L+", 128, 3.25},
	{"AMD EPYC 9654 96-Core Processor", "GENOA2D24G-2L+", 384, 2.4},
	{"Xeon® Gold 6248", "X11DPG-OT-CPU", 80, 2.5},
	{"Xeon® Silver 4314", "X12DPG-OA6", 64, 2.4},
	{"Xeon® Platinum 8480+", "SYS-821GE-TNHR", 224, 2.0},
}

var deskCPUs = []cpu{
	{"AMD Ryzen 9 5950X 16-Core Processor", "X570 Taichi", 32, 3.4},
	{"AMD Ryzen 9 7950X 16-Core Processor", "ROG STRIX X670E-E", 32, 4.5},
	{"AMD Ryzen 7 5800X 8-Core Processor", "B550 AORUS ELITE", 16, 3.8},
	{"Core™ i5-10400F", "B460M PRO-VDH", 12, 2.9},
	{"Core™ i7-12700K", "PRO Z690-A", 20, 3.6},
	{"Core™ i9-13900K", "ROG MAXIMUS Z790", 32, 5.7},
	{"AMD Ryzen Threadripper PRO 3975WX 32-Cores", "WRX80 Creator", 64, 3.5},
	{"AMD EPYC 7402P 24-Core Processor", "ROMED8-2T", 48, 2.8},
	{"Xeon® E5-2680 v4", "X99-F8D", 56, 2.4},
}

var drivers = []struct {
	cuda    float64
	version string
	number  int64
	weight  float64
}{
	{12.2, "535.183.01", 535183001, 8},
	{12.4, "550.144.03", 550144003, 14},
	{12.6, "560.35.03", 560035003, 8},
	{12.7, "565.77", 565077000, 8},
	{12.8, "570.124.06", 570124006, 22},
	{12.9, "575.64.03", 575064003, 10},
	{13.0, "580.105.08", 580105008, 22},
	{13.1, "590.48.01", 590048001, 5},
	{13.2, "595.45.04", 595045004, 3},
}

// places are weighted by how many machines stand there.
var places = []struct {
	weight  float64
	country string
	names   []string
}{
	{33, "US", []string{"California, US", "Texas, US", "Washington, US", "Virginia, US", "Ohio, US", ", US"}},
	{6, "CA", []string{"Quebec, CA", "Ontario, CA"}},
	{3, "CN", []string{"China, CN"}},
	{2, "HK", []string{"Hong Kong, HK"}},
	{4, "TW", []string{"Taiwan, TW"}},
	{5, "KR", []string{"South Korea, KR"}},
	{4, "JP", []string{"Japan, JP"}},
	{3, "VN", []string{"Vietnam, VN"}},
	{2, "TH", []string{"Thailand, TH"}},
	{3, "IN", []string{"India, IN"}},
	{1, "SG", []string{"Singapore, SG"}},
	{2, "AU", []string{"Australia, AU"}},
	{3, "GB", []string{"United Kingdom, GB"}},
	{4, "DE", []string{"Germany, DE"}},
	{3, "FR", []string{"France, FR"}},
	{2, "NL", []string{"Netherlands, NL"}},
	{3, "SE", []string{"Sweden, SE"}},
	{3, "NO", []string{"Norway, NO"}},
	{2, "FI", []string{"Finland, FI"}},
	{1, "IS", []string{"Iceland, IS"}},
	{1, "DK", []string{"Denmark, DK"}},
	{3, "PL", []string{"Poland, PL"}},
	{2, "CZ", []string{"Czechia, CZ"}},
	{2, "RO", []string{"Romania, RO"}},
	{2, "BG", []string{"Bulgaria, BG"}},
	{1, "HU", []string{"Hungary, HU"}},
	{2, "UA", []string{"Ukraine, UA"}},
	{2, "ES", []string{"Spain, ES"}},
	{1, "IT", []string{"Italy, IT"}},
	{1, "EE", []string{"Estonia, EE"}},
	{1, "BE", []string{"Belgium, BE"}},
	{1, "IL", []string{"Israel, IL"}},
	{1, "AE", []string{"United Arab Emirates, AE"}},
	{1, "BR", []string{"Brazil, BR"}},
	{1, "ZA", []string{"South Africa, ZA"}},
}

func newNetwork(d dice, m *machine) network {
	n := network{
		ip:       fmt.Sprintf("203.0.113.%d", 1+m.index%254),
		ipPadded: d.chance(0.2),
		staticIP: d.chance(0.6),
		down:     round(min(max(d.lognormal(800, 150, 4000), 20), 10_000), 1),
	}
	n.up = round(n.down*d.between(0.5, 1), 1)
	n.downCost, n.upCost = trafficCost(d), trafficCost(d)
	if d.chance(0.95) {
		n.portCount = 50 + d.Int64N(450)
		if m.model.serverClass() {
			n.portCount *= one(d, int64(1), 4, 12)
		}
	}
	weights := make([]float64, len(places))
	for i, p := range places {
		weights[i] = p.weight
	}
	where := places[d.pick(weights...)]
	if d.chance(0.995) {
		n.place, n.country = new(one(d, where.names...)), where.country
	}
	return n
}

// trafficCost is in dollars per GB; hosts set it per TB of 1024 GB.
func trafficCost(d dice) float64 {
	switch d.pick(25, 50, 15, 10) {
	case 0:
		return 0
	case 1:
		return one(d, 2.0, 4, 5, 6, 8) / 0.75 / 1024
	case 2:
		return 20.0 / 1024
	default:
		return 40.0 / 1024
	}
}

func newSystem(d dice, m *machine) system {
	driver := drivers[d.pick(driverWeights()...)]
	s := system{
		cpu:        one(d, deskCPUs...),
		disk:       round(min(max(d.lognormal(900, 80, 6000)*math.Sqrt(float64(m.gpus)), 40), 30_000), 1),
		diskBW:     round(min(max(d.lognormal(2500, 450, 7500), 120), 14_000), 1),
		diskName:   one(d, "SAMSUNG MZQL23T8HCLS", "Samsung SSD 980 PRO", "WD_BLACK SN850X", "KINGSTON SNV2S2000G", "INTEL SSDPE2KX040T8"),
		cuda:       driver.cuda,
		driver:     driver.version,
		driverVers: driver.number,
		os:         []string{"22.04", "24.04", "20.04", "18.04"}[d.pick(65, 25, 9, 1)],
		vms:        d.chance(0.12),
	}
	perGPU := one(d, 16.0, 32, 32, 64)
	if m.model.serverClass() || m.gpus >= 8 {
		s.cpu, perGPU = one(d, serverCPUs...), one(d, 64.0, 128, 256)
	}
	s.cpuRAM = int64(perGPU * float64(m.gpus) * d.between(1003, 1008))
	return s
}

func driverWeights() []float64 {
	weights := make([]float64, len(drivers))
	for i, v := range drivers {
		weights[i] = v.weight
	}
	return weights
}
