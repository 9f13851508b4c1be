package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
)

const maxLabelUpdate = 1024

// instance finds the instance of the path, or says that there is none.
func (t *tx) instance() (*contract, answer, bool) {
	id, ok := t.id()
	if !ok {
		return nil, invalidArgs("invalid instance_id"), false
	}
	c := t.st.contract(id)
	return c, noSuchInstance(id), c != nil
}

// getInstance answers GET /instances/{id}/; an instance that isn't there is
// null.
func (t *tx) getInstance() answer {
	id, ok := t.id()
	if !ok {
		return notFound()
	}
	c := t.st.contract(id)
	if c == nil || t.now.Before(c.Seen) {
		return reply(map[string]any{"instances": nil})
	}
	return reply(map[string]any{"instances": t.instanceRow(c, false)})
}

// listInstancesV0 answers the retired GET /instances/.
func (t *tx) listInstancesV0() answer {
	if t.m.legacyList == http.StatusGone {
		return refuse(http.StatusGone, "deprecated_endpoint", "/api/v0/instances/ is deprecated. Use /api/v1/instances/ instead.")
	}
	rows := t.instanceRows()
	return reply(map[string]any{"instances_found": len(rows), "instances": rows})
}

func (t *tx) instanceRows() []instanceRow {
	rows := make([]instanceRow, 0, len(t.st.Contracts))
	for _, c := range t.visible() {
		rows = append(rows, t.listedRow(c))
	}
	return rows
}

func (t *tx) listedRow(c *contract) instanceRow { return t.instanceRow(c, true) }

// visible are the instances that reads find: some are late.
func (t *tx) visible() []*contract {
	var seen []*contract
	for _, c := range t.st.Contracts {
		if !t.now.Before(c.Seen) {
			seen = append(seen, c)
		}
	}
	return seen
}

// storedRow has of an instance only what the API has stored: what lists
// filter by.
func (t *tx) storedRow(c *contract) instanceRow {
	o := &t.world.asks[c.Ask].fixed
	row := instanceRow{
		ID: c.ID, Label: c.Label, MachineID: o.MachineID, HostID: o.HostID, GPUName: o.GPUName, Verification: o.Verification,
		ActualStatus: c.actualStatus(), IntendedStatus: c.Intended, CurState: c.Intended, NextState: c.Intended,
	}
	row.describeLaunch(c)
	row.describeTimes(c, t.now)
	return row
}

// changeRequest is the body of PUT /instances/ and of PUT /instances/{id}/.
type changeRequest struct {
	State *string         `json:"state"`
	Label json.RawMessage `json:"label"`
	IDs   []int64         `json:"ids"`
}

// changeInstance answers PUT /instances/{id}/: start, stop or label.
func (t *tx) changeInstance() answer {
	c, refusal, ok := t.instance()
	if !ok {
		return refusal
	}
	var in changeRequest
	if json.Unmarshal(t.body, &in) != nil {
		return badJSON()
	}
	switch {
	case (in.State == nil) == (in.Label == nil):
		return invalidArgs("Invalid args: give either 'state' or 'label'")
	case in.Label != nil:
		return t.label(c, in.Label)
	default:
		return t.setState([]*contract{c}, *in.State)
	}
}

func (t *tx) label(c *contract, raw json.RawMessage) answer {
	var label *string
	if json.Unmarshal(raw, &label) != nil {
		return invalidArgs("Invalid args: 'label' must be a string")
	}
	text := ""
	if label != nil {
		text = *label
	}
	if len(text) > maxLabelUpdate {
		return refuse(http.StatusBadRequest, "label_too_long", "Please limit label length to 1024 characters, ideally less than 128.")
	}
	c.Label = label
	return reply(outcome{Success: true, Msg: fmt.Sprintf("label for %d set to '%s'", c.ID, text)})
}

// setState starts or stops. A start whose GPUs are taken is an answer with
// status 200 that says so, and is remembered.
func (t *tx) setState(contracts []*contract, state string) answer {
	switch state {
	case wantStopped:
		for _, c := range contracts {
			t.st.stop(c, t.now)
		}
	case wantRunning:
		if t.st.credit(t.now) <= 0 {
			return lacksCredit()
		}
		started := true
		for _, c := range contracts {
			started = t.st.start(c, t.now) && started
		}
		if !started {
			return reply(outcome{Msg: "Required resources are currently unavailable, state change queued."})
		}
	default:
		return invalidArgs("Invalid args: unknown state %q", state)
	}
	return success()
}

// changeInstances answers PUT /instances/: start or stop of many.
func (t *tx) changeInstances() answer {
	var in changeRequest
	if json.Unmarshal(t.body, &in) != nil {
		return badJSON()
	}
	if in.State == nil || len(in.IDs) == 0 {
		return invalidArgs("Invalid args: give 'state' and 'ids'")
	}
	var contracts []*contract
	for _, id := range in.IDs {
		c := t.st.contract(id)
		if c == nil {
			return noSuchInstance(id)
		}
		contracts = append(contracts, c)
	}
	return t.setState(contracts, *in.State)
}

// destroyInstance answers DELETE /instances/{id}/.
func (t *tx) destroyInstance() answer {
	c, refusal, ok := t.instance()
	if !ok {
		return refusal
	}
	t.st.destroy(c, t.now)
	return success()
}

// destroyInstances answers DELETE /instances/. Clients repeat it, so ids that
// are gone already are let be.
func (t *tx) destroyInstances() answer {
	var in struct {
		IDs []int64 `json:"instance_ids"`
	}
	if json.Unmarshal(t.body, &in) != nil {
		return badJSON()
	}
	if len(in.IDs) == 0 {
		return invalidArgs("Invalid args: give 'instance_ids'")
	}
	for _, c := range slices.Clone(t.st.Contracts) {
		if slices.Contains(in.IDs, c.ID) {
			t.st.destroy(c, t.now)
		}
	}
	return success()
}

// rebootInstance answers PUT /instances/reboot/{id}/.
func (t *tx) rebootInstance() answer {
	c, refusal, ok := t.instance()
	if !ok {
		return refusal
	}
	if !c.canRestart() {
		return invalidArgs("Instance %d is not running.", c.ID)
	}
	t.st.reboot(c, t.now)
	return success()
}
