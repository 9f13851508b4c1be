package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"vast-mcp/internal/plain"
	"vast-mcp/journal"
)

// eventPrinter prints events for people, or as lines of JSON.
type eventPrinter struct {
	w     io.Writer
	json  bool
	after bool   // one was printed
	realm string // of that one
}

const (
	terminalWidth = 80
	detailIndent  = 21
	longestDetail = 2000 // bytes
)

// print prints one event. For people its realm stands above it where that is
// not the one of the event before.
func (p *eventPrinter) print(e journal.Event) error {
	if p.json {
		return e.Write(p.w)
	}
	if e.Realm != p.realm || !p.after {
		p.realm, p.after = e.Realm, true
		if _, err := fmt.Fprintln(p.w, realmName(e.Realm)); err != nil {
			return err
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %-9s  %s\n", e.At.Local().Format(time.DateTime), plain.Line(e.Kind, longestDetail), plain.Line(e.Subject, longestDetail))
	for _, line := range plain.Wrap(details(e.Data), terminalWidth-detailIndent) {
		fmt.Fprintf(&b, "%*s%s\n", detailIndent, "", line)
	}
	_, err := io.WriteString(p.w, b.String())
	return err
}

// details are the facts of an event, by name. What is empty is left out.
func details(data json.RawMessage) string {
	var facts map[string]any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if dec.Decode(&facts) != nil {
		return plain.Line(string(data), longestDetail)
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(facts)) {
		if value := fmt.Sprint(facts[name]); value != "" && value != "0" {
			all = append(all, name+" "+value)
		}
	}
	return plain.Line(strings.Join(all, ", "), longestDetail)
}
