package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"vast-mcp/sandbox"
)

type sandboxCmd struct {
	Listen     string   `help:"Address to serve on." default:"127.0.0.1:8788"`
	APIKey     string   `name:"api-key" help:"Key that the simulated account has (default: sandbox-key)." noenv:""`
	Seed       uint64   `help:"Another market: offers and times follow from the seed." placeholder:"N"`
	RateLimit  string   `help:"off, or live: answer 429 as the service does." enum:"off,live" default:"off"`
	Failures   string   `help:"off, or live: offers and prices change, GPUs are taken, and hosts fail." enum:"off,live" default:"off"`
	LegacyList int      `help:"What the retired list answers: 410 or 200." enum:"410,200" default:"410"`
	Fault      []string `help:"Break an answer, like create:after:drop:1 (operation:when:what:count)." placeholder:"FAULT" sep:"none"`
	Faults     string   `help:"Faults in JSON: a list, or {\"seed\":7,\"count\":100} for some that follow from the seed." placeholder:"FILE"`
}

// Run serves the simulated API until the program is told to end.
func (c sandboxCmd) Run(ctx context.Context, s *session) error {
	faults, err := c.faults()
	if err != nil {
		return err
	}
	dir, err := s.globals.stateDir()
	if err != nil {
		return err
	}
	o := sandbox.Options{
		Key: c.APIKey, Seed: c.Seed, LegacyList: c.LegacyList, Faults: faults,
		RateLimited: c.RateLimit == "live", Failures: c.Failures == "live",
	}
	market, err := s.openMarket(o, dir)
	if err != nil {
		return usage("%w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.stdout, "The simulated Vast.ai API is at http://%s\nUse it with:\n  VAST_URL=http://%s VAST_API_KEY=%s\n", listener.Addr(), listener.Addr(), market.Key())
	if err != nil {
		return err
	}
	return serve(ctx, &http.Server{Handler: market, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}, listener)
}

// faults are those of the flags, and then those of the file.
func (c sandboxCmd) faults() ([]sandbox.Fault, error) {
	var faults []sandbox.Fault
	for _, text := range c.Fault {
		f, err := sandbox.ParseFault(text)
		if err != nil {
			return nil, usage("--fault %w", err)
		}
		faults = append(faults, f)
	}
	if c.Faults == "" {
		return faults, nil
	}
	raw, err := os.ReadFile(c.Faults)
	if err != nil {
		return nil, usage("--faults: %w", err)
	}
	more, err := sandbox.ParseFaults(raw)
	if err != nil {
		return nil, usage("--faults %s: %w", c.Faults, err)
	}
	return append(faults, more...), nil
}

// serve runs srv until ctx ends, and then lets answers in flight finish.
func serve(ctx context.Context, srv *http.Server, l net.Listener) error {
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	err := srv.Shutdown(patience)
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
