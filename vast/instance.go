package vast

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// InstanceID names a rented instance; it is also the number of its contract.
type InstanceID int64

// Instance is a rented machine or slice of one. Prices are dollars. The
// pointers are nil where the host has not reported a value. Its secrets, the
// instance's API key and the Jupyter token, are never decoded.
type Instance struct {
	ID        InstanceID
	MachineID MachineID
	HostID    HostID

	// Status is what the host last reported of the container, "" before its
	// first report. A stopped one looks "exited".
	Status string
	// Wanted is what the container is meant to be: running or stopped.
	Wanted string
	// ContractState and NextContractState tell whether it holds its GPUs.
	ContractState, NextContractState string
	StatusMessage                    string
	Label                            string
	Image                            string
	LaunchMode                       string // words such as "ssh ssh_direc ssh_proxy"
	OnStart                          string
	Env                              [][2]string
	TemplateHash                     string

	PublicIP string
	// SSHHost and SSHPort are the proxy; see SSH.
	SSHHost string
	SSHPort int
	// Ports maps "22/tcp" to where it is reached; empty unless running.
	Ports map[string][]PortBinding

	GPUName  string
	NumGPUs  int
	GPURAMMB float64
	GPUUtil  *float64 // percent
	GPUTemp  *float64 // degrees Celsius

	CPUCoresEffective        float64
	CPUUtil                  *float64 // percent
	MemLimitGB, MemUsedGB    *float64
	DiskGB                   float64
	DiskUsedGB               *float64
	UploadMbps               float64
	DownloadMbps             float64
	UploadedMB, DownloadedMB float64 // what was billed so far

	// PerHour is what it costs while it runs, also when it does not:
	// DiskPerHour is the price of a stopped one.
	PerHour, GPUPerHour, DiskPerHour float64
	DiskPerGBMonth                   float64 // a month is 720 hours
	MinBid                           float64 // the bid that wins now, per hour
	UploadPerGB, DownloadPerGB       float64
	IsBid                            bool

	StartDate, EndDate float64 // unix seconds
	Geolocation        string
	Verification       string
	Reliability        float64 // 0 to 1
}

// PortBinding is where a port of a container is reached. The host part of it
// is an address to listen on, so connect to Instance.PublicIP instead.
type PortBinding struct{ HostIP, HostPort string }

// SSH returns where to log in as root: directly when port 22 is mapped, else
// through the proxy. It returns "" and 0 as long as neither is known.
func (i Instance) SSH() (host string, port int) {
	if direct := i.Ports["22/tcp"]; len(direct) > 0 && i.PublicIP != "" {
		if port, err := strconv.Atoi(direct[0].HostPort); err == nil {
			return i.PublicIP, port
		}
	}
	if i.SSHHost == "" || i.SSHPort == 0 {
		return "", 0
	}
	if strings.Contains(i.LaunchMode, "jupyter") {
		return i.SSHHost, i.SSHPort + 1
	}
	return i.SSHHost, i.SSHPort
}

type instanceRow struct {
	ID                id     `json:"id"`
	MachineID         id     `json:"machine_id"`
	HostID            id     `json:"host_id"`
	ActualStatus      text   `json:"actual_status"`
	IntendedStatus    text   `json:"intended_status"`
	CurState          text   `json:"cur_state"`
	NextState         text   `json:"next_state"`
	StatusMsg         text   `json:"status_msg"`
	Label             text   `json:"label"`
	ImageUUID         text   `json:"image_uuid"`
	ImageRuntype      text   `json:"image_runtype"`
	OnStart           text   `json:"onstart"`
	ExtraEnv          pairs  `json:"extra_env"`
	TemplateHashID    text   `json:"template_hash_id"`
	PublicIPAddr      text   `json:"public_ipaddr"`
	SSHHost           text   `json:"ssh_host"`
	SSHPort           number `json:"ssh_port"`
	Ports             ports  `json:"ports"`
	GPUName           text   `json:"gpu_name"`
	NumGPUs           number `json:"num_gpus"`
	GPURAM            number `json:"gpu_ram"`
	GPUUtil           number `json:"gpu_util"`
	GPUTemp           number `json:"gpu_temp"`
	CPUCoresEffective number `json:"cpu_cores_effective"`
	CPUUtil           number `json:"cpu_util"`
	MemLimit          number `json:"mem_limit"`
	MemUsage          number `json:"mem_usage"`
	DiskSpace         number `json:"disk_space"`
	DiskUsage         number `json:"disk_usage"`
	InetUp            number `json:"inet_up"`
	InetDown          number `json:"inet_down"`
	InetUpBilled      number `json:"inet_up_billed"`
	InetDownBilled    number `json:"inet_down_billed"`
	DPHTotal          number `json:"dph_total"`
	DPHBase           number `json:"dph_base"`
	StorageTotalCost  number `json:"storage_total_cost"`
	StorageCost       number `json:"storage_cost"`
	MinBid            number `json:"min_bid"`
	InetUpCost        number `json:"inet_up_cost"`
	InetDownCost      number `json:"inet_down_cost"`
	IsBid             flag   `json:"is_bid"`
	StartDate         number `json:"start_date"`
	EndDate           number `json:"end_date"`
	Geolocation       text   `json:"geolocation"`
	Verification      text   `json:"verification"`
	Reliability       number `json:"reliability"`
	Reliability2      number `json:"reliability2"`
}

func (r instanceRow) instance() Instance {
	used := r.DiskUsage.ptr()
	if r.DiskUsage.value < 0 {
		used = nil // the API's word for unknown
	}
	return Instance{
		ID: InstanceID(r.ID), MachineID: MachineID(r.MachineID), HostID: HostID(r.HostID),

		Status: r.ActualStatus.trimmed(), Wanted: r.IntendedStatus.trimmed(),
		ContractState: r.CurState.trimmed(), NextContractState: r.NextState.trimmed(),
		StatusMessage: string(r.StatusMsg), Label: string(r.Label), Image: r.ImageUUID.trimmed(),
		LaunchMode: r.ImageRuntype.trimmed(), OnStart: string(r.OnStart), Env: r.ExtraEnv,
		TemplateHash: r.TemplateHashID.trimmed(),

		PublicIP: r.PublicIPAddr.trimmed(), SSHHost: r.SSHHost.trimmed(), SSHPort: r.SSHPort.int(),
		Ports: r.Ports,

		GPUName: r.GPUName.trimmed(), NumGPUs: r.NumGPUs.int(), GPURAMMB: r.GPURAM.value,
		GPUUtil: r.GPUUtil.ptr(), GPUTemp: r.GPUTemp.ptr(),

		CPUCoresEffective: r.CPUCoresEffective.value, CPUUtil: r.CPUUtil.ptr(),
		MemLimitGB: r.MemLimit.ptr(), MemUsedGB: r.MemUsage.ptr(),
		DiskGB: r.DiskSpace.value, DiskUsedGB: used,
		UploadMbps: r.InetUp.value, DownloadMbps: r.InetDown.value,
		UploadedMB: r.InetUpBilled.value, DownloadedMB: r.InetDownBilled.value,

		PerHour: r.DPHTotal.value, GPUPerHour: r.DPHBase.value, DiskPerHour: r.StorageTotalCost.value,
		DiskPerGBMonth: r.StorageCost.value, MinBid: r.MinBid.value,
		UploadPerGB: r.InetUpCost.value, DownloadPerGB: r.InetDownCost.value, IsBid: bool(r.IsBid),

		StartDate: r.StartDate.value, EndDate: r.EndDate.value,
		Geolocation: r.Geolocation.trimmed(), Verification: r.Verification.trimmed(),
		Reliability: r.Reliability2.or(r.Reliability),
	}
}

// pairs is an environment: null, a list of pairs, or an object.
type pairs [][2]string

func (p *pairs) UnmarshalJSON(data []byte) error {
	*p = nil
	var listed []list[text]
	if json.Unmarshal(data, &listed) == nil {
		for _, pair := range listed {
			if len(pair) == 2 {
				*p = append(*p, [2]string{string(pair[0]), string(pair[1])})
			}
		}
		return nil
	}
	var named map[string]text
	if json.Unmarshal(data, &named) == nil {
		for _, name := range slices.Sorted(maps.Keys(named)) {
			*p = append(*p, [2]string{name, string(named[name])})
		}
	}
	return nil
}

// ports is a port map: absent, null, or bindings by container port.
type ports map[string][]PortBinding

func (p *ports) UnmarshalJSON(data []byte) error {
	*p = nil
	var mapped map[string]list[struct {
		HostIP   text `json:"HostIp"`
		HostPort text
	}]
	_ = json.Unmarshal(data, &mapped) // another shape holds no ports
	if len(mapped) == 0 {
		return nil
	}
	*p = ports{}
	for port, bindings := range mapped {
		for _, b := range bindings {
			(*p)[port] = append((*p)[port], PortBinding{b.HostIP.trimmed(), b.HostPort.trimmed()})
		}
	}
	return nil
}
