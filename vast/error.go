package vast

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Code classifies a failed call. It is itself an error, so that
// errors.Is(err, vast.Taken) works on whatever a method returns.
type Code string

// The codes of a failed call.
const (
	// NoKey: the client has no API key; nothing was sent.
	NoKey Code = "no_key"
	// Denied: the API does not accept the key, or not for this call.
	Denied Code = "denied"
	// Invalid: the request is wrong and would be wrong again.
	Invalid Code = "invalid"
	// NotFound: there is no such instance, key or template.
	NotFound Code = "not_found"
	// Taken: the offer is gone or somebody else rents it.
	Taken Code = "taken"
	// Broke: the account lacks credit, a card, or the right to spend faster.
	Broke Code = "broke"
	// Queued: a start was not possible now. The API keeps it in mind and may
	// start the instance, and bill it, later; Stop takes it back.
	Queued Code = "queued"
	// Throttled: too many requests, also after the retries.
	Throttled Code = "throttled"
	// Unavailable: the API failed or could not be reached.
	Unavailable Code = "unavailable"
	// Deprecated: the API no longer serves this operation.
	Deprecated Code = "deprecated"
	// Garbled: the answer is empty or not what the operation answers with.
	Garbled Code = "garbled"
	// Refused: the API said no for another reason; see Error.Message.
	Refused Code = "refused"
	// Incomplete: a list that could not be proven to be whole.
	Incomplete Code = "incomplete"
	// NotReady: the log was not uploaded in time.
	NotReady Code = "not_ready"
)

// Error returns what the code means and what to do about it.
func (c Code) Error() string {
	switch c {
	case NoKey:
		return "no API key was given"
	case Denied:
		return "the API key is not accepted for this; check the key and its permissions"
	case Invalid:
		return "the request is not valid"
	case NotFound:
		return "not found"
	case Taken:
		return "the offer is gone; search again"
	case Broke:
		return "the account cannot pay for this; add credit"
	case Queued:
		return "not possible now, but queued; stop the instance to cancel"
	case Throttled:
		return "too many requests; wait and try again"
	case Unavailable:
		return "the API is unavailable; try again later"
	case Deprecated:
		return "the API no longer serves this"
	case Garbled:
		return "the answer makes no sense"
	case Refused:
		return "the API refused"
	case Incomplete:
		return "the list is not complete; read it again"
	case NotReady:
		return "not ready yet; ask again"
	}
	return string(c)
}

// Error is the error of every failed call.
type Error struct {
	Op   string // the operation's name, as in Operations
	Code Code
	// Status is the HTTP status of the answer, 0 when there was none.
	Status int
	// APICode is the API's own word for the error, "" when it gave none.
	APICode string
	// Message is what the API said, without secrets and cut to a sane length.
	Message string
	// RetryAfter is how long to wait before another try; 0 means not known.
	RetryAfter time.Duration
	// NewContract is the instance that a failed Create left behind, else 0.
	NewContract InstanceID
	// Uncertain means that the call may have taken effect all the same.
	Uncertain bool
	// NotSent means that nothing of the call reached the API, for certain.
	NotSent bool
	// Err is the cause below, if there is one.
	Err error
}

// Error says what failed, why, and what to do next. It holds no secret.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "vast: %s: %s", e.Op, e.advice())
	if said := e.said(); said != "" {
		fmt.Fprintf(&b, " (%s)", said)
	}
	if e.Uncertain {
		b.WriteString("; it may have taken effect")
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

func (e *Error) advice() string {
	if e.Code == Throttled && e.RetryAfter > 0 {
		return fmt.Sprintf("too many requests; wait %s and try again", e.RetryAfter.Round(time.Second))
	}
	return e.Code.Error()
}

// said returns what came back from the API.
func (e *Error) said() string {
	var parts []string
	if e.Status != 0 {
		parts = append(parts, fmt.Sprintf("HTTP %d", e.Status))
	}
	if e.APICode != "" {
		parts = append(parts, e.APICode)
	}
	if e.Message != "" {
		parts = append(parts, e.Message)
	}
	return strings.Join(parts, ": ")
}

// Unwrap returns the code and, if there is one, the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Code}
	}
	return []error{e.Code, e.Err}
}

// Uncertain reports whether a call that failed with err, or one of several
// joined in it, may have taken effect. Do not repeat it before you have
// looked.
func Uncertain(err error) bool {
	switch e := err.(type) { //nolint:errorlint // it walks the whole tree itself: joined errors too
	case *Error:
		return e.Uncertain
	case interface{ Unwrap() error }:
		return Uncertain(e.Unwrap())
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(e.Unwrap(), Uncertain)
	}
	return false
}

// invalid makes the error of a call that is not worth sending.
func invalid(name operation, why string) *Error {
	return &Error{Op: operations[name].Name, Code: Invalid, Message: why, NotSent: true}
}

// garbled makes the error of a success that lacks what the operation answers
// with.
func garbled(name operation, why string) *Error {
	op := operations[name]
	return &Error{Op: op.Name, Code: Garbled, Status: http.StatusOK, Message: why, Uncertain: op.Changes}
}
