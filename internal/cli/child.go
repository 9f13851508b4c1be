package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// child is this program as a process of its own, at the market of a stage.
type child struct {
	*exec.Cmd

	agent *agent // at a server
	in    io.Closer
	said  bytes.Buffer // on stderr
}

// child makes ready to run this program with a state folder. What the
// environment says of this program's settings is not passed on.
func (st *stage) child(ctx context.Context, dir string, args ...string) (*child, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("this program cannot start itself: %w", err)
	}
	c := &child{Cmd: exec.CommandContext(ctx, path, append(args, "--state-dir", dir)...)} //nolint:gosec // our own program
	c.Env = slices.DeleteFunc(os.Environ(), func(pair string) bool { return strings.HasPrefix(strings.ToUpper(pair), "VAST_") })
	c.Env = append(c.Env, "VAST_URL="+st.url, keyEnv+"="+st.market.Key())
	c.Stderr = &c.said
	return c, nil
}

// server starts this program as an MCP server over pipes, with an agent at them.
func (st *stage) server(ctx context.Context, dir string) (*child, error) {
	c, err := st.child(ctx, dir, "stdio")
	if err != nil {
		return nil, err
	}
	in, err := c.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("this program cannot start itself: %w", err)
	}
	c.in = in
	if c.agent, err = introduce(out, in); err != nil {
		return nil, errors.Join(err, c.Process.Kill(), c.failed(c.Wait()))
	}
	return c, nil
}

// leave ends the agent's session, and the server with it.
func (c *child) leave() error { return errors.Join(c.in.Close(), c.failed(c.Wait())) }

// buried waits for a server that was killed.
func (c *child) buried() error {
	if err := c.Wait(); err == nil {
		return errors.New("the server was killed, and ended as if it were not")
	}
	return nil
}

// failed adds what the program said to how it ended.
func (c *child) failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w: %s", strings.Join(c.Args, " "), err, bytes.TrimSpace(c.said.Bytes()))
}
