package sandbox

import (
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// control serves what is not of the API, to clients on this machine only.
func (m *Market) control(r *http.Request) answer {
	if !fromLoopback(r) {
		return refuse(http.StatusForbidden, "not_authorized", "The sandbox's controls answer on loopback only.")
	}
	if id, ok := strings.CutPrefix(r.URL.Path, insidePath); ok && r.Method == http.MethodGet {
		return m.getInside(r, id)
	}
	switch r.Method + " " + r.URL.Path {
	case "POST /__sandbox/faults":
		return m.postFaults(r)
	case "GET /__sandbox/ledger":
		return m.getLedger()
	default:
		return notFound()
	}
}

func fromLoopback(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}

// postFaults takes one fault or a list, or a seed for some.
func (m *Market) postFaults(r *http.Request) answer {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return badJSON()
	}
	faults, err := ParseFaults(body)
	if err != nil {
		return refuse(http.StatusBadRequest, "invalid_request", err.Error())
	}
	if err := m.Break(faults...); err != nil {
		return refuse(http.StatusBadRequest, "invalid_args", err.Error())
	}
	return success()
}

// getLedger tells what was metered and what is left.
func (m *Market) getLedger() answer {
	var out struct {
		Now     time.Time `json:"now"` // market time
		Credit  int64     `json:"credit_micro_dollars"`
		Total   int64     `json:"total_micro_dollars"`
		Entries []Entry   `json:"entries"`
	}
	err := m.transact(func(st *state, _ *world, now time.Time) (bool, error) {
		out.Now, out.Credit, out.Entries = now, st.credit(now), st.ledger(now)
		out.Total = st.StartCredit - out.Credit
		return false, nil
	})
	if err != nil {
		return refuse(http.StatusInternalServerError, "server_error", err.Error())
	}
	return reply(out)
}
