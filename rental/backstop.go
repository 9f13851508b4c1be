package rental

import (
	_ "embed"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"vast-mcp/guard"
	"vast-mcp/vast"
)

// backstopScript ends the lease from inside the instance. It runs there alone,
// in whatever shell the image has.
//
//go:embed backstop.sh
var backstopScript string

// backstopMark is the name that the backstop runs under, by which an onstart
// that carries one is known.
const backstopMark = "vast-mcp-backstop"

// backstop is the lines that start the script beside whatever follows them. They
// change nothing in the shell that reads them: the script is no child of it, so
// that a plain wait there does not wait for it.
func backstop(origin string, t Tail) string {
	erases := ""
	if t.OnExpiry == OnExpiryDestroy {
		erases = t.Until.UTC().Format("20060102150405")
	}
	script := regexp.MustCompile(`(?m)^(\t*#.*\n|\t+)`).ReplaceAllString(backstopScript, "")
	return fmt.Sprintf("(trap '' HUP; s=$(command -v setsid) || :; $s sh -c %s %s %s %s %s </dev/null >/dev/null 2>&1 &)\n",
		shellQuote(script), backstopMark, shellQuote(origin), shellQuote(t.Nonce), shellQuote(erases))
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// carries reports whether the onstart of an instance starts the backstop.
func carries(row vast.Instance) bool { return strings.Contains(row.OnStart, " "+backstopMark+" ") }

// andItself adds the instance to those who end its lease, if it does.
func andItself(by []string, row vast.Instance) []string {
	if carries(row) {
		by = append(slices.Clone(by), guard.ByBackstop)
	}
	return by
}

// withBackstop puts the backstop in front of an onstart, behind the line that
// names its shell. It says why when that cannot be.
func withBackstop(origin string, t Tail, onStart string) (joined, why string) {
	first, rest := "", onStart
	if strings.HasPrefix(onStart, "#!") {
		first, rest, _ = strings.Cut(onStart, "\n")
		if !namesShell(first) {
			return "", "onstart is not a shell script"
		}
		first += "\n"
	}
	joined = first + backstop(origin, t) + rest
	if len(joined) > maxOnStart {
		return "", fmt.Sprintf("it and onstart are %d bytes long and the API takes %d", len(joined), maxOnStart)
	}
	return joined, ""
}

// namesShell reports whether a script that begins with that line is read by a
// shell.
func namesShell(line string) bool {
	words := strings.Fields(strings.TrimPrefix(line, "#!"))
	if len(words) > 0 && path.Base(words[0]) == "env" {
		words = slices.DeleteFunc(words[1:], func(w string) bool { return strings.HasPrefix(w, "-") })
	}
	return len(words) > 0 && slices.Contains([]string{"sh", "bash", "dash", "ash", "zsh"}, path.Base(words[0]))
}

// tailOfPlan is the lease that the plan would make.
func tailOfPlan(p guard.Plan) Tail { return Tail{Nonce: p.Nonce, Until: p.Until, OnExpiry: p.OnExpiry} }

// ownOnStart is what the renter wants to run: without a script of the request,
// the template's.
func (r Request) ownOnStart(t vast.Template) string {
	if r.OnStart != "" {
		return r.OnStart
	}
	return t.OnStart
}

// noBackstop says why the instance cannot end its own lease; it is empty when
// it can, if its image has the tools.
func (d *Desk) noBackstop(r Request, t vast.Template, p guard.Plan) string {
	switch run := r.RunType; {
	case run == RunArgs, run == "" && r.TemplateHash != "" && t.RunType != RunSSH && t.RunType != RunJupyter:
		return "run type args never runs it"
	case isVM(p.Image):
		return "a virtual machine has no onstart"
	}
	_, why := withBackstop(d.client.Origin(), tailOfPlan(p), r.ownOnStart(t))
	return why
}

// isVM reports whether the image is one of those that the API runs as virtual
// machines.
func isVM(image string) bool {
	return strings.HasPrefix(strings.TrimPrefix(image, "docker.io/"), "vastai/kvm")
}

// fitBackstop notes in the plan whether the instance will end its own lease.
func (d *Desk) fitBackstop(p *guard.Plan, r Request, t vast.Template) {
	if why := d.noBackstop(r, t, *p); why != "" {
		p.Warnings = append(p.Warnings, "no backstop inside the instance: "+why)
		return
	}
	p.Backstop = true
	p.EnforcedBy = append(slices.Clone(p.EnforcedBy), guard.ByBackstop)
}
