package vast

import "context"

// authorize adds the key to a call, as a header and nowhere else.
func authorize(key string, next exchange) exchange {
	return func(ctx context.Context, c call) (answer, error) {
		if key == "" {
			return answer{}, &Error{Op: c.op.Name, Code: NoKey, NotSent: true}
		}
		c.header = c.header.Clone()
		c.header.Set("Authorization", "Bearer "+key)
		return next(ctx, c)
	}
}
