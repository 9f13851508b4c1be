package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"vast-mcp/internal/tool"
	"vast-mcp/sandbox"
	"vast-mcp/vast"
)

// killedServer kills a server whose order is on the wire.
func (c *chaos) killedServer(ctx context.Context) (err error) {
	c.scene("2. A server is killed while its order is out",
		"It is a process of its own, with its journal in a folder. It is killed when the market has carried the order out and has not answered yet.")
	dir, err := os.MkdirTemp("", "vast-mcp-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	id, err := c.orderAndDie(ctx, dir)
	if err != nil {
		return err
	}
	c.tell("market", fmt.Sprintf("instance %d was rented, and nobody was told.", id))
	if err := c.settle(ctx, dir); err != nil {
		return err
	}
	c.say("", "\nA new server starts. Its agent knows of no machine and orders one.\n")
	if err := c.orderAgain(ctx, dir, id); err != nil {
		return err
	}
	return c.oneMachine(ctx, 2, id)
}

// newcomer is an agent at a new server process, and the order that it is about
// to make.
func (c *chaos) newcomer(ctx context.Context, dir, label string) (*child, map[string]any, error) {
	p, err := c.stage.server(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	c.attend(p.agent)
	args, err := c.order(ctx, label, 24*time.Hour, "destroy")
	if err != nil {
		return nil, nil, errors.Join(err, p.leave())
	}
	return p, args, nil
}

// held is how long the market keeps the answer back: longer than it takes.
const held = time.Minute

// orderAndDie lets an agent order at a server that is killed then, and returns
// what was rented.
func (c *chaos) orderAndDie(ctx context.Context, dir string) (id vast.InstanceID, err error) {
	if err := c.market.Break(sandbox.Fault{Op: "create", When: "after", DelayMS: int(held.Milliseconds())}); err != nil {
		return 0, err
	}
	victim, args, err := c.newcomer(ctx, dir, "killed server")
	if err != nil {
		return 0, err
	}
	watching, stop := context.WithCancel(ctx)
	var missed error
	var watcher sync.WaitGroup
	next := len(c.stage.sent())
	watcher.Go(func() { id, missed = c.killOnceRented(watching, victim, next) })
	unanswered := c.act("create_instance", args, &rented{})
	stop()
	watcher.Wait()
	switch {
	case missed != nil:
		return 0, errors.Join(unanswered, fmt.Errorf("the server was not killed: %w", missed), victim.leave())
	case unanswered == nil:
		return 0, errors.Join(errors.New("the server answered before it was killed"), victim.buried())
	}
	c.tell("", fmt.Sprintf("No answer: process %d was killed.", victim.Process.Pid))
	return id, victim.buried()
}

// killOnceRented kills the server when the market shows what the order of that
// number made.
func (c *chaos) killOnceRented(ctx context.Context, victim *child, number int) (vast.InstanceID, error) {
	for {
		if sent := c.stage.sent(); len(sent) > number {
			if id, found, err := c.stage.rentedFor(ctx, sent[number]); found || err != nil {
				return id, errors.Join(err, victim.Process.Kill())
			}
		}
		if err := (vast.SystemClock{}).Sleep(ctx, demoPoll); err != nil {
			return 0, err
		}
	}
}

const (
	settlePause = 2 * time.Second
	settleTries = 30 // an order is on its way for 20 s at most
)

// settle runs the command of that name until nothing is open, and shows how it
// began and ended.
func (c *chaos) settle(ctx context.Context, dir string) error {
	for try := range settleTries {
		run, err := c.stage.child(ctx, dir, "settle")
		if err != nil {
			return err
		}
		said, err := run.Output()
		if try == 0 || err == nil {
			c.tell("shell", "\nvast-mcp settle")
			c.tell("", string(said))
		}
		if err == nil {
			return nil
		}
		if !strings.HasPrefix(string(said), "open") {
			return run.failed(err)
		}
		if err := (vast.SystemClock{}).Sleep(ctx, settlePause); err != nil {
			return err
		}
	}
	return errors.New("the order is still not settled")
}

// orderAgain lets an agent that heard of nothing order, who is told instead.
func (c *chaos) orderAgain(ctx context.Context, dir string, id vast.InstanceID) error {
	next, args, err := c.newcomer(ctx, dir, "another")
	if err != nil {
		return err
	}
	told := c.act("create_instance", args, &rented{})
	if told == nil || !strings.Contains(told.Error(), string(tool.Undelivered)) || !strings.Contains(told.Error(), fmt.Sprint(id)) {
		err = errors.Join(fmt.Errorf("the agent was not told of instance %d", id), told)
	}
	return errors.Join(err, next.leave())
}
