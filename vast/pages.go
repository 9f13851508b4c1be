package vast

import "iter"

// pages walks a listing that is continued by tokens: fetch gets one page and
// the token of the next, "" at the end. An error is yielded once and ends
// the walk, and so does a token that comes back: it would never end.
func pages[P any](name operation, fetch func(token string) (page P, next string, err error)) iter.Seq2[P, error] {
	return func(yield func(P, error) bool) {
		seen := map[string]bool{}
		for token := ""; ; {
			page, next, err := fetch(token)
			if err == nil && seen[next] {
				err = &Error{Op: operations[name].Name, Code: Incomplete, Message: "the API repeats a page token"}
			}
			if err != nil {
				var none P
				yield(none, err)
				return
			}
			if !yield(page, nil) || next == "" {
				return
			}
			seen[next] = true
			token = next
		}
	}
}

// rows walks the rows of all pages.
func rows[P, T any](pages iter.Seq2[P, error], of func(P) []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for page, err := range pages {
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, row := range of(page) {
				if !yield(row, nil) {
					return
				}
			}
		}
	}
}
