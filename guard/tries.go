package guard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vast-mcp/journal"
)

const (
	lockedFor = 15 * time.Minute // also how long a wrong try is remembered

	mostWrongPassphrases = 5
	mostWrongNames       = 20
)

// ErrLocked says that there were too many wrong tries of late, so that none is
// judged now.
var ErrLocked = errors.New("too many wrong tries")

// tries are the wrong tries at one thing, as the journal counts them for all
// processes, by its own time.
type tries struct {
	name string // of the setting they are kept as
	most int    // so many of them lock

	Wrong       []time.Time // of the last minutes, oldest first
	LockedUntil time.Time
}

// triesIn reads the tries at what has that name. It fails with ErrLocked while
// they lock it.
func triesIn(tx *journal.Tx, name string, most int) (tries, error) {
	t := tries{name: name, most: most}
	if _, err := tx.OwnSetting(name, &t); err != nil {
		return t, err
	}
	if tx.Now().Before(t.LockedUntil) {
		return t, fmt.Errorf("%w: locked until %s", ErrLocked, t.LockedUntil.Local().Format(time.TimeOnly))
	}
	return t, nil
}

// miss counts one more wrong try, with an event. tx is of the journal's own realm.
func (t tries) miss(tx *journal.Tx) error {
	var late []time.Time
	for _, at := range t.Wrong {
		if tx.Now().Sub(at) < lockedFor {
			late = append(late, at)
		}
	}
	t.Wrong = append(late, tx.Now())
	said := map[string]any{"wrong": len(t.Wrong)}
	if len(t.Wrong) >= t.most {
		t.Wrong, t.LockedUntil = nil, tx.Now().Add(lockedFor)
		said["locked_until"] = t.LockedUntil
	}
	return errors.Join(tx.PutSetting(t.name, t), tx.Append(t.name, "", said))
}

// forget is what a right try does to the wrong ones before it.
func (t tries) forget(tx *journal.Tx) error {
	if len(t.Wrong) == 0 {
		return nil
	}
	return tx.PutSetting(t.name, tries{})
}

// wrongNames counts the names under which nothing waited: codes are short.
const wrongNames = "wrong_code"

// WrongName notes that somebody tried to answer a quote under a name that
// nothing waits under in j. A journal that is not there is not made.
func WrongName(ctx context.Context, j *journal.Journal) error {
	if !j.Exists() {
		return nil
	}
	return j.Tx(ctx, journal.Own, func(tx *journal.Tx) error {
		t, err := triesIn(tx, wrongNames, mostWrongNames)
		if err != nil {
			return err
		}
		return t.miss(tx)
	})
}

// CodesLocked fails with ErrLocked while nothing in j can be approved by its
// code, because too many wrong ones were tried.
func CodesLocked(ctx context.Context, j *journal.Journal) error {
	if !j.Exists() {
		return nil
	}
	return j.Tx(ctx, journal.Own, func(tx *journal.Tx) error {
		_, err := triesIn(tx, wrongNames, mostWrongNames)
		return err
	})
}
