package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// volumeMeter is the kind of meter that charges for a volume.
const volumeMeter = "volume"

const (
	firstVolume = 20_118_000
	volumeSize  = 15               // GB where a request names no size
	makingMost  = 20 * time.Second // until a new volume is available
	releaseTime = 30 * time.Second // that an instance holds on to a volume after its end
)

var volumeName = regexp.MustCompile(`^\w{1,64}$`)

// volume is disk space on one machine that outlives the instances that use
// it. It costs from its creation until it is deleted, or until the host's
// listing ends.
type volume struct {
	ID        int64     `json:"id"`
	Machine   int       `json:"machine"`
	Name      string    `json:"name"`
	Size      float64   `json:"size"` // GB
	Created   time.Time `json:"created"`
	Ends      time.Time `json:"ends"`
	Instances []int64   `json:"instances,omitempty"` // that ever mounted it
}

func (v *volume) sound() bool {
	return v.ID > 0 && v.Machine >= 0 && v.Machine < machines && v.Size > 0 && sane(v.Created) && sane(v.Ends)
}

func volumeRoutes() []route {
	const all = "/api/v0/volumes/"
	return []route{
		{method: http.MethodPost, path: "/api/v0/volumes/search/", op: "volume_search", access: inMisc, handle: (*tx).searchVolumes},
		{method: http.MethodGet, path: all, op: "volumes", access: inInstanceRead, handle: (*tx).listVolumes},
		{method: http.MethodPut, path: all, op: "volume_create", access: inInstanceWrite, writes: true, handle: (*tx).createVolume},
		{method: http.MethodDelete, path: all, op: "volume_delete", access: inInstanceWrite, writes: true, handle: (*tx).deleteVolume},
		{method: http.MethodPost, path: "/api/v0/volumes/copy/", op: "volume_clone", access: inInstanceWrite, writes: true, handle: (*tx).cloneVolume},
		{method: http.MethodPost, path: all, op: "volume_list", access: inMachineWrite, handle: (*tx).offerVolume},
		{method: http.MethodPost, path: "/api/v0/volumes/unlist/", op: "volume_unlist", access: inMachineWrite, handle: (*tx).offerVolume},
	}
}

func (st *state) volume(id int64) *volume {
	for _, v := range st.Account.Volumes {
		if v.ID == id {
			return v
		}
	}
	return nil
}

// mounts are the instances that have the volume.
func (v *volume) mounts(st *state) []int64 {
	ids := []int64{}
	for _, id := range v.Instances {
		if st.contract(id) != nil && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// inUse is true for a little longer than an instance has the volume.
func (v *volume) inUse(st *state, now time.Time) bool {
	for _, id := range v.Instances {
		for m := range st.metersOf(id, diskMeter) {
			if m.End.IsZero() || now.Sub(m.End) < releaseTime {
				return true
			}
		}
	}
	return len(v.mounts(st)) > 0
}

func (v *volume) status(st *state, now time.Time) string {
	switch {
	case len(v.mounts(st)) > 0:
		return "attached"
	case now.Sub(v.Created) < newDice(uint64(v.ID), "making").duration(startLeast, makingMost):
		return "creating"
	default:
		return "available"
	}
}

// makeVolume rents space: it costs from now on.
func (t *tx) makeVolume(a *ask, size float64, name string) *volume {
	v := &volume{ID: firstVolume + t.st.Account.serial(), Machine: a.m.index, Name: name, Size: size, Created: t.now, Ends: a.ends(t.st.Born, t.now)}
	if v.Name == "" {
		v.Name = fmt.Sprintf("V.%d", v.ID)
	}
	t.st.Account.Volumes = append(t.st.Account.Volumes, v)
	t.st.openMeter(v.ID, volumeMeter, nano(a.m.storageCost*size/hoursPerMonth), t.now)
	t.claimed = nil
	return v
}

// endVolume stops what the volume costs; the bills still know it.
func (st *state) endVolume(v *volume, at time.Time) {
	st.closeMeters(v.ID, at, volumeMeter)
	st.Past = append(st.Past, v.past())
	st.Account.Volumes = slices.DeleteFunc(st.Account.Volumes, func(o *volume) bool { return o == v })
}

func (v *volume) past() past { return past{ID: v.ID, Label: &v.Name, Disk: v.Size} }

// nextLapse is the first volume to end, and when.
func (h *holdings) nextLapse() (time.Time, lapse) {
	if len(h.Volumes) == 0 {
		return time.Time{}, nil
	}
	first := slices.MinFunc(h.Volumes, func(a, b *volume) int { return a.Ends.Compare(b.Ends) })
	return first.Ends, first
}

// lapse ends a volume with the host's listing.
func (v *volume) lapse(st *state, at time.Time) { st.endVolume(v, at) }

// volumeRequest is the body of PUT /volumes/, of POST /volumes/copy/ and of
// volume_info in a create request.
type volumeRequest struct {
	ID        int64    `json:"id"` // of the offer
	SrcID     int64    `json:"src_id"`
	DstID     int64    `json:"dst_id"` // of the offer
	VolumeID  int64    `json:"volume_id"`
	CreateNew bool     `json:"create_new"`
	MountPath string   `json:"mount_path"`
	Size      *float64 `json:"size"`
	Name      string   `json:"name"`
}

// checkVolume judges a request for a volume of a size on an offer.
func (t *tx) checkVolume(offer int64, size float64, name string) (*ask, answer, bool) {
	refused := func(a answer) (*ask, answer, bool) { return nil, a, false }
	a := t.volumeAsk(offer)
	if a == nil {
		return refused(refuse(http.StatusNotFound, "no_such_ask", fmt.Sprintf("Volume offer %d is not available.", offer)))
	}
	space := a.volumeSpace(a.standing(t.claims()[a.m.index]))
	switch {
	case !(size >= 1 && size <= space):
		return refused(invalidArgs("Invalid args: size must be from 1 to the offer's %.0f GB", space))
	case name != "" && !volumeName.MatchString(name):
		return refused(invalidArgs("Invalid args: name may have 64 letters, digits and _ at most"))
	case t.st.credit(t.now) <= 0:
		return refused(lacksCredit())
	}
	return a, answer{}, true
}

func madeVolume(v *volume, msg string) answer {
	return reply(struct {
		Success    bool   `json:"success"`
		VolumeName string `json:"volume_name"`
		VolumeID   int64  `json:"volume_id"`
		Msg        string `json:"msg,omitempty"`
	}{true, fmt.Sprintf("V.%d", v.ID), v.ID, msg})
}

// createVolume answers PUT /volumes/.
func (t *tx) createVolume() answer {
	in := volumeRequest{Size: new(float64(volumeSize))}
	if !t.unmarshalBody(&in) {
		return badJSON()
	}
	if in.Size == nil {
		in.Size = new(float64(volumeSize))
	}
	a, refusal, ok := t.checkVolume(in.ID, *in.Size, in.Name)
	if !ok {
		return refusal
	}
	return madeVolume(t.makeVolume(a, *in.Size, in.Name), "")
}

// cloneVolume answers POST /volumes/copy/: a new volume on the offer, with
// what the other has.
func (t *tx) cloneVolume() answer {
	var in volumeRequest
	if !t.unmarshalBody(&in) {
		return badJSON()
	}
	source := t.st.volume(in.SrcID)
	if source == nil {
		return noSuchVolume()
	}
	if in.Size == nil || *in.Size == 0 {
		in.Size = &source.Size
	}
	if *in.Size < source.Size {
		return invalidArgs("Invalid args: size must be at least the %g GB of volume %d", source.Size, source.ID)
	}
	a, refusal, ok := t.checkVolume(in.DstID, *in.Size, in.Name)
	if !ok {
		return refusal
	}
	return madeVolume(t.makeVolume(a, *in.Size, in.Name), "Volume copy started.")
}

func noSuchVolume() answer {
	return refuse(http.StatusNotFound, "no_such_volume", "Volume with that ID does not exist.")
}

// deleteVolume answers DELETE /volumes/, whose id is in the query or, as the
// documents have it, in the body.
func (t *tx) deleteVolume() answer {
	var in struct {
		ID json.Number `json:"id"`
	}
	if !t.unmarshalBody(&in) {
		return badJSON()
	}
	if given := t.r.URL.Query().Get("id"); given != "" {
		in.ID = json.Number(given)
	}
	id, err := strconv.ParseInt(in.ID.String(), 10, 64)
	if err != nil || id < 1 {
		return invalidArgs("Please provide a valid volume ID.")
	}
	v := t.st.volume(id)
	if v == nil {
		return noSuchVolume()
	}
	if v.inUse(t.st, t.now) {
		return invalidArgs("Volume %d is in use: destroy its instances first.", id)
	}
	t.st.endVolume(v, t.now)
	return success()
}

// offerVolume answers POST /volumes/ and POST /volumes/unlist, with which
// hosts offer space: nobody has machines in the sandbox.
func (t *tx) offerVolume() answer {
	return refuse(http.StatusForbidden, "not_authorized", "This machine is not your own.")
}

// mountedIn reads "-v V.881:/data" of a container's settings.
func mountedIn(env [2]string) (int64, bool) {
	name, isMount := strings.CutPrefix(env[0], "-v V.")
	number, _, _ := strings.Cut(name, ":")
	id, err := strconv.ParseInt(number, 10, 64)
	return id, isMount && err == nil
}
