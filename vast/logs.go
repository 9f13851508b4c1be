package vast

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	maxLog       = 4 << 20
	uploadWait   = 45 * time.Second
	firstLogWait = 500 * time.Millisecond
	maxLogWait   = 2 * time.Second
)

// LogOptions selects what Logs returns.
type LogOptions struct {
	Tail   int    // lines from the end; 0 leaves it to the API, which takes 1000
	Filter string // a grep pattern
	Daemon bool   // the log of the host's daemon instead of the container's
}

// Logs returns the log of an instance as text of at most 4 MiB. The host
// uploads it on demand, which takes seconds; if it has not after 45 seconds,
// or at the deadline of ctx, the error is NotReady. An instance that is
// loading has no log yet.
func (s *InstanceService) Logs(ctx context.Context, id InstanceID, o LogOptions) (string, error) {
	body := map[string]string{}
	if o.Tail > 0 {
		body["tail"] = strconv.Itoa(o.Tail)
	}
	if o.Filter != "" {
		body["filter"] = o.Filter
	}
	if o.Daemon {
		body["daemon_logs"] = "true"
	}
	var out struct {
		ResultURL text `json:"result_url"`
	}
	err := s.c.do(ctx, opRequestLogs, request{ids: []int64{int64(id)}, body: body}, &out)
	if err != nil {
		return "", err
	}
	if out.ResultURL == "" {
		return "", garbled(opRequestLogs, "no result_url in the answer")
	}
	target, err := url.Parse(out.ResultURL.trimmed())
	if err != nil || !s.c.wire.mayFetch(target) {
		return "", &Error{Op: operations[opRequestLogs].Name, Code: Refused, Message: "the log is at an address that is not safe to fetch"}
	}
	return s.c.fetchLog(ctx, target)
}

// fetchLog asks for an upload until it is there.
func (c *Client) fetchLog(ctx context.Context, target *url.URL) (string, error) {
	op := operations[opRequestLogs].Name
	end := c.clock.Now().Add(uploadWait)
	for wait := firstLogWait; ; wait = min(wait*3/2, maxLogWait) {
		status, body, err := c.wire.fetch(ctx, target)
		switch {
		case err == nil && status == http.StatusOK:
			return string(body), nil
		case err == nil && status/100 != 5 && status != http.StatusForbidden && status != http.StatusNotFound:
			return "", &Error{Op: op, Code: Refused, Status: status, Message: "the log's store does not hand it out"}
		}
		late := c.clock.Now().Add(wait).After(end) || !fits(ctx, c.clock, wait)
		if late || c.clock.Sleep(ctx, wait) != nil {
			return "", &Error{
				Op: op, Code: NotReady, Status: status, RetryAfter: maxLogWait,
				Message: "the host has not uploaded the log", Err: err,
			}
		}
	}
}

// mayFetch reports whether a log may be read at u: from anywhere by https,
// or from the API's own origin.
func (w *wire) mayFetch(u *url.URL) bool {
	return u.User == nil && u.Host != "" && (u.Scheme == "https" || equalOrigin(u, w.origin))
}

// fetch reads an object at an address that the API gave. It must not get the
// key: it is not for the store, which moreover refuses such requests.
func (w *wire) fetch(ctx context.Context, target *url.URL) (status int, body []byte, err error) {
	req := (&http.Request{
		Method: http.MethodGet, URL: target, Host: target.Host,
		Header: http.Header{"User-Agent": {w.userAgent}},
	}).WithContext(ctx)
	resp, err := w.objects.Do(req)
	if err != nil {
		return 0, nil, withoutURL(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, _, err = readUpTo(resp.Body, maxLog)
	return resp.StatusCode, body, err
}

// safeRedirect follows the store's redirects to where logs may be read.
func (w *wire) safeRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > 3 || !w.mayFetch(req.URL) {
		return http.ErrUseLastResponse
	}
	return nil
}
