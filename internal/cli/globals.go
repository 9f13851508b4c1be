package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"vast-mcp/guard"
	"vast-mcp/internal/plain"
	"vast-mcp/internal/region"
	"vast-mcp/internal/tool"
	"vast-mcp/internal/usd"
)

// globals are the flags that every command takes.
type globals struct {
	Sandbox        bool       `help:"Use a simulated market: no account, no real money."`
	SandboxSpeed   float64    `help:"Market seconds per second." placeholder:"N" noenv:""`
	SandboxFresh   bool       `help:"Empty the simulated market first." noenv:""`
	StateDir       string     `help:"Folder for the journal and the sandbox." placeholder:"DIR" type:"path"`
	JournalURLFile string     `name:"journal-url-file" help:"File that holds the postgres:// URL of a journal that several machines share. $VAST_MCP_JOURNAL can hold the URL instead." placeholder:"FILE" type:"path"`
	LogLevel       slog.Level `help:"debug, info, warn or error." default:"warn"`
	APIKeyFile     string     `name:"api-key-file" help:"File that holds the Vast.ai API key." placeholder:"FILE" type:"path"`

	Toolsets     []string `help:"Toolsets to offer (default: core)." placeholder:"NAME"`
	Tools        []string `help:"Offer only these tools." name:"tools" placeholder:"NAME"`
	ExcludeTools []string `help:"Do not offer these tools." placeholder:"NAME"`
	ReadOnly     bool     `help:"Offer no tool that changes anything."`

	Approve string `help:"Who approves: client (the MCP client asks), operator (the approve command), model (the caller names the quote), auto (nobody, within the limits). While an approver is set, only its passphrase." enum:"client,operator,model,auto" default:"client"`

	MaxDollarsPerHour      *usd.Amount   `help:"Most that one instance may cost per hour." placeholder:"USD"`
	MaxTotalDollarsPerHour *usd.Amount   `help:"Most that all running instances may cost per hour." placeholder:"USD"`
	MaxInstances           *int          `help:"Most instances that may run." placeholder:"N"`
	MaxRentalDollars       *usd.Amount   `help:"Most that one rental may cost until its lease ends." placeholder:"USD"`
	DailyBudget            *usd.Amount   `help:"Most that rentals may cost on any UTC day." placeholder:"USD"`
	KeepCredit             *usd.Amount   `help:"Credit that must be left when every lease has ended." placeholder:"USD"`
	DefaultLease           time.Duration `help:"Lease of a rental that names none." default:"24h"`
	MaxLease               time.Duration `help:"Longest lease." default:"168h"`
	IdleAfter              time.Duration `help:"How long GPUs idle before that is said; 0 for never." default:"30m"`
	AllowImage             entries       `help:"Rent only with these images; * stands for anything." placeholder:"IMAGE"`
	AllowRegion            entries       `help:"Rent only in these countries or continents." placeholder:"REGION"`

	given []string // flags that are set, on the command line or by the environment
	typed []string // flags that are set on the command line
}

// Validate refuses limits that cannot be meant. kong calls it after parsing.
func (g *globals) Validate() error {
	switch {
	case g.DefaultLease <= 0 || g.MaxLease <= 0:
		return errors.New("--default-lease and --max-lease must be longer than 0")
	case g.IdleAfter < 0:
		return errors.New("--idle-after must not be negative")
	case g.MaxInstances != nil && *g.MaxInstances < 0:
		return errors.New("--max-instances must not be negative")
	case g.Approve == string(guard.Auto) && !g.bounded():
		return errors.New("--approve auto asks nobody, so it needs limits: set --daily-budget, and --max-dollars-per-hour or --max-total-dollars-per-hour")
	case g.SandboxSpeed < 0 || g.SandboxSpeed > maxSpeed:
		return errors.New("--sandbox-speed must be between 0 and 100000")
	case slices.ContainsFunc(g.AllowImage, noImage):
		return errors.New("--allow-image takes images like pytorch/pytorch or nvidia/*, without blanks")
	}
	return checkRegions(g.AllowRegion)
}

// entries is a list that is a limit: one that is empty, or has an empty entry, is
// a slip, and must not be no limit.
type entries []string

// UnmarshalText adds what stands between commas.
func (e *entries) UnmarshalText(text []byte) error {
	for entry := range strings.SplitSeq(string(text), ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			return fmt.Errorf("%q has an empty entry", text)
		}
		*e = append(*e, entry)
	}
	return nil
}

func noImage(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// checkRegions refuses names that mean no place: they would allow none.
func checkRegions(names []string) error {
	for _, name := range names {
		if len(region.Resolve(name)) > 0 {
			continue
		}
		hint := "write country codes like SE, country names, or continents"
		if near := tool.Nearest(name, append(region.Names(), region.Codes()...), 3); len(near) > 0 {
			hint = "did you mean " + strings.Join(near, ", ") + "?"
		}
		return fmt.Errorf("--allow-region: there is no region %q: %s", plain.Line(name, 60), hint)
	}
	return nil
}

const maxSpeed = 100_000

// bounded reports whether the limits bound what can be spent unasked.
func (g *globals) bounded() bool {
	return g.DailyBudget != nil && (g.MaxDollarsPerHour != nil || g.MaxTotalDollarsPerHour != nil)
}

func (g *globals) policy() guard.Policy {
	return guard.Policy{
		MaxPerHour: g.MaxDollarsPerHour, MaxTotalPerHour: g.MaxTotalDollarsPerHour, MaxInstances: g.MaxInstances,
		MaxPerRental: g.MaxRentalDollars, DailyBudget: g.DailyBudget, KeepCredit: g.KeepCredit,
		DefaultLease: min(g.DefaultLease, g.MaxLease), MaxLease: g.MaxLease, AllowImages: g.AllowImage, AllowRegions: g.AllowRegion,
	}
}

func (g *globals) selection() tool.Selection {
	return tool.Selection{Toolsets: g.Toolsets, Only: g.Tools, Exclude: g.ExcludeTools, ReadOnly: g.ReadOnly}
}
