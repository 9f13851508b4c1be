package vast_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/vast"
)

func TestCurrentUser(t *testing.T) {
	c, network := scripted(t, fixture(t, "user"))
	u, err := c.Account.Current(t.Context())
	require.NoError(t, err)
	require.Equal(t, "/api/v0/users/current/", network.sent[0].path)
	require.Equal(t, vast.User{
		ID: 777001, Username: "alice-example", Email: "alice@example.com", Credit: 104.5,
		AutobillThreshold: 5, AutobillAmount: 25, TotalSpend: 212.34, HasBilling: true, TFAStatus: "disabled",
	}, u)
	require.NotContains(t, fmt.Sprintf("%+v", u), "REDACTED")
}

// Money decisions hang on the credit, so its absence must not read as zero.
func TestCurrentUserNeedsItsCredit(t *testing.T) {
	for _, body := range []string{`{}`, `{"id":7}`, `{"id":7,"credit":null}`, `{"credit":5}`, `[]`, `{"id":7,"credit":NaN}`} {
		c, _ := scripted(t, ok(body))
		_, err := c.Account.Current(t.Context())
		require.ErrorIs(t, err, vast.Garbled, body)
	}
}
