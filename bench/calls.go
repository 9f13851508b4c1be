package main

import (
	"context"
	"fmt"
	"os"
)

// setting is a way of calling.
type setting struct {
	over    string // stdio or http
	version string
	clients int
}

func (s setting) String() string { return fmt.Sprintf("%s %s, %d", s.over, s.version, s.clients) }

// rival is a server in a setting.
type rival struct {
	name    string
	path    string
	args    func(over string) []string
	request request
	share   int // of the calls it makes: one in so many, where one takes long

	process *process
	lanes   []lane
	timing  timing
}

// rivals are the bare server first, and ours before an API that answers a search
// with one offer, and with as many as the real one.
func (b *bench) rivals() ([]*rival, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	ours := func(offers string) func(string) []string {
		return func(over string) []string { return []string{servingArg, over, offers} }
	}
	search := request{"search_offers", `{"limit":1}`}
	return []*rival{
		{name: "bare echo", path: b.path("bare"), request: request{"echo", `{"text":"hello"}`}, share: 1, args: func(over string) []string {
			if over == "http" {
				return []string{"http"}
			}
			return nil
		}},
		{name: "search among 1", path: self, args: ours("1"), request: search, share: 1},
		{name: "search among 64", path: self, args: ours("64"), request: search, share: 10},
	}, nil
}

// toolCalls measures what a tool call costs.
func (b *bench) toolCalls(ctx context.Context) error {
	rows := [][]string{{"over, clients", "call", "p50 to bare", "calls/s to bare", "p50", "p99", "calls/s"}}
	for _, s := range []setting{
		{"stdio", legacy, 1},
		{"stdio", legacy, 32},
		{"http", legacy, 1},
		{"http", legacy, 32},
		{"http", modern, 1},
		{"http", modern, 32},
	} {
		all, err := b.compete(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
		bare := &all[0].timing
		for _, r := range all {
			p50 := r.timing.quantile(0.5)
			rows = append(rows, []string{
				s.String(), r.name, ratio(float64(p50), float64(bare.quantile(0.5))), ratio(r.timing.rate(), bare.rate()),
				micros(p50), micros(r.timing.quantile(0.99)), fmt.Sprintf("%.0f", r.timing.rate()),
			})
		}
	}
	b.table(fmt.Sprintf("Tool calls, %d each (a tenth among 64), in turns", b.calls), rows...)
	return nil
}

// compete lets the servers take turns in a setting.
func (b *bench) compete(ctx context.Context, s setting) ([]*rival, error) {
	all, err := b.rivals()
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if r.process, err = launch(ctx, nil, r.path, r.args(s.over)...); err != nil {
			return nil, err
		}
		defer r.process.end()
		if r.lanes, err = b.connect(ctx, r, s); err != nil {
			return nil, err
		}
	}
	for range b.rounds {
		for _, r := range all {
			if err := r.timing.load(ctx, r.lanes, b.calls/b.rounds/r.share); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// connect opens the lanes and warms them up.
func (b *bench) connect(ctx context.Context, r *rival, s setting) ([]lane, error) {
	var lanes []lane
	var err error
	if s.over == "stdio" {
		lanes, err = overStdio(r.process, r.request, s.clients)
	} else {
		var url string
		if url, err = r.process.url(); err == nil {
			lanes, err = overHTTP(ctx, url, s.version, r.request, s.clients)
		}
	}
	if err != nil {
		return nil, err
	}
	var warm timing
	return lanes, warm.load(ctx, lanes, b.calls/10/r.share)
}
