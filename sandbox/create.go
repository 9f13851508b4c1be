package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Limits of a create request.
const (
	maxImage    = 1024
	maxArgs     = 16384
	maxLabel    = 256
	maxEnvEntry = 256
	maxEnv      = 32768
	maxPorts    = 64
	minDisk     = 8
	launchDisk  = 16 // of a launch that names none
	leastPrice  = 0.001
	mostPrice   = 128
)

// createRequest is the body of PUT /asks/{id}/. Fields that change nothing
// here (client_id, force, user, locales, jupyter's) are let be.
type createRequest struct {
	Image          string           `json:"image"`
	Disk           *float64         `json:"disk"`
	Label          *string          `json:"label"`
	Env            json.RawMessage  `json:"env"`
	Onstart        *string          `json:"onstart"`
	Args           []string         `json:"args"`
	ArgsStr        string           `json:"args_str"`
	Runtype        string           `json:"runtype"`
	ImageLogin     string           `json:"image_login"`
	Price          *float64         `json:"price"`
	TargetState    string           `json:"target_state"`
	CancelUnavail  *bool            `json:"cancel_unavail"`
	TemplateHashID string           `json:"template_hash_id"`
	TemplateID     int64            `json:"template_id"`
	VolumeInfo     *json.RawMessage `json:"volume_info"`
	VM             bool             `json:"vm"`
}

// create answers PUT /asks/{id}/: it rents an offer.
func (t *tx) create() answer {
	id, ok := t.id()
	if !ok {
		return invalidArgs("error 400/3467: Invalid args: 'id' is required and must be a valid offer ID")
	}
	var in createRequest
	if json.Unmarshal(t.body, &in) != nil {
		return badJSON()
	}
	return t.rent(id, in)
}

// rent makes a contract on an offer, or says why not.
func (t *tx) rent(id int64, in createRequest) answer {
	l, err := in.launch(t.st.Account.Templates)
	if err != nil {
		return invalidArgs("%v", err)
	}
	a := t.world.asks[id]
	if a == nil {
		return offerGone(http.StatusNotFound, "invalid_args", id,
			fmt.Sprintf("error 404/3603: no_such_ask Instance type by id %d is not available.", id))
	}
	c := t.draft(in, l, a)
	if !t.st.free(c, t.now) && in.cancelUnavail() {
		return t.snatched(id)
	}
	if refusal, ok := t.checkTerms(in, a); !ok {
		return refusal
	}
	if least := a.minBid(a.standing(t.claims()[a.m.index])); in.Price != nil && *in.Price < least {
		return t.bidTooLow(c, least, in.cancelUnavail())
	}
	if refusal, ok := t.mount(c, in.VolumeInfo); !ok {
		return refusal
	}
	t.sign(c, in.TargetState != wantStopped)
	return reply(struct {
		Success        bool   `json:"success"`
		NewContract    int64  `json:"new_contract"`
		InstanceAPIKey string `json:"instance_api_key"`
	}{true, c.ID, c.Key})
}

// cancelUnavail is the request's word or, like the API, yes on demand and no
// for a bid.
func (in createRequest) cancelUnavail() bool {
	if in.CancelUnavail != nil {
		return *in.CancelUnavail
	}
	return in.Price == nil && in.TargetState != wantStopped
}

func (in createRequest) disk() float64 {
	if in.Disk == nil {
		return minDisk
	}
	return *in.Disk
}

func offerGone(status int, code string, id int64, msg string) answer {
	a := reply(outcome{Error: code, Msg: msg, AskID: id})
	a.status = status
	return a
}

// launch reads what is to run, with what a template adds to it.
func (in createRequest) launch(own []templateRow) (launch, error) {
	args := len(in.ArgsStr)
	for _, arg := range in.Args {
		args += len(arg)
	}
	if in.Onstart != nil {
		args += len(*in.Onstart)
	}
	if len(in.Image) > maxImage || args > maxArgs || (in.Label != nil && len(*in.Label) > maxLabel) {
		return launch{}, errors.New("error 400/3471: Invalid args: len(image) > 1024, or len(args) > 16384, or len(label) > 256")
	}
	l := launch{Image: in.Image, Login: in.ImageLogin != "", Runtype: in.Runtype, Onstart: in.Onstart, Args: in.args()}
	env, ok := parseEnv(in.Env)
	if !ok {
		return launch{}, errors.New("error 400/3472: Invalid args: env has an entry of more than 256 characters, more than 32768 in all, or more than 64 ports")
	}
	l.Env = env
	if in.TemplateHashID != "" || in.TemplateID != 0 {
		template, found := findTemplate(own, in.TemplateHashID, in.TemplateID)
		if !found {
			return launch{}, errors.New("error 400/3473: Invalid args: there is no such template")
		}
		l.fillFrom(template)
	}
	if l.Image == "" {
		return launch{}, errors.New("error 400/3474: Invalid args: 'image' is required without a template")
	}
	if l.Runtype == "" {
		l.Runtype = "ssh"
		if l.Args != nil {
			l.Runtype = "args"
		}
	}
	if !validRuntype(l.Runtype) {
		return launch{}, fmt.Errorf("error 400/3475: Invalid args: unknown runtype %q", l.Runtype)
	}
	if !slices.Contains([]string{"", wantRunning, wantStopped}, in.TargetState) {
		return launch{}, fmt.Errorf("error 400/3476: Invalid args: unknown target_state %q", in.TargetState)
	}
	return l, nil
}

func (in createRequest) args() []string {
	if in.Args == nil && in.ArgsStr != "" {
		return strings.Fields(in.ArgsStr)
	}
	return in.Args
}

func validRuntype(runtype string) bool {
	known := []string{"ssh", "ssh_proxy", "ssh_direc", "ssh_direct", "jupyter", "jupyter_proxy", "jupyter_direc", "jupyter_direct", "args"}
	for token := range strings.FieldsSeq(runtype) {
		if !slices.Contains(known, token) {
			return false
		}
	}
	return true
}

// checkTerms judges price, disk and credit.
func (t *tx) checkTerms(in createRequest, a *ask) (answer, bool) {
	s := a.standing(t.claims()[a.m.index])
	refused := func(code, format string, args ...any) (answer, bool) {
		return refuse(http.StatusBadRequest, code, fmt.Sprintf(format, args...)), false
	}
	disk := in.disk()
	switch {
	case !(disk >= minDisk):
		return refused("invalid_args", "error 400/3477: Invalid args: disk must be at least %d GB", minDisk)
	case !(disk <= a.freeDisk(s)):
		return refused("invalid_args", "error 400/3478: Invalid args: disk %g GB is more than the %g GB that offer %d has", disk, a.freeDisk(s), a.id)
	case in.Price != nil && !(*in.Price >= leastPrice && *in.Price <= mostPrice):
		return refused("invalid_price", "error 400/3479: price must be from %g to %d dollars per hour", leastPrice, mostPrice)
	case in.Price != nil && a.minBid(s) == 0:
		return refused("invalid_price", "error 400/3479: offer %d takes no bids", a.id)
	case in.VM && len(t.st.SSHKeys) == 0:
		return refused("no_ssh_key_for_vm", "error 400/3480: a VM needs an ssh key in the account")
	case t.st.credit(t.now) <= 0:
		return lacksCredit(), false
	}
	return answer{}, true
}

func lacksCredit() answer {
	return refuse(http.StatusBadRequest, "insufficient_credit", "Your account lacks credit; see the billing page.")
}

// draft is the contract as asked for, with its prices frozen.
func (t *tx) draft(in createRequest, l launch, a *ask) *contract {
	base, bid := t.view().price(a), 0.0
	if in.Price != nil {
		base, bid = *in.Price, *in.Price
	}
	id := t.st.NextContract
	l.Image = resolveTag(l.Image, a.m.cuda)
	return &contract{
		ID: id, Ask: a.id, Machine: a.m.index, First: a.first, GPUs: a.gpus,
		Created: t.now, Since: t.now, Ends: a.ends(t.st.Born, t.now),
		Disk: in.disk(), Bid: bid, Label: in.Label, Launch: l,
		Rates: rates{
			GPU:      nano(base),
			Disk:     nano(a.m.storageCost * in.disk() / hoursPerMonth),
			Download: nano(a.m.downCost * downloadGBPerHour),
			Upload:   nano(a.m.upCost * uploadGBPerHour),
		},
		Key: secret(t.st.Seed, "instance key", id), Jupyter: secret(t.st.Seed, "jupyter token", id),
		SSHKeys:  slices.Clone(t.st.SSHKeys),
		Intended: wantStopped, Phase: accepted, Blocked: a.rentedByOthers(), Floor: a.minBid(standing{}), Base: base,
		Live: t.m.live, Rival: t.occupant(a),
	}
}

// sign makes the contract: its disk costs from now on.
func (t *tx) sign(c *contract, run bool) {
	t.st.NextContract++
	c.foretell(t.st.Seed, t.fate, t.world.asks[c.Ask].m)
	if c.Fate == vanishes {
		return
	}
	t.st.Contracts = append(t.st.Contracts, c)
	t.st.charge(c, t.now, diskMeter)
	if run {
		t.st.start(c, t.now)
		return
	}
	c.load(t.st.Seed, t.now)
}
