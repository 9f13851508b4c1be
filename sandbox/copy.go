package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

func copyRoutes() []route {
	return []route{
		{method: http.MethodPut, path: "/api/v0/commands/copy_direct/", op: "copy", access: inInstanceWrite, writes: true, handle: (*tx).copyFiles},
		{method: http.MethodPut, path: "/api/v0/commands/rsync/", op: "copy", access: inInstanceWrite, writes: true, handle: (*tx).copyFiles},
		{method: http.MethodDelete, path: "/api/v0/commands/copy_direct/", op: "copy_cancel", access: inInstanceWrite, writes: true, handle: (*tx).cancelCopy},
		{method: http.MethodDelete, path: "/api/v0/commands/rsync/", op: "copy_cancel", access: inInstanceWrite, writes: true, handle: (*tx).cancelCopy},
		{method: http.MethodPost, path: "/api/v0/commands/rclone/", op: "cloud_copy", access: inInstanceWrite, writes: true, handle: (*tx).cloudCopy},
		{method: http.MethodDelete, path: "/api/v0/commands/rclone/", op: "cloud_copy_cancel", access: inInstanceWrite, writes: true, handle: (*tx).cancelCloudCopy},
	}
}

const copyLeast, copyMost = 30 * time.Second, 5 * time.Minute

// transfer is a copy to or from an instance. Its progress is the instance's
// status message.
type transfer struct {
	What  string    `json:"what"`
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
}

func (f *transfer) sound() bool { return sane(f.From) && sane(f.Until) }

func (f *transfer) underway(now time.Time) bool { return f != nil && now.Before(f.Until) }

func (f *transfer) progress(now time.Time) string {
	return fmt.Sprintf("%s: %.0f%%", f.What, 100*float64(now.Sub(f.From))/float64(f.Until.Sub(f.From)))
}

// place is one end of a copy.
type place struct {
	c      *contract // nil: somewhere else
	volume bool
	local  bool // the machine of who asks
}

// place reads C.5, V.5, s3.7, hf.7, drive, local, 5 or null.
func (t *tx) place(raw json.RawMessage, arg string) (place, answer, bool) {
	bad := func() (place, answer, bool) { return place{}, invalidArgs("Invalid %s.", arg), false }
	var text *string
	if json.Unmarshal(raw, &text) != nil {
		text = new(string(raw)) // a number
	}
	if raw == nil || text == nil || *text == "local" {
		return place{local: true}, answer{}, true
	}
	kind, number, dotted := strings.Cut(*text, ".")
	if !dotted {
		kind, number = "C", *text
	}
	if slices.Contains([]string{"drive", "s3", "hf", "gd"}, strings.ToLower(kind)) || *text == "drive" {
		return place{}, answer{}, true
	}
	id, err := strconv.ParseInt(number, 10, 64)
	if err != nil || id <= 0 {
		return bad()
	}
	switch kind {
	case "V":
		return place{volume: true}, noSuchVolume(), t.st.volume(id) != nil
	case "C":
		c := t.st.contract(id)
		return place{c: c}, noSuchInstance(id), c != nil
	default:
		return bad()
	}
}

// copyFiles answers PUT /commands/copy_direct/ and /commands/rsync/. With one
// end at home the client does the copying, and is told where to.
func (t *tx) copyFiles() answer {
	var in struct {
		SrcID   json.RawMessage `json:"src_id"`
		DstID   json.RawMessage `json:"dst_id"`
		SrcPath string          `json:"src_path"`
		DstPath string          `json:"dst_path"`
	}
	if json.Unmarshal(t.body, &in) != nil {
		return badJSON()
	}
	src, refusal, ok := t.place(in.SrcID, "src_id")
	if !ok {
		return refusal
	}
	dst, refusal, ok := t.place(in.DstID, "dst_id")
	switch {
	case !ok:
		return refusal
	case src.local && dst.local:
		return invalidArgs("Invalid dst_id.")
	case (src.local && dst.volume) || (src.volume && dst.local):
		return invalidArgs("Invalid args: a volume can't be copied to or from a local machine.")
	case in.SrcPath == "":
		return invalidArgs("Invalid src_path.")
	case in.DstPath == "":
		return invalidArgs("Invalid dst_path.")
	}
	out := map[string]any{
		"success": true,
		"msg":     "Remote to Remote copy initiated - check instance status bar for progress updates (~30 seconds delayed).",
	}
	if src.c != nil {
		out["src_addr"], out["src_port"] = t.daemonOf(src.c)
	}
	if dst.c != nil {
		out["dst_addr"], out["dst_port"] = t.daemonOf(dst.c)
	}
	if src.local || dst.local {
		out["msg"] = "Copy initiated."
		return reply(out)
	}
	for _, c := range []*contract{src.c, dst.c} {
		t.begin(c, "Remote to Remote copy")
	}
	return reply(out)
}

// daemonOf is where the host's daemon takes files.
func (t *tx) daemonOf(c *contract) (string, int64) {
	m := t.world.asks[c.Ask].m
	return m.ip, m.daemonPort()
}

func (t *tx) begin(c *contract, what string) {
	if c != nil {
		took := newDice(t.st.Seed, fmt.Sprintf("copy %d %d", c.ID, t.now.UnixNano())).duration(copyLeast, copyMost)
		c.Copy = &transfer{What: what, From: t.now, Until: t.now.Add(took)}
	}
}

// cancelCopy answers DELETE /commands/copy_direct/ and /commands/rsync/.
func (t *tx) cancelCopy() answer { return t.cancelTo(success()) }

// cancelCloudCopy answers DELETE /commands/rclone/.
func (t *tx) cancelCloudCopy() answer {
	return t.cancelTo(reply(outcome{Success: true, Msg: "Remote copy canceled - check instance status bar for progress updates (~30 seconds delayed)."}))
}

func (t *tx) cancelTo(done answer) answer {
	var in struct {
		DstID json.RawMessage `json:"dst_id"`
	}
	if json.Unmarshal(t.body, &in) != nil {
		return badJSON()
	}
	dst, refusal, ok := t.place(in.DstID, "dst_id")
	switch {
	case !ok:
		return refusal
	case dst.local:
		return invalidArgs("Invalid dst_id.")
	case dst.c != nil:
		dst.c.Copy = nil
	}
	return done
}

// cloudCopy answers POST /commands/rclone/.
func (t *tx) cloudCopy() answer {
	var in struct {
		Src        string          `json:"src"`
		Dst        string          `json:"dst"`
		InstanceID json.RawMessage `json:"instance_id"`
		Selected   json.RawMessage `json:"selected"`
		Transfer   string          `json:"transfer"`
	}
	if json.Unmarshal(t.body, &in) != nil {
		return badJSON()
	}
	at, refusal, ok := t.place(in.InstanceID, "instance_id")
	switch {
	case !ok:
		return refusal
	case at.c == nil:
		return invalidArgs("Invalid instance_id.")
	case in.Src == "":
		return invalidArgs("Invalid src.")
	case in.Dst == "":
		return invalidArgs("Invalid dst.")
	case strings.Trim(string(in.Selected), `"`) == "" || string(in.Selected) == "null":
		return invalidArgs("Invalid args: 'selected' must be a cloud connection")
	case !strings.EqualFold(in.Transfer, "Instance To Cloud") && !strings.EqualFold(in.Transfer, "Cloud To Instance"): // the client writes a small "to"
		return invalidArgs("Invalid args: 'transfer' must be 'Instance To Cloud' or 'Cloud To Instance'")
	}
	t.begin(at.c, "Cloud Copy")
	path := t.m.objects.put(t.st.Seed, t.now, fmt.Sprintf("%s: %s -> %s\n", in.Transfer, in.Src, in.Dst))
	return reply(map[string]any{
		"success": true, "result_url": baseURL(t.r) + path,
		"msg": "Cloud Copy started - check instance status bar for progress updates (~30 seconds delayed).",
	})
}
