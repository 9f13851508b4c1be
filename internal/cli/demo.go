package cli

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"vast-mcp/guard"
	"vast-mcp/internal/server"
	"vast-mcp/internal/usd"
	"vast-mcp/journal"
	"vast-mcp/sandbox"
	"vast-mcp/vast"
)

type demoCmd struct {
	Chaos bool `help:"Lose an answer, kill a server, lose an agent and set a clock wrong, and count what is left." noenv:""`
}

// demoSpeed lets a boot of minutes pass in seconds.
const demoSpeed = 120

const (
	demoImage = "pytorch/pytorch:2.7.1-cuda12.8-cudnn9-runtime"
	demoPoll  = 100 * time.Millisecond
)

// Run lets an agent rent, use and end a GPU on a market in memory, over MCP.
func (c demoCmd) Run(ctx context.Context, s *session) error {
	if c.Chaos {
		return s.chaos(ctx)
	}
	market, err := sandbox.Open(sandbox.Options{Speed: demoSpeed})
	if err != nil {
		return err
	}
	clock := vast.SystemClock{}
	client, err := vast.NewClient(market.Key(), vast.WithBaseURL(market.Origin()), vast.WithTransport(market.Transport()), vast.WithLogger(s.log))
	if err != nil {
		return err
	}
	app, err := s.demoApp(client, clock)
	if err != nil {
		return err
	}
	a, end, err := connect(ctx, app)
	if err != nil {
		return err
	}
	d := &demo{agent: a, market: market, out: s.stdout}
	a.asked, a.progressed = d.asked, d.progressed
	err = d.play()
	return errors.Join(err, end(), app.Close(), d.failed)
}

// demoApp is a server with a journal in memory.
func (s *session) demoApp(client *vast.Client, clock vast.Clock) (*server.App, error) {
	key := []byte(rand.Text())
	limit := usd.Dollar
	p := mcpPace()
	return server.New(server.Config{
		Version: s.version, Client: client, Journal: journal.New("", clock.Now), Clock: clock, Log: s.log,
		Key: func() ([]byte, error) { return key, nil }, Mode: guard.Client, Sandbox: true,
		Policy:         guard.Policy{MaxPerHour: &limit, DefaultLease: 24 * time.Hour, MaxLease: 168 * time.Hour},
		ApproveCommand: s.approveCommand, AnswerWithin: p.answer, OrderWithin: p.order, PollEvery: demoPoll, EnforceEvery: time.Second,
	})
}

// demo is the play: an agent that acts, a person who is asked, and the market.
type demo struct {
	agent  *agent
	market *sandbox.Market
	out    io.Writer
	failed error // the first failure to write
}

func (d *demo) play() error {
	d.say("", "A demonstration on a simulated market: no account, no real money.\nAn agent rents a GPU through MCP; a person is asked before money is spent.\nThe owner's limit is $1.00/h for one instance. Market time runs %dx.\n", demoSpeed)
	id, err := d.rent()
	if err != nil {
		return err
	}
	for _, scene := range []func(int64) error{d.boot, d.letIn, d.work, d.finish} {
		if err := scene(id); err != nil {
			return err
		}
	}
	return d.account()
}

func (d *demo) rent() (id int64, err error) {
	var found struct {
		Offers []struct {
			OfferID int64 `json:"offer_id"`
		} `json:"offers"`
	}
	if err := d.call("search_offers", map[string]any{"gpu_names": []string{"RTX 4090"}, "num_gpus": 1, "max_dollars_per_hour": 1, "limit": 3}, &found); err != nil {
		return 0, err
	}
	if len(found.Offers) == 0 {
		return 0, errors.New("the market has no RTX 4090 under $1.00/h")
	}
	var got struct {
		Status     string `json:"status"`
		InstanceID int64  `json:"instance_id"`
	}
	err = d.call("create_instance", map[string]any{
		"offer_id": found.Offers[0].OfferID, "image": demoImage, "label": "demo", "lease_hours": 4, "on_expiry": "destroy",
	}, &got)
	if err == nil && got.InstanceID == 0 {
		err = fmt.Errorf("the rental ended as %q", got.Status)
	}
	return got.InstanceID, err
}

func (d *demo) boot(id int64) error {
	for {
		var seen struct {
			Reached bool   `json:"reached"`
			State   string `json:"state"`
		}
		if err := d.call("wait_for_instance", map[string]any{"instance_id": id, "until": "ready", "timeout_seconds": 15}, &seen); err != nil {
			return err
		}
		if seen.Reached {
			return nil
		}
		switch seen.State {
		case "provisioning", "pulling", "starting":
		default:
			return fmt.Errorf("instance %d became %s", id, seen.State)
		}
	}
}

func (d *demo) letIn(id int64) error {
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return err
	}
	text := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) + " demo"
	return d.call("attach_ssh_key", map[string]any{"instance_id": id, "public_key": text}, &struct{}{})
}

func (d *demo) work(id int64) error {
	return d.call("get_logs", map[string]any{"instance_id": id, "tail": 5}, &struct{}{})
}

func (d *demo) finish(id int64) error {
	if err := d.call("stop_instance", map[string]any{"instance_id": id}, &struct{}{}); err != nil {
		return err
	}
	if err := d.call("destroy_instance", map[string]any{"instance_ids": []int64{id}}, &struct{}{}); err != nil {
		return err
	}
	var left struct {
		Total int `json:"total"`
	}
	if err := d.call("list_instances", map[string]any{}, &left); err != nil {
		return err
	}
	if left.Total != 0 {
		return fmt.Errorf("%d instances are left", left.Total)
	}
	return nil
}

// account shows what the market's own ledger says, and that it adds up.
func (d *demo) account() error {
	entries, err := closedLedger(d.market)
	if err != nil {
		return err
	}
	d.say("ledger", "what the market charged, to the micro-dollar:\n")
	total := usd.Amount(0)
	for _, e := range entries {
		amount := usd.Amount(e.MicroDollars)
		total = total.Add(amount)
		d.say("", "%-8s %10s at %s/h for %s\n", e.Kind, amount, usd.Ceil(e.DollarsPerHour), e.End.Sub(e.Start).Round(time.Second))
	}
	credit, err := d.market.Credit()
	if err != nil {
		return err
	}
	return d.balance(total, usd.Amount(credit))
}

// closedLedger is the market's ledger. It fails when something still costs money.
func closedLedger(market *sandbox.Market) ([]sandbox.Entry, error) {
	entries, err := market.Ledger()
	for _, e := range entries {
		if e.End.IsZero() {
			return nil, fmt.Errorf("the ledger still charges %s for instance %d", e.Kind, e.InstanceID)
		}
	}
	return entries, err
}

// demoCredit is what a new account has.
const demoCredit = 100 * usd.Dollar

// balance is the last line of the books, and of the play.
func (d *demo) balance(charged, left usd.Amount) error {
	if left+charged != demoCredit {
		return fmt.Errorf("the books do not balance: %s charged, %s left of %s", charged, left, demoCredit)
	}
	d.say("", "%-8s %10s, and %s of the %s credit is left\n", "total", charged, left, demoCredit)
	d.say("", "Nothing is left running.\n")
	return nil
}

// call shows one call of the agent and what came back.
func (d *demo) call(tool string, args, out any) error {
	shown, err := json.Marshal(args)
	if err != nil {
		return err
	}
	line := string(shown)
	if const80 := 100; len(line) > const80 {
		line = line[:const80] + "..."
	}
	d.say("agent", "\n%s %s\n", tool, line)
	text, err := d.agent.call(tool, args, out)
	if err != nil {
		return err
	}
	d.say("", "%s\n", strings.TrimRight(text, "\n"))
	return nil
}

// asked plays the person, who reads the question and says yes.
func (d *demo) asked(question string) bool {
	d.say("asked", "%s", question)
	d.say("person", "yes\n")
	return true
}

func (d *demo) progressed(message string) { d.say("...", "%s\n", message) }

// say writes text with the speaker in the margin. A line break at its beginning
// is an empty line above.
func (d *demo) say(who, format string, args ...any) {
	text, lead := fmt.Sprintf(format, args...), ""
	if rest, apart := strings.CutPrefix(text, "\n"); apart {
		text, lead = rest, "\n"
	}
	for line := range strings.Lines(text) {
		if _, err := fmt.Fprintf(d.out, "%s%-7s %s", lead, who, line); err != nil && d.failed == nil {
			d.failed = err
		}
		who, lead = "", ""
	}
}
