package sandbox

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// binding is where a port of a container is found from outside.
type binding struct {
	HostIP   string `json:"HostIp"`
	HostPort string `json:"HostPort"`
}

// instanceRow is what the API says of an instance now. Most of it is what it
// says of the offer that was rented. Only lists tell country and volumes.
func (t *tx) instanceRow(c *contract, listed bool) instanceRow {
	a := t.world.asks[c.Ask]
	s := a.standing(t.claims()[a.m.index])
	o := a.row(view{born: t.st.Born, now: t.now, storage: c.Disk}, s)
	o.price(cmp.Or(c.Base, c.Bid, a.base()), c.Disk, c.Deposit.discount())
	row := instanceRow{ID: c.ID, Label: c.Label, MachineID: o.MachineID, HostID: o.HostID}
	row.copyOffer(&o)
	row.describeLaunch(c)
	row.describeStatus(c, t.st.Seed, t.now)
	row.describeTimes(c, t.now)
	row.describeNetwork(c, a.m)
	row.describeLoad(c, a.m, t.now)
	row.describeTraffic(t.st, t.now)
	row.describeDeposit(t.st, c, t.now)
	row.MinBid = a.minBid(s)
	if listed {
		row.CountryCode, row.VolumeInfo = a.m.country, t.mountedBy(c)
	}
	if c.openPorts(t.now) {
		row.Ports = c.bindings(t.st.Seed, int(float64(a.m.portCount)*a.frac))
		row.DirectPortStart, row.DirectPortEnd = portRange(row.Ports)
	}
	return row
}

func (row *instanceRow) copyOffer(o *offerRow) {
	row.DirectPortCount, row.StaticIP = o.DirectPortCount, o.StaticIP
	row.Geolocation, row.Verification, row.Rentable = o.Geolocation, o.Verification, o.Rentable
	row.NumGPUs, row.GPUName, row.GPUArch, row.GPURAM, row.GPUTotalRAM = o.NumGPUs, o.GPUName, o.GPUArch, o.GPURAM, o.GPUTotalRAM
	row.GPUFrac, row.GPULanes, row.GPUMemBW, row.BWNVLink = o.GPUFrac, o.GPULanes, o.GPUMemBW, o.BWNVLink
	row.ComputeCap, row.CUDAMaxGood, row.DriverVersion = o.ComputeCap, o.CUDAMaxGood, o.DriverVersion
	row.OSVersion, row.TotalFLOPS, row.DLPerf, row.HasAVX = o.OSVersion, o.TotalFLOPS, o.DLPerf, o.HasAVX
	row.CPUArch, row.CPUName, row.CPUCores, row.CPUCoresEffective, row.CPURAM = o.CPUArch, o.CPUName, o.CPUCores, o.CPUCoresEffective, o.CPURAM
	row.DiskName, row.DiskBW = o.DiskName, o.DiskBW
	row.InetUp, row.InetDown, row.InetUpCost, row.InetDownCost = o.InetUp, o.InetDown, o.InetUpCost, o.InetDownCost
	row.InternetUpPerTB, row.InternetDownPerTB = o.InternetUpPerTB, o.InternetDownPerTB
	row.PCIGen, row.PCIeBW, row.MoboName, row.Logo = o.PCIGen, o.PCIeBW, o.MoboName, o.Logo
	row.DPHBase, row.DPHTotal = o.DPHBase, o.DPHTotal
	row.StorageCost, row.StorageTotalCost = o.StorageCost, o.StorageTotalCost
	row.VRAMCostPerHour = o.DPHTotal / float64(o.GPUTotalRAM)
	row.DLPerfPerDPHTotal, row.FLOPSPerDPHTotal, row.Score = o.DLPerfPerDPHTotal, o.FLOPSPerDPHTotal, o.Score
	row.Reliability2, row.CreditDiscountMax = o.Reliability2, o.CreditDiscountMax
	row.Search, row.Instance = o.Search, o.Instance
}

func (row *instanceRow) describeLaunch(c *contract) {
	l := c.Launch
	row.TemplateID, row.TemplateHashID, row.TemplateName = l.TemplateID, l.TemplateHash, l.TemplateName
	row.ImageUUID, row.ImageArgs, row.ImageRuntype = l.Image, l.Args, l.Runtype
	row.ExtraEnv, row.Onstart = l.Env, l.Onstart
	if l.Env == nil {
		row.ExtraEnv = [][2]string{} // the official client can't read null
	}
	row.JupyterToken = c.Jupyter
	row.DiskSpace, row.IsBid = c.Disk, c.Bid > 0
}

func (row *instanceRow) describeStatus(c *contract, seed uint64, now time.Time) {
	row.ActualStatus, row.StatusMsg = c.actualStatus(), c.statusMsg(seed, now)
	row.IntendedStatus, row.CurState, row.NextState = c.Intended, c.Intended, c.Intended
	row.DirectPortStart, row.DirectPortEnd = -1, -1
	if c.isDown() {
		row.DirectPortStart = 65535
	}
}

func (row *instanceRow) describeTimes(c *contract, now time.Time) {
	row.StartDate, row.EndDate = unix(c.Created), unix(c.Ends)
	row.Duration = row.EndDate - unix(now)
	row.HostRunTime, row.ClientRunTime = unix(c.Ends)-unix(c.Created), 1.1
}

func (row *instanceRow) describeNetwork(c *contract, m *machine) {
	row.PublicIPAddr = m.ip
	if m.ipPadded {
		row.PublicIPAddr += " "
	}
	row.LocalIPAddrs = fmt.Sprintf("10.20.%d.%d 172.17.0.1 \n", m.index/250, m.index%250+2)
	row.SSHIdx = fmt.Sprint(c.ID%9 + 1)
	row.SSHHost = fmt.Sprintf("ssh%s.vast.ai", row.SSHIdx)
	row.SSHPort = 10_000 + c.ID%30_000
	row.MachineDirSSHPort = m.daemonPort()
}

// describeLoad makes up what the host measures: nothing before it reports,
// no load before the container runs, zeros after.
func (row *instanceRow) describeLoad(c *contract, m *machine, now time.Time) {
	row.DiskUsage, row.DiskUtil = -1, -1
	if c.Phase == accepted {
		return
	}
	limit := round(float64(m.cpuRAM)/1000*row.GPUFrac, 1)
	row.MemLimit = &limit
	if c.Pulled {
		row.DiskUtil = round(min(0.2+0.02*now.Sub(c.Created).Hours(), 0.7), 3)
		row.DiskUsage = round(row.DiskUtil*c.Disk, 2)
	}
	if c.isDown() {
		row.GPUUtil, row.GPUTemp = new(0.0), new(0.0)
	}
	if !c.billsGPU() {
		return
	}
	d := newDice(uint64(c.ID), fmt.Sprintf("load %d", now.Unix()/30))
	busy := d.between(0.55, 0.99)
	if c.mishap() == noWork {
		busy = d.between(0, 0.02)
	}
	row.GPUUtil, row.GPUTemp = new(round(busy*100, 0)), new(round(34+busy*40, 0))
	row.CPUUtil = new(round(busy*d.between(20, 60), 1))
	row.MemUsage, row.VMemUsage = new(round(limit*d.between(0.1, 0.4), 2)), new(round(limit*d.between(0.4, 0.6), 2))
}

// describeTraffic tells in MB what the meters charged for.
func (row *instanceRow) describeTraffic(st *state, now time.Time) {
	if hours := st.upHours(row.ID, now); hours > 0 {
		row.InetDownBilled, row.InetUpBilled = new(round(hours*downloadGBPerHour*1024, 1)), new(round(hours*uploadGBPerHour*1024, 1))
	}
}

// upHours is how long an instance has been up so far.
func (st *state) upHours(id int64, now time.Time) float64 {
	var up time.Duration
	for m := range st.metersOf(id, gpuMeter) {
		up += m.between(m.Start, now)
	}
	return up.Hours()
}

// openPorts is true from some seconds after the container runs.
func (c *contract) openPorts(now time.Time) bool {
	return c.Phase == running && now.Sub(c.Since) >= c.dice(uint64(c.ID), "ports").duration(noticeLeast, portsMost)
}

// bindings are the ports of a running container. The host has only so many.
func (c *contract) bindings(seed uint64, most int) map[string][]binding {
	ports := c.Launch.ports()
	ports = ports[:min(len(ports), most)]
	d := newDice(seed, fmt.Sprintf("bindings %d", c.ID))
	bound := map[string][]binding{}
	outer := 40_000
	for _, port := range ports {
		outer += 1 + d.IntN(300)
		number, protocol, _ := strings.Cut(port, "/")
		if identityPort(number) {
			port = fmt.Sprintf("%d/%s", outer, protocol)
		}
		host := fmt.Sprint(outer)
		bound[port] = []binding{{"0.0.0.0", host}, {"::", host}}
	}
	return bound
}

func portRange(ports map[string][]binding) (first, last int64) {
	first, last = -1, -1
	for _, b := range ports {
		port, _ := strconv.ParseInt(b[0].HostPort, 10, 64)
		if first < 0 || port < first {
			first = port
		}
		last = max(last, port)
	}
	return first, last
}
