package sandbox

import (
	"slices"
	"time"
)

// phase is what the container does. The API's four status words follow from
// it and from what is intended.
type phase string

const (
	accepted   phase = "accepted"    // rented, the host has reported nothing yet
	loading    phase = "loading"     // pulling the image
	pullFailed phase = "pull_failed" // still "loading" to the API, with a message
	abandoned  phase = "abandoned"   // likewise, and not wanted any more
	created    phase = "created"
	running    phase = "running"
	rebooting  phase = "rebooting"
	exited     phase = "exited"
)

const (
	wantRunning = "running"
	wantStopped = "stopped"
)

// step is a phase that the container will enter.
type step struct {
	At    time.Time `json:"at"`
	Phase phase     `json:"phase"`
}

// contract is a rental: an instance, from its creation to its destruction.
type contract struct {
	ID       int64     `json:"id"`
	Ask      int64     `json:"ask"`
	Machine  int       `json:"machine"` // with First and GPUs: the slice that it needs
	First    int       `json:"first"`
	GPUs     int       `json:"gpus"`
	Created  time.Time `json:"created"`
	Ends     time.Time `json:"ends"`
	Disk     float64   `json:"disk"` // GB
	Bid      float64   `json:"bid"`  // dollars per hour; 0 is on demand
	Rates    rates     `json:"rates"`
	Blocked  bool      `json:"blocked"` // someone else has the GPUs, and stays
	Label    *string   `json:"label"`
	Key      string    `json:"key"`
	Jupyter  string    `json:"jupyter"`
	SSHKeys  []sshKey  `json:"ssh_keys"`
	Launch   launch    `json:"launch"`
	Intended string    `json:"intended"`
	Queued   time.Time `json:"queued,omitzero"` // since when it waits for its GPUs
	Phase    phase     `json:"phase"`
	Since    time.Time `json:"since"` // when it entered the phase
	Plan     []step    `json:"plan"`
	Pulled   bool      `json:"pulled"`
	Boots    int       `json:"boots"`
}

// launch is what the renter asked to run.
type launch struct {
	Image        string      `json:"image"`
	Login        bool        `json:"login"` // credentials of a registry were given
	Runtype      string      `json:"runtype"`
	Env          [][2]string `json:"env"`
	Onstart      *string     `json:"onstart"`
	Args         []string    `json:"args"`
	TemplateID   *int64      `json:"template_id"`
	TemplateHash *string     `json:"template_hash"`
	TemplateName *string     `json:"template_name"`
}

// rates are frozen when the contract is made, in nano-dollars per hour.
type rates struct {
	GPU      int64 `json:"gpu"`
	Disk     int64 `json:"disk"`
	Download int64 `json:"download"`
	Upload   int64 `json:"upload"`
}

func (c *contract) sound() bool {
	r := c.Rates
	return c.ID > 0 && c.GPUs > 0 && c.Disk >= 0 &&
		min(r.GPU, r.Disk, r.Download, r.Upload) >= 0 && max(r.GPU, r.Disk, r.Download, r.Upload) <= maxRate &&
		sane(c.Created) && sane(c.Ends) && sane(c.Since) && (c.Queued.IsZero() || sane(c.Queued)) &&
		!slices.ContainsFunc(c.Plan, func(s step) bool { return !sane(s.At) })
}

// billsGPU is true while the container is up: loading is free.
func (c *contract) billsGPU() bool { return c.Phase == running || c.Phase == rebooting }

// holds is true while nobody else can have the GPUs.
func (c *contract) holds() bool { return c.Intended == wantRunning || c.billsGPU() }

func (c *contract) overlaps(machine, first, gpus int) bool {
	return c.Machine == machine && c.First < first+gpus && first < c.First+c.GPUs
}

// actualStatus is nil before the host reported anything.
func (c *contract) actualStatus() *string {
	switch c.Phase {
	case accepted:
		return nil
	case pullFailed, abandoned:
		return new(string(loading))
	default:
		return new(string(c.Phase))
	}
}

func (c *contract) past() past {
	return past{ID: c.ID, Label: c.Label, TemplateID: c.Launch.TemplateID, Disk: c.Disk}
}
