package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"

	"vast-mcp/internal/server"
)

type httpCmd struct {
	Listen    string `help:"Address to serve on. Beyond this machine it needs a token, and TLS or --insecure." default:"127.0.0.1:8787"`
	TokenFile string `help:"File of bearer tokens, a line NAME TOKEN for each caller. Without it $VAST_MCP_HTTP_TOKEN holds them." placeholder:"FILE" type:"path"`
	TLSCert   string `name:"tls-cert" help:"Certificate, PEM." placeholder:"FILE" type:"path"`
	TLSKey    string `name:"tls-key" help:"Its private key, PEM." placeholder:"FILE" type:"path"`
	Insecure  bool   `help:"Serve beyond this machine without TLS, for example behind a proxy that has it."`
}

// tokenEnv holds tokens as a token file does, where there is no file.
const tokenEnv = "VAST_MCP_HTTP_TOKEN" //nolint:gosec // a name

// Run serves MCP until the program is told to end.
func (c httpCmd) Run(ctx context.Context, s *session) error {
	h, err := c.options()
	if err != nil {
		return &exit{exitUsage, err}
	}
	if h.Tokens.Short {
		s.log.Warn("a token is shorter than 16 characters and can be guessed: take 32 random ones")
	}
	if c.openToOthers() {
		s.log.Warn("other users of this machine may read the token file", "fix", "chmod 600 "+c.TokenFile)
	}
	app, err := s.bound(ctx, mcpPace())
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return errors.Join(err, app.Close())
	}
	scheme := "http"
	if h.Certificate != nil {
		scheme = "https"
	}
	if _, err = fmt.Fprintf(s.stdout, "vast-mcp serves MCP at %s://%s/mcp\n", scheme, l.Addr()); err != nil {
		return errors.Join(err, l.Close(), app.Close())
	}
	err = errors.Join(app.ServeHTTP(ctx, l, h), app.Close())
	s.sayHeads(app.Journal())
	return err
}

// options reads the tokens and the certificate, and refuses to lay an open
// server before the world.
func (c httpCmd) options() (server.HTTP, error) {
	var h server.HTTP
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return h, fmt.Errorf("--listen %s is not an address: write it as 127.0.0.1:8787", c.Listen)
	}
	if h.Tokens, err = c.tokens(); err != nil {
		return h, err
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return h, errors.New("--tls-cert and --tls-key belong together")
	}
	if c.TLSCert != "" {
		cert, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
		if err != nil {
			return h, fmt.Errorf("--tls-cert and --tls-key: %w", err)
		}
		h.Certificate = &cert
	}
	switch {
	case server.IsLoopback(host):
	case !h.Tokens.Any():
		return h, fmt.Errorf("%s can be reached from other machines, and whoever reaches it spends your money: give --token-file, or listen on 127.0.0.1", c.Listen)
	case h.Certificate == nil && !c.Insecure:
		return h, fmt.Errorf("%s can be reached from other machines, and without TLS the token can be read on the way: give --tls-cert and --tls-key, or --insecure if a proxy in front has TLS", c.Listen)
	}
	return h, nil
}

// openToOthers reports whether others on this machine may read the tokens.
func (c httpCmd) openToOthers() bool {
	info, err := os.Stat(c.TokenFile)
	return c.TokenFile != "" && err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0
}

func (c httpCmd) tokens() (server.Tokens, error) {
	text, from := os.Getenv(tokenEnv), tokenEnv
	if c.TokenFile != "" {
		data, err := os.ReadFile(c.TokenFile)
		if err != nil {
			return server.Tokens{}, fmt.Errorf("--token-file: %w", err)
		}
		text, from = string(data), c.TokenFile
	} else if text == "" {
		return server.Tokens{}, nil
	}
	all, err := server.ParseTokens(text)
	if err != nil {
		return all, fmt.Errorf("%s: %w", from, err)
	}
	return all, nil
}
