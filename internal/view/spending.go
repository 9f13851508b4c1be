package view

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"vast-mcp/internal/plain"
	"vast-mcp/internal/usd"
	"vast-mcp/vast"
)

// Days are whole UTC days that end with today.
type Days struct {
	Count    int
	From, To time.Time // the first midnight, and the one that is to come
	today    time.Time
}

// LastDays is today and the days before it, count in all. now is the API's
// clock, whose days they are.
func LastDays(count int, now time.Time) Days {
	today := now.UTC().Truncate(24 * time.Hour)
	to := today.AddDate(0, 0, 1)
	return Days{Count: count, From: to.AddDate(0, 0, -count), To: to, today: today}
}

// Query asks for everything that was charged in these days.
func (d Days) Query() vast.ChargeQuery {
	return vast.ChargeQuery{From: d.From, To: d.To, Types: []string{"instance", "volume", "serverless"}}
}

// Spending is what was charged in some days.
type Spending struct {
	From       string         `json:"from"`
	To         string         `json:"to"`
	Total      usd.Amount     `json:"total_dollars"`
	ByDay      []SpentOn      `json:"by_day"`
	ByInstance []SpentOn      `json:"by_instance"`
	ByKind     []SpentOn      `json:"by_kind"`
	Filter     map[string]any `json:"applied_filter"`
}

// SpentOn is what was charged for one day, instance or kind.
type SpentOn struct {
	Name    string     `json:"name"`
	Dollars usd.Amount `json:"dollars"`
}

// OfCharges adds up charges of these days, for one instance unless only is 0.
// It fails with the first error that charges yields.
func OfCharges(d Days, only vast.InstanceID, charges iter.Seq2[vast.Charge, error]) (Spending, error) {
	days, machines, kinds := map[string]float64{}, map[string]float64{}, map[string]float64{}
	total := 0.0
	for c, err := range charges {
		if err != nil {
			return Spending{}, err
		}
		if id, ok := c.InstanceID(); only != 0 && (!ok || id != only) {
			continue
		}
		total += c.Amount
		days[time.Unix(int64(c.Start), 0).UTC().Format(time.DateOnly)] += c.Amount
		machines[plain.Line(c.Source, 60)] += c.Amount
		for _, item := range c.Items {
			kinds[kindName(item.Type)] += item.Amount
		}
	}
	v := Spending{
		From: d.From.Format(time.DateOnly), To: d.today.Format(time.DateOnly), Total: usd.Floor(total),
		ByDay: spent(days), ByInstance: spent(machines), ByKind: spent(kinds), Filter: map[string]any{"days": d.Count},
	}
	if only != 0 {
		v.Filter["instance_id"] = only
	}
	return v, nil
}

// kindName says in English what the API charges for.
func kindName(kind string) string {
	return cmp.Or(map[string]string{"bwd": "download", "bwu": "upload"}[kind], plain.Line(kind, 20))
}

func spent(m map[string]float64) []SpentOn {
	all := []SpentOn{}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		all = append(all, SpentOn{Name: name, Dollars: usd.Floor(m[name])})
	}
	return all
}

// Text is the spending as three short lists.
func (v Spending) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s charged from %s to %s.\n", v.Total, v.From, v.To)
	for _, part := range []struct {
		name string
		rows []SpentOn
	}{{"by day", v.ByDay}, {"by instance", v.ByInstance}, {"by kind", v.ByKind}} {
		if len(part.rows) > 0 {
			b.WriteString(part.name + "\n" + spentTable(part.rows))
		}
	}
	return b.String()
}

func spentTable(all []SpentOn) string {
	var t table
	for _, s := range all {
		t = append(t, []string{"  " + s.Name, s.Dollars.String()})
	}
	return t.String()
}
