package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"vast-mcp/internal/server"
	"vast-mcp/vast"
)

// chaos is the play in which everything goes wrong once, and the books are
// right all the same.
type chaos struct {
	demo

	session *session
	stage   *stage
}

// chaos plays it. It fails when anything is not as it should be.
func (s *session) chaos(ctx context.Context) (err error) {
	st, err := openStage(ctx)
	if err != nil {
		return err
	}
	c := &chaos{demo: demo{market: st.market, out: s.stdout}, session: s, stage: st}
	c.say("", "What goes wrong, on a simulated market: no account, no real money.\nA person says yes to each order. Where hours pass, the market's clock is\nturned. What the market holds and charges is told by its own ledger.\n")
	for _, scene := range []func(context.Context) error{c.lostAnswer, c.killedServer, c.agentGone, c.wrongClock, c.tearDown} {
		if err = scene(ctx); err != nil {
			break
		}
	}
	if err != nil && ctx.Err() != nil {
		err = errors.New("interrupted before the end")
	}
	return errors.Join(err, st.close(), c.failed)
}

// served is a part of the play with an agent at a server in this process, which
// knows nothing of earlier ones and ends when the agent leaves.
func (c *chaos) served(ctx context.Context, clock vast.Clock, part func(*server.App) error) error {
	app, err := c.app(clock)
	if err != nil {
		return err
	}
	a, end, err := connect(ctx, app)
	if err == nil {
		c.attend(a)
		err = part(app)
	}
	return errors.Join(err, end(), app.Close())
}

// app is a server at the market, with a journal of its own.
func (c *chaos) app(clock vast.Clock) (*server.App, error) {
	client, err := vast.NewClient(c.market.Key(), vast.WithBaseURL(c.stage.url), vast.WithClock(clock), vast.WithLogger(c.session.log))
	if err != nil {
		return nil, err
	}
	return c.session.demoApp(client, clock)
}

// attend puts an agent on the stage.
func (c *chaos) attend(a *agent) {
	a.asked, a.progressed = c.asked, func(string) {}
	c.agent = a
}

// rented is what create_instance answers.
type rented struct {
	Status     string          `json:"status"`
	Replayed   bool            `json:"replayed"`
	InstanceID vast.InstanceID `json:"instance_id"`
	Instance   struct {
		Lease struct {
			Until time.Time `json:"until"`
		} `json:"lease"`
	} `json:"instance"`
}

// order is what create_instance takes, for the cheapest offer there is now.
func (c *chaos) order(ctx context.Context, label string, lease time.Duration, onExpiry string) (map[string]any, error) {
	offer, err := c.stage.offer(ctx)
	return map[string]any{
		"offer_id": offer, "image": "pytorch/pytorch", "label": label, "lease_hours": lease.Hours(), "on_expiry": onExpiry,
	}, err
}

// rent orders the cheapest offer and waits until its machine is ready.
func (c *chaos) rent(ctx context.Context, label string, lease time.Duration, onExpiry string) (got rented, err error) {
	args, err := c.order(ctx, label, lease, onExpiry)
	if err != nil {
		return got, err
	}
	if err := c.act("create_instance", args, &got); err != nil {
		return got, err
	}
	return got, c.boot(ctx, got.InstanceID)
}

// bootTime is more than any machine here needs to start.
const bootTime = 20 * time.Minute

func (c *chaos) boot(ctx context.Context, id vast.InstanceID) error {
	if err := c.stage.pass(ctx, bootTime); err != nil {
		return err
	}
	var seen struct {
		Reached bool `json:"reached"`
	}
	err := c.act("wait_for_instance", map[string]any{"instance_id": id, "until": "ready"}, &seen)
	if err == nil && !seen.Reached {
		err = fmt.Errorf("instance %d did not start", id)
	}
	return err
}

const (
	wide      = 72 // columns beside the margin
	longTexts = 2  // lines of an answer that are shown
)

// scene begins one.
func (c *chaos) scene(title, text string) {
	c.say("", "\n%s\n", title)
	c.tell("", text)
}

// tell writes text in lines that fit.
func (c *chaos) tell(who, text string) { c.say(who, "%s", folded(text)) }

// act shows a call of the agent and how its answer begins.
func (c *chaos) act(tool string, args map[string]any, out any) error {
	text, err := c.ask(tool, args, out)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if text != "" {
		c.tell("", strings.Join(lines[:min(len(lines), longTexts)], "\n"))
	}
	return err
}

// ask shows a call of the agent and returns its answer.
func (c *chaos) ask(tool string, args map[string]any, out any) (text string, err error) {
	shown, err := json.Marshal(args)
	if err != nil {
		return "", err
	}
	c.tell("agent", "\n"+tool+" "+strings.ReplaceAll(string(shown), `,"`, `, "`))
	return c.agent.call(tool, args, out)
}

// asked plays the person. Of what is read the sum is shown.
func (c *chaos) asked(question string) bool {
	lines := strings.Split(question, "\n")
	c.tell("asked", lines[min(1, len(lines)-1)])
	for _, line := range lines {
		if price, found := strings.CutPrefix(strings.TrimSpace(line), "price"); found {
			c.tell("", strings.TrimSpace(price))
		}
	}
	c.say("person", "yes\n")
	return true
}

// folded is text in lines that are no wider than wide, where its words allow.
func folded(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		used := 0
		for i, word := range strings.Fields(line) {
			switch {
			case i == 0:
			case used+1+len(word) > wide:
				b.WriteString("\n")
				used = 0
			default:
				b.WriteString(" ")
				used++
			}
			b.WriteString(word)
			used += len(word)
		}
		b.WriteString("\n")
	}
	return b.String()
}
