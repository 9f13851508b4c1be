package tool

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/mark3labs/mcp-go/mcp"

	"vast-mcp/guard"
	"vast-mcp/journal"
)

// Code is one of the closed list of error codes; docs/errors.md is generated
// from Codes.
type Code string

// The codes that a tool can fail with.
const (
	InvalidArguments  Code = "invalid_arguments"
	NoKey             Code = "no_key"
	AccessDenied      Code = "access_denied"
	NotFound          Code = "not_found"
	OfferGone         Code = "offer_gone"
	NotRented         Code = "not_rented"
	Undelivered       Code = "undelivered_rental"
	InsufficientFunds Code = "insufficient_credit"
	GPUsTaken         Code = "gpus_taken"
	WrongState        Code = "wrong_state"
	OverPolicy        Code = "over_policy"
	OtherCall         Code = "approval_mismatch"
	NotReady          Code = "not_ready"
	RateLimited       Code = "rate_limited"
	Unavailable       Code = "unavailable"
	BadAnswer         Code = "bad_answer"
	RefusedByAPI      Code = "refused"
	TimedOut          Code = "timeout"
	Cancelled         Code = "cancelled"
	Internal          Code = "internal"
)

// CodeInfo explains a code.
type CodeInfo struct {
	Code      Code
	Meaning   string
	Retryable bool // the same call may succeed later
}

// Codes lists every code, for the docs and for clients.
func Codes() []CodeInfo {
	return []CodeInfo{
		{InvalidArguments, "An argument is missing, unknown, of the wrong type or out of range. Nothing was done.", false},
		{NoKey, "No Vast.ai API key is configured.", false},
		{AccessDenied, "The API refused the key, or the key lacks a permission.", false},
		{NotFound, "There is no such instance, key or template on this account.", false},
		{OfferGone, "Somebody else rented the offer, or it was withdrawn. Nothing was rented.", false},
		{NotRented, "The order led to nothing that runs. What it made, if anything, is being removed.", false},
		{Undelivered, "An earlier rental of this caller was carried out, or is being settled, and its answer was lost on the way. Said once; nothing was done now.", true},
		{InsufficientFunds, "The account lacks the credit for this.", false},
		{GPUsTaken, "The instance cannot start now: its GPUs are rented to somebody else. It was not left in the queue.", true},
		{WrongState, "The instance is not in a state that allows this.", false},
		{OverPolicy, "The owner's policy forbids it. Nothing was done.", false},
		{OtherCall, "The approval belongs to another call, has expired or does not exist. Nothing was done.", false},
		{NotReady, "What was asked for is not there yet.", true},
		{RateLimited, "The API asks for fewer calls.", true},
		{Unavailable, "The API or the journal's database could not be reached, or the API answered with a server error.", true},
		{BadAnswer, "The API answered something that cannot be understood, or a list that is not complete.", true},
		{RefusedByAPI, "The API refused the request.", false},
		{TimedOut, "There was no answer in time.", true},
		{Cancelled, "The call was cancelled.", true},
		{Internal, "A defect of this program; the log has the details under the reference given.", false},
	}
}

func (c Code) retryable() bool {
	for _, info := range Codes() {
		if info.Code == c {
			return info.Retryable
		}
	}
	return false
}

// Failure is an error that a caller can act on. It is an answer, not a defect.
type Failure struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	Next    string `json:"hint,omitempty"` // what to do next
	Again   bool   `json:"retryable"`
}

// Fail makes a Failure.
func Fail(code Code, format string, args ...any) *Failure {
	return &Failure{Code: code, Message: fmt.Sprintf(format, args...), Again: code.retryable()}
}

// Hint says what to do next.
func (f *Failure) Hint(format string, args ...any) *Failure {
	f.Next = fmt.Sprintf(format, args...)
	return f
}

func (f *Failure) Error() string { return string(f.Code) + ": " + f.Message }

// errorMeta is the key of the failure in a result's _meta.
const errorMeta = "vast-mcp/error"

// fail turns any error into a result. What is not a Failure and what explain
// does not know is a defect: the caller gets a reference, the log the details.
func (r *Runner) fail(tool string, err error) *mcp.CallToolResult {
	f := r.failure(tool, err)
	text := string(f.Code) + ": " + f.Message
	if f.Next != "" {
		text += "\nNext: " + f.Next
	}
	res := mcp.NewToolResultError(text)
	res.Meta = &mcp.Meta{AdditionalFields: map[string]any{errorMeta: f}}
	return res
}

func (r *Runner) failure(tool string, err error) *Failure {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f
	}
	if refusal, ok := errors.AsType[*guard.Refusal](err); ok {
		return Fail(OverPolicy, "%s (--%s)", refusal.Message, refusal.Limit).Hint("%s", refusal.Next)
	}
	if errors.Is(err, guard.ErrOtherCall) || errors.Is(err, guard.ErrNotWaiting) {
		return Fail(OtherCall, "%v", err).Hint("call again without approval to get a quote for exactly these arguments")
	}
	if errors.Is(err, guard.ErrOver) {
		return Fail(WrongState, "what an earlier, identical call did has ended since").Hint("call again to get a new quote")
	}
	if errors.Is(err, journal.ErrUnreachable) || errors.Is(err, journal.ErrUnsure) {
		r.log.Warn("the journal failed", "tool", tool, "err", err)
		return Fail(Unavailable, "%v, and what cannot be written down is not done", err).Hint("call it again when the database is back; the doctor command tells more. Stopping and destroying work without it")
	}
	if errors.Is(err, context.Canceled) {
		return Fail(Cancelled, "%s was cancelled", tool).Hint("call it again if it is still wanted")
	}
	if f := r.explain(err); f != nil {
		return f
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return Fail(TimedOut, "%s got no answer in time", tool).Hint("call it again")
	}
	ref := reference()
	r.log.Error("tool failed", "tool", tool, "ref", ref, "err", err)
	return Fail(Internal, "%s failed inside (reference %s)", tool, ref).Hint("look for the reference in the log of vast-mcp and report it")
}

func reference() string {
	b := make([]byte, 4)
	_, _ = rand.Read(b) // never fails: crypto/rand aborts the program instead
	return hex.EncodeToString(b)
}
