package server

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// Tokens are the bearer tokens that an HTTP server takes. The zero Tokens let
// everybody in. They are kept as hashes only.
type Tokens struct {
	Short bool // one of them can be guessed

	known []token
}

type token struct {
	caller string
	hash   [sha256.Size]byte
}

// shortToken is how long a token is at least that cannot be guessed.
const shortToken = 16

// defaultCaller names the bearer of a token that was given no name.
const defaultCaller = "default"

func callerName() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`) }

// ParseTokens reads one token a line, as TOKEN or NAME TOKEN. Empty lines and
// lines that begin with # are skipped. Its errors name the line and never quote
// it.
func ParseTokens(text string) (Tokens, error) {
	var all Tokens
	lines := bufio.NewScanner(strings.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		caller, secret := defaultCaller, fields[0]
		if len(fields) > 1 {
			caller, secret = fields[0], fields[1]
		}
		switch {
		case len(fields) > 2:
			return Tokens{}, fmt.Errorf("line %d holds more than a name and a token", n)
		case !callerName().MatchString(caller):
			return Tokens{}, fmt.Errorf("the name in line %d is not one: use letters, digits and . _ @ -", n)
		case caller == localCaller:
			return Tokens{}, fmt.Errorf("line %d: %s is the name of whoever starts the program; choose another", n, localCaller)
		case !headerSafe(secret):
			return Tokens{}, fmt.Errorf("the token in line %d has characters that no header carries", n)
		}
		added := token{caller, sha256.Sum256([]byte(secret))}
		for _, t := range all.known {
			switch {
			case t.hash == added.hash:
				return Tokens{}, fmt.Errorf("the token in line %d is there twice", n)
			case caller == defaultCaller && t.caller == caller:
				return Tokens{}, fmt.Errorf("the token in line %d has no name either: those who share a name share what they were quoted, so write NAME TOKEN", n)
			}
		}
		all.known, all.Short = append(all.known, added), all.Short || len(secret) < shortToken
	}
	if err := lines.Err(); err != nil {
		return Tokens{}, err
	}
	if len(all.known) == 0 {
		return Tokens{}, errors.New("there is no token in it: write TOKEN or NAME TOKEN on a line")
	}
	return all, nil
}

func headerSafe(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// Any reports whether a token is asked for at all.
func (t Tokens) Any() bool { return len(t.known) > 0 }

// caller finds whose token it is. It takes the same time for every token, known
// or not.
func (t Tokens) caller(secret string) (string, bool) {
	hash, found := sha256.Sum256([]byte(secret)), -1
	for i := range t.known {
		if subtle.ConstantTimeCompare(hash[:], t.known[i].hash[:]) == 1 {
			found = i
		}
	}
	if found < 0 {
		return "", false
	}
	return t.known[found].caller, true
}

// admit names the caller of a request, or refuses it.
func (t Tokens) admit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller := localCaller
		if t.Any() {
			scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
			name, ok := t.caller(strings.TrimSpace(secret))
			if !ok || !strings.EqualFold(scheme, "Bearer") || len(r.Header.Values("Authorization")) != 1 {
				challenge := "Bearer"
				if scheme != "" {
					challenge = `Bearer error="invalid_token"`
				}
				w.Header().Set("WWW-Authenticate", challenge)
				refuse(w, http.StatusUnauthorized, "a known token is needed: send it as the header Authorization: Bearer TOKEN")
				return
			}
			caller = name
		}
		next.ServeHTTP(w, r.WithContext(withCaller(r.Context(), caller)))
	})
}

type callerKey struct{}

func withCaller(ctx context.Context, caller string) context.Context {
	return context.WithValue(ctx, callerKey{}, caller)
}

// callerOf names the principal of a request: the bearer's name, or local for
// whoever talks to this process without one.
func callerOf(ctx context.Context) string {
	if caller, ok := ctx.Value(callerKey{}).(string); ok {
		return caller
	}
	return localCaller
}
