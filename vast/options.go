package vast

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Option changes how NewClient makes a client.
type Option func(*config) error

type config struct {
	key       string
	origin    *url.URL
	transport http.RoundTripper // nil: our own
	clock     Clock
	userAgent string
	logger    *slog.Logger
	pace      Pace
}

// WithBaseURL talks to another origin than https://console.vast.ai. Plain
// http is accepted for a loopback host only, and a path is not accepted.
func WithBaseURL(origin string) Option {
	return func(c *config) error {
		u, err := url.Parse(strings.TrimRight(origin, "/"))
		switch {
		case err != nil || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "":
			return errors.New("vast: the base URL must look like https://host")
		case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
			return fmt.Errorf("vast: the base URL must be https, as the key would travel in the open to %s", u.Hostname())
		}
		c.origin = u
		return nil
	}
}

// WithTransport sends everything through rt, the orders of Create included.
// The client never changes rt. It must be safe for concurrent use.
func WithTransport(rt http.RoundTripper) Option {
	return func(c *config) error {
		if rt == nil {
			return errors.New("vast: the transport is nil")
		}
		c.transport = rt
		return nil
	}
}

// WithClock takes all time from clock instead of a SystemClock.
func WithClock(clock Clock) Option {
	return func(c *config) error {
		if clock == nil {
			return errors.New("vast: the clock is nil")
		}
		c.clock = clock
		return nil
	}
}

// WithUserAgent names the program to the API.
func WithUserAgent(ua string) Option {
	return func(c *config) error {
		c.userAgent = ua
		return nil
	}
}

// WithLogger logs each try at debug level. No key is ever logged.
func WithLogger(l *slog.Logger) Option {
	return func(c *config) error {
		if l == nil {
			return errors.New("vast: the logger is nil")
		}
		c.logger = l
		return nil
	}
}

// WithPace limits how fast the client sends; see LivePace. Without it, and
// with the zero Pace, the client never waits before a first try.
func WithPace(p Pace) Option {
	return func(c *config) error {
		c.pace = p
		return nil
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
