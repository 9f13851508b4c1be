package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"vast-mcp/internal/server"
	"vast-mcp/internal/usd"
	"vast-mcp/vast"
)

// tearDown ends everything and closes the books.
func (c *chaos) tearDown(ctx context.Context) error {
	c.scene("5. What is left", "A new agent, at a server that knows nothing of all this, ends what there is.")
	return c.served(ctx, vast.SystemClock{}, func(*server.App) error {
		var all struct {
			Instances []struct {
				ID int64 `json:"instance_id"`
			} `json:"instances"`
		}
		if _, err := c.agent.call("list_instances", map[string]any{}, &all); err != nil {
			return err
		}
		var ids []int64
		for _, row := range all.Instances {
			ids = append(ids, row.ID)
		}
		if err := c.act("destroy_instance", map[string]any{"instance_ids": ids}, &struct{}{}); err != nil {
			return err
		}
		if err := errors.Join(c.none("list_leases"), c.none("list_orphans")); err != nil {
			return err
		}
		return c.books(ctx)
	})
}

// none calls a tool that lists, and fails when there is anything.
func (c *chaos) none(list string) error {
	var found struct {
		Total int   `json:"total"`
		Open  []any `json:"open_orders"`
	}
	text, err := c.ask(list, map[string]any{}, &found)
	c.tell("", strings.Join(strings.Fields(text), " "))
	if err == nil && found.Total+len(found.Open) > 0 {
		err = fmt.Errorf("%s still has %d, and %d open orders", list, found.Total, len(found.Open))
	}
	return err
}

// books holds what the program says against the market's ledger: what each
// rental cost, and what is left.
func (c *chaos) books(ctx context.Context) error {
	entries, err := closedLedger(c.market)
	if err != nil {
		return err
	}
	if here, err := c.stage.door.Instances.All(ctx); err != nil || len(here) > 0 {
		return errors.Join(err, fmt.Errorf("the market still has %d instances", len(here)))
	}
	charged, slack, total := map[int64]usd.Amount{}, map[int64]usd.Amount{}, usd.Amount(0)
	for _, e := range entries {
		amount := usd.Amount(e.MicroDollars)
		charged[e.InstanceID], total = charged[e.InstanceID].Add(amount), total.Add(amount)
		days := 1 + e.End.Truncate(24*time.Hour).Sub(e.Start.Truncate(24*time.Hour))/(24*time.Hour)
		slack[e.InstanceID] += usd.Amount(days) * rounding
	}
	if orders := len(c.stage.sent()); orders != len(charged) {
		return fmt.Errorf("%d orders were sent, and %d machines charged", orders, len(charged))
	}
	told, err := c.told()
	if err != nil {
		return err
	}
	c.say("ledger", "\nwhat each rental cost, and what get_spending says, which rounds as the\nbill does: each kind of cost of a day to a tenth of a cent.\n")
	for _, id := range slices.Sorted(maps.Keys(charged)) {
		said := told[fmt.Sprintf("instance-%d", id)]
		c.say("", "%d %10s %10s\n", id, charged[id], said)
		if off := max(charged[id], said) - min(charged[id], said); off > slack[id] {
			return fmt.Errorf("the two differ by %s, which is more than rounding", off)
		}
	}
	return c.credit(total)
}

// rounding is how far the bill may be off for one kind of cost on one day.
const rounding = usd.Dollar / 1000 / 2

// told is what get_spending says of each instance.
func (c *chaos) told() (map[string]usd.Amount, error) {
	var spent struct {
		ByInstance []struct {
			Name    string     `json:"name"`
			Dollars usd.Amount `json:"dollars"`
		} `json:"by_instance"`
	}
	_, err := c.agent.call("get_spending", map[string]any{}, &spent)
	told := map[string]usd.Amount{}
	for _, row := range spent.ByInstance {
		told[row.Name] = row.Dollars
	}
	return told, err
}

// credit compares what the ledger charged with what get_account says is left.
func (c *chaos) credit(total usd.Amount) error {
	var account struct {
		Credit usd.Amount `json:"credit_dollars"`
	}
	if _, err := c.agent.call("get_account", map[string]any{}, &account); err != nil {
		return err
	}
	return c.balance(total, account.Credit)
}
