package view

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"vast-mcp/internal/plain"
	"vast-mcp/internal/usd"
	"vast-mcp/rental"
)

// terminal is how wide one is.
const terminal = 80

// note is what stands under a row of a table.
type note struct {
	says string
	copy string // to be copied, so that it is never broken
}

// annotated is the table with a note under each row but the head.
func (t table) annotated(notes []note) string {
	var b strings.Builder
	for i, line := range slices.Collect(strings.Lines(t.String())) {
		b.WriteString(line)
		if i == 0 {
			continue
		}
		for _, part := range plain.Wrap(notes[i-1].says, terminal-2) {
			b.WriteString("  " + part + "\n")
		}
		if notes[i-1].copy != "" {
			b.WriteString("  " + notes[i-1].copy + "\n")
		}
	}
	return b.String()
}

// wrapped is text in lines that fit a terminal; nothing when it is empty.
func wrapped(text string) string {
	if text == "" {
		return ""
	}
	return strings.Join(plain.Wrap(text, terminal), "\n") + "\n"
}

// ordersText is the orders that are open, for a terminal.
func ordersText(open []OpenOrder) (text string) {
	for _, o := range open {
		text += wrapped(o.Text())
	}
	return text
}

// onRecord says what is not known because there is no journal to ask.
func onRecord(r rental.Record) string {
	switch r {
	case rental.RecordNone:
		return wrapped("By the list alone: this program has no record of earlier orders here.")
	case rental.RecordBroken:
		return wrapped("By the list alone: the journal cannot be read, so that orders which are being settled are not known. vast-mcp doctor says what is wrong with it.")
	case rental.RecordWhole:
	}
	return ""
}

const estimatedNote = " ~ is an estimate by rate and time: the API charges late."

// spentText is a sum of money, marked when it is an estimate.
func spentText(a usd.Amount, estimated bool) string {
	if estimated {
		return "~" + dollars(a)
	}
	return dollars(a)
}

// dollars is an amount in whole cents, rounded up.
func dollars(a usd.Amount) string {
	const cent = usd.Dollar / 100
	if part := a % cent; part > 0 && a < usd.Max-cent {
		a += cent - part
	}
	return a.String()
}

// stamp is a moment to the minute.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04Z") }

// short is a label that leaves room beside it.
func short(label string) string {
	const most = 40
	if r := []rune(label); len(r) > most {
		label = string(r[:most-3]) + "..."
	}
	return cmp.Or(label, "no label")
}
