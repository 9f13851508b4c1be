package vast

import "context"

// AccountService reads the account.
type AccountService service

// User is the owner of the key. Amounts are dollars. Secrets of the account
// are never decoded.
type User struct {
	ID       int64
	Username string
	Email    string
	// Credit is the money that can be spent. Balance is another ledger, of
	// hosts, and usually 0.
	Credit, Balance                   float64
	AutobillThreshold, AutobillAmount float64
	TotalSpend                        float64
	HasBilling                        bool   // a way to pay is on file
	TFAStatus                         string // enabled, disabled or legacy
	TeamID                            int64  // 0 outside of a team
}

type userRow struct {
	ID                id     `json:"id"`
	Username          text   `json:"username"`
	Email             text   `json:"email"`
	Credit            number `json:"credit"`
	Balance           number `json:"balance"`
	AutobillThreshold number `json:"autobill_threshold"`
	AutobillAmount    number `json:"autobill_amount"`
	TotalSpend        number `json:"total_spend"`
	HasBilling        flag   `json:"has_billing"`
	TFAStatus         text   `json:"tfa_status"`
	TeamID            id     `json:"team_id"`
}

// Current returns the owner of the client's key.
func (s *AccountService) Current(ctx context.Context) (User, error) {
	var r userRow
	if err := s.c.do(ctx, opCurrentUser, request{}, &r); err != nil {
		return User{}, err
	}
	if r.ID <= 0 || !r.Credit.known {
		return User{}, garbled(opCurrentUser, "no id or no credit in the answer")
	}
	return User{
		ID: int64(r.ID), Username: r.Username.trimmed(), Email: r.Email.trimmed(),
		Credit: r.Credit.value, Balance: r.Balance.value,
		AutobillThreshold: r.AutobillThreshold.value, AutobillAmount: r.AutobillAmount.value,
		TotalSpend: r.TotalSpend.value, HasBilling: bool(r.HasBilling),
		TFAStatus: r.TFAStatus.trimmed(), TeamID: int64(r.TeamID),
	}, nil
}
