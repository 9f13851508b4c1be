package doctor

import (
	"fmt"
	"strings"

	"vast-mcp/internal/plain"
)

// Status says how a check went.
type Status string

// How a check can go.
const (
	OK      Status = "ok"
	Warning Status = "warning" // works, but not as it should
	Wrong   Status = "wrong"   // something does not work
	Skipped Status = "skipped" // could not be looked at; Detail says why
)

// Check is one thing that was looked at. Fix is empty when there is nothing to
// do.
type Check struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	Detail string `json:"detail"`
	Fix    string `json:"fix"`
}

func ok(name, format string, args ...any) Check {
	return Check{name, OK, fmt.Sprintf(format, args...), ""}
}

func warning(name, fix, format string, args ...any) Check {
	return Check{name, Warning, fmt.Sprintf(format, args...), fix}
}

func wrong(name, fix, format string, args ...any) Check {
	return Check{name, Wrong, fmt.Sprintf(format, args...), fix}
}

func skipped(name, why string) Check { return Check{name, Skipped, why, ""} }

// Report is all that was looked at, in a fixed order.
type Report struct {
	Checks   []Check `json:"checks"`
	Wrong    int     `json:"wrong"`
	Warnings int     `json:"warnings"`
}

func newReport(checks ...Check) Report {
	r := Report{Checks: checks}
	for _, c := range checks {
		switch c.Status {
		case Wrong:
			r.Wrong++
		case Warning:
			r.Warnings++
		case OK, Skipped:
		}
	}
	return r
}

// Verdict is the report in one line.
func (r Report) Verdict() string {
	found := "Nothing is wrong"
	switch {
	case r.Wrong == 1:
		found = "1 thing is wrong"
	case r.Wrong > 1:
		found = fmt.Sprintf("%d things are wrong", r.Wrong)
	}
	switch r.Warnings {
	case 0:
		return found + "."
	case 1:
		return found + ", 1 warning."
	}
	return fmt.Sprintf("%s, %d warnings.", found, r.Warnings)
}

// The columns of Text.
const (
	statusWidth = 9
	nameWidth   = 16
	lineWidth   = 80
)

// Text is the report for people: a line or more for each check, at most 80
// columns wide unless a single word is longer, and the verdict as the last.
func (r Report) Text() string {
	var b strings.Builder
	for _, c := range r.Checks {
		lines := plain.Wrap(c.Detail, lineWidth-statusWidth-nameWidth)
		if c.Fix != "" {
			lines = append(lines, plain.Wrap("Fix: "+c.Fix, lineWidth-statusWidth-nameWidth)...)
		}
		status, name := string(c.Status), c.Name
		for _, line := range lines {
			fmt.Fprintf(&b, "%-*s%-*s%s\n", statusWidth, status, nameWidth, name, line)
			status, name = "", ""
		}
	}
	return b.String() + "\n" + r.Verdict() + "\n"
}
