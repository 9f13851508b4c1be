package tool

import (
	"fmt"
	"time"

	"vast-mcp/guard"
	"vast-mcp/internal/usd"
)

// Status is how a guarded call ended.
type Status string

// The ways a guarded call ends other than by an error.
const (
	Done           Status = "done"
	ApprovalNeeded Status = "approval_needed"
	Declined       Status = "declined"
	Unknown        Status = "unknown" // being settled: do not repeat it with other arguments
)

// Decision is embedded by the output of every guarded tool.
type Decision struct {
	Status   Status `json:"status" jsonschema:"enum=done,enum=approval_needed,enum=declined,enum=unknown"`
	Quote    *Quote `json:"quote,omitempty"`
	Replayed bool   `json:"replayed,omitempty" jsonschema_description:"an earlier, identical call did it"`
	Message  string `json:"message,omitempty"`
}

// decided is what the output of a guarded tool must be.
type decided interface {
	decision() Decision
	Text() string
}

func (d Decision) decision() Decision { return d }

// Finished is the decision of a call that did what it was granted.
func Finished(g *guard.Grant) Decision {
	return Decision{Status: Done, Replayed: g.Resumed()}
}

// Quote is a price and the ways to say yes to it.
type Quote struct {
	QuoteID         string     `json:"quote_id"`
	Code            string     `json:"code,omitempty"`
	Summary         string     `json:"summary"`
	PerHour         usd.Amount `json:"dollars_per_hour"`
	Most            usd.Amount `json:"most_dollars" jsonschema_description:"up-front + rate x lease; traffic not included"`
	AfterStopPerDay usd.Amount `json:"after_stop_dollars_per_day,omitempty"`
	UploadPerGB     float64    `json:"upload_dollars_per_gb,omitempty"`
	DownloadPerGB   float64    `json:"download_dollars_per_gb,omitempty"`
	LeaseHours      float64    `json:"lease_hours,omitempty"`
	EnforcedBy      []string   `json:"enforced_by"`
	Warnings        []string   `json:"warnings,omitempty"`
	ExpiresAt       time.Time  `json:"expires_at"`

	plan guard.Plan
}

func (r *Runner) showQuote(q guard.Quote) *Quote {
	p := q.Plan
	if r.sandbox {
		p.Summary += " (sandbox: no real money)"
	}
	return &Quote{
		QuoteID: q.ID, Code: q.Code, Summary: p.Summary, PerHour: p.Rate, Most: q.Most, AfterStopPerDay: p.AfterStopPerDay(),
		UploadPerGB: p.UploadPerGB, DownloadPerGB: p.DownloadPerGB, LeaseHours: p.Lease.Hours(),
		EnforcedBy: append([]string{}, p.EnforcedBy...), Warnings: p.Warnings,
		ExpiresAt: q.ExpiresAt.UTC().Truncate(time.Second), plan: p,
	}
}

// Text is the quote as a person reads it before saying yes.
func (q *Quote) Text() string { return q.plan.Text() }

// refused is the result of a guarded call that was not carried out.
type refused struct {
	Decision

	text string
}

// Text is what the caller reads.
func (r refused) Text() string { return r.text }

func (r *Runner) approvalNeeded(tool string, q guard.Quote) refused {
	shown := r.showQuote(q)
	var way string
	switch {
	case q.Sealed:
		way = fmt.Sprintf("Only the owner's passphrase approves: ask the owner to run  vast-mcp approvals  and then  %s  on a terminal, and then make this same call again.", r.approveCommand(q.ID))
	case q.Unwritten:
		way = fmt.Sprintf("The journal is out of order, so the approve command cannot help. Use a client that asks its user, or have the owner run  vast-mcp call %s  with the same arguments on a terminal, or use the Vast.ai console.", tool)
		if q.Mode == guard.Model {
			way += fmt.Sprintf(" Over MCP, call again with the same arguments and approval %q.", q.ID)
		}
	case q.Mode == guard.Model:
		way = fmt.Sprintf("To go ahead, call again with the same arguments and approval %q.", q.ID)
	case q.Quiet:
		way = fmt.Sprintf("The user declined %s a moment ago and was not asked again. Only if they changed their mind: have them run  %s  and make this same call again.", tool, r.approveCommand(q.Code))
	default:
		way = fmt.Sprintf("A person must approve: ask them to run  %s  and then make this same call again.", r.approveCommand(q.Code))
	}
	return refused{
		Decision: Decision{Status: ApprovalNeeded, Quote: shown, Message: way},
		text:     "Approval needed. Nothing was done.\n" + shown.Text() + way + "\nThe quote " + q.ID + " expires at " + shown.ExpiresAt.Format(time.RFC3339) + ".",
	}
}

func declined() refused {
	const said = "The user said no. Nothing was done. Do not try again unless the user asks for it."
	return refused{Decision: Decision{Status: Declined, Message: said}, text: said}
}
