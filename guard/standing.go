package guard

import (
	"context"

	"vast-mcp/journal"
)

// Standing is where an account stands with the limits in force.
type Standing struct {
	InForce InForce
	Load    Load
	Unread  Need // what was asked for and could not be read
}

// Standing reads where the account stands. It fails when the list of what runs
// cannot be read.
func (g *Guard) Standing(ctx context.Context, need Need) (s Standing, err error) {
	realm, err := g.world.Realm(ctx)
	if err != nil {
		return s, err
	}
	e, err := g.world.Exposure(ctx, need)
	if err != nil {
		return s, err
	}
	s.Unread = e.Unread
	return s, g.look(ctx, realm, func(tx *journal.Tx) error {
		if s.InForce, err = g.inForce(tx); err != nil {
			return err
		}
		s.Load, err = weigh(tx, e, Plan{})
		return err
	})
}
