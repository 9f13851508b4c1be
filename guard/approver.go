package guard

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"vast-mcp/journal"
)

// approver is the passphrase without which nothing is approved, as the journal
// keeps it. The zero approver is none.
type approver struct {
	Salt, Hash []byte
	Passes     uint32 // argon2id's, so that they can be raised later
	MemoryKB   uint32
	Threads    uint8
}

// What a new passphrase is hashed with beside hashMemoryKB: the second choice of
// RFC 9106, which any machine can afford.
const (
	hashPasses  = 3
	hashThreads = 4
	hashBytes   = 32
	saltBytes   = 16

	mostMemoryKB = 1 << 20 // more was never stored: the row is damaged
)

// ShortestPassphrase is how many characters a passphrase has at least.
const ShortestPassphrase = 8

// Errors of the approver.
var (
	ErrWrongPassphrase = errors.New("this is not the approver's passphrase")
	ErrNeedsPassphrase = errors.New("an approver is set: only the passphrase approves")
	ErrNoApprover      = errors.New("no approver is set")
	errMeanwhile       = errors.New("the approver was changed by somebody else: run the command again")
)

const (
	approverSetting  = "approver"
	wrongPassphrases = "wrong_passphrase"
)

func newApprover(passphrase []byte) (approver, error) {
	if utf8.RuneCount(passphrase) < ShortestPassphrase {
		return approver{}, fmt.Errorf("a passphrase has at least %d characters", ShortestPassphrase)
	}
	a := approver{Salt: make([]byte, saltBytes), Passes: hashPasses, MemoryKB: hashMemoryKB, Threads: hashThreads}
	_, _ = rand.Read(a.Salt) // never fails: crypto/rand aborts the program instead
	a.Hash = a.hash(passphrase)
	return a, nil
}

func (a approver) hash(passphrase []byte) []byte {
	return argon2.IDKey(passphrase, a.Salt, a.Passes, a.MemoryKB, a.Threads, hashBytes)
}

func (a approver) set() bool { return len(a.Hash) > 0 }

func (a approver) equal(b approver) bool {
	return bytes.Equal(a.Salt, b.Salt) && bytes.Equal(a.Hash, b.Hash)
}

// approverIn reads the approver of the journal that tx is of.
func approverIn(tx *journal.Tx) (a approver, err error) {
	ok, err := tx.OwnSetting(approverSetting, &a)
	whole := a.Passes > 0 && a.Threads > 0 && a.MemoryKB <= mostMemoryKB && len(a.Hash) == hashBytes
	if err == nil && ok && !whole && !a.equal(approver{}) {
		return a, errors.New("the approver in the journal is damaged")
	}
	return a, err
}

// sealed reports whether only the passphrase approves.
func sealed(tx *journal.Tx) (bool, error) {
	a, err := approverIn(tx)
	return a.set(), err
}

// HasApprover reports whether an approver is set in j. A journal that is not
// there has none and is not made.
func HasApprover(ctx context.Context, j *journal.Journal) (set bool, err error) {
	if !j.Exists() {
		return false, nil
	}
	err = j.Tx(ctx, journal.Own, func(tx *journal.Tx) error {
		set, err = sealed(tx)
		return err
	})
	return set, err
}

// SetApprover makes fresh the passphrase without which nothing in j is approved.
// Where one is set already, old must be it. It fails with ErrWrongPassphrase
// or, after too many of these, with ErrLocked.
func SetApprover(ctx context.Context, j *journal.Journal, old, fresh []byte) error {
	a, err := newApprover(fresh)
	if err != nil {
		return err
	}
	changes, err := HasApprover(ctx, j)
	if err != nil {
		return err
	}
	put := func(tx *journal.Tx) error {
		return errors.Join(tx.PutSetting(approverSetting, a), tx.Append("approver_set", "", map[string]any{"changed": changes}))
	}
	if changes {
		return prove(ctx, j, old, put)
	}
	return j.Tx(ctx, journal.Own, func(tx *journal.Tx) error {
		if set, err := sealed(tx); err != nil || set {
			return errors.Join(err, errMeanwhile)
		}
		return put(tx)
	})
}

// ClearApprover takes the approver out of j. It fails with ErrNoApprover, and
// else as SetApprover does.
func ClearApprover(ctx context.Context, j *journal.Journal, old []byte) error {
	return prove(ctx, j, old, func(tx *journal.Tx) error {
		return errors.Join(tx.PutSetting(approverSetting, approver{}), tx.Append("approver_cleared", "", map[string]any{}))
	})
}

// ApproveWaiting records a yes by the passphrase. It fails as SetApprover does,
// and with ErrNotWaiting.
func ApproveWaiting(ctx context.Context, j *journal.Journal, w Waiting, passphrase []byte) error {
	if err := Prove(ctx, j, passphrase); err != nil {
		return err
	}
	return AnswerWaiting(ctx, j, w, Answer{Yes: true, Via: ViaPassphrase, OutBand: true, proven: true})
}

// Prove fails unless passphrase is the approver's, as SetApprover does.
func Prove(ctx context.Context, j *journal.Journal, passphrase []byte) error {
	return prove(ctx, j, passphrase, func(*journal.Tx) error { return nil })
}

// prove does then if the passphrase is right, in one transaction with the
// judging of it: tries side by side are counted one by one. The hash is made
// before, for it takes long.
func prove(ctx context.Context, j *journal.Journal, passphrase []byte, then func(*journal.Tx) error) error {
	if set, err := HasApprover(ctx, j); err != nil || !set {
		return errors.Join(err, ErrNoApprover)
	}
	var a approver
	err := j.Tx(ctx, journal.Own, func(tx *journal.Tx) (err error) {
		if _, err = triesIn(tx, wrongPassphrases, mostWrongPassphrases); err == nil {
			a, err = approverIn(tx)
		}
		return err
	})
	if err != nil {
		return err
	}
	right := subtle.ConstantTimeCompare(a.hash(passphrase), a.Hash) == 1
	err = j.Tx(ctx, journal.Own, func(tx *journal.Tx) error {
		wrong, err := triesIn(tx, wrongPassphrases, mostWrongPassphrases)
		if err != nil {
			return err
		}
		if now, err := approverIn(tx); err != nil || !now.equal(a) {
			return errors.Join(err, errMeanwhile)
		}
		if !right {
			return wrong.miss(tx)
		}
		return errors.Join(wrong.forget(tx), then(tx))
	})
	if err == nil && !right {
		return ErrWrongPassphrase
	}
	return err
}
