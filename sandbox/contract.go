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
	unstarted  phase = "unstarted" // "created" to the API, with a message, and not wanted any more
	running    phase = "running"
	rebooting  phase = "rebooting"
	recycling  phase = "recycling"
	finished   phase = "finished" // "exited" to the API, though wanted: its command ended
	exited     phase = "exited"
	unheard    phase = "unknown" // the host is late with its report
	offline    phase = "offline"
	reaped     phase = "reaped" // the API takes the instance away
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
	Disk     float64   `json:"disk"`          // GB
	Bid      float64   `json:"bid,omitempty"` // dollars per hour; 0 is on demand
	Rates    rates     `json:"rates"`
	Blocked  bool      `json:"blocked,omitempty"` // someone else has the GPUs, and stays
	Label    *string   `json:"label,omitempty"`
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
	Floor    float64   `json:"floor,omitempty"` // least bid that the host takes
	Base     float64   `json:"base,omitempty"`  // dollars per hour of the GPUs, as agreed on last
	Raises   int       `json:"raises,omitempty"`
	Settled  time.Time `json:"settled,omitzero"` // the end for which an increase was answered
	Deposit  *deposit  `json:"deposit,omitempty"`
	Copy     *transfer `json:"copy,omitempty"`

	Live    bool          `json:"live,omitempty"`    // rented in a market that lives
	Fate    mishap        `json:"fate,omitempty"`    // chosen by the market
	Pull    time.Duration `json:"pull,omitempty"`    // how long its image takes; 0: as the dice say
	Seen    time.Time     `json:"seen,omitzero"`     // when reads begin to find it
	Rival   *rival        `json:"rival,omitempty"`   // who has its GPUs, or bids less for them
	Turns   []turn        `json:"turns,omitempty"`   // what the market has in store, in the order of time
	Removed []string      `json:"removed,omitempty"` // paths
}

// launch is what the renter asked to run.
type launch struct {
	Image        string      `json:"image"`
	Login        bool        `json:"login,omitempty"` // credentials of a registry were given
	Runtype      string      `json:"runtype"`
	Env          [][2]string `json:"env"`
	Onstart      *string     `json:"onstart,omitempty"`
	Args         []string    `json:"args"`
	TemplateID   *int64      `json:"template_id,omitempty"`
	TemplateHash *string     `json:"template_hash,omitempty"`
	TemplateName *string     `json:"template_name,omitempty"`
}

// rates are frozen when the contract is made, in nano-dollars per hour.
type rates struct {
	GPU      int64 `json:"gpu"`
	Disk     int64 `json:"disk"`
	Download int64 `json:"download"`
	Upload   int64 `json:"upload"`
}

// of is the rate of a kind of meter.
func (r rates) of(kind string) int64 {
	switch kind {
	case gpuMeter:
		return r.GPU
	case diskMeter:
		return r.Disk
	case downloadMeter:
		return r.Download
	default:
		return r.Upload
	}
}

func (c *contract) sound() bool {
	r := c.Rates
	return c.ID > 0 && c.GPUs > 0 && c.Disk >= 0 &&
		min(r.GPU, r.Disk, r.Download, r.Upload) >= 0 && max(r.GPU, r.Disk, r.Download, r.Upload) <= maxRate &&
		sane(c.Created) && sane(c.Ends) && sane(c.Since) && (c.Queued.IsZero() || sane(c.Queued)) &&
		(c.Deposit == nil || c.Deposit.sound()) && (c.Copy == nil || c.Copy.sound()) &&
		(c.Seen.IsZero() || sane(c.Seen)) && c.Pull >= 0 && c.Pull <= farthest && (c.Rival == nil || sane(c.Rival.Until)) &&
		!slices.ContainsFunc(c.Turns, func(e turn) bool { return !e.sound() }) &&
		!slices.ContainsFunc(c.Plan, func(s step) bool { return !sane(s.At) })
}

// billsGPU is true while the container is up: loading is free.
func (c *contract) billsGPU() bool {
	return c.Phase == running || c.Phase == rebooting || c.Phase == unheard
}

// isDown is true of a container that ran and doesn't any more.
func (c *contract) isDown() bool { return c.Phase == exited || c.Phase == finished }

// hostGone is true while the host doesn't report.
func (c *contract) hostGone() bool { return c.Phase == unheard || c.Phase == offline }

// bidsEnough is true on demand, too.
func (c *contract) bidsEnough() bool { return c.Bid == 0 || c.Bid >= c.Floor }

// holds is true while nobody else can have the GPUs.
func (c *contract) holds() bool { return c.Intended == wantRunning || c.billsGPU() }

// wanted is true while the instance is or should be up.
func (c *contract) wanted() bool { return c.holds() || !c.Queued.IsZero() }

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
	case unstarted:
		return new(string(created))
	case finished:
		return new(string(exited))
	default:
		return new(string(c.Phase))
	}
}

func (c *contract) past() past {
	return past{ID: c.ID, Label: c.Label, TemplateID: c.Launch.TemplateID, Disk: c.Disk}
}
