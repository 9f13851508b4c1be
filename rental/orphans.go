package rental

import (
	"context"
	"fmt"
	"strings"
	"time"

	"vast-mcp/internal/usd"
	"vast-mcp/vast"
)

// Orphans is what goes on costing money although nothing that this journal
// granted ends it.
type Orphans struct {
	Instances []Orphan
	Volumes   []OrphanVolume
	NoVolumes bool    // the volumes could not be read, which proves nothing
	Open      []Order // machines may run for them
	Record    Record
	Now       time.Time // the API's clock
}

// Proven reports whether it is certain that nothing else is left.
func (o Orphans) Proven() bool {
	return o.Record == RecordWhole && !o.NoVolumes && len(o.Open) == 0
}

// Orphan is an instance that has no lease, a lease that is over, or one that
// this journal does not know.
type Orphan struct {
	Instance vast.Instance
	Why      string // for people
	Removing bool   // this program is about to remove it
	Rate     usd.Amount
	Spent    Spent
}

// OrphanVolume is disk space that outlives instances. No volume has a lease.
type OrphanVolume struct {
	Volume vast.Volume
	Rate   usd.Amount
	Spent  Spent
}

// Orphans lists what no lease of this journal ends, by one complete list that
// settles on the way what it decides, and the volumes. It fails only when the
// list cannot be read.
func (d *Desk) Orphans(ctx context.Context) (Orphans, error) {
	s, err := d.survey(ctx)
	if err != nil {
		return Orphans{}, err
	}
	o := Orphans{Open: s.open, Record: s.record, Now: s.now}
	volumes, err := d.calm.Volumes.List(ctx)
	if err != nil {
		d.log.Warn("volumes cannot be read", "err", err)
		o.NoVolumes = true
	}
	var began []float64
	for _, v := range volumes {
		began = append(began, v.StartDate)
	}
	for _, row := range s.rows {
		if why := s.orphaned(row); why != "" {
			_, removing := s.undoing[row.ID]
			o.Instances = append(o.Instances, Orphan{Instance: row, Why: why, Removing: removing, Rate: rateOf(row)})
			began = append(began, row.StartDate)
		}
	}
	o.charge(s, d.bills(ctx, s.now, began, "instance", "volume"), volumes)
	return o, ctx.Err()
}

// charge adds what everything has cost.
func (o *Orphans) charge(s *survey, b bills, volumes []vast.Volume) {
	for i, orphan := range o.Instances {
		o.Instances[i].Spent = s.spentOn(orphan.Instance, b)
	}
	for _, v := range volumes {
		rate, began := usd.Ceil(v.PerHour()), unixTime(v.StartDate)
		seen := usd.Amount(0)
		if !began.IsZero() {
			seen = sinceMidnight(began, s.now, rate)
		}
		o.Volumes = append(o.Volumes, OrphanVolume{Volume: v, Rate: rate, Spent: b.of(fmt.Sprintf("volume-%d", v.ID), began, rate, seen)})
	}
}

// orphaned says why the row is one; it is empty when it is none.
func (s *survey) orphaned(row vast.Instance) string {
	if why, ok := s.undoing[row.ID]; ok {
		return "an order made it in vain, and it is being removed: " + why
	}
	h, ok := s.holds[row.ID]
	if !ok {
		return s.unleased(row)
	}
	var why []string
	if !s.now.Before(h.tail.Until.Add(leaseGrace)) {
		if Running(row) {
			why = append(why, "its lease is over, and nothing has ended it")
		} else {
			why = append(why, "its lease is over, and its disk goes on costing money")
		}
	}
	if h.written {
		why = append(why, s.unknown(h)...)
	}
	return strings.Join(why, "; ")
}

// unleased says what became of the lease of a row that has none.
func (s *survey) unleased(row vast.Instance) string {
	_, tail, labelled := ParseLabel(row.Label)
	switch {
	case labelled:
		return fmt.Sprintf("its label says until %s, later than any lease may last: nobody ends it", tail.Until.Format(time.DateOnly))
	case strings.Contains(row.Label, tailMark):
		return "the lease in its label is damaged: nobody ends it"
	case strings.HasSuffix(strings.TrimSpace(row.Label), releasedMark):
		return "its owner released it: nobody ends it"
	case nonceOf(row) != "":
		return "vast-mcp rented it, and its label lost the lease: nobody ends it"
	}
	return "no lease: not rented by vast-mcp"
}

// unknown says what the journal does not know of the lease in a label.
func (s *survey) unknown(h hold) []string {
	in, known := s.byNonce[h.tail.Nonce]
	switch {
	case s.record != RecordWhole:
		return nil
	case h.strange:
		return []string{"its label carries another lease than it was granted; that one counts, as a stop"}
	case !known && h.shared:
		return []string{"rented by a vast-mcp with another journal, or its label was copied; the lease in it counts all the same"}
	case !known:
		return []string{"rented by a vast-mcp with another journal; the lease in its label counts all the same"}
	case in.Instance != 0 && in.Instance != int64(h.row.ID) && !isOpen(in):
		return []string{fmt.Sprintf("its label was copied from instance %d; the lease in it counts, as a stop", in.Instance)}
	}
	return nil
}

// Began is when the instance was made; zero when the API does not say.
func (o Orphan) Began() time.Time { return startOf(o.Instance) }

// Began is when the volume was made; zero when the API does not say.
func (o OrphanVolume) Began() time.Time { return unixTime(o.Volume.StartDate) }
