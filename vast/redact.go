package vast

import (
	"errors"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	redacted   = "[redacted]"
	maxMessage = 500
	maxQuote   = 200
)

var (
	hexToken    = regexp.MustCompile(`(?i)\b[0-9a-f]{64}\b`)
	bearerToken = regexp.MustCompile(`(?i)\b(bearer)\s+[^\s"',;]+`)
	namedSecret = regexp.MustCompile(`(?i)((?:api_key|jupyter_token|crisp_hmac|private_key|\bsid|\bpassword)["']?\s*[=:]\s*["']?)[^\s"'&,;}]+`)
	loginSecret = regexp.MustCompile(`(^|[\s"'])(-p|--password)(\s+|=)(\S+)`)
)

// redactor takes secrets out of text that others wrote.
type redactor struct{ key string }

// text returns s on one line, without control characters and secrets, and
// not longer than limit bytes.
func (r redactor) text(s string, limit int) string {
	s = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(s, "?"))
	if r.key != "" {
		s = strings.ReplaceAll(s, r.key, redacted)
	}
	s = hexToken.ReplaceAllString(s, redacted)
	s = bearerToken.ReplaceAllString(s, "$1 "+redacted)
	s = namedSecret.ReplaceAllString(s, "$1"+redacted)
	s = loginSecret.ReplaceAllString(s, "$1$2$3"+redacted)
	return cut(strings.Join(strings.Fields(s), " "), limit)
}

func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + "…"
}

// cause returns err, or its clean text where the text held a secret.
func (r redactor) cause(err error) error {
	said := err.Error()
	if r.key != "" && strings.Contains(said, r.key) || hexToken.MatchString(said) {
		return errors.New(r.text(said, maxMessage))
	}
	return err
}
