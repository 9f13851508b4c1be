package sandbox

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	beforeEffect = "before"
	afterEffect  = "after"
)

// anyOp strikes whatever is asked.
const anyOp = "any"

// Fault is a piece of bad weather: what goes wrong with an operation, before
// it takes effect or after. A fault without Status, Drop and Redirect lets the
// answer through.
type Fault struct {
	Op       string `json:"op"`                 // operation: create, list, get, …, or any
	When     string `json:"when"`               // before or after the effect
	Status   int    `json:"status"`             // answered instead; 0: none
	Body     string `json:"body"`               // with Status; empty: what the API would say; {id}: see Market.Break
	DelayMS  int    `json:"delay_ms"`           // of wall time, first
	Drop     bool   `json:"drop"`               // the connection breaks without an answer
	Count    int    `json:"count"`              // how many times; 0 means once
	Skip     int    `json:"skip,omitempty"`     // how many requests get by before it strikes
	LateMS   int    `json:"late_ms,omitempty"`  // before only: the connection breaks, and the request takes effect that much wall time later
	Twice    bool   `json:"twice,omitempty"`    // a proxy sends the request again, and its second answer is passed on
	Truncate bool   `json:"truncate,omitempty"` // after only: half of the answer's body
	Redirect string `json:"redirect,omitempty"` // answered instead, with Status or 307: where to
	Fate     string `json:"fate,omitempty"`     // create, create_many and launch only: what becomes of the rental, such as no-start
}

// faultOps are the operations that a fault can strike.
func faultOps() []string {
	ops := []string{"start", "stop", "label"}
	for _, r := range routes() {
		if r.op != "" {
			ops = append(ops, r.op)
		}
	}
	slices.Sort(ops)
	return slices.Compact(ops)
}

// ParseFault reads "create:after:drop:1": operation, moment, what and how
// often. What is drop, a status, garbage, truncate, redirect, twice, id (a
// refusal that names an instance), delay= or late= and milliseconds of wall
// time or, on create, what becomes of the rental.
func ParseFault(s string) (Fault, error) {
	parts := strings.Split(s, ":")
	if len(parts) != 3 && len(parts) != 4 {
		return Fault{}, fmt.Errorf("fault %q: give op:when:what:count, such as create:after:drop:1", s)
	}
	f := Fault{Op: parts[0], When: parts[1], Count: 1}
	if !f.parseWhat(parts[2]) {
		return Fault{}, fmt.Errorf("fault %q: what is drop, a status such as 502, or delay=MILLISECONDS, late=MILLISECONDS, "+
			"garbage, truncate, redirect, twice, id, or with create one of %s, not %q", s, fateNames(), parts[2])
	}
	if len(parts) == 4 {
		count, err := strconv.Atoi(parts[3])
		if err != nil || count < 1 {
			return Fault{}, fmt.Errorf("fault %q: count is a number from 1, not %q", s, parts[3])
		}
		f.Count = count
	}
	if err := f.check(); err != nil {
		return Fault{}, fmt.Errorf("fault %q: %w", s, err)
	}
	return f, nil
}

const (
	// garbage looks like JSON to who believes the header.
	garbage = "{\"success\": tr\x00\x01\x7f"
	// elsewhere is nobody's.
	elsewhere = "https://elsewhere.invalid/"
	// namesID is a refusal that names an instance.
	namesID = `{"success":false,"error":"no_such_ask","msg":"error 400/3586: no_such_ask The request was not carried out.","new_contract":{id}}`
)

func (f *Fault) parseWhat(what string) bool {
	name, value, _ := strings.Cut(what, "=")
	var err error
	switch name {
	case "drop":
		f.Drop = true
	case "twice":
		f.Twice = true
	case "truncate":
		f.Truncate = true
	case "redirect":
		f.Redirect = elsewhere
	case "garbage":
		f.Status, f.Body = http.StatusOK, garbage
	case "id":
		f.Status, f.Body = http.StatusBadRequest, namesID
	case "delay":
		f.DelayMS, err = strconv.Atoi(value)
	case "late":
		f.LateMS, err = strconv.Atoi(value)
	default:
		if slices.Contains(fates(), mishap(what)) {
			f.Fate = what
			return true
		}
		f.Status, err = strconv.Atoi(what)
	}
	return err == nil
}

func fateNames() string {
	var names []string
	for _, fate := range fates() {
		names = append(names, string(fate))
	}
	return strings.Join(names, ", ")
}

// ParseFaults reads JSON: a fault or a list of them. An object of seed and
// count stands for the faults of Schedule.
func ParseFaults(raw []byte) ([]Fault, error) {
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
		raw = slices.Concat([]byte("["), raw, []byte("]"))
	}
	var entries []struct {
		Fault
		Seed uint64 `json:"seed"`
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&entries); err != nil {
		return nil, fmt.Errorf("faults: %w", err)
	}
	var faults []Fault
	for i, e := range entries {
		if e.Seed != 0 && e.Fault == (Fault{Count: e.Count}) && e.Count >= 0 && e.Count <= mostScheduled {
			faults = append(faults, Schedule(e.Seed, cmp.Or(e.Count, 1))...)
			continue
		}
		if e.Seed != 0 {
			return nil, fmt.Errorf("fault %d: give seed and count, at most %d, alone", i+1, mostScheduled)
		}
		if err := e.check(); err != nil {
			return nil, fmt.Errorf("fault %d: %w", i+1, err)
		}
		faults = append(faults, e.Fault)
	}
	return faults, nil
}

const mostScheduled = 10_000

// Schedule returns n faults that follow from a seed, so that what they brought
// to light can be played again.
func Schedule(seed uint64, n int) []Fault {
	ops := faultOps()
	faults := make([]Fault, 0, n)
	for i := range n {
		d := newDice(seed, fmt.Sprintf("fault %d", i))
		f := Fault{Op: one(d, ops...), When: one(d, beforeEffect, afterEffect), Count: 1, Skip: d.IntN(4)}
		if d.chance(0.3) {
			f.Op = "create" // where most is at stake
		}
		what := one(d, "drop", "502", "500", "429", "garbage", "redirect", "twice", "id", "delay=20", "truncate")
		switch {
		case what == "truncate":
			f.When = afterEffect
		case f.When == beforeEffect && d.chance(0.2):
			what = fmt.Sprintf("late=%d", 1+d.IntN(60_000))
		case f.Op == "create" && d.chance(0.3):
			what = string(one(d, fates()...))
		}
		f.parseWhat(what)
		faults = append(faults, f)
	}
	return faults
}

// maxDelay keeps milliseconds from overflowing.
const maxDelay = int(24 * time.Hour / time.Millisecond)

func (f Fault) check() error {
	switch {
	case f.Op != anyOp && !slices.Contains(faultOps(), f.Op):
		return fmt.Errorf("op is any or one of %s, not %q", strings.Join(faultOps(), ", "), f.Op)
	case f.When != beforeEffect && f.When != afterEffect:
		return fmt.Errorf("when is before or after, not %q", f.When)
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("status is from 200 to 599, not %d", f.Status)
	case f.DelayMS < 0 || f.DelayMS > maxDelay:
		return fmt.Errorf("delay is from 0 to %d milliseconds, not %d", maxDelay, f.DelayMS)
	case f.LateMS < 0 || f.LateMS > maxDelay:
		return fmt.Errorf("late is from 0 to %d milliseconds, not %d", maxDelay, f.LateMS)
	case f.Count < 0 || f.Skip < 0:
		return fmt.Errorf("count is a number from 1, and skip from 0, not %d", min(f.Count, f.Skip))
	case f.LateMS > 0 && f.When != beforeEffect:
		return errors.New("late is before the effect")
	case f.Truncate && f.When != afterEffect:
		return errors.New("truncate is after the effect")
	case f.Fate != "" && !slices.Contains([]string{"create", "create_many", "launch", anyOp}, f.Op):
		return fmt.Errorf("a fate is for create, create_many and launch, not %q", f.Op)
	case f.Fate != "" && !slices.Contains(fates(), mishap(f.Fate)):
		return fmt.Errorf("fate is one of %s, not %q", fateNames(), f.Fate)
	case f.Status == 0 && f.DelayMS == 0 && !f.Drop && f.LateMS == 0 && !f.Twice && !f.Truncate && f.Redirect == "" && f.Fate == "":
		return errors.New("what is drop, a status such as 502, a delay, late, twice, truncate, redirect or a fate: it says none")
	}
	return nil
}
