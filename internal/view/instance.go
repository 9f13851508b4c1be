package view

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"vast-mcp/internal/complete"
	"vast-mcp/internal/plain"
	"vast-mcp/internal/region"
	"vast-mcp/internal/usd"
	"vast-mcp/rental"
	"vast-mcp/vast"
)

// Instance is a rental as an agent sees it.
type Instance struct {
	InstanceID     vast.InstanceID   `json:"instance_id"`
	State          State             `json:"state"`
	Why            string            `json:"why,omitempty"`
	Next           string            `json:"next,omitempty"`
	Label          string            `json:"label,omitempty"`
	GPUName        string            `json:"gpu_name"`
	NumGPUs        int               `json:"num_gpus"`
	GPURAMGB       float64           `json:"gpu_ram_gb,omitempty"`
	Image          string            `json:"image"`
	DiskGB         float64           `json:"disk_gb"`
	Region         string            `json:"region"`
	MachineID      vast.MachineID    `json:"machine_id"`
	PerHour        usd.Amount        `json:"dollars_per_hour" jsonschema_description:"while it runs"`
	StoppedPerHour usd.Amount        `json:"stopped_dollars_per_hour" jsonschema_description:"while it is stopped: the disk"`
	SoFar          *usd.Amount       `json:"dollars_so_far,omitempty" jsonschema_description:"as the API has billed it; it lags"`
	Interruptible  bool              `json:"interruptible,omitempty"`
	IdleSince      time.Time         `json:"idle_since,omitzero" jsonschema_description:"its GPUs do nothing"`
	Lease          *Lease            `json:"lease,omitempty"`
	SSH            *SSH              `json:"ssh,omitempty"`
	Ports          map[string]string `json:"ports,omitempty" jsonschema_description:"port inside -> public address"`
	Vast           Status            `json:"vast"`
}

// Lease is until when an instance may live, and what happens then.
type Lease struct {
	Until        time.Time `json:"until"`
	OnExpiry     string    `json:"on_expiry"`
	StopWhenIdle int       `json:"stop_when_idle_minutes,omitempty"`
}

func (l Lease) text() string {
	text := l.OnExpiry + " at " + l.Until.Format(time.RFC3339)
	if l.StopWhenIdle > 0 {
		text += fmt.Sprintf(", stop when its GPUs idle for %d min", l.StopWhenIdle)
	}
	return text
}

// SSH is how to log in.
type SSH struct {
	Command string `json:"command"`
	Host    string `json:"host"`
	Port    int    `json:"port"`
}

// Status holds the API's own four words and its message.
type Status struct {
	Actual   string `json:"actual_status,omitempty"`
	Intended string `json:"intended_status,omitempty"`
	Cur      string `json:"cur_state,omitempty"`
	NextWord string `json:"next_state,omitempty"`
	Message  string `json:"status_msg,omitempty" jsonschema_description:"untrusted text from the host"`
}

// Caps of text from outside, in bytes.
const (
	maxLabel   = 200
	maxMessage = 300 // what a host says about itself
)

// OfInstance is how an agent sees in; now is the API's clock.
func OfInstance(in vast.Instance, now time.Time) Instance {
	text, tail, leased := rental.ParseLabel(in.Label)
	r := read(in, now)
	v := Instance{
		InstanceID: in.ID, State: r.state, Why: r.why, Next: r.next, Label: plain.Line(text, maxLabel),
		GPUName: plain.Line(in.GPUName, 60), NumGPUs: in.NumGPUs, GPURAMGB: gib(in.GPURAMMB), Image: plain.Line(in.Image, 200),
		DiskGB: in.DiskGB, Region: region.Place(in.Geolocation, noPlace), MachineID: in.MachineID,
		PerHour: usd.Ceil(in.PerHour), StoppedPerHour: usd.Ceil(in.DiskPerHour), Interruptible: in.IsBid,
		Vast: Status{
			Actual: plain.Line(in.Status, 30), Intended: plain.Line(in.Wanted, 30), Cur: plain.Line(in.ContractState, 30),
			NextWord: plain.Line(in.NextContractState, 30), Message: plain.Line(in.StatusMessage, maxMessage),
		},
	}
	if leased {
		v.Lease = &Lease{Until: tail.Until, OnExpiry: tail.OnExpiry, StopWhenIdle: tail.IdleMinutes}
	}
	if r.state == Ready {
		v.connect(in)
	}
	return v
}

// What a host may say of itself, so that no view grows without end.
const (
	maxAddress = 100 // bytes of a name, an address or a port
	maxPorts   = 64  // as many as the API maps
)

// address reports whether s can stand in a command: a host's words would
// otherwise be run by whoever pastes it.
func address(s string) bool {
	return s != "" && len(s) <= maxAddress && strings.Trim(s, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.:-") == "" && s[0] != '-'
}

// connect adds the ways in.
func (v *Instance) connect(in vast.Instance) {
	if host, port := in.SSH(); address(host) && port != 0 && strings.Contains(in.LaunchMode, "ssh") {
		v.SSH = &SSH{Command: fmt.Sprintf("ssh -p %d root@%s", port, host), Host: host, Port: port}
	}
	for _, inside := range slices.Sorted(maps.Keys(in.Ports)) {
		bindings := in.Ports[inside]
		if len(bindings) == 0 || len(v.Ports) == maxPorts || !address(in.PublicIP) || !address(bindings[0].HostPort) {
			continue
		}
		if v.Ports == nil {
			v.Ports = map[string]string{}
		}
		v.Ports[plain.Line(inside, 20)] = in.PublicIP + ":" + bindings[0].HostPort
	}
}

// ParseInstanceID reads an id that came as text: digits and nothing else.
func ParseInstanceID(s string) (id vast.InstanceID, ok bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return vast.InstanceID(n), err == nil && n > 0 && strconv.FormatInt(n, 10) == s
}

// InstanceChoices are the ids of all, which can be found by their labels too.
func InstanceChoices(all []vast.Instance) []complete.Choice {
	choices := make([]complete.Choice, len(all))
	for i, in := range all {
		label, _, _ := rental.ParseLabel(in.Label)
		choices[i] = complete.Choice{Value: fmt.Sprint(in.ID), Words: plain.Line(label, maxLabel)}
	}
	return choices
}

// RateNow is what the instance costs an hour at this moment: its disk alone
// when it is stopped.
func RateNow(in vast.Instance) usd.Amount {
	if rental.Running(in) {
		return usd.Ceil(in.PerHour)
	}
	return usd.Ceil(in.DiskPerHour)
}

// Text is the instance in a few lines.
func (v Instance) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Instance %d is %s", v.InstanceID, v.State)
	if v.Why != "" {
		b.WriteString(": " + v.Why)
	}
	fmt.Fprintf(&b, ".\n%dx %s, %s, %g GB disk, %s, label %q\n", v.NumGPUs, v.GPUName, v.Region, v.DiskGB, v.Image, v.Label)
	fmt.Fprintf(&b, "%s/h running, %s/h stopped", v.PerHour, v.StoppedPerHour)
	if v.SoFar != nil {
		fmt.Fprintf(&b, ", %s so far", *v.SoFar)
	}
	b.WriteString("\n")
	if v.Lease != nil {
		b.WriteString("lease: " + v.Lease.text() + "\n")
	}
	if !v.IdleSince.IsZero() {
		fmt.Fprintf(&b, "GPUs idle since %s: stop_instance ends that cost\n", v.IdleSince.Format(time.RFC3339))
	}
	if v.SSH != nil {
		b.WriteString(v.SSH.Command + "\n")
	}
	for _, inside := range slices.Sorted(maps.Keys(v.Ports)) {
		fmt.Fprintf(&b, "port %s is %s\n", inside, v.Ports[inside])
	}
	if v.Vast.Message != "" {
		fmt.Fprintf(&b, "host says (untrusted): %q\n", v.Vast.Message)
	}
	if v.Next != "" {
		b.WriteString("Next: " + v.Next + "\n")
	}
	return b.String()
}

// InstanceTable is the instances as a table, one line each.
func InstanceTable(all []Instance) string {
	t := table{{"instance_id", "state", "gpu", "$/h", "stopped $/h", "lease until", "label"}}
	for _, v := range all {
		until := "none"
		if v.Lease != nil {
			until = v.Lease.Until.Format("01-02 15:04Z") + " " + v.Lease.OnExpiry
		}
		t = append(t, []string{
			fmt.Sprint(v.InstanceID), v.word(), fmt.Sprintf("%dx %s", v.NumGPUs, v.GPUName),
			fmt.Sprintf("%.4f", v.PerHour.Float()), fmt.Sprintf("%.4f", v.StoppedPerHour.Float()), until, cmp.Or(v.Label, "-"),
		})
	}
	return t.String()
}
