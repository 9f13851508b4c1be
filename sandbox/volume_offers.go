package sandbox

import (
	"cmp"
	"encoding/json"
	"math"
	"net/http"
	"reflect"
	"slices"
	"sync"
)

// firstVolumeAsk is the offer of the first machine's space.
const firstVolumeAsk = 500_000_001

// volumeOffer is space on a machine as the API offers it.
type volumeOffer struct {
	ID               int64    `json:"id"`
	AskContractID    int64    `json:"ask_contract_id"`
	BundleID         int64    `json:"bundle_id"`
	MachineID        int64    `json:"machine_id"`
	HostID           int64    `json:"host_id"`
	DiskSpace        float64  `json:"disk_space"`
	DiskBW           float64  `json:"disk_bw"`
	DiskName         string   `json:"disk_name"`
	StorageCost      float64  `json:"storage_cost"`
	StorageTotalCost float64  `json:"storage_total_cost"`
	CPUName          string   `json:"cpu_name"`
	CPUGHz           float64  `json:"cpu_ghz"`
	CPUArch          string   `json:"cpu_arch"`
	MoboName         string   `json:"mobo_name"`
	GPUArch          string   `json:"gpu_arch"`
	CUDAMaxGood      float64  `json:"cuda_max_good"`
	DriverVersion    string   `json:"driver_version" column:"-"`
	DriverVers       int64    `json:"driver_vers"`
	InetUp           float64  `json:"inet_up"`
	InetDown         float64  `json:"inet_down"`
	Reliability      float64  `json:"reliability"`
	Reliability2     float64  `json:"reliability2"`
	ReliabilityMult  float64  `json:"reliability_mult"`
	Duration         float64  `json:"duration"`
	StartDate        *float64 `json:"start_date"`
	EndDate          float64  `json:"end_date"`
	Geolocation      *string  `json:"geolocation" column:"-"`
	Geolocode        int64    `json:"geolocode"`
	Verification     string   `json:"verification"`
	Vericode         int64    `json:"vericode"`
	External         *bool    `json:"external"`
	StaticIP         bool     `json:"static_ip"`
	VMsEnabled       bool     `json:"vms_enabled"`
	osVersion        string   `column:"os_version"`
	score            float64  `column:"score"`
	country          string   `column:"geolocation"`
	isVerified       bool     `column:"verified"`
	isDatacenter     bool     `column:"datacenter"`
}

var volumeColumns = sync.OnceValue(func() columns {
	return columnsOf(volumeOffer{})
})

// volumeAsk finds the whole machine behind an offer of space.
func (t *tx) volumeAsk(offer int64) *ask {
	for _, a := range t.world.offers {
		if a.m.volumeOffer() == offer && a.gpus == a.m.gpus {
			return a
		}
	}
	return nil
}

func (m *machine) volumeOffer() int64 { return firstVolumeAsk + int64(m.index) }

// volumeSpace is how much of the machine's free disk is for volumes.
func (a *ask) volumeSpace(s standing) float64 {
	return math.Floor(max(a.m.disk-s.diskOut, 0) / 2)
}

// volumeOffer is what the API says of the machine's space now, priced for
// some GB.
func (t *tx) volumeOffer(a *ask, gb float64) volumeOffer {
	s := a.standing(t.claims()[a.m.index])
	v := t.view()
	v.storage = gb
	o := a.row(v, s)
	space := a.volumeSpace(s)
	return volumeOffer{
		ID: a.m.volumeOffer(), AskContractID: a.m.volumeOffer(), BundleID: o.BundleID, MachineID: o.MachineID, HostID: o.HostID,
		DiskSpace: space, DiskBW: o.DiskBW, DiskName: o.DiskName, StorageCost: o.StorageCost, StorageTotalCost: o.StorageTotalCost,
		CPUName: o.CPUName, CPUGHz: o.CPUGHz, CPUArch: o.CPUArch, MoboName: o.MoboName, GPUArch: o.GPUArch,
		CUDAMaxGood: o.CUDAMaxGood, DriverVersion: o.DriverVersion, DriverVers: o.DriverVers, InetUp: o.InetUp, InetDown: o.InetDown,
		Reliability: o.Reliability, Reliability2: o.Reliability2, ReliabilityMult: o.ReliabilityMult,
		Duration: o.Duration, StartDate: o.StartDate, EndDate: o.EndDate, Geolocation: o.Geolocation, Geolocode: o.Geolocode,
		Verification: o.Verification, Vericode: o.Vericode, StaticIP: o.StaticIP, VMsEnabled: o.VMsEnabled,
		osVersion: o.OSVersion, score: o.Reliability * o.DiskBW / max(o.StorageCost, 0.01) * min(space/volumeSize, 1),
		country: o.country, isVerified: o.isVerified, isDatacenter: o.isDatacenter,
	}
}

// searchVolumes answers POST /volumes/search/, which takes what a search for
// machines takes.
func (t *tx) searchVolumes() answer {
	q := map[string]any{}
	if !t.unmarshalBody(&q) || q == nil {
		return badJSON()
	}
	if _, ok := q["allocated_storage"]; !ok {
		q["allocated_storage"] = 1.0
	}
	s, code, err := volumeColumns().search(q)
	if err != nil {
		return refuse(http.StatusBadRequest, code, err.Error())
	}
	found := []volumeOffer{}
	for _, a := range t.world.offers {
		if s.nothing || a.gpus != a.m.gpus {
			continue
		}
		if offer := t.volumeOffer(a, s.storage); offer.DiskSpace >= 1 && matches(reflect.ValueOf(offer), s.filters) {
			found = append(found, offer)
		}
	}
	slices.SortFunc(found, func(a, b volumeOffer) int {
		byOrder := compareKeys(keys(reflect.ValueOf(a), s.order), keys(reflect.ValueOf(b), s.order), s.order)
		return cmp.Or(byOrder, cmp.Compare(a.ID, b.ID))
	})
	return reply(map[string]any{"offers": found[:min(len(found), s.limit)]})
}

// ownVolume is a volume as the API lists it.
type ownVolume struct {
	ID               int64   `json:"id"`
	Label            string  `json:"label"`
	Type             string  `json:"type"`
	Status           string  `json:"status"`
	MachineID        int64   `json:"machine_id"`
	HostID           int64   `json:"host_id"`
	ClusterID        *int64  `json:"cluster_id"`
	Instances        []int64 `json:"instances"`
	DiskSpace        float64 `json:"disk_space"`
	DiskName         string  `json:"disk_name"`
	StorageCost      float64 `json:"storage_cost"`
	StorageTotalCost float64 `json:"storage_total_cost"`
	StartDate        float64 `json:"start_date"`
	EndDate          float64 `json:"end_date"`
	CPUName          string  `json:"cpu_name"`
	CPUArch          string  `json:"cpu_arch"`
	MoboName         string  `json:"mobo_name"`
	DriverVersion    string  `json:"driver_version"`
	CUDAMaxGood      float64 `json:"cuda_max_good"`
	OSVersion        string  `json:"os_version"`
	InetUp           float64 `json:"inet_up"`
	InetDown         float64 `json:"inet_down"`
	PublicIPAddr     string  `json:"public_ipaddr"`
	StaticIP         bool    `json:"static_ip"`
	Reliability2     float64 `json:"reliability2"`
	Verification     string  `json:"verification"`
	Geolocation      *string `json:"geolocation"`
}

// listVolumes answers GET /volumes/. Volumes of the network are not sold.
func (t *tx) listVolumes() answer {
	rows := []ownVolume{}
	if t.r.URL.Query().Get("type") != "network_volume" {
		for _, v := range t.st.Account.Volumes {
			rows = append(rows, t.ownVolume(v))
		}
	}
	return reply(map[string]any{"volumes": rows})
}

func (t *tx) ownVolume(v *volume) ownVolume {
	o := t.volumeOffer(t.volumeAsk(firstVolumeAsk+int64(v.Machine)), v.Size)
	a := t.volumeAsk(o.ID)
	return ownVolume{
		ID: v.ID, Label: v.Name, Type: "machine", Status: v.status(t.st, t.now), MachineID: o.MachineID, HostID: o.HostID,
		Instances: v.mounts(t.st), DiskSpace: v.Size, DiskName: o.DiskName,
		StorageCost: o.StorageCost, StorageTotalCost: o.StorageTotalCost, StartDate: unix(v.Created), EndDate: unix(v.Ends),
		CPUName: o.CPUName, CPUArch: o.CPUArch, MoboName: o.MoboName, DriverVersion: o.DriverVersion, CUDAMaxGood: o.CUDAMaxGood,
		OSVersion: o.osVersion, InetUp: o.InetUp, InetDown: o.InetDown, PublicIPAddr: a.m.ip, StaticIP: o.StaticIP,
		Reliability2: o.Reliability2, Verification: o.Verification, Geolocation: o.Geolocation,
	}
}

// asJSON is the text of a value that the API keeps as text.
func asJSON(v any) string {
	text, _ := json.Marshal(v) // what was decoded can be encoded
	return string(text)
}
