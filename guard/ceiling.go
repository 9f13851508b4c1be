package guard

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"vast-mcp/journal"
)

// Ceiling is what the owner stored in the journal for one account: flags and the
// environment can make it tighter and never looser. The zero Ceiling is none.
type Ceiling struct {
	Limits map[string]string `json:"limits"`            // by the names of their flags, as these take them
	Mode   Mode              `json:"approve,omitempty"` // empty: any
	Key    string            `json:"key"`               // fingerprint of the API key, by which it is known before the account is
}

// ceilingSetting is the name of the realm's setting.
const ceilingSetting = "ceiling"

// policy reads the limits. A limit that this program does not know is an error:
// what cannot be read counts against.
func (c Ceiling) policy() (p Policy, err error) {
	for _, name := range slices.Sorted(maps.Keys(c.Limits)) {
		if err := p.Set(Limit{name, c.Limits[name]}); err != nil {
			return p, err
		}
	}
	if c.Mode != "" && !slices.Contains(modes(), c.Mode) {
		return p, fmt.Errorf("%q is no approval mode", c.Mode)
	}
	return p, nil
}

// modes are the approval modes, the loosest first.
func modes() []Mode { return []Mode{Auto, Model, Client, Operator} }

// tighter is the mode of the two under which less happens unasked.
func tighter(a, b Mode) Mode {
	return slices.MaxFunc([]Mode{a, b}, func(a, b Mode) int {
		return cmp.Compare(slices.Index(modes(), a), slices.Index(modes(), b))
	})
}

// InForce is what holds now: what the program was started with, made tighter by
// the ceiling.
type InForce struct {
	Policy Policy
	Mode   Mode
	Sealed bool // an approver is set: only the passphrase approves, whatever the mode was

	started     Policy
	startedMode Mode
}

// FromCeiling reports whether the limit of that name is the ceiling's.
func (i InForce) FromCeiling(limit string) bool {
	return i.Policy.text(limit) != i.started.text(limit)
}

// ModeFromCeiling reports whether the approval mode is the ceiling's.
func (i InForce) ModeFromCeiling() bool { return !i.Sealed && i.Mode != i.startedMode }

// WithApprover is i when an approver is set, or is not.
func (i InForce) WithApprover(set bool) InForce {
	if i.Sealed = set; set {
		i.Mode = Operator
	}
	return i
}

// Under is what holds of policy and mode under the ceiling. It fails when the
// ceiling cannot be read.
func (c Ceiling) Under(p Policy, m Mode) (InForce, error) {
	limits, err := c.policy()
	if err != nil {
		return InForce{}, unreadable(err)
	}
	return InForce{Policy: p.tightened(limits), Mode: tighter(m, c.Mode), started: p, startedMode: m}, nil
}

func unreadable(err error) error {
	return fmt.Errorf("the limits that are stored for this account cannot be read (%w): update vast-mcp, or remove them with vast-mcp policy clear", err)
}

// Looser names the limits of what the owner says explicitly that are looser than
// the ceiling, each as "--flag is X and the ceiling is Y".
func (c Ceiling) Looser(p Policy, m Mode) ([]string, error) {
	in, err := c.Under(p, m)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, l := range p.Limits() {
		if in.FromCeiling(l.Name) {
			all = append(all, fmt.Sprintf("--%s is %s and the ceiling is %s", l.Name, l.Value, c.Limits[l.Name]))
		}
	}
	if m != "" && in.Mode != m {
		all = append(all, fmt.Sprintf("--approve is %s and the ceiling is %s", m, in.Mode))
	}
	return all, nil
}

// ReadCeiling reads the realm's ceiling; the zero Ceiling when there is none.
func ReadCeiling(tx *journal.Tx) (c Ceiling, err error) {
	if _, err = tx.Setting(ceilingSetting, &c); err != nil {
		err = unreadable(err)
	}
	return c, err
}

// SetCeiling adds the limits of c to the ceiling of its realm; those that it
// does not name stay as they are. It returns what is stored now.
func SetCeiling(ctx context.Context, j *journal.Journal, realm string, c Ceiling) (now Ceiling, err error) {
	err = j.Tx(ctx, realm, func(tx *journal.Tx) error {
		if now, err = ReadCeiling(tx); err != nil {
			return err
		}
		limits := maps.Clone(now.Limits)
		if limits == nil {
			limits = map[string]string{}
		}
		maps.Copy(limits, c.Limits)
		now = Ceiling{Limits: limits, Mode: cmp.Or(c.Mode, now.Mode), Key: c.Key}
		return now.put(tx, "policy_set")
	})
	return now, err
}

// ClearCeiling removes the ceiling of the realm.
func ClearCeiling(ctx context.Context, j *journal.Journal, realm string) error {
	return j.Tx(ctx, realm, func(tx *journal.Tx) error { return Ceiling{}.put(tx, "policy_cleared") })
}

func (c Ceiling) put(tx *journal.Tx, event string) error {
	if _, err := c.policy(); err != nil {
		return err
	}
	if err := tx.PutSetting(ceilingSetting, c); err != nil {
		return err
	}
	return tx.Append(event, "", map[string]any{"limits": c.Limits, "approve": c.Mode})
}

// CeilingOf finds the ceiling of an account by the fingerprint of its key: for
// when the account is not known yet. known reports whether a realm can be the
// account's. The zero Ceiling when there is none.
func CeilingOf(ctx context.Context, j *journal.Journal, key string, known func(realm string) bool) (Ceiling, error) {
	all, err := j.Settings(ctx, ceilingSetting)
	if err != nil {
		return Ceiling{}, err
	}
	for realm, body := range all {
		var c Ceiling
		if !known(realm) {
			continue
		}
		if err := json.Unmarshal(body, &c); err != nil {
			return c, unreadable(err)
		}
		if c.Key == key {
			return c, nil
		}
	}
	return Ceiling{}, nil
}

// LimitsIn is what holds of the limits p in the realm of tx, its ceiling included.
func LimitsIn(tx *journal.Tx, p Policy) (Policy, error) {
	c, err := ReadCeiling(tx)
	if err != nil {
		return p, err
	}
	in, err := c.Under(p, "")
	return in.Policy, err
}

// inForce is what holds in the realm of tx. It is read in the transaction that
// judges, so that a ceiling binds the servers that were started before it.
func (g *Guard) inForce(tx *journal.Tx) (InForce, error) {
	c, err := ReadCeiling(tx)
	if err != nil {
		return InForce{}, err
	}
	set, err := sealed(tx)
	if err != nil {
		return InForce{}, err
	}
	in, err := c.Under(g.policy, g.mode)
	return in.WithApprover(set), err
}

// InForce is what holds now. Where the ceiling cannot be read, as without an API
// key, it is what the program was started with, and the error.
func (g *Guard) InForce(ctx context.Context) (InForce, error) {
	started := InForce{Policy: g.policy, Mode: g.mode, started: g.policy, startedMode: g.mode}
	if !g.journal.Exists() {
		return started, nil // and reading makes none
	}
	if set, err := HasApprover(ctx, g.journal); err == nil {
		started = started.WithApprover(set)
	}
	realm, err := g.world.Realm(ctx)
	if err != nil {
		return started, err
	}
	var in InForce
	err = g.look(ctx, realm, func(tx *journal.Tx) (err error) {
		in, err = g.inForce(tx)
		return err
	})
	if err != nil {
		return started, err
	}
	return in, nil
}
