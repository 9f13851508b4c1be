package vast_test

import (
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"vast-mcp/vast"
)

func day(n int64) vast.ChargeQuery {
	return vast.ChargeQuery{From: time.Unix(n, 0), To: time.Unix(n+86400, 0)}
}

func TestCharges(t *testing.T) {
	c, network := scripted(t, fixture(t, "charges"))
	q := day(1789913600)
	q.Types = []string{"instance", "volume"}
	var got []vast.Charge
	for charge, err := range c.Billing.Charges(t.Context(), q) {
		require.NoError(t, err)
		got = append(got, charge)
	}
	require.Len(t, got, 1)
	require.Equal(t, 19.648, got[0].Amount)
	require.Equal(t, "train-a", got[0].Label)
	require.Len(t, got[0].Items, 4)
	require.Equal(t, vast.Charge{
		Start: 1789913600, End: 1790000000, Type: "gpu", Description: "24.000 hours at $0.800/hour", Amount: 19.2,
	}, got[0].Items[0])
	id, ok := got[0].InstanceID()
	require.True(t, ok)
	require.Equal(t, vast.InstanceID(45001234), id)

	query, err := url.ParseQuery(network.sent[0].query)
	require.NoError(t, err)
	require.Equal(t, "/api/v0/charges/", network.sent[0].path)
	require.Equal(t, url.Values{
		"select_filters": {`{"day":{"gte":1789913600,"lte":1790000000},"type":{"in":["instance","volume"]}}`},
		"format":         {"table"}, "latest_first": {"false"}, "limit": {"100"},
	}, query)
}

func TestChargesOfOtherThings(t *testing.T) {
	for _, source := range []string{"volume-5", "instance-", "instance-x", "instance--4", ""} {
		_, ok := vast.Charge{Source: source}.InstanceID()
		require.False(t, ok, source)
	}
}

func TestChargesFail(t *testing.T) {
	tests := map[string]struct {
		q     vast.ChargeQuery
		reply reply
		code  vast.Code
		sent  int
	}{
		"no end":     {vast.ChargeQuery{From: time.Unix(1, 0)}, ok(`{}`), vast.Invalid, 0},
		"no results": {day(1), ok(`{"success":true}`), vast.Garbled, 1},
		"bad range":  {day(1), ok(`{"success":false,"error":"Invalid date range","results":[]}`), vast.Refused, 1},
		"loop":       {day(1), ok(`{"results":[],"next_token":"a"}`), vast.Incomplete, 2},
	}
	for name, tt := range tests {
		c, network := scripted(t, tt.reply)
		var last error
		for _, err := range c.Billing.Charges(t.Context(), tt.q) {
			last = err
		}
		require.ErrorIs(t, last, tt.code, name)
		require.Len(t, network.sent, tt.sent, name)
	}
}

func TestChargesReadLooseAnswers(t *testing.T) {
	c, _ := scripted(t, ok(`{"results":{"amount":"1.5","metadata":[],"items":null,"source":null}}`))
	for charge, err := range c.Billing.Charges(t.Context(), day(1)) {
		require.NoError(t, err)
		require.Equal(t, vast.Charge{Amount: 1.5}, charge)
	}
}

func TestChargesEqualSlice(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		ids := rapid.SliceOfNDistinct(rapid.Int64Range(1, 1<<40), 0, 60, rapid.ID[int64]).Draw(r, "ids")
		size := rapid.IntRange(1, 25).Draw(r, "page size")
		c, _ := scripted(t, keyset(t, "results", ids, size, func(id int64) any { return map[string]any{"amount": id} })...)
		var got []int64
		for charge, err := range c.Billing.Charges(t.Context(), day(1)) {
			require.NoError(r, err)
			got = append(got, int64(charge.Amount))
		}
		require.True(r, slices.Equal(ids, got))
	})
}
