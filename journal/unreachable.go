package journal

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"net"
	"os"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// errUnfit is a database that would forget what it was told.
var errUnfit = errors.New("the database is not set up for a journal")

// hidden stands for an error of PostgreSQL that may name a host, an address, a
// user or a database. It has the meaning of it and other words, and cannot be
// unwrapped.
type hidden struct {
	says string
	err  error
}

func (h *hidden) Error() string { return h.says }

// Is keeps the meaning: what cannot be reached is ErrUnreachable.
func (h *hidden) Is(target error) bool { return errors.Is(h.err, target) }

func (server) explain(err error) error {
	for _, ours := range []error{ErrUnsure, errNewer, errUnfit} {
		if errors.Is(err, ours) {
			return err
		}
	}
	if _, done := errors.AsType[*hidden](err); done {
		return err
	}
	for _, plain := range []error{context.Canceled, sql.ErrTxDone} {
		if errors.Is(err, plain) {
			return plain
		}
	}
	if said, ok := errors.AsType[*pgconn.PgError](err); ok && said.SeverityUnlocalized == "ERROR" {
		return &hidden{said.Message + " (SQLSTATE " + said.Code + ")", err}
	}
	return &hidden{ErrUnreachable.Error() + ": " + reason(err), errors.Join(ErrUnreachable, err)}
}

// reason says in own words why a connection could not be made or was lost.
func reason(err error) string {
	if said, ok := errors.AsType[*pgconn.PgError](err); ok {
		return refusal(said.Code)
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "its host name is not known"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "its certificate is not accepted"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "its certificate is for another host"
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || pgconn.Timeout(err) {
		return "it does not answer in time"
	}
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return number.Error()
	}
	return "the connection was lost or is not spoken to as it expects"
}

// refusal puts the codes that end a connection into words.
func refusal(code string) string {
	switch code[:min(2, len(code))] {
	case "28":
		return "it refuses the login; look at the user and the password (SQLSTATE " + code + ")"
	case "3D":
		return "there is no such database (SQLSTATE " + code + ")"
	case "53":
		return "it has no room for another connection (SQLSTATE " + code + ")"
	case "57":
		return "it is starting or shutting down (SQLSTATE " + code + ")"
	}
	return "it ended the connection (SQLSTATE " + code + ")"
}
