package guard_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"vast-mcp/guard"
)

// symbols are the 32 of Crockford's base32: five bits each.
const symbols = "0123456789abcdefghjkmnpqrstvwxyz"

func TestIDsAndCodesAreLongAndRandom(t *testing.T) {
	const many = 250
	r := newRig(t)
	var ids, codes []string
	seen := map[string]bool{}
	for i := range many {
		q := r.quoted(call(strings.Repeat("x", i)), r.create(1))
		id, ok := strings.CutPrefix(q.ID, "q_")
		require.True(t, ok)
		require.Regexp(t, `^[0-9A-Z]{4}-[0-9A-Z]{4}$`, q.Code)
		code := strings.ToLower(strings.Replace(q.Code, "-", "", 1))
		ids, codes = append(ids, id), append(codes, code)
		require.False(t, seen[id] || seen[code], "made twice")
		require.NotContains(t, id, code, "a code is not part of the id")
		seen[id], seen[code] = true, true
	}
	requireRandom(t, codes, 8*5)
	requireRandom(t, ids, 128)
}

// requireRandom checks that texts have so many bits, and that each symbol of
// them varies as much as it can.
func requireRandom(t *testing.T, texts []string, bits int) {
	t.Helper()
	length := (bits + 4) / 5
	for at := range length {
		seen := map[byte]bool{}
		for _, s := range texts {
			require.Len(t, s, length)
			require.Contains(t, symbols, string(s[at]))
			seen[s[at]] = true
		}
		if full := 32; bits%5 == 0 || at < length-1 {
			require.Greater(t, len(seen), full*3/4, "symbol %d of %d", at, length)
		} else {
			require.Len(t, seen, 1<<(bits%5), "the rest of the bits")
		}
	}
}

func TestNormalCode(t *testing.T) {
	for typed, want := range map[string]string{
		"K7Q2-10VX":     "K7Q2-10VX",
		"k7q2-10vx":     "K7Q2-10VX",
		"K7Q210VX":      "K7Q2-10VX",
		" k7q2 10vx\n":  "K7Q2-10VX",
		"K7-Q2-10-VX":   "K7Q2-10VX",
		"K 7 Q 2 1 0VX": "K7Q2-10VX",
		"k7q2-lovx":     "K7Q2-10VX",
		"K7Q2-IOVX":     "K7Q2-10VX",
		"k7q2-i0vx":     "K7Q2-10VX",
		"oOiIlL00":      "0011-1100",
		"K7Q2":          "K7Q2",
		"":              "",
	} {
		require.Equal(t, want, guard.NormalCode(typed), "%q", typed)
	}
}

func TestACodeIsFoundHoweverItIsTyped(t *testing.T) {
	r := newRig(t)
	q := r.quoted(call("{}"), r.create(1))
	rapid.Check(t, func(rt *rapid.T) {
		var typed strings.Builder
		for _, c := range q.Code {
			s := string(c)
			switch like := map[string][]string{"0": {"0", "o", "O"}, "1": {"1", "i", "I", "l", "L"}}[s]; {
			case s == "-":
				s = rapid.SampledFrom([]string{"-", "", " ", " - "}).Draw(rt, "between")
			case like != nil:
				s = rapid.SampledFrom(like).Draw(rt, "like")
			case rapid.Bool().Draw(rt, "lower"):
				s = strings.ToLower(s)
			}
			typed.WriteString(s)
		}
		require.Equal(rt, q.Code, guard.NormalCode(typed.String()))
	})
}

func FuzzNormalCode(f *testing.F) {
	for _, s := range []string{"K7Q2-10VX", "k7q2lovx", " ", "-", "ıſǆ ﬁ", "\xff\xfe-O"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		once := guard.NormalCode(typed)
		require.NotContains(t, once, " ")
		if strings.Trim(once, "-"+strings.ToUpper(symbols)) == "" {
			require.LessOrEqual(t, strings.Count(once, "-"), 1)
			require.Equal(t, once, guard.NormalCode(once), "normal is normal")
		}
	})
}
