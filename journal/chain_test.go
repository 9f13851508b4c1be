package journal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/journaltest"
	"vast-mcp/journal"
)

// written is a chain of n events.
func written(t *testing.T, n int) []journal.Event {
	t.Helper()
	c := newClock()
	j := memory(t, c)
	for i := range n {
		c.pass(time.Second + 7*time.Millisecond)
		in(t, j, alice, func(tx *journal.Tx) {
			require.NoError(t, tx.Append("quoted", fmt.Sprint("q_", i), map[string]any{"html": "<&>\u2028", "n": i}))
		})
	}
	return journaltest.Events(t, j, alice)
}

// followed is how many events are missing in a chain, and how it ends.
func followed(all []journal.Event) (missing int64, head journal.Event, err error) {
	var chain journal.Chain
	for _, e := range all {
		more, err := chain.Jump(e)
		if err != nil {
			return missing, chain.Head(), err
		}
		missing += more
	}
	return missing, chain.Head(), nil
}

func TestAChainIsFollowed(t *testing.T) {
	all := written(t, 5)
	missing, head, err := followed(all)
	require.NoError(t, err)
	require.Zero(t, missing)
	require.Equal(t, all[4], head)

	missing, head, err = followed([]journal.Event{all[1], all[4]})
	require.NoError(t, err, "a chosen few are not damaged")
	require.Equal(t, int64(3), missing)
	require.Equal(t, all[4], head)

	missing, head, err = followed(nil)
	require.NoError(t, err)
	require.Zero(t, missing)
	require.Zero(t, head.Seq)

	for name, edit := range map[string]func(e *journal.Event){
		"its realm":   func(e *journal.Event) { e.Realm = bob },
		"its number":  func(e *journal.Event) { e.Seq = 4 },
		"its time":    func(e *journal.Event) { e.At = e.At.Add(time.Millisecond) },
		"its kind":    func(e *journal.Event) { e.Kind = "approved" },
		"its subject": func(e *journal.Event) { e.Subject = "q_9" },
		"its data":    func(e *journal.Event) { e.Data = json.RawMessage(`{}`) },
		"its link":    func(e *journal.Event) { e.Prev = all[0].Hash },
		"its hash":    func(e *journal.Event) { e.Hash = all[0].Hash },
	} {
		edited := slices.Clone(all)
		edit(&edited[2])
		_, _, err := followed(edited)
		require.ErrorIs(t, err, journal.ErrDamaged, name)
	}
	for name, order := range map[string][]int{"twice": {0, 1, 1}, "backwards": {1, 0}, "exchanged": {0, 2, 1}} {
		var moved []journal.Event
		for _, i := range order {
			moved = append(moved, all[i])
		}
		_, _, err := followed(moved)
		require.ErrorIs(t, err, journal.ErrDamaged, name)
	}
}

// exported is what Write makes of events.
func exported(t *testing.T, all []journal.Event) string {
	t.Helper()
	var out bytes.Buffer
	for _, e := range all {
		require.NoError(t, e.Write(&out))
	}
	return out.String()
}

func TestAnExportIsReadAsItWas(t *testing.T) {
	all := written(t, 4)
	text := exported(t, all)
	require.Equal(t, 4, strings.Count(text, "\n"))
	for _, name := range []string{"realm", "seq", "at", "kind", "subject", "data", "prev", "hash"} {
		require.Contains(t, text, `"`+name+`":`)
	}
	var back []journal.Event
	for e, err := range journal.Read(strings.NewReader("\n" + text + "  \n")) {
		require.NoError(t, err)
		back = append(back, e)
	}
	require.Equal(t, all, back)
}

func TestWhatIsNoExportIsSaidSo(t *testing.T) {
	line := exported(t, written(t, 1))
	for name, c := range map[string]struct{ text, says string }{
		"no JSON":         {line + "hello\n", "line 2 is no event"},
		"cut off":         {line[:len(line)/2], "line 1 is no event"},
		"two in a line":   {strings.TrimSpace(line) + line, "something stands behind it"},
		"another field":   {`{"seq":1,"colour":"red"}`, "colour"},
		"no number":       {`{}`, "seq"},
		"below one":       {`{"seq":-1}`, "seq"},
		"a finer time":    {strings.Replace(line, `.007Z`, `.0070001Z`, 1), "finer than a millisecond"},
		"a line too long": {line + strings.Repeat(" ", 2<<20), "after line 1"},
	} {
		var last error
		for _, err := range journal.Read(strings.NewReader(c.text)) {
			require.NoError(t, last, "nothing comes after an error")
			last = err
		}
		require.ErrorContains(t, last, c.says, name)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(`{"realm":"a","seq":1,"at":"2026-03-02T09:30:00Z","kind":"k","subject":"s","data":{"n":1},"prev":"","hash":"x"}` + "\n")
	f.Add("\n\n{}")
	f.Add(`{"seq":1}{"seq":2}`)
	f.Add(`{"seq":9223372036854775807,"data":null}` + "\n" + `{"seq":1}`)
	f.Fuzz(func(t *testing.T, text string) {
		var chain journal.Chain
		for e, err := range journal.Read(strings.NewReader(text)) {
			if err != nil {
				return
			}
			missing, err := chain.Jump(e)
			require.GreaterOrEqual(t, missing, int64(0))
			if err != nil {
				require.ErrorIs(t, err, journal.ErrDamaged)
				return
			}
			require.Equal(t, e, chain.Head())
			var again bytes.Buffer
			require.NoError(t, e.Write(&again))
			for back, err := range journal.Read(&again) {
				require.NoError(t, err)
				require.Equal(t, e, back, "what follows is written and read as it is")
			}
		}
	})
}

func TestHistoryIsOfAllRealmsInOrder(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		c := newClock()
		j := p.Open(c.now)
		for i, realm := range []string{bob, alice, alice, bob} {
			in(t, j, realm, func(tx *journal.Tx) {
				require.NoError(t, errors.Join(tx.Append("first", fmt.Sprint(i), nil), tx.Append("second", fmt.Sprint(i), nil)))
			})
			c.pass(time.Second)
		}
		var got []string
		for e, err := range j.History(t.Context()) {
			require.NoError(t, err)
			got = append(got, e.Subject+" "+e.Kind)
			if len(got) == 7 {
				break
			}
		}
		require.Equal(t, []string{"0 first", "0 second", "1 first", "1 second", "2 first", "2 second", "3 first"}, got)
		in(t, j, alice, func(*journal.Tx) {
			for _, err := range p.Open(c.now).History(t.Context()) {
				require.NoError(t, err, "reading waits for nobody's transaction")
			}
		})
		realms, err := j.Realms(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{alice, bob}, realms)
	})
}

func TestHeadsAreOfWhatThisProcessAppended(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		c := newClock()
		mine, other := p.Open(c.now), p.Open(c.now)
		in(t, other, alice, func(tx *journal.Tx) { require.NoError(t, tx.Append("a", "", nil)) })
		in(t, mine, alice, func(*journal.Tx) {})
		require.Empty(t, mine.Heads(), "it appended nothing")
		for range 2 {
			in(t, mine, alice, func(tx *journal.Tx) { require.NoError(t, tx.Append("b", "", nil)) })
		}
		_ = mine.Tx(t.Context(), alice, func(tx *journal.Tx) error {
			require.NoError(t, tx.Append("c", "", nil))
			return journal.ErrMoved
		})
		in(t, mine, bob, func(tx *journal.Tx) { require.NoError(t, tx.Append("d", "", nil)) })
		require.NoError(t, mine.Close())
		heads := mine.Heads()
		require.Equal(t, []journal.Event{journaltest.Events(t, other, alice)[2], journaltest.Events(t, other, bob)[0]}, heads)
	})
}
