package guard_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"vast-mcp/guard"
)

func TestImageAllowed(t *testing.T) {
	for _, c := range []struct{ patterns, yes, no string }{
		{"pytorch/pytorch", "pytorch/pytorch pytorch/pytorch:2.7 docker.io/pytorch/pytorch:2.7 pytorch/pytorch@sha256:1f", "pytorch/pytorch2 evil/pytorch/pytorch pytorch ghcr.io/pytorch/pytorch"},
		{"docker.io/pytorch/pytorch:2.*", "pytorch/pytorch:2.7 docker.io/pytorch/pytorch:2.7-cuda", "pytorch/pytorch pytorch/pytorch:3.0"},
		{"nvidia/*", "nvidia/cuda:12 nvidia/cuda docker.io/nvidia/cuda", "nvidia nvidiaevil/cuda ghcr.io/nvidia/cuda"},
		{"ubuntu", "ubuntu ubuntu:22.04 library/ubuntu docker.io/library/ubuntu:22.04 docker.io/ubuntu", "me/ubuntu ubuntu/me docker.io/me/ubuntu"},
		{"library/*", "ubuntu docker.io/ubuntu:22.04", "me/ubuntu pytorch/pytorch"},
		{"ghcr.io/me/*:v1", "ghcr.io/me/a:v1 ghcr.io/me/a/b:v1", "ghcr.io/me/a me/a:v1 docker.io/ghcr.io/me/a:v1"},
		{"localhost:5000/a", "localhost:5000/a localhost:5000/a:1", "localhost/a a localhost:5000/b"},
		{"*", "a a/b:c ghcr.io/a/b@sha256:1f", ""},
		{"*/b*c", "a/bc a/b/x/c", "a/b"},
		{"a,b", "a b:1", "c"},
		{"", "", "a a/b"},
	} {
		patterns := strings.FieldsFunc(c.patterns, func(r rune) bool { return r == ',' })
		require.False(t, guard.ImageAllowed(patterns, ""), "one that is not known")
		for image := range strings.FieldsSeq(c.yes) {
			require.True(t, guard.ImageAllowed(patterns, image), "%s is %s", image, c.patterns)
		}
		for image := range strings.FieldsSeq(c.no) {
			require.False(t, guard.ImageAllowed(patterns, image), "%s is not %s", image, c.patterns)
		}
	}
}

// aPattern is out of few letters, so that patterns meet.
func aPattern(r *rapid.T, name string) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "/", ":", "@", "*", ".", "docker.io/", "library/"}), 1, 6).Draw(r, name), "")
}

// TestTwoListsAllowWhatBothDo: what holds under a ceiling allows nothing that
// either list denies, and all that both say in the same words.
func TestTwoListsAllowWhatBothDo(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		lists := [2][]string{}
		for i := range lists {
			for range rapid.IntRange(0, 3).Draw(r, "patterns") {
				lists[i] = append(lists[i], aPattern(r, "pattern"))
			}
		}
		ceiling := guard.Ceiling{Limits: map[string]string{guard.LimitAllowImage: strings.Join(lists[1], ",")}}
		in, err := ceiling.Under(guard.Policy{AllowImages: lists[0]}, guard.Client)
		require.NoError(r, err)
		image := strings.ReplaceAll(aPattern(r, "image"), "*", "x")
		both := (lists[0] == nil || guard.ImageAllowed(lists[0], image)) && guard.ImageAllowed(lists[1], image)
		if guard.ImageAllowed(in.Policy.AllowImages, image) {
			require.True(r, both, "%q is let in by %q", image, in.Policy.AllowImages)
		}
		for _, p := range lists[0] {
			if slices.Contains(lists[1], p) {
				require.Equal(r, guard.ImageAllowed([]string{p}, image), guard.ImageAllowed([]string{p}, image) && guard.ImageAllowed(in.Policy.AllowImages, image))
			}
		}
	})
}

func FuzzImageAllowed(f *testing.F) {
	for _, s := range []string{"a/b", "a/*:1", "**", "", "docker.io/library/", "x@y:z/w"} {
		f.Add(s, "a/b:1")
	}
	f.Fuzz(func(t *testing.T, pattern, image string) {
		if guard.ImageAllowed([]string{pattern}, image) {
			require.True(t, guard.ImageAllowed([]string{"*"}, image), "a longer pattern allows less")
			require.True(t, guard.ImageAllowed([]string{pattern + "*"}, image))
		}
		if !strings.ContainsAny(image, "* \t\n\v\f\r\u0085\u00a0") && strings.TrimSpace(image) == image && image != "" {
			require.True(t, guard.ImageAllowed([]string{image}, image))
		}
	})
}
