package rental

import (
	"context"
	"strings"

	"vast-mcp/internal/plain"
	"vast-mcp/journal"
	"vast-mcp/vast"
)

// releasedMark stands in the label of a rental that was released, where its
// lease stood: whoever looks at it from inside the instance can tell that from a
// lease that was lost.
const releasedMark = "[vm-released]"

// Release takes the lease off an instance, which then runs until somebody ends
// it. Only its owner may do that, by hand: the caller has to see to it. The
// journal knows first: a lease that is only missing from a label is put back.
func (d *Desk) Release(ctx context.Context, id vast.InstanceID) (vast.Instance, error) {
	realm, err := d.Realm(ctx)
	if err != nil {
		return vast.Instance{}, err
	}
	row, err := d.client.Instances.Get(ctx, id)
	if err != nil {
		return row, err
	}
	if !Ours(row) {
		return row, &BadRequest{"instance", "it carries no lease of this program", "nothing here ends it"}
	}
	now := d.apiNow()
	err = d.journal.Tx(ctx, realm, func(tx *journal.Tx) error {
		return tx.EndRentals(int64(id), func(in *journal.Intent) {
			end("its owner released it", now)(in)
			in.Released = true
		})
	})
	if err != nil {
		return row, err
	}
	return d.rewrite(ctx, id, func(label string) (string, error) {
		text, _, _ := ParseLabel(label)
		return plain.Cut(strings.TrimSpace(text+" "+releasedMark), maxForeignLabel), nil
	})
}
