package rental

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"vast-mcp/guard"
	"vast-mcp/internal/plain"
)

// What happens to a rental when its lease ends.
const (
	OnExpiryStop    = "stop"
	OnExpiryDestroy = "destroy"
)

// maxLabel is the API's limit at creation, in bytes; a later change may be
// longer, which labels of foreign instances need.
const (
	maxLabel        = 256
	maxForeignLabel = 1024
)

// Tail is the lease as it stands in a label, so that whoever has the key can
// enforce it, with or without our journal:
//
//	train-a [vm:1hy3k8r0abcdefgh until:2026-11-21T13:00:00Z stop idle:30m]
type Tail struct {
	Nonce       string
	Until       time.Time // on the API's clock, whole seconds
	OnExpiry    string
	IdleMinutes int // zero: idling is not looked at
}

var tailPattern = regexp.MustCompile(` ?\[vm:([0-9a-z]{16}) until:(\S{20}) (stop|destroy)(?: idle:(\d{1,4})m)?\]\s*$`)

// String is the tail in its brackets.
func (t Tail) String() string {
	idle := ""
	if t.IdleMinutes > 0 {
		idle = fmt.Sprintf(" idle:%dm", t.IdleMinutes)
	}
	return fmt.Sprintf("[vm:%s until:%s %s%s]", t.Nonce, t.Until.UTC().Format(time.RFC3339), t.OnExpiry, idle)
}

// tailMark begins a tail. A label's text never contains it.
const tailMark = "[vm:"

// ParseLabel splits a label into its text and its tail; ok is false when it has
// none. Anything but exactly one well-formed tail at the very end is no tail.
func ParseLabel(label string) (text string, t Tail, ok bool) {
	at := tailPattern.FindStringSubmatchIndex(label)
	if at == nil || strings.Count(label, tailMark) != 1 {
		return label, Tail{}, false
	}
	group := func(n int) string { return label[at[2*n]:at[2*n+1]] }
	until, err := time.Parse(time.RFC3339, group(2))
	if err != nil || !strings.HasSuffix(group(2), "Z") {
		return label, Tail{}, false
	}
	t = Tail{Nonce: group(1), Until: until, OnExpiry: group(3)}
	if at[8] >= 0 {
		t.IdleMinutes, _ = strconv.Atoi(group(4)) // at most four digits
	}
	return label[:at[0]], t, true
}

// FormatLabel joins text and tail in at most limit bytes. The text gives way,
// cut at a rune's edge; the tail never does.
func FormatLabel(text string, t Tail, limit int) string {
	tail := t.String()
	text = plain.Cut(cleanText(text), max(0, limit-len(tail)-1))
	if text = strings.TrimRight(text, " "); text == "" {
		return tail
	}
	return text + " " + tail
}

// cleanText makes text one that cannot be read as a tail.
func cleanText(text string) string {
	// Hidden characters go first: what they hold apart must not become a tail.
	text = plain.Line(text, maxForeignLabel)
	text = strings.TrimSuffix(text, releasedMark)
	for strings.Contains(text, tailMark) {
		text = strings.ReplaceAll(text, tailMark, "")
	}
	return strings.TrimSpace(text)
}

const (
	nonceTime   = 7 // characters of mint time, 35 bits
	nonceRandom = 9 // random characters, 45 bits
)

// NewNonce names a rental. It carries the time it was minted at, on the API's
// clock, and is an identifier: neither a secret nor an authority.
func NewNonce(minted time.Time) string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand aborts the program instead
	return base32(uint64(max(0, minted.Unix())), nonceTime) + base32(binary.BigEndian.Uint64(b[:]), nonceRandom)
}

func base32(v uint64, chars int) string {
	out := make([]byte, chars)
	for i := chars - 1; i >= 0; i-- {
		out[i] = guard.Crockford[v%32]
		v /= 32
	}
	return string(out)
}

// mintTime is when the nonce was minted, on the API's clock; ok is false when
// it is none of ours.
func mintTime(nonce string) (minted time.Time, ok bool) {
	if len(nonce) != nonceTime+nonceRandom {
		return minted, false
	}
	seconds := int64(0)
	for _, c := range nonce[:nonceTime] {
		digit := strings.IndexRune(guard.Crockford, c)
		if digit < 0 {
			return minted, false
		}
		seconds = seconds<<5 | int64(digit)
	}
	return time.Unix(seconds, 0), true
}
