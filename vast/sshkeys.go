package vast

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

// SSHKeyID names an SSH key of the account.
type SSHKeyID int64

// SSHKey is a public key. Only its first two words count, the third is a
// comment.
type SSHKey struct {
	ID        SSHKeyID
	PublicKey string
	CreatedAt float64 // unix seconds
}

// SSHKeyService manages the keys that may log in.
type SSHKeyService service

type keyRow struct {
	ID        id     `json:"id"`
	PublicKey text   `json:"public_key"`
	Key       text   `json:"key"`
	CreatedAt number `json:"created_at"`
	DeletedAt text   `json:"deleted_at"`
}

func (r keyRow) key() SSHKey {
	key := cmp.Or(r.PublicKey, r.Key)
	return SSHKey{ID: SSHKeyID(r.ID), PublicKey: key.trimmed(), CreatedAt: r.CreatedAt.value}
}

// keyRows is a list of keys, or the same as JSON text inside a string.
type keyRows []keyRow

func (k *keyRows) UnmarshalJSON(data []byte) error {
	var inner string
	if json.Unmarshal(data, &inner) == nil {
		data = []byte(cmp.Or(inner, "null"))
	}
	return json.Unmarshal(data, (*list[keyRow])(k))
}

func (k keyRows) keys() []SSHKey {
	out := []SSHKey{}
	for _, row := range k {
		if row.DeletedAt == "" {
			out = append(out, row.key())
		}
	}
	return out
}

// List returns the account's keys. Each new instance gets all of them.
func (s *SSHKeyService) List(ctx context.Context) ([]SSHKey, error) {
	var raw json.RawMessage
	err := s.c.do(ctx, opListKeys, request{}, &raw)
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusNotFound && strings.Contains(e.Message, "No SSH keys found") {
		return []SSHKey{}, nil
	}
	if err != nil {
		return nil, err
	}
	var old struct {
		Keys json.RawMessage `json:"ssh_keys"`
	}
	if json.Unmarshal(raw, &old) == nil {
		raw = old.Keys // the answer of old servers is an object
	}
	var found []keyRow
	if json.Unmarshal(raw, &found) != nil {
		return nil, garbled(opListKeys, s.c.quote(raw))
	}
	return keyRows(found).keys(), nil
}

// Add gives the account a key. The API keeps duplicates, so look at List
// first; an instance that runs already needs Attach.
func (s *SSHKeyService) Add(ctx context.Context, publicKey string) (SSHKey, error) {
	var out struct {
		Key keyRow `json:"key"`
	}
	if err := s.post(ctx, opAddKey, nil, publicKey, &out); err != nil {
		return SSHKey{}, err
	}
	if added := out.Key.key(); added.ID > 0 && added.PublicKey != "" {
		return added, nil
	}
	return s.newest(ctx, publicKey)
}

// newest finds a key that was just added, for an answer without it.
func (s *SSHKeyService) newest(ctx context.Context, publicKey string) (SSHKey, error) {
	keys, err := s.List(ctx)
	if err != nil {
		failed := garbled(opAddKey, "the key was added, but its id is not known")
		failed.Err = err
		return SSHKey{}, failed
	}
	var found SSHKey
	for _, key := range keys {
		if key.ID > found.ID && sameKey(key.PublicKey, publicKey) {
			found = key
		}
	}
	if found.ID == 0 {
		return SSHKey{}, garbled(opAddKey, "the new key is not in the list")
	}
	return found, nil
}

// OnInstance returns the keys that may log in to an instance.
func (s *SSHKeyService) OnInstance(ctx context.Context, id InstanceID) ([]SSHKey, error) {
	var out struct {
		Keys *keyRows `json:"ssh_keys"`
	}
	if err := s.c.do(ctx, opListInstanceKeys, request{ids: []int64{int64(id)}}, &out); err != nil {
		return nil, err
	}
	if out.Keys == nil {
		return nil, garbled(opListInstanceKeys, "no keys in the answer")
	}
	return out.Keys.keys(), nil
}

// Attach lets a key log in to an instance, within seconds. It may be
// repeated.
func (s *SSHKeyService) Attach(ctx context.Context, id InstanceID, publicKey string) error {
	return s.post(ctx, opAttachKey, []int64{int64(id)}, publicKey, nil)
}

// Detach takes a key from an instance; NotFound if either is not there.
func (s *SSHKeyService) Detach(ctx context.Context, id InstanceID, key SSHKeyID) error {
	return s.c.do(ctx, opDetachKey, request{ids: []int64{int64(id), int64(key)}}, nil)
}

// post sends a public key. The API stores whatever it gets, so that a path or
// a private key must be caught here.
func (s *SSHKeyService) post(ctx context.Context, name operation, ids []int64, publicKey string, out any) error {
	publicKey = strings.TrimSpace(publicKey)
	if !isPublicKey(publicKey) {
		return invalid(name, "not a public key; it must be one line such as ssh-ed25519 AAAA… name")
	}
	return s.c.do(ctx, name, request{ids: ids, body: map[string]string{"ssh_key": publicKey}}, out)
}

func isPublicKey(s string) bool {
	words := strings.Fields(s)
	if len(words) < 2 || strings.ContainsAny(s, "\r\n\x00") {
		return false
	}
	for _, kind := range []string{"ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"} {
		if strings.HasPrefix(words[0], kind) {
			return true
		}
	}
	return false
}

func sameKey(a, b string) bool {
	x, y := strings.Fields(a), strings.Fields(b)
	return len(x) > 1 && len(y) > 1 && x[0] == y[0] && x[1] == y[1]
}
