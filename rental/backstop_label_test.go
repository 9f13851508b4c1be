package rental_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/rental"
)

// nonce is the one that the script of TestBackstopReadsLabelsAsWeDo was made
// with.
const nonce = "1hy3k8r0abcdefgh"

// oddLabels are labels that are nearly leases, or nearly none.
func oddLabels() []string {
	const good = "[vm:" + nonce + " until:2028-02-29T23:59:59Z destroy]"
	all := []string{"", good, "a" + good, "a " + good + " \t\r\n\f", good + "\v", good + ".", good + good, good + " " + good, "[vm:" + good, "[vm-" + good, "x [vm-released]", good + "[vm-released]\n", "[vm-released] " + good, "[vm-released].", `\` + good, good + `\`, good + `\n`, good + `\\n`, `"` + good, good + `"`, `\"` + good + `\"`}
	change := func(old, as string) { all = append(all, strings.Replace(good, old, as, 1)) }
	for _, as := range []string{"stop", "stop idle:5m", "destroy idle:0m", "stop idle:1234m", "stop idle:12345m", "stop idle:m", "stop idle:1m ", "stop ", "stopp", "Stop", "halt", "", "stop idle:1", "*", "destroystop", " stop"} {
		change("destroy", as)
	}
	for _, as := range []string{"2027-02-29", "2028-02-30", "2100-02-29", "2000-02-29", "2028-04-31", "2028-04-30", "2028-09-31", "2028-12-31", "2028-13-01", "2028-00-10", "2028-01-00", "2028-01-32", "0000-02-29", "0004-02-29", "0100-02-29", "9999-08-08", "2028-2-290", "2028/02/29"} {
		change("2028-02-29", as)
	}
	for _, as := range []string{"24:00:00Z", "23:60:00Z", "23:59:60Z", "00:00:00Z", "08:09:08Z", "23:59:59z", "23:59:59.", "+3:59:59Z", "23:59:5 Z"} {
		change("23:59:59Z", as)
	}
	for _, as := range []string{"aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaa", "AAAAAAAAAAAAAAAA", "1hy3k8r0abcdefg-", "1hy3k8r0abcdefg*", "éééééééé"} {
		change(nonce, as)
	}
	change("T", " ")
	change("until:", "until: ")
	change("until:", "until:until:")
	change("]", "")
	change("]", " ]")
	return all
}

// noise is text that people and programs may put into a label.
func noise(r *rand.Rand) string {
	bits := []string{`"`, `\`, `\"`, "é", "漢", "🙂", "\u2028", "\x7f", "\x01", "\n", "\t", " ", "[", "]", "{", "}", ":", ",", "[vm:", "vm", "*", "?", "$HOME", "`", "'", "\u0081", "\u0088ÿ", "label", `"label":"x"`, "u0022", "/", "<&>", "-e", "null"}
	var b strings.Builder
	for range r.IntN(8) {
		b.WriteString(bits[r.IntN(len(bits))])
	}
	return b.String()
}

// answerAbout is the API's answer about an instance with that label: in
// several dialects of JSON, its members in any order, among others that look
// like it.
func answerAbout(t *testing.T, r *rand.Rand, label string) string {
	t.Helper()
	quoted := func(v any) string {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		if r.IntN(2) == 0 {
			return string(text)
		}
		var ascii strings.Builder
		for _, c := range string(text) {
			switch {
			case c > 0xffff:
				fmt.Fprintf(&ascii, `\u%04x\u%04x`, 0xd800+(c-0x10000)>>10, 0xdc00+(c-0x10000)&0x3ff)
			case c > '~':
				fmt.Fprintf(&ascii, `\u%04X`, c)
			default:
				ascii.WriteRune(c)
			}
		}
		return ascii.String()
	}
	const decoy = "[vm:" + nonce + " until:2001-01-01T00:00:00Z destroy]"
	own := quoted(label)
	if label == "" {
		own = "null"
	}
	members := []string{
		`"label":` + own, `"id":1`, `"f":[1.5,-2e9,null,true,{}]`,
		`"onstart":` + quoted(`x='{"label":"`+decoy+`"}' \`+noise(r)), `"extra_env":[["label",` + quoted(decoy) + `]]`,
		`"env":{"label":` + quoted(decoy) + `,"x":` + quoted(noise(r)) + `}`, `"` + `x\"label":` + quoted(decoy), `"labels":` + quoted(decoy),
		`"image":"label"`, `"status_msg":` + quoted(noise(r)+decoy),
	}
	r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	colon, comma := ":", ","
	if r.IntN(2) == 0 {
		colon, comma = " : ", ",  "
	}
	for i, m := range members {
		name, value, _ := strings.Cut(m, ":")
		members[i] = name + colon + value
	}
	return `{"success":true` + comma + `"instances"` + colon + `{` + strings.Join(members, comma) + `}}`
}

// reading runs the functions of the backstop over lines of input, in each shell:
// with the loop body given, that must print the output given.
func reading(t *testing.T, body string, input []string, want []string) {
	t.Helper()
	script, err := os.ReadFile("backstop.sh")
	require.NoError(t, err)
	functions, found := strings.CutSuffix(string(script), "\nmain\n")
	require.True(t, found)
	file := filepath.Join(t.TempDir(), "script")
	require.NoError(t, os.WriteFile(file, []byte(functions+"\ndir=$4\nwhile IFS= read -r line; do\n"+body+"\ndone\n"), 0o600))
	for _, shell := range shells() {
		t.Run(shell, func(t *testing.T) {
			sh := filepath.Join(image(t, shell, ""), "sh")
			cmd := exec.CommandContext(t.Context(), sh, file, "https://example.com", nonce, "0", t.TempDir())
			cmd.Env, cmd.Stdin = []string{"PATH=" + filepath.Dir(sh), "CONTAINER_ID=1"}, strings.NewReader(strings.Join(input, "\n")+"\n")
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
			got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
			require.Len(t, got, len(want), "%s", out)
			for i := range got {
				require.Equal(t, want[i], got[i], input[i])
			}
		})
	}
}

// stamp is a time as the backstop compares it.
const stamp = "20060102150405"

// TestBackstopReadsLabelsAsWeDo: the two readings of a label are one.
func TestBackstopReadsLabelsAsWeDo(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	labels := oddLabels()
	for _, odd := range oddLabels() {
		labels = append(labels, noise(r)+odd, noise(r)+odd+noise(r))
	}
	var answers, want []string
	for _, label := range labels {
		answers = append(answers, answerAbout(t, r, label))
		_, tail, ok := rental.ParseLabel(label)
		says := "none"
		switch {
		case ok && tail.Nonce != nonce:
			says = tail.Until.Format(stamp) + " stop"
		case ok:
			says = tail.Until.Format(stamp) + " " + tail.OnExpiry
		case strings.HasSuffix(strings.TrimRight(label, " \t\r\n\f"), "[vm-released]"):
			says = "released"
		}
		want = append(want, says)
	}
	reading(t, `
	saved=none
	if named "$line" && judge; then
		case ${until:-released} in none | released) echo "${until:-released}" ;; *) echo "$until $action" ;; esac
	else
		echo unread
	fi`, answers, want)
}

// TestBackstopReadsDatesAsTheyAreSent, and no others.
func TestBackstopReadsDatesAsTheyAreSent(t *testing.T) {
	var dates, want []string
	for month := range 12 {
		day := time.Date(2028, time.Month(month+1), 8+month, 9, 8+month, 7, 0, time.UTC)
		dates, want = append(dates, "dAte: "+day.Format(http.TimeFormat)), append(want, day.Format(stamp))
	}
	for _, odd := range []string{"Date:", "X-Date: Tue, 29 Feb 2028 09:08:07 GMT", "Date: Tue, 29 Feb 2028 09:08:07 CET", "Date: Tuesday, 29-Feb-28 09:08:07 GMT", "Date: Tue Feb 29 09:08:07 2028", "Date: Tue, 29 Foo 2028 09:08:07 GMT", "Date: *"} {
		dates, want = append(dates, odd), append(want, "unread")
	}
	reading(t, `if clock "HTTP/2 200 $cr${nl}x: y$cr$nl$line$cr${nl}a: b"; then echo "$now"; else echo unread; fi`, dates, want)
}
