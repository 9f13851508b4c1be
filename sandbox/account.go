package sandbox

import "encoding/json"

const (
	userID   = 777_001
	keyID    = 5_550_001
	username = "sandbox"
	email    = "sandbox@example.com"
)

// userRow is the account as the API serves it.
type userRow struct {
	ID                      int64    `json:"id"`
	Username                string   `json:"username"`
	Email                   string   `json:"email"`
	Fullname                string   `json:"fullname"`
	SSHKey                  *string  `json:"ssh_key"`
	APIKey                  string   `json:"api_key"`
	KeyID                   int64    `json:"key_id"`
	SID                     string   `json:"sid"`
	CanPay                  bool     `json:"can_pay"`
	CreatedAt               int64    `json:"created_at"` // milliseconds
	PhoneNumber             *string  `json:"phone_number"`
	PaypalEmail             *string  `json:"paypal_email"`
	WiseEmail               *string  `json:"wise_email"`
	Balance                 float64  `json:"balance"`
	Credit                  float64  `json:"credit"`
	BalanceThreshold        float64  `json:"balance_threshold"`
	BalanceThresholdEnabled bool     `json:"balance_threshold_enabled"`
	AutobillThreshold       *float64 `json:"autobill_threshold"`
	AutobillAmount          *float64 `json:"autobill_amount"`
	TotalSpend              float64  `json:"total_spend"`
	BilledExpected          float64  `json:"billed_expected"`
	BilledVerified          float64  `json:"billed_verified"`
	PaidExpected            float64  `json:"paid_expected"`
	PaidVerified            float64  `json:"paid_verified"`
	BalanceReferrals        float64  `json:"balance_referrals"`
	GotSignupCredit         int64    `json:"got_signup_credit"`
	HasBilling              bool     `json:"has_billing"`
	HasPayout               bool     `json:"has_payout"`
	HasStripePayout         bool     `json:"has_stripe_payout"`
	PayoutEnabled           bool     `json:"payout_enabled"`
	HostOnly                bool     `json:"host_only"`
	HostAgreementAccepted   bool     `json:"host_agreement_accepted"`
	HasRented               bool     `json:"has_rented"`
	EmailVerified           bool     `json:"email_verified"`
	PasswordResettable      bool     `json:"password_resettable"`
	Last4                   *string  `json:"last4"`
	BillingCreditonly       int64    `json:"billing_creditonly"`
	IsSubjectToDeletion     bool     `json:"is_subject_to_unpaid_deletion"`
	BilladdressLine1        string   `json:"billaddress_line1"`
	BilladdressLine2        string   `json:"billaddress_line2"`
	BilladdressCity         string   `json:"billaddress_city"`
	BilladdressZip          string   `json:"billaddress_zip"`
	BilladdressCountry      string   `json:"billaddress_country"`
	BilladdressTaxinfo      string   `json:"billaddress_taxinfo"`
	TFAStatus               string   `json:"tfa_status"`
	TFALogin                bool     `json:"tfa_login"`
	Rights                  *string  `json:"rights"`
	DiscordID               *string  `json:"discord_id"`
	HuggingfaceCloudSync    bool     `json:"huggingface_cloud_sync_enabled"`
	OauthProvider           *string  `json:"oauth_provider"`
	CrispHMAC               string   `json:"crisp_hmac"`
}

// currentUser answers GET /users/current/. It tells the key and other
// secrets, as the API does.
func (t *tx) currentUser() answer { return reply(t.user()) }

// user is the account with what was changed of its profile.
func (t *tx) user() userRow {
	credit := t.st.credit(t.now)
	key := t.st.mainKey(t.m.key)
	if t.key != nil {
		key = t.key.Key
	}
	row := userRow{
		ID: userID, Username: username, Email: email, Fullname: "Sandbox Account",
		APIKey: key, KeyID: t.keyID(),
		SID:       secret(t.st.Seed, "session", userID),
		CrispHMAC: secret(t.st.Seed, "crisp", userID),
		CanPay:    true, HasBilling: true, BillingCreditonly: 1,
		CreatedAt:        t.st.Born.UnixMilli(),
		Credit:           dollars(credit),
		TotalSpend:       dollars(t.st.StartCredit - credit),
		PaidVerified:     dollars(t.st.StartCredit),
		BalanceThreshold: -0.01,
		HasRented:        t.st.NextContract > firstContract,
		EmailVerified:    true, PasswordResettable: true,
		IsSubjectToDeletion: credit < 0,
		TFAStatus:           "disabled",
	}
	_ = json.Unmarshal(encode(t.st.Account.Profile), &row) // it was checked when it was changed
	return row
}

func dollars(micro int64) float64 { return float64(micro) / 1e6 }
