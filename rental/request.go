package rental

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"

	"vast-mcp/internal/plain"
	"vast-mcp/vast"
)

// Run types: how the container is started.
const (
	RunSSH     = "ssh"
	RunJupyter = "jupyter"
	RunArgs    = "args"
)

// Request is what to rent and how to start it.
type Request struct {
	Offer        vast.OfferID
	Image        string // or Template
	TemplateHash string
	DiskGB       float64
	Env          map[string]string
	Ports        []string // "8080", "53/udp", "8080:8080"
	OnStart      string
	RunType      string // RunSSH, RunJupyter, RunArgs; empty: the template's, or ssh
	ImageLogin   string
	Label        string  // text; empty: the account's name
	BidPerHour   float64 // dollars for the whole instance; zero rents on demand
	LeaseHours   float64 // zero: the owner's default
	OnExpiry     string
	IdleMinutes  int // it is stopped when its GPUs idle for so long; zero: idling is not looked at
}

// BadRequest says which argument cannot be used and what to write instead.
type BadRequest struct {
	Field   string
	Problem string
	Next    string
}

func (b *BadRequest) Error() string { return b.Field + ": " + b.Problem }

// maxBid is dollars per hour that no machine costs: a bid above it is a slip.
const maxBid = 1000

// The API's limits on what a rental is started with, in bytes.
const (
	maxText     = 180
	maxImage    = 1024
	maxOnStart  = 16384
	maxEnvEntry = 256
	maxEnv      = 32768
	maxPorts    = 64
)

// check finds what the API would refuse, or worse, silently drop.
func (r Request) check() error {
	switch {
	case r.Image == "" && r.TemplateHash == "":
		return &BadRequest{"image", "neither image nor template_hash was given", `name an image, for example "pytorch/pytorch:2.7.1-cuda12.8-cudnn9-runtime"`}
	case r.Offer <= 0:
		return &BadRequest{"offer_id", "must be the id of an offer", "take it from search_offers"}
	case !(r.BidPerHour >= 0 && r.BidPerHour <= maxBid): // so that NaN is none either
		return &BadRequest{"bid_dollars_per_hour", fmt.Sprintf("%g is not a price per hour", r.BidPerHour), fmt.Sprintf("bid at most %d; search_offers with interruptible shows what wins", maxBid)}
	case len(r.Image) > maxImage || strings.ContainsAny(r.Image, " \t\n"):
		return &BadRequest{"image", "is not an image reference", "write it as repository:tag"}
	case len(r.OnStart) > maxOnStart:
		return &BadRequest{"onstart", fmt.Sprintf("is %d bytes long and the API takes %d", len(r.OnStart), maxOnStart), "fetch the script from a URL in onstart"}
	case r.OnStart != "" && r.RunType == RunArgs:
		return &BadRequest{"onstart", "does not run with run_type args", "leave onstart out, or use run_type ssh"}
	case len(r.Env) > 0 && r.TemplateHash != "", len(r.Ports) > 0 && r.TemplateHash != "":
		return &BadRequest{"env", "the API refuses env and ports together with a template", "leave them out, or give the image instead of the template"}
	}
	if err := checkText(r.Label); err != nil {
		return err
	}
	_, err := r.wireEnv()
	return err
}

// checkText refuses a label text that could not be kept as it is.
func checkText(text string) error {
	switch {
	case len(text) > maxText:
		return &BadRequest{"label", fmt.Sprintf("is %d bytes long and at most %d are taken", len(text), maxText), "shorten it: the lease stands behind it in the same field"}
	case strings.Contains(plain.Line(text, maxForeignLabel), tailMark):
		return &BadRequest{"label", "contains " + tailMark + " which marks a lease", "leave it out"}
	}
	return nil
}

func envName() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`) }

func portSpec() *regexp.Regexp {
	return regexp.MustCompile(`^([0-9]{1,5})(?::([0-9]{1,5}))?(/tcp|/udp)?$`)
}

// ownEnv reports whether a variable of that name would keep an instance from
// ending its own lease.
func ownEnv(name string) bool {
	return name == "CONTAINER_ID" || name == "CONTAINER_API_KEY" || strings.HasPrefix(name, "VAST_MCP_")
}

// wireEnv is env and ports as the API takes them: one object, in which a port
// mapping is a key.
func (r Request) wireEnv() (map[string]string, error) {
	wire := make(map[string]string, len(r.Env)+len(r.Ports))
	total := 0
	for name, value := range r.Env {
		if ownEnv(name) {
			return nil, &BadRequest{"env", name + " is what the instance knows itself by, and is told its lease with", "leave it out"}
		}
		if !envName().MatchString(name) {
			return nil, &BadRequest{"env", fmt.Sprintf("%q is not the name of a variable", clipName(name)), "use letters, digits and underscores"}
		}
		size := len(name) + len(value)
		if total += size; size > maxEnvEntry || total > maxEnv {
			return nil, &BadRequest{"env", fmt.Sprintf("%s is too long: the API takes %d bytes an entry and %d in all", name, maxEnvEntry, maxEnv), "put long values in a file that onstart fetches"}
		}
	}
	maps.Copy(wire, r.Env)
	if len(r.Ports) > maxPorts {
		return nil, &BadRequest{"ports", fmt.Sprintf("%d ports and the API maps at most %d", len(r.Ports), maxPorts), "open fewer"}
	}
	for _, p := range r.Ports {
		m := portSpec().FindStringSubmatch(p)
		if m == nil {
			return nil, &BadRequest{"ports", fmt.Sprintf("%q is not a port", clipName(p)), `write "8080", "53/udp" or "8080:8080"`}
		}
		inside := cmp.Or(m[2], m[1])
		if !isPort(m[1]) || !isPort(inside) {
			return nil, &BadRequest{"ports", fmt.Sprintf("%q is not a port", p), "use numbers from 1 to 65535"}
		}
		proto := m[3]
		if proto == "/tcp" {
			proto = ""
		}
		wire["-p "+m[1]+":"+inside+proto] = "1"
	}
	return wire, nil
}

func isPort(digits string) bool {
	n, err := strconv.ParseUint(digits, 10, 16)
	return err == nil && n > 0
}

func clipName(s string) string { return s[:min(len(s), 40)] }

// wireRunType is the API's spelling, direct connections included where the
// offer has ports for them. A template brings its own.
func (r Request) wireRunType(o vast.Offer) string {
	direct := o.DirectPorts > 0
	switch {
	case r.RunType == "" && r.TemplateHash != "":
		return ""
	case r.RunType == RunArgs:
		return "args"
	case r.RunType == RunJupyter && direct:
		return "jupyter_direc ssh_direc ssh_proxy"
	case r.RunType == RunJupyter:
		return "jupyter_proxy ssh_proxy"
	case direct:
		return "ssh_direc ssh_proxy"
	}
	return "ssh_proxy"
}
