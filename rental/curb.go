package rental

import (
	"context"
	"errors"

	"vast-mcp/guard"
	"vast-mcp/vast"
)

// Curb stops the rentals that turned out dearer than allowed. It never destroys
// one: the disk is kept. What it reports as stopped was asked for, not seen.
func (d *Desk) Curb(ctx context.Context, over []guard.Overrun) (said []Ending) {
	for _, o := range over {
		row, err := d.client.Instances.Get(ctx, vast.InstanceID(o.Instance))
		_, tail, _ := ParseLabel(row.Label)
		did := Ending{Instance: vast.InstanceID(o.Instance), Until: tail.Until, Did: "stopped before its lease ended: " + o.Why}
		switch {
		case errors.Is(err, vast.NotFound), err == nil && (!hasNonce(row, o.Nonce) || !Running(row)):
			continue
		case err == nil:
			err = d.client.Instances.Stop(ctx, row.ID)
		}
		did.Err, did.nonce = err, o.Nonce
		said = append(said, did)
	}
	d.noteEndings(ctx, said)
	return said
}
