package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// burden is a server whose memory is looked at.
type burden struct {
	name    string
	path    string
	args    []string
	request request
}

// residence measures what a process occupies.
func (b *bench) residence(ctx context.Context) error {
	rows := [][]string{{"server, MiB resident", "idle", fmt.Sprintf("after %d calls", b.wear/10), fmt.Sprintf("after %d calls", b.wear), fmt.Sprintf("with %d idle sessions", b.sessions)}}
	for _, s := range []burden{
		{"bare server of the library", b.path("bare"), []string{"http"}, request{"echo", `{"text":"hello"}`}},
		{
			"vast-mcp --sandbox", b.path("vast-mcp"),
			[]string{"http", "--sandbox", "--state-dir", filepath.Join(b.dir, "memory"), "--listen", "127.0.0.1:0"},
			request{"search_offers", `{"limit":1,"max_dollars_per_hour":0.05}`},
		},
	} {
		row, err := b.weigh(ctx, s)
		if errors.Is(err, fs.ErrNotExist) {
			b.printf("\nMemory is not measured: this system has no /proc.\n")
			return nil
		}
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	b.table("Memory, over HTTP", rows...)
	return nil
}

func (b *bench) weigh(ctx context.Context, s burden) ([]string, error) {
	worn, err := b.watch(ctx, s, func(url string, note func() error) error {
		lanes, err := overHTTP(ctx, url, legacy, s.request, 8)
		if err != nil {
			return err
		}
		var t timing
		for _, calls := range []int{b.wear / 10, b.wear - b.wear/10} {
			if err := errors.Join(t.load(ctx, lanes, calls), note()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	crowded, err := b.watch(ctx, s, func(url string, note func() error) error {
		for range b.sessions {
			open, err := dial(ctx, url, legacy)
			if err != nil {
				return err
			}
			open.client.CloseIdleConnections()
		}
		return note()
	})
	return append([]string{s.name}, append(worn, crowded[1:]...)...), err
}

// watch starts a server, notes its memory, and again whenever use says.
func (b *bench) watch(ctx context.Context, s burden, use func(url string, note func() error) error) ([]string, error) {
	p, err := launch(ctx, nil, s.path, s.args...)
	if err != nil {
		return nil, err
	}
	defer p.end()
	url, err := p.url()
	if err != nil {
		return nil, err
	}
	var sizes []string
	note := func() error {
		size, err := p.resident()
		sizes = append(sizes, fmt.Sprintf("%.1f", size))
		return err
	}
	return sizes, errors.Join(note(), use(url, note))
}
