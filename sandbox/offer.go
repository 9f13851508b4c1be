package sandbox

// offerRow is an offer as the API serves it. A column tag names what searches
// call a field that isn't served, or says that it can't be searched by.
type offerRow struct {
	ID                  int64    `json:"id" column:"-"`
	AskContractID       int64    `json:"ask_contract_id"`
	BundleID            int64    `json:"bundle_id"`
	BundledResults      *int64   `json:"bundled_results"`
	BWNVLink            float64  `json:"bw_nvlink"`
	ComputeCap          *int64   `json:"compute_cap"`
	CPUArch             string   `json:"cpu_arch"`
	CPUCores            int64    `json:"cpu_cores"`
	CPUCoresEffective   float64  `json:"cpu_cores_effective"`
	CPUGHz              float64  `json:"cpu_ghz"`
	CPUName             string   `json:"cpu_name"`
	CPURAM              int64    `json:"cpu_ram"`
	CreditDiscountMax   float64  `json:"credit_discount_max"`
	CUDAMaxGood         float64  `json:"cuda_max_good"`
	DirectPortCount     int64    `json:"direct_port_count"`
	DiskBW              float64  `json:"disk_bw"`
	DiskName            string   `json:"disk_name"`
	DiskSpace           float64  `json:"disk_space"`
	DLPerf              float64  `json:"dlperf"`
	DLPerfPerDPHTotal   float64  `json:"dlperf_per_dphtotal"`
	DPHBase             float64  `json:"dph_base"`
	DPHTotal            float64  `json:"dph_total"`
	DriverVersion       string   `json:"driver_version" column:"-"`
	DriverVers          int64    `json:"driver_vers"`
	Duration            float64  `json:"duration"`
	EndDate             float64  `json:"end_date"`
	External            *bool    `json:"external"`
	FLOPSPerDPHTotal    float64  `json:"flops_per_dphtotal"`
	Geolocation         *string  `json:"geolocation" column:"-"`
	Geolocode           int64    `json:"geolocode"`
	GPUArch             string   `json:"gpu_arch"`
	GPUDisplayActive    bool     `json:"gpu_display_active"`
	GPUFrac             float64  `json:"gpu_frac"`
	GPUIDs              []int64  `json:"gpu_ids"`
	GPULanes            int64    `json:"gpu_lanes"`
	GPUMemBW            float64  `json:"gpu_mem_bw"`
	GPUName             string   `json:"gpu_name"`
	GPURAM              int64    `json:"gpu_ram"`
	GPUTotalRAM         int64    `json:"gpu_total_ram"`
	GPUMaxPower         float64  `json:"gpu_max_power"`
	GPUMaxTemp          float64  `json:"gpu_max_temp"`
	HasAVX              int64    `json:"has_avx"`
	HostID              int64    `json:"host_id"`
	HostingType         *int64   `json:"hosting_type"`
	Hostname            *string  `json:"hostname"`
	InetDown            float64  `json:"inet_down"`
	InetDownCost        float64  `json:"inet_down_cost"`
	InetUp              float64  `json:"inet_up"`
	InetUpCost          float64  `json:"inet_up_cost"`
	IsBid               bool     `json:"is_bid"`
	Logo                string   `json:"logo"`
	MachineID           int64    `json:"machine_id"`
	MinBid              float64  `json:"min_bid"`
	MoboName            string   `json:"mobo_name"`
	NumGPUs             int64    `json:"num_gpus"`
	OSVersion           string   `json:"os_version"`
	PCIGen              float64  `json:"pci_gen"`
	PCIeBW              float64  `json:"pcie_bw"`
	PublicIPAddr        string   `json:"public_ipaddr"`
	Reliability         float64  `json:"reliability"`
	ReliabilityMult     float64  `json:"reliability_mult"`
	Rentable            bool     `json:"rentable"`
	Rented              bool     `json:"rented"`
	Score               float64  `json:"score"`
	StartDate           *float64 `json:"start_date"`
	StaticIP            bool     `json:"static_ip"`
	StorageCost         float64  `json:"storage_cost"`
	StorageTotalCost    float64  `json:"storage_total_cost"`
	TotalFLOPS          float64  `json:"total_flops"`
	Verification        string   `json:"verification"`
	Vericode            int64    `json:"vericode"`
	VRAMCostPerHour     float64  `json:"vram_costperhour"`
	Webpage             *string  `json:"webpage"`
	VMsEnabled          bool     `json:"vms_enabled"`
	ExpectedReliability float64  `json:"expected_reliability"`
	SLASigmaX           *float64 `json:"sla_sigma_x"`
	SLABrokerRate       *float64 `json:"sla_broker_rate"`
	IsVMDeverified      bool     `json:"is_vm_deverified"`
	ResourceType        string   `json:"resource_type"`
	ClusterID           *int64   `json:"cluster_id"`
	AvailVolAskID       int64    `json:"avail_vol_ask_id"`
	AvailVolDPH         float64  `json:"avail_vol_dph"`
	AvailVolSize        float64  `json:"avail_vol_size"`
	NWDiskMinBW         *float64 `json:"nw_disk_min_bw"`
	NWDiskMaxBW         *float64 `json:"nw_disk_max_bw"`
	NWDiskAvgBW         *float64 `json:"nw_disk_avg_bw"`
	RN                  int64    `json:"rn"`
	DPHTotalAdj         float64  `json:"dph_total_adj"`
	Reliability2        float64  `json:"reliability2"`
	TargetReliability   float64  `json:"target_reliability" column:"-"`
	SLARClaim           float64  `json:"sla_r_claim"`
	DiscountRate        float64  `json:"discount_rate"`
	DiscountedHourly    float64  `json:"discounted_hourly"`
	DiscountedDPHTotal  float64  `json:"discounted_dph_total"`
	Search              hourly   `json:"search" column:"-"`
	Instance            hourly   `json:"instance" column:"-"`
	TimeRemaining       string   `json:"time_remaining"`
	TimeRemainingIsBid  string   `json:"time_remaining_isbid"`
	InternetUpPerTB     float64  `json:"internet_up_cost_per_tb" column:"-"`
	InternetDownPerTB   float64  `json:"internet_down_cost_per_tb" column:"-"`
	country             string   `column:"geolocation"`
	isVerified          bool     `column:"verified"`
	isDatacenter        bool     `column:"datacenter"`
}

// hourly splits a price, in dollars per hour.
type hourly struct {
	GPUCostPerHour         float64 `json:"gpuCostPerHour"`
	DiskHour               float64 `json:"diskHour"`
	SLAPremiumPerHour      float64 `json:"slaPremiumPerHour"`
	TotalHour              float64 `json:"totalHour"`
	DiscountTotalHour      float64 `json:"discountTotalHour"`
	DiscountedTotalPerHour float64 `json:"discountedTotalPerHour"`
}
