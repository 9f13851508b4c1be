package vast

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client talks to the API for one account. It is safe for concurrent use.
type Client struct {
	Offers    *OfferService
	Instances *InstanceService
	SSHKeys   *SSHKeyService
	Account   *AccountService
	Billing   *BillingService
	Templates *TemplateService
	Volumes   *VolumeService

	send   exchange
	wire   *wire
	clean  redactor
	clock  Clock
	urgent bool
}

// service is what each of the client's services is made of.
type service struct{ c *Client }

// NewClient returns a client that uses key. With an empty key each call
// fails with NoKey and nothing is sent.
func NewClient(key string, opts ...Option) (*Client, error) {
	c := config{
		key:       strings.TrimSpace(key),
		origin:    &url.URL{Scheme: "https", Host: "console.vast.ai"},
		clock:     SystemClock{},
		userAgent: "vast-mcp",
		logger:    slog.New(slog.DiscardHandler),
	}
	if strings.ContainsFunc(c.key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("vast: the API key holds spaces or other characters that no key has")
	}
	for _, opt := range opts {
		if err := opt(&c); err != nil {
			return nil, err
		}
	}
	client := &Client{wire: newWire(c), clean: redactor{key: c.key}, clock: c.clock}
	client.send = chain(c, client.wire, client.clean)
	client.serve()
	return client, nil
}

// serve makes the services, which send through this very client.
func (c *Client) serve() {
	s := service{c}
	c.Offers = (*OfferService)(&s)
	c.Instances = (*InstanceService)(&s)
	c.SSHKeys = (*SSHKeyService)(&s)
	c.Account = (*AccountService)(&s)
	c.Billing = (*BillingService)(&s)
	c.Templates = (*TemplateService)(&s)
	c.Volumes = (*VolumeService)(&s)
}

// Urgent returns a client whose calls go ahead of those that wait. It shares
// everything else with c, the pace and ServerTime included. Use it for what
// must not wait for whoever else is at work, and little else: urgent calls
// wait for each other in the order in which they came.
func (c *Client) Urgent() *Client {
	urgent := *c
	urgent.urgent = true
	urgent.serve()
	return &urgent
}

// Origin returns where the client sends to, such as https://console.vast.ai.
func (c *Client) Origin() string { return c.wire.origin.String() }

// ServerTime returns the Date of the newest answer of the API, to the
// second, and the zero time before the first. It is safe for concurrent use.
func (c *Client) ServerTime() time.Time {
	seconds := c.wire.date.Load()
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// request is what differs between two calls of one operation.
type request struct {
	ids   []int64 // for the placeholders of the path
	query url.Values
	body  any // nil is sent as {} where the method has a body
}

// do calls an operation and decodes its answer into out, unless out is nil.
func (c *Client) do(ctx context.Context, name operation, r request, out any) error {
	op := operations[name]
	for _, id := range r.ids {
		if id <= 0 {
			return invalid(name, "an id must be a positive number")
		}
	}
	var body []byte
	if op.Method != http.MethodGet {
		body = []byte("{}")
	}
	if r.body != nil {
		var err error
		if body, err = json.Marshal(r.body); err != nil {
			return invalid(name, err.Error())
		}
	}
	a, err := c.send(ctx, call{op: op, path: op.at(r.ids), query: r.query, body: body, urgent: c.urgent || op.Urgent})
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(a.body, out); err != nil {
		return garbled(name, c.quote(a.body))
	}
	return nil
}

// quote returns the beginning of a body for an error.
func (c *Client) quote(body []byte) string { return c.clean.text(string(body), maxQuote) }
