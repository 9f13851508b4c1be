package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	"vast-mcp/vast"
)

func (p Patient) checkAPI(a answers) Check {
	const name = "api"
	switch {
	case p.Key.Err != nil:
		return skipped(name, "there is no API key that can be read")
	case p.ClientErr != nil:
		return wrong(name, "correct the address, or unset it", "%v", p.ClientErr)
	case errors.Is(a.userErr, vast.NoKey):
		return skipped(name, a.blocked)
	case p.Sandbox && a.blocked == "":
		return ok(name, "the simulated market answers; no real money, and VAST_URL does not count")
	}
	where := p.Client.Origin()
	if p.AddressFrom != "" {
		where += " (from " + p.AddressFrom + ")"
	}
	failed, isFailed := errors.AsType[*vast.Error](a.userErr)
	switch {
	case !isFailed, failed.Code == vast.Denied:
		return ok(name, "%s answers", where)
	case failed.Code == vast.Throttled:
		return warning(name, "wait a minute and run doctor again; other programs may use the same key", "%s asks for fewer requests", where)
	case failed.Status == 0:
		why, fix := silence(failed)
		return wrong(name, fix, "%s does not answer: %s", where, why)
	case failed.Status >= 500:
		return wrong(name, "wait: the service itself has a problem", "%s answers HTTP %d: %s", where, failed.Status, said(failed))
	}
	return wrong(name, "check the address and whether a proxy or a login page stands in between",
		"%s answers HTTP %d, not as the API does: %s", where, failed.Status, said(failed))
}

// silence says why there was no answer, and what to do.
func silence(err error) (why, fix string) {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Sprintf("the name %s cannot be looked up", dns.Name), "check the address, the network and its DNS"
	}
	if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Sprintf("its certificate is not trusted: %v", certificate.Err), "check this machine's date and certificates, and whether a proxy stands in between"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "it does not speak TLS", "check the address and whether a proxy stands in between"
	}
	timeout, isNet := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there", "check the address"
	case errors.Is(err, context.DeadlineExceeded), isNet && timeout.Timeout():
		return "it took too long", "check the network and its firewall"
	}
	return said(err), "check the network and run doctor again"
}

const (
	clockWarning = 30 * time.Second
	clockWrong   = 5 * time.Minute
)

func (p Patient) checkClock(a answers) Check {
	const name, leases = "clock", "leases use the API's clock"
	off, side := a.ahead.Abs().Round(time.Second), "ahead of"
	if a.ahead < 0 {
		side = "behind"
	}
	switch fix := "set this machine's clock, as NTP does: quotes and deadlines use it"; {
	case a.date.IsZero():
		return skipped(name, "the API did not tell its time")
	case p.Sandbox || strings.HasPrefix(p.Client.Origin(), "http://"):
		// Plain http is for this machine only, so the clocks are the same one.
		return ok(name, "it is %s on the simulated market, which has its own clock; leases use it", a.date.Format(time.DateTime))
	case off > clockWrong:
		return wrong(name, fix, "this machine's clock is %s %s the API's; %s", off, side, leases)
	case off > clockWarning:
		return warning(name, fix, "this machine's clock is %s %s the API's; %s", off, side, leases)
	case off <= time.Second:
		return ok(name, "right to the second; %s", leases)
	}
	return ok(name, "%s %s the API's; %s", off, side, leases)
}
