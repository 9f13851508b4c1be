package guard

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"strings"
)

// Crockford is the alphabet of the identifiers here, lower case: it has no
// letters that are mistaken for digits or for each other.
const Crockford = "0123456789abcdefghjkmnpqrstvwxyz"

const (
	quoteBytes = 16 // 128 bits: quote IDs are never guessed
	codeBytes  = 5  // 40 bits, in two groups of four
	codeGroup  = 4
)

// random returns n random bytes in Crockford's base32.
func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand aborts the program instead
	return base32.NewEncoding(Crockford).WithPadding(base32.NoPadding).EncodeToString(b)
}

func newQuoteID() string { return "q_" + random(quoteBytes) }

func newCode() string {
	s := strings.ToUpper(random(codeBytes))
	return s[:codeGroup] + "-" + s[codeGroup:]
}

// NormalCode is the form that codes are stored in, whatever a person typed.
func NormalCode(s string) string {
	s = strings.NewReplacer("-", "", " ", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(strings.TrimSpace(s)))
	if len(s) <= codeGroup {
		return s
	}
	return s[:codeGroup] + "-" + s[codeGroup:]
}

// digest is a keyed hash, so that whoever reads the journal cannot guess a
// short secret among the arguments by trying.
func digest(key []byte, tool string, args []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(tool))
	mac.Write([]byte{0})
	mac.Write(args)
	return hex.EncodeToString(mac.Sum(nil))
}
