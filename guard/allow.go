package guard

import (
	"slices"
	"strings"

	"vast-mcp/internal/region"
)

// ImageAllowed reports whether one of the patterns matches the image, whole or
// without its tag and digest. In a pattern * stands for any run of characters.
// docker.io/ and library/ may be there or left out. An image that is not known
// matches nothing.
func ImageAllowed(patterns []string, image string) bool {
	if _, digest, _ := strings.Cut(image, "@"); strings.Contains(digest, "/") {
		return false // no image is called so
	}
	for _, same := range spellings(strings.TrimSpace(image)) {
		if slices.ContainsFunc(patterns, func(p string) bool { return matches(p, same) || matches(p, repository(same)) }) {
			return true
		}
	}
	return false
}

// spellings are all ways to write an image reference: of those on Docker Hub
// the registry may be left out, and of its own images their folder too.
func spellings(image string) []string {
	path := strings.TrimPrefix(image, "docker.io/")
	host, _, deep := strings.Cut(path, "/")
	official, inLibrary := strings.CutPrefix(path, "library/")
	switch {
	case image == "":
		return nil
	case deep && (strings.ContainsAny(host, ".:") || host == "localhost"):
		return []string{image}
	case inLibrary && !strings.Contains(official, "/"), !deep:
		return []string{official, "library/" + official, "docker.io/" + official, "docker.io/library/" + official}
	}
	return []string{path, "docker.io/" + path}
}

// repository is an image reference without its tag and digest.
func repository(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if colon := strings.LastIndex(image, ":"); colon > strings.LastIndex(image, "/") {
		return image[:colon]
	}
	return image
}

// matches reports whether pattern, in which * stands for any run of characters,
// matches all of text.
func matches(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	first, last := parts[0], parts[len(parts)-1]
	if len(parts) == 1 {
		return pattern == text
	}
	if len(text) < len(first)+len(last) || !strings.HasPrefix(text, first) || !strings.HasSuffix(text, last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		at := strings.Index(text, part)
		if at < 0 {
			return false
		}
		text = text[at+len(part):]
	}
	return true
}

// RegionCodes are the countries that the names stand for, sorted.
func RegionCodes(names []string) []string {
	codes := []string{}
	for _, name := range names {
		codes = append(codes, region.Resolve(name)...)
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

// placeAllowed reports whether a place of the API lies in one of the regions.
// One that is not known lies in none.
func placeAllowed(names []string, place string) bool {
	code := region.Code(place)
	return code != "" && slices.Contains(RegionCodes(names), code)
}

// tighterImages are the patterns of both lists that allow no more than the other
// list does; nil is no list.
func tighterImages(a, b []string) []string {
	all := func(list, in []string) bool {
		return !slices.ContainsFunc(list, func(p string) bool { return !within(p, in) })
	}
	switch {
	case b == nil, a != nil && all(a, b):
		return a
	case a == nil, all(b, a):
		return b
	}
	return slices.DeleteFunc(slices.Concat(a, b), func(p string) bool { return !within(p, a) || !within(p, b) })
}

// within reports whether the list certainly allows all that the pattern does. A
// * in it can only be part of what a * of the list stands for.
func within(pattern string, list []string) bool {
	return slices.ContainsFunc(list, func(p string) bool { return matches(p, pattern) }) ||
		!strings.Contains(pattern, "*") && ImageAllowed(list, pattern)
}

// tighterRegions are the regions that lie in both lists; nil is no list.
func tighterRegions(a, b []string) []string {
	ours, theirs := RegionCodes(a), RegionCodes(b)
	both := slices.DeleteFunc(slices.Clone(ours), func(code string) bool { return !slices.Contains(theirs, code) })
	switch {
	case b == nil, a != nil && len(both) == len(ours):
		return a
	case a == nil, len(both) == len(theirs):
		return b
	}
	return both
}
