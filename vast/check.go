package vast

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// check turns every answer that is not a success into an *Error, and a body
// with tokens that JSON does not know into one that can be decoded.
func check(clean redactor, log *slog.Logger, next exchange) exchange {
	return func(ctx context.Context, c call) (answer, error) {
		a, err := next(ctx, c)
		if failed, ok := errors.AsType[*Error](err); ok {
			if failed.Err != nil {
				failed.Err = clean.cause(failed.Err)
			}
			log.DebugContext(ctx, "no answer", "op", c.op.Name, "error", failed)
			return a, failed
		}
		env, valid := open(a.body)
		if !valid && !a.truncated {
			a.body = withoutNaN(a.body)
			env, valid = open(a.body)
		}
		if failed := judge(c.op, a, env, valid && !a.truncated, clean); failed != nil {
			log.DebugContext(ctx, "answer", "op", c.op.Name, "status", a.status, "error", failed)
			return a, failed
		}
		log.DebugContext(ctx, "answer", "op", c.op.Name, "status", a.status)
		return a, nil
	}
}

// envelope is the part of an answer that tells success from failure. Status
// 200 alone does not.
type envelope struct {
	Success     *flag  `json:"success"`
	Error       text   `json:"error"`
	Msg         text   `json:"msg"`
	Message     text   `json:"message"`
	Detail      text   `json:"detail"`
	RetryAfter  number `json:"retry_after"`
	NewContract id     `json:"new_contract"`
}

// open reads the envelope of an answer, and whether the answer is JSON at all.
// Arrays and strings are answers too; they carry no envelope.
func open(body []byte) (env envelope, valid bool) {
	_, broken := errors.AsType[*json.SyntaxError](json.Unmarshal(body, &env))
	return env, !broken
}

func (e envelope) failed() bool {
	if e.Success != nil {
		return !bool(*e.Success)
	}
	return e.Error != ""
}

func judge(op Operation, a answer, env envelope, valid bool, clean redactor) *Error {
	ok := a.status/100 == 2
	if ok && valid && !env.failed() {
		return nil
	}
	e := &Error{
		Op: op.Name, Status: a.status, APICode: clean.text(string(env.Error), 64),
		NewContract: InstanceID(env.NewContract), RetryAfter: retryAfter(a.header, env),
	}
	switch {
	case ok && a.truncated:
		e.Code, e.Message = Garbled, "the answer is too long"
	case ok && !valid:
		e.Code, e.Message = Garbled, cmp.Or(clean.text(string(a.body), maxQuote), "an empty answer")
	default:
		e.Message = clean.text(message(a.body, env, valid), maxMessage)
		e.Code = classify(op, a.status, env, e.Message, valid)
	}
	e.Uncertain = op.Changes && (a.status >= 500 || e.Code == Garbled || op.Once && (ok || leftContract(a, env, valid)))
	return e
}

// leftContract reports whether a refused order may have left an instance. It
// says so too when the part of the answer that would tell is not readable.
func leftContract(a answer, env envelope, valid bool) bool {
	return env.NewContract != 0 || a.truncated || !valid && bytes.Contains(a.body, []byte("new_contract"))
}

func message(body []byte, env envelope, valid bool) string {
	if valid {
		return string(cmp.Or(env.Msg, env.Message, env.Detail))
	}
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")) {
		return "a web page instead of an answer"
	}
	return string(body)
}

// classify finds the code of a failure. The API's own word goes before the
// status, which differs between endpoints for the same thing.
func classify(op Operation, status int, env envelope, message string, valid bool) Code {
	if code := named(op, string(env.Error), message); code != "" {
		return code
	}
	switch {
	case status/100 == 2 && op == operations[opStart]:
		return Queued
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return Denied
	case status == http.StatusTooManyRequests:
		return Throttled
	case status == http.StatusNotFound && valid && op != operations[opDestroy]:
		// A page of some proxy proves nothing; and only the API's own word
		// may tell that an instance to be destroyed is gone.
		return NotFound
	case status == http.StatusBadRequest, status == http.StatusUnprocessableEntity:
		return Invalid
	case status >= 500:
		return Unavailable
	}
	return Refused
}

func named(op Operation, word, message string) Code {
	switch word {
	case "auth_error":
		return Denied
	case "":
		// A 404 like any other but for its words.
		if strings.Contains(message, "Session expired") {
			return Denied
		}
	case "insufficient_credit", "spend_rate_limit", "missing_billing":
		return Broke
	case "no_such_ask":
		return Taken
	case "no_such_instance", "no_such_ssh_key":
		return NotFound
	case "deprecated_endpoint":
		return Deprecated
	}
	if op.Once && offerGone(message) {
		return Taken
	}
	return ""
}

// offerGone knows an offer that is gone by the text alone: the API reports
// it under several codes.
func offerGone(message string) bool {
	for _, sign := range []string{"no_such_ask", "no longer available", "is not available"} {
		if strings.Contains(message, sign) {
			return true
		}
	}
	return false
}

// retryAfter reads the header first: seconds, or a date as seen from the
// answer's own date.
func retryAfter(header http.Header, env envelope) time.Duration {
	value := header.Get("Retry-After")
	seconds, err := strconv.ParseFloat(value, 64)
	if err != nil {
		seconds = env.RetryAfter.value
		if until, err := http.ParseTime(value); err == nil {
			if now, err := http.ParseTime(header.Get("Date")); err == nil {
				seconds = until.Sub(now).Seconds()
			}
		}
	}
	const day = 24 * 60 * 60
	return time.Duration(min(max(seconds, 0), day) * float64(time.Second))
}
