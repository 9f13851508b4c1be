package vast

import (
	"context"
	"net/http"
)

// authorize adds the key to a call, as a header and nowhere else.
func authorize(key string, next exchange) exchange {
	return func(ctx context.Context, c call) (answer, error) {
		if key == "" {
			return answer{}, &Error{Op: c.op.Name, Code: NoKey, NotSent: true}
		}
		c.header = http.Header{"Authorization": {"Bearer " + key}}
		return next(ctx, c)
	}
}
