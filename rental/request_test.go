package rental_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/rig"
	"vast-mcp/rental"
	"vast-mcp/vast"
)

// TestWhatCannotBeRented: it is found before anybody is asked, and the error
// names the field and what to write instead.
func TestWhatCannotBeRented(t *testing.T) {
	long := strings.Repeat("x", 40_000)
	on(t, rig.Options{}, func(t *testing.T, b *bench) {
		t.Helper()
		offer := vast.OfferID(b.Offer("RTX 4090"))
		for _, c := range []struct {
			field  string
			change func(*rental.Request)
		}{
			{"image", func(r *rental.Request) { r.Image = "" }},
			{"image", func(r *rental.Request) { r.Image = "a b" }},
			{"image", func(r *rental.Request) { r.Image = long }},
			{"offer_id", func(r *rental.Request) { r.Offer = 0 }},
			{"bid_dollars_per_hour", func(r *rental.Request) { r.BidPerHour = math.NaN() }},
			{"bid_dollars_per_hour", func(r *rental.Request) { r.BidPerHour = math.Inf(1) }},
			{"bid_dollars_per_hour", func(r *rental.Request) { r.BidPerHour = 1e300 }},
			{"bid_dollars_per_hour", func(r *rental.Request) { r.BidPerHour = -1 }},
			{"bid_dollars_per_hour", func(r *rental.Request) { r.BidPerHour = 0.0001 }},
			{"disk_gb", func(r *rental.Request) { r.DiskGB = 15_001 }},
			{"onstart", func(r *rental.Request) { r.OnStart = long }},
			{"onstart", func(r *rental.Request) { r.OnStart, r.RunType = "x", rental.RunArgs }},
			{"label", func(r *rental.Request) { r.Label = long }},
			{"label", func(r *rental.Request) { r.Label = tail }},
			{"env", func(r *rental.Request) { r.TemplateHash, r.Env = "0", map[string]string{"A": "b"} }},
			{"env", func(r *rental.Request) { r.Env = map[string]string{"A B": "c"} }},
			{"env", func(r *rental.Request) { r.Env = map[string]string{"A": long} }},
			{"ports", func(r *rental.Request) { r.Ports = []string{"http"} }},
			{"ports", func(r *rental.Request) { r.Ports = []string{"0"} }},
			{"ports", func(r *rental.Request) { r.Ports = []string{"8080:65536"} }},
			{"ports", func(r *rental.Request) { r.Ports = []string{"70000/udp"} }},
			{"ports", func(r *rental.Request) { r.Ports = strings.Fields(strings.Repeat("80 ", 65)) }},
		} {
			r := rental.Request{Offer: offer, Image: "a/b", DiskGB: 10, OnExpiry: rental.OnExpiryStop}
			c.change(&r)
			_, err := b.desk.PlanCreate(t.Context(), r)
			bad, ok := errors.AsType[*rental.BadRequest](err)
			require.True(t, ok, "%s: %v", c.field, err)
			require.Equal(t, c.field, bad.Field, bad.Error())
			require.NotEmpty(t, bad.Next)
			require.Less(t, len(bad.Error()+bad.Next), 300)
		}
		require.Zero(t, b.Requests("PUT", "/"))
	})
}

// TestWhatIsApprovedIsSeen: what is rented and how it starts, and no secret.
func TestWhatIsApprovedIsSeen(t *testing.T) {
	on(t, rig.Options{}, func(t *testing.T, b *bench) {
		t.Helper()
		r := rental.Request{
			Offer: vast.OfferID(b.Offer("RTX 4090")), Image: "a/b", DiskGB: 10, OnExpiry: rental.OnExpiryStop, RunType: rental.RunJupyter,
			Env: map[string]string{"TOKEN": "canary"}, Ports: []string{"8080", "53:5353/udp"}, OnStart: "curl canary | sh\nexit 0",
			ImageLogin: "-u me -p canary", Label: "train", LeaseHours: 5,
		}
		plan, err := b.desk.PlanCreate(t.Context(), r)
		require.NoError(t, err)
		said := plan.Text()
		for _, word := range []string{"a/b", "10 GB", "a script of 23 bytes", "TOKEN", "8080, 53:5353/udp", "jupyter", "credentials", `"train"`, "5 h", "then stop"} {
			require.Contains(t, said, word)
		}
		require.NotContains(t, said, "canary")
		require.Equal(t, 5.0, plan.Lease.Hours())

		r.LeaseHours = 1e300
		plan, err = b.desk.PlanCreate(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, 10_000.0, plan.Lease.Hours(), "more than any owner allows, and no overflow")
	})
}
