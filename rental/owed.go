package rental

import (
	"context"
	"errors"
	"maps"
	"slices"

	"vast-mcp/vast"
)

// owed are the instances whose lease is over and that no list has shown ended
// yet, with what is still missing.
type owed map[vast.InstanceID]Ending

// vanished tells of those that are owed and that rows lack: only its own page
// says that an instance is gone. What runs is stopped.
func (d *Desk) vanished(ctx context.Context, rows []vast.Instance) (left []Ending) {
	d.mu.Lock()
	before := d.owed
	d.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(before)) {
		if slices.ContainsFunc(rows, func(row vast.Instance) bool { return row.ID == id }) {
			continue
		}
		e := before[id]
		row, err := d.client.Instances.Get(ctx, id)
		_, tail, leased := ParseLabel(row.Label)
		due := leased && !d.apiNow().Before(tail.Until.Add(leaseGrace))
		switch {
		case errors.Is(err, vast.NotFound):
			continue
		case err != nil:
			e.Did, e.Err = "found, which the list lacks", err
		case due && Running(row):
			e.Did, e.Err = "stopped, for the list lacks it and it runs", d.client.Instances.Stop(ctx, id)
		default:
			e.Did = "the list lacks it, and it is there"
		}
		left = append(left, e)
	}
	return left
}

// owe keeps what is left for the next look.
func (d *Desk) owe(left []Ending) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.owed = owed{}
	for _, e := range left {
		if !e.Stays {
			d.owed[e.Instance] = e
		}
	}
}
