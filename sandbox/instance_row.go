package sandbox

// instanceRow is an instance as the API serves it.
type instanceRow struct {
	ID                int64                `json:"id"`
	ActualStatus      *string              `json:"actual_status"`
	IntendedStatus    string               `json:"intended_status"`
	CurState          string               `json:"cur_state"`
	NextState         string               `json:"next_state"`
	StatusMsg         *string              `json:"status_msg"`
	Label             *string              `json:"label"`
	TemplateID        *int64               `json:"template_id"`
	TemplateHashID    *string              `json:"template_hash_id"`
	TemplateName      *string              `json:"template_name"`
	ImageUUID         string               `json:"image_uuid"`
	ImageArgs         []string             `json:"image_args"`
	ImageRuntype      string               `json:"image_runtype"`
	ExtraEnv          [][2]string          `json:"extra_env"`
	Onstart           *string              `json:"onstart"`
	JupyterToken      string               `json:"jupyter_token"`
	LocalIPAddrs      string               `json:"local_ipaddrs"`
	PublicIPAddr      string               `json:"public_ipaddr"`
	SSHHost           string               `json:"ssh_host"`
	SSHIdx            string               `json:"ssh_idx"`
	SSHPort           int64                `json:"ssh_port"`
	MachineDirSSHPort int64                `json:"machine_dir_ssh_port"`
	Ports             map[string][]binding `json:"ports,omitzero"` // absent unless open
	DirectPortCount   int64                `json:"direct_port_count"`
	DirectPortStart   int64                `json:"direct_port_start"`
	DirectPortEnd     int64                `json:"direct_port_end"`
	StaticIP          bool                 `json:"static_ip"`
	MachineID         int64                `json:"machine_id"`
	HostID            int64                `json:"host_id"`
	BundleID          *int64               `json:"bundle_id"`
	HostingType       *int64               `json:"hosting_type"`
	Geolocation       *string              `json:"geolocation"`
	CountryCode       string               `json:"country_code,omitempty"` // in lists
	Verification      string               `json:"verification"`
	Rentable          bool                 `json:"rentable"`
	StartDate         float64              `json:"start_date"`
	EndDate           float64              `json:"end_date"`
	Duration          float64              `json:"duration"`
	UptimeMins        *float64             `json:"uptime_mins"`
	TimeRemaining     string               `json:"time_remaining"`
	TimeRemainingBid  string               `json:"time_remaining_isbid"`
	NumGPUs           int64                `json:"num_gpus"`
	GPUName           string               `json:"gpu_name"`
	GPUArch           string               `json:"gpu_arch"`
	GPURAM            int64                `json:"gpu_ram"`
	GPUTotalRAM       int64                `json:"gpu_totalram"`
	GPUUtil           *float64             `json:"gpu_util"`
	GPUTemp           *float64             `json:"gpu_temp"`
	GPUFrac           float64              `json:"gpu_frac"`
	GPULanes          int64                `json:"gpu_lanes"`
	GPUMemBW          float64              `json:"gpu_mem_bw"`
	GPUDisplayActive  bool                 `json:"gpu_display_active"`
	HasAVX            int64                `json:"has_avx"`
	BWNVLink          float64              `json:"bw_nvlink"`
	ComputeCap        *int64               `json:"compute_cap"`
	CUDAMaxGood       float64              `json:"cuda_max_good"`
	DriverVersion     string               `json:"driver_version"`
	OSVersion         string               `json:"os_version"`
	TotalFLOPS        float64              `json:"total_flops"`
	DLPerf            float64              `json:"dlperf"`
	CPUArch           string               `json:"cpu_arch"`
	CPUName           string               `json:"cpu_name"`
	CPUCores          int64                `json:"cpu_cores"`
	CPUCoresEffective float64              `json:"cpu_cores_effective"`
	CPURAM            int64                `json:"cpu_ram"`
	CPUUtil           *float64             `json:"cpu_util"`
	MemLimit          *float64             `json:"mem_limit"`
	MemUsage          *float64             `json:"mem_usage"`
	VMemUsage         *float64             `json:"vmem_usage"`
	DiskName          string               `json:"disk_name"`
	DiskSpace         float64              `json:"disk_space"`
	DiskBW            float64              `json:"disk_bw"`
	DiskUsage         float64              `json:"disk_usage"`
	DiskUtil          float64              `json:"disk_util"`
	InetUp            float64              `json:"inet_up"`
	InetDown          float64              `json:"inet_down"`
	InetUpCost        float64              `json:"inet_up_cost"`
	InetDownCost      float64              `json:"inet_down_cost"`
	InternetUpPerTB   float64              `json:"internet_up_cost_per_tb"`
	InternetDownPerTB float64              `json:"internet_down_cost_per_tb"`
	InetUpBilled      *float64             `json:"inet_up_billed"`
	InetDownBilled    *float64             `json:"inet_down_billed"`
	PCIGen            float64              `json:"pci_gen"`
	PCIeBW            float64              `json:"pcie_bw"`
	MoboName          string               `json:"mobo_name"`
	IsBid             bool                 `json:"is_bid"`
	MinBid            float64              `json:"min_bid"`
	DPHBase           float64              `json:"dph_base"`
	DPHTotal          float64              `json:"dph_total"`
	StorageCost       float64              `json:"storage_cost"`
	StorageTotalCost  float64              `json:"storage_total_cost"`
	VRAMCostPerHour   float64              `json:"vram_costperhour"`
	DLPerfPerDPHTotal float64              `json:"dlperf_per_dphtotal"`
	FLOPSPerDPHTotal  float64              `json:"flops_per_dphtotal"`
	Score             float64              `json:"score"`
	Reliability2      float64              `json:"reliability2"`
	Search            hourly               `json:"search"`
	Instance          hourly               `json:"instance"`
	CreditBalance     *float64             `json:"credit_balance"`
	CreditDiscount    *float64             `json:"credit_discount"`
	CreditDiscountMax float64              `json:"credit_discount_max"`
	ClientRunTime     float64              `json:"client_run_time"`
	HostRunTime       float64              `json:"host_run_time"`
	External          bool                 `json:"external"`
	SLARClaim         *float64             `json:"sla_r_claim"`
	SLASigmaX         *float64             `json:"sla_sigma_x"`
	TargetReliability float64              `json:"target_reliability"`
	VolumeInfo        []volumeRow          `json:"volume_info,omitzero"` // in lists
	Logo              string               `json:"logo"`
	Webpage           *string              `json:"webpage"`
}

// volumeRow is a volume that an instance mounts.
type volumeRow struct {
	ID         int64   `json:"id"`
	AvailSpace float64 `json:"avail_space"`
	TotalSpace float64 `json:"total_space"`
}
