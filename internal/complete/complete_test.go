package complete_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"vast-mcp/internal/complete"
)

func TestMatch(t *testing.T) {
	gpus := complete.Values([]string{"H100 SXM", "RTX 3090", "RTX 4090", "RTX 4090D", "Q RTX 8000"})
	named := []complete.Choice{{Value: "71", Words: "train-a"}, {Value: "72", Words: "a second train"}, {Value: "17"}, {Value: "71"}, {}}
	for name, c := range map[string]struct {
		typed string
		all   []complete.Choice
		want  []string
	}{
		"nothing typed":        {"", gpus, []string{"H100 SXM", "RTX 3090", "RTX 4090", "RTX 4090D", "Q RTX 8000"}},
		"a prefix comes first": {"rtx", gpus, []string{"RTX 3090", "RTX 4090", "RTX 4090D", "Q RTX 8000"}},
		"inside":               {"4090", gpus, []string{"RTX 4090", "RTX 4090D"}},
		"an underscore":        {" rtx_4 ", gpus, []string{"RTX 4090", "RTX 4090D"}},
		"unknown":              {"TPU", gpus, []string{}},
		"by its name":          {"TRAIN", named, []string{"71", "72"}},
		"by digits, each once": {"7", named, []string{"71", "72", "17"}},
		"nothing to choose":    {"x", nil, []string{}},
	} {
		got := complete.Match(c.typed, c.all)
		require.Equal(t, complete.Guess{Values: c.want, Total: len(c.want)}, got, name)
	}
}

func TestMatchShowsAHundredAndSaysThatThereAreMore(t *testing.T) {
	var all []string
	for i := range 250 {
		all = append(all, fmt.Sprintf("gpu %03d", i))
	}
	got := complete.Match("GPU", complete.Values(all))
	require.Len(t, got.Values, 100)
	require.Equal(t, 250, got.Total)
	require.True(t, got.More)
	require.False(t, complete.Match("gpu 0", complete.Values(all)).More, "exactly a hundred are all")
}

func TestMatchShowsOnlyWhatFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOf(rapid.StringMatching(`[aAbB _]{0,4}`)).Draw(t, "all")
		typed := rapid.StringMatching(`[ab]{0,2}`).Draw(t, "typed")
		got := complete.Match(typed, complete.Values(all))
		for _, v := range got.Values {
			require.Contains(t, all, v)
			require.Contains(t, strings.ToLower(v), typed)
		}
		for _, v := range all {
			fits := v != "" && strings.Contains(strings.ToLower(v), typed)
			require.Equal(t, fits, slices.Contains(got.Values, v), "%q", v)
		}
	})
}

// source is something to read that can break.
type source struct {
	reads int
	rows  []complete.Choice
	err   error
}

func (s *source) read(context.Context) ([]complete.Choice, error) {
	s.reads++
	return s.rows, s.err
}

func TestAListIsReadAgainWhenItIsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{rows: complete.Values([]string{"a"})}
		l := complete.NewList(time.Minute, time.Now, s.read)
		require.Zero(t, s.reads)
		for range 3 {
			require.Equal(t, s.rows, l.Get(t.Context()))
		}
		require.Equal(t, 1, s.reads)
		<-time.After(61 * time.Second)
		l.Get(t.Context())
		require.Equal(t, 2, s.reads)
	})
}

func TestAListThatCannotBeReadIsWhatItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{err: errors.New("down")}
		l := complete.NewList(time.Minute, time.Now, s.read)
		require.Empty(t, l.Get(t.Context()))
		require.Empty(t, l.Get(t.Context()))
		require.Equal(t, 1, s.reads, "a source that failed is left alone for a while")
		<-time.After(11 * time.Second)
		s.rows, s.err = complete.Values([]string{"a"}), nil
		require.Len(t, l.Get(t.Context()), 1)
		<-time.After(2 * time.Minute)
		s.rows, s.err = nil, errors.New("down again")
		require.Len(t, l.Get(t.Context()), 1, "old ids are better than none")
		<-time.After(2 * time.Minute)
		s.rows = complete.Values([]string{"b", "c"})
		require.Len(t, l.Get(t.Context()), 2, "half of it is better than the old")
	})
}

// TestASlowReadHoldsNobodyUp: the lock is not held over the network.
func TestASlowReadHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := complete.NewList(time.Minute, time.Now, func(ctx context.Context) ([]complete.Choice, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		typing, typedOn := context.WithCancel(t.Context())
		done := make(chan []complete.Choice)
		go func() { done <- l.Get(typing) }()
		synctest.Wait()
		began := time.Now()
		require.Empty(t, l.Get(t.Context()))
		require.Equal(t, 5*time.Second, time.Since(began), "whoever types does not wait longer")
		typedOn()
		require.Empty(t, <-done)
	})
}

func TestWhoTypesOnBlamesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{err: context.Canceled}
		l := complete.NewList(time.Minute, time.Now, s.read)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		require.Empty(t, l.Get(gone))
		s.rows, s.err = complete.Values([]string{"a"}), nil
		require.Len(t, l.Get(t.Context()), 1, "the source is asked again at once")
	})
}
