package sandbox_test

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

// invoiced is a page of what came and went between two moments.
func (r *rig) invoiced(filters, more string) obj {
	r.t.Helper()
	return r.do(200, "GET", "/api/v1/invoices/?select_filters="+url.QueryEscape(filters)+more, nil)
}

const everything = `{"when":{"gte":0,"lte":9e9}}`

func (r *rig) give(dollars float64) {
	r.t.Helper()
	r.do(200, "PUT", "/api/v0/commands/transfer_credit/", obj{"sender": "me", "recipient": "a@b.c", "amount": dollars})
}

func TestInvoices(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	r.pass(time.Hour)
	r.give(25)
	out := r.invoiced(everything, "")
	require.Equal(t, true, out["success"])
	require.EqualValues(t, 2, out["total"])
	require.Nil(t, out["next_token"])
	rows := objects(out["results"])
	require.Equal(t, obj{
		"start": float64(epoch.Unix()), "end": float64(epoch.Unix()), "type": "credit", "source": "stripe",
		"description": "Manual Billing from VISA ...4242", "amount": -100.0, "items": []any{},
		"metadata": obj{"invoice_id": 2_900_000.0, "service": "stripe_payments"},
	}, rows[0])
	require.Equal(t, "transfer", rows[1]["type"])
	require.EqualValues(t, -25, rows[1]["amount"])
	require.Equal(t, "Credit transfer to a@b.c", rows[1]["description"])

	require.Len(t, r.invoiced(`{"when":{"gte":0,"lte":9e9},"service":{"in":["transfer"]}}`, "")["results"], 1)
	require.Empty(t, r.invoiced(`{"when":{"gte":0,"lte":9e9},"service":{"in":["bitpay"]}}`, "")["results"])
	require.Len(t, r.invoiced(fmt.Sprintf(`{"when":{"gte":0,"lte":%d}}`, epoch.Unix()), "")["results"], 1)
	sorted := r.invoiced(everything, "&order_by="+url.QueryEscape(`[{"col":"amount_cents","dir":"asc"}]`))
	require.Equal(t, "transfer", objects(sorted["results"])[0]["type"])
}

func TestInvoicePages(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	for i := range 7 {
		r.give(float64(i + 1))
		r.pass(time.Duration(i%2) * time.Minute) // some at the same moment
	}
	for _, order := range []string{"false", "true"} {
		var amounts []any
		token := ""
		for {
			out := r.invoiced(everything, "&limit=3&latest_first="+order+"&after_token="+token)
			require.EqualValues(t, 8, out["total"])
			rows := objects(out["results"])
			require.EqualValues(t, len(rows), out["count"])
			for _, row := range rows {
				amounts = append(amounts, row["amount"])
			}
			next, more := out["next_token"].(string)
			if !more {
				break
			}
			token = next
		}
		want := []any{-100.0, -1.0, -2.0, -3.0, -4.0, -5.0, -6.0, -7.0}
		if order == "true" {
			want = []any{-7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0, -100.0}
		}
		require.Equal(t, want, amounts)
	}
}

func TestInvoiceRefusals(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	for _, filters := range []string{`{}`, `x`, `{"when":{"gte":1}}`, `{"when":{"gte":2,"lte":1}}`, `{"when":5}`} {
		require.Equal(t, obj{
			"success": false, "error": "Invalid date range", "count": 0.0, "total": 0.0, "next_token": nil, "results": []any{},
		}, r.invoiced(filters, ""), filters)
	}
	q := "/api/v1/invoices/?select_filters=" + url.QueryEscape(everything)
	require.Equal(t, "invalid_token", r.do(400, "GET", q+"&after_token=x", nil)["error"])
	require.Equal(t, "invalid_request", r.do(400, "GET", q+"&order_by="+url.QueryEscape(`[{"col":"service"}]`), nil)["error"])
	require.Equal(t, "invalid_request", r.do(400, "GET", "/api/v0/invoices/?select_filters="+url.QueryEscape(`{"nothing":{"eq":1}}`), nil)["error"])
}

func TestInvoiceSearch(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	r.give(25)
	rows := r.array(`/api/v0/invoices/?select_cols=["*"]&select_filters={}`)
	require.Len(t, rows, 2)
	require.Len(t, rows[0], 17)
	require.EqualValues(t, 10_000, rows[0]["amount_cents"])
	require.Equal(t, true, rows[0]["is_credit"])
	require.EqualValues(t, 100, rows[1]["balance_before"])
	require.EqualValues(t, 75, rows[1]["balance_after"])
	require.Len(t, r.array("/api/v0/invoices/?limit=1"), 1)
	require.Equal(t, "transfer", r.array("/api/v0/invoices/?select_filters=" + url.QueryEscape(`{"is_credit":{"eq":false}}`))[0]["service"])
}

func TestOldInvoices(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.up(3, nil)
	r.pass(30 * time.Hour)
	r.give(25)
	read := func(query string) obj {
		return r.do(200, "GET", "/api/v0/users/me/invoices/?owner=me"+query, nil)
	}
	rows := objects(read("&sdate=0.5&edate=9000000000.5&inc_charges=true")["invoices"])
	kinds, spent := map[any]int{}, 0.0
	for _, row := range rows {
		kinds[row["type"]]++
		require.Contains(t, row, "timestamp")
		if row["type"] == "charge" {
			require.EqualValues(t, id, row["instance_id"])
			spent += num(row, "amount")
		}
	}
	require.Equal(t, map[any]int{"payment": 2, "charge": 8}, kinds, "four items of each of two days")
	current := read("")["current"].(obj)
	require.InDelta(t, spent, current["charges"], 0.01)
	require.InDelta(t, float64(r.credit())/1e6, current["credit"], 1e-9)
	require.InDelta(t, 100-25-num(current, "credit"), current["total"], 1e-6)
	require.Len(t, read("&inc_charges=false")["invoices"], 2)
	require.Len(t, read("&inc_charges=False&edate=1")["invoices"], 0)
	require.Len(t, read("")["invoices"], 10)
}
