package sandbox

import (
	"encoding/json"
	"fmt"
)

// mountPath is where a volume is found in a container by default.
const mountPath = "/data"

// mount gives a contract that is about to be signed the volumes that were
// asked for: by volume_info, which may make one, or by "-v V.881:/data" among
// the settings. It gives all or none.
func (t *tx) mount(c *contract, info *json.RawMessage) (answer, bool) {
	var ids []int64
	for _, env := range c.Launch.Env {
		if id, ok := mountedIn(env); ok {
			ids = append(ids, id)
		}
	}
	var in *volumeRequest
	if info != nil && json.Unmarshal(*info, &in) != nil {
		return invalidArgs("Invalid args: volume_info must be an object"), false
	}
	if in != nil && !in.CreateNew {
		ids = append(ids, in.VolumeID)
	}
	for _, id := range ids {
		if refusal, ok := t.mountable(c, t.st.volume(id), id); !ok {
			return refusal, false
		}
	}
	if in != nil {
		id, refusal, ok := t.volumeFor(c, in)
		if !ok {
			return refusal, false
		}
		if in.MountPath == "" {
			in.MountPath = mountPath
		}
		c.Launch.Env = append(c.Launch.Env, [2]string{fmt.Sprintf("-v V.%d:%s", id, in.MountPath), "1"})
	}
	for _, env := range c.Launch.Env {
		if id, ok := mountedIn(env); ok {
			v := t.st.volume(id)
			v.Instances = append(v.Instances, c.ID)
		}
	}
	return answer{}, true
}

func (t *tx) mountable(c *contract, v *volume, id int64) (answer, bool) {
	switch {
	case v == nil:
		return noSuchVolume(), false
	case v.Machine != c.Machine:
		return invalidArgs("Invalid args: volume %d is on another machine", id), false
	case v.inUse(t.st, t.now):
		return invalidArgs("Invalid args: volume %d is in use", id), false
	}
	return answer{}, true
}

// volumeFor is the volume that volume_info names, or the one that it wants
// made.
func (t *tx) volumeFor(c *contract, in *volumeRequest) (int64, answer, bool) {
	if !in.CreateNew {
		return in.VolumeID, answer{}, true
	}
	if in.Size == nil {
		in.Size = new(float64(volumeSize))
	}
	t.claims()[c.Machine] = append(t.claims()[c.Machine], c.claim())
	a, refusal, ok := t.checkVolume(in.VolumeID, *in.Size, in.Name)
	t.claimed = nil
	if !ok {
		return 0, refusal, false
	}
	if a.m.index != c.Machine {
		return 0, invalidArgs("Invalid args: volume offer %d is on another machine", in.VolumeID), false
	}
	return t.makeVolume(a, *in.Size, in.Name).ID, answer{}, true
}

// mountedBy are the volumes of an instance, as lists of instances tell them.
func (t *tx) mountedBy(c *contract) []volumeRow {
	rows := []volumeRow{}
	for _, env := range c.Launch.Env {
		if id, ok := mountedIn(env); ok {
			if v := t.st.volume(id); v != nil {
				rows = append(rows, volumeRow{ID: v.ID, AvailSpace: v.Size, TotalSpace: v.Size})
			}
		}
	}
	return rows
}
