package sandbox

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"sync"
)

const (
	firstInvoice = 2_900_000
	byCard       = "stripe_payments"
	byTransfer   = "transfer"
)

// invoiceRow is money that came or went, as the older API serves it.
type invoiceRow struct {
	ID              int64    `json:"id"`
	UserID          int64    `json:"user_id"`
	When            float64  `json:"when"`
	PaidOn          float64  `json:"paid_on"`
	PaymentExpected *float64 `json:"payment_expected"`
	AmountCents     int64    `json:"amount_cents"`
	IsCredit        bool     `json:"is_credit"`
	IsDelayed       bool     `json:"is_delayed"`
	BalanceBefore   float64  `json:"balance_before"`
	BalanceAfter    float64  `json:"balance_after"`
	OriginalAmount  *float64 `json:"original_amount"`
	EventID         *string  `json:"event_id"`
	CutAmount       float64  `json:"cut_amount"`
	CutPercent      float64  `json:"cut_percent"`
	Extra           *string  `json:"extra"`
	Service         string   `json:"service"`
	StripeCharge    *string  `json:"stripe_charge"`
	description     string
}

var invoiceColumns = sync.OnceValue(func() columns { return columnsOf(invoiceRow{}) })

func invoiceTable() table {
	return table{
		filtered: invoiceColumns().only("when", "service"),
		sorted:   invoiceColumns().only("paid_on", "amount_cents", "when", "id"),
		page:     60, most: 100, low: 60,
	}
}

func oldInvoiceTable() table {
	return table{filtered: invoiceColumns(), sorted: invoiceColumns(), page: 1000, most: 1000, low: 1000}
}

func invoiceRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/api/v1/invoices/", op: "invoices", access: inBillingRead, handle: (*tx).listInvoices},
		{method: http.MethodGet, path: "/api/v0/invoices/", op: "invoices_search", access: inBillingRead, handle: (*tx).searchInvoices},
		{method: http.MethodGet, path: "/api/v0/users/me/invoices/", op: "invoices_old", access: inBillingRead, handle: (*tx).oldInvoices},
	}
}

// invoices are the card that the account was opened with, and what was given
// away of that, oldest first.
func (t *tx) invoices() []invoiceRow {
	born := unix(t.st.Born)
	rows := []invoiceRow{{
		ID: firstInvoice, UserID: userID, When: born, PaidOn: born,
		AmountCents: cents(t.st.StartCredit), IsCredit: true, BalanceAfter: dollars(t.st.StartCredit), Service: byCard,
		description: "Manual Billing from VISA ...4242",
	}}
	for _, p := range t.st.Account.Payments {
		rows = append(rows, invoiceRow{
			ID: p.ID, UserID: userID, When: unix(p.At), PaidOn: unix(p.At), AmountCents: -cents(p.MicroDollars),
			BalanceBefore: dollars(p.Before), BalanceAfter: dollars(p.Before - p.MicroDollars), Service: byTransfer,
			description: "Credit transfer to " + p.To,
		})
	}
	return rows
}

func cents(micro int64) int64 { return int64(math.Round(float64(micro) / 1e4)) }

// find returns the rows that the listing's filters let through.
func (l listing) find(rows []invoiceRow) []invoiceRow {
	return slices.DeleteFunc(rows, func(row invoiceRow) bool { return !matches(reflect.ValueOf(row), l.filters) })
}

// newInvoice is an invoice as the newer API serves it.
type newInvoice struct {
	Start       float64        `json:"start"`
	End         float64        `json:"end"`
	Type        string         `json:"type"`
	Source      string         `json:"source"`
	Description string         `json:"description"`
	Amount      float64        `json:"amount"`
	Metadata    map[string]any `json:"metadata"`
	Items       []newInvoice   `json:"items"`
}

// inV1 tells money that came as negative, for it lowers what is owed; a
// transfer is told as it changes the credit.
func (row invoiceRow) inV1() newInvoice {
	in := newInvoice{
		Start: row.When, End: row.PaidOn, Type: "credit", Source: "stripe", Description: row.description,
		Amount: -float64(row.AmountCents) / 100, Items: []newInvoice{},
		Metadata: map[string]any{"invoice_id": row.ID, "service": row.Service},
	}
	if row.Service == byTransfer {
		in.Type, in.Source, in.Amount = byTransfer, byTransfer, float64(row.AmountCents)/100
	}
	return in
}

// invoicePage is the answer to GET /api/v1/invoices/.
type invoicePage struct {
	Success   bool         `json:"success"`
	Error     string       `json:"error,omitempty"`
	Count     int          `json:"count"`
	Total     int          `json:"total"`
	NextToken *string      `json:"next_token"`
	Results   []newInvoice `json:"results"`
}

// listInvoices answers GET /api/v1/invoices/. To a range that makes no sense
// it says so with status 200.
func (t *tx) listInvoices() answer {
	q := t.r.URL.Query()
	var where struct {
		When struct{ GTE, LTE *float64 }
	}
	if !argument(q, "select_filters", &where) || where.When.GTE == nil || where.When.LTE == nil || *where.When.GTE > *where.When.LTE {
		return reply(invoicePage{Error: "Invalid date range", Results: []newInvoice{}})
	}
	if !q.Has("order_by") {
		direction := "asc"
		if q.Get("latest_first") == "true" {
			direction = "desc"
		}
		q.Set("order_by", fmt.Sprintf(`[{"col":"when","dir":%[1]q},{"col":"id","dir":%[1]q}]`, direction))
	}
	l, err := invoiceTable().parse(q)
	if err != nil {
		return badListing(err)
	}
	found := l.find(t.invoices())
	page, next := pageOf(l, slices.Clone(found))
	out := invoicePage{Success: true, Count: len(page), Total: len(found), NextToken: next, Results: []newInvoice{}}
	for _, row := range page {
		out.Results = append(out.Results, row.inV1())
	}
	return reply(out)
}

// searchInvoices answers GET /invoices/ with a bare array.
func (t *tx) searchInvoices() answer {
	l, err := oldInvoiceTable().parse(t.r.URL.Query())
	if err != nil {
		return badListing(err)
	}
	page, _ := pageOf(l, l.find(t.invoices()))
	return reply(project(l, page))
}

// oldInvoice is a line of the oldest bill.
type oldInvoice struct {
	ID          *int64  `json:"id"`
	Type        string  `json:"type"` // charge or payment
	Description string  `json:"description"`
	Quantity    float64 `json:"quantity"`
	Rate        float64 `json:"rate"`
	Amount      float64 `json:"amount"`
	Timestamp   float64 `json:"timestamp"`
	InstanceID  *int64  `json:"instance_id"`
}

// oldInvoices answers GET /users/me/invoices/: payments, with charges unless
// they are not wanted, and where the account stands.
func (t *tx) oldInvoices() answer {
	q := t.r.URL.Query()
	from, to := seconds(q, "sdate", 0), t.upTo(seconds(q, "edate", unix(t.now)))
	rows := []oldInvoice{}
	for _, row := range t.invoices() {
		if row.When >= from && row.When <= to {
			amount := float64(row.AmountCents) / 100
			rows = append(rows, oldInvoice{
				ID: &row.ID, Type: "payment", Description: row.description, Quantity: 1, Rate: amount, Amount: amount, Timestamp: row.When,
			})
		}
	}
	if include, err := strconv.ParseBool(q.Get("inc_charges")); include || err != nil {
		for _, day := range t.chargeRows(fromUnix(from), fromUnix(to)) {
			for _, item := range day.Items {
				rows = append(rows, oldInvoice{
					Type: "charge", Description: day.Description + ": " + item.Type + ", " + item.Description,
					Quantity: 1, Rate: item.Amount, Amount: item.Amount, Timestamp: float64(day.End), InstanceID: &day.of,
				})
			}
		}
	}
	credit := t.st.credit(t.now)
	charged := t.st.StartCredit - t.st.Account.sent() - credit
	return reply(map[string]any{"invoices": rows, "current": map[string]float64{
		"charges": dollars(charged), "credit": dollars(credit), "balance": 0, "total": dollars(charged),
	}})
}

// seconds reads a moment, which clients write with a fraction.
func seconds(q url.Values, name string, otherwise float64) float64 {
	var given float64
	if json.Unmarshal([]byte(q.Get(name)), &given) != nil {
		return otherwise
	}
	return given
}
