package tools

import (
	"context"
	"iter"
	"slices"
	"time"

	"vast-mcp/guard"
	"vast-mcp/internal/tool"
	"vast-mcp/internal/view"
	"vast-mcp/internal/watch"
	"vast-mcp/rental"
	"vast-mcp/vast"
)

// Market is where offers are found.
type Market interface {
	Search(ctx context.Context, q vast.OfferQuery) ([]vast.Offer, error)
	All(ctx context.Context, q vast.OfferQuery) iter.Seq2[vast.Offer, error]
	GPUNames(ctx context.Context) ([]string, error)
}

// Instances is where rentals are read.
type Instances interface {
	Get(ctx context.Context, id vast.InstanceID) (vast.Instance, error)
	All(ctx context.Context) ([]vast.Instance, error)
	Logs(ctx context.Context, id vast.InstanceID, o vast.LogOptions) (string, error)
	Reboot(ctx context.Context, id vast.InstanceID) error
}

// SSHKeys is where keys are kept.
type SSHKeys interface {
	List(ctx context.Context) ([]vast.SSHKey, error)
	Add(ctx context.Context, publicKey string) (vast.SSHKey, error)
	OnInstance(ctx context.Context, id vast.InstanceID) ([]vast.SSHKey, error)
	Attach(ctx context.Context, id vast.InstanceID, publicKey string) error
	Detach(ctx context.Context, id vast.InstanceID, key vast.SSHKeyID) error
}

// Account is where the credit is read.
type Account interface {
	Current(ctx context.Context) (vast.User, error)
}

// Billing is where charges are read.
type Billing interface {
	Charges(ctx context.Context, q vast.ChargeQuery) iter.Seq2[vast.Charge, error]
}

// Volumes is where disk space that outlives instances is listed.
type Volumes interface {
	List(ctx context.Context) ([]vast.Volume, error)
}

// APIClock tells the API's time as its newest answer did.
type APIClock interface {
	ServerTime() time.Time
}

// Deps is what the handlers work with. The zero Deps is enough to list tools.
type Deps struct {
	Market    Market
	Instances Instances
	SSHKeys   SSHKeys
	Account   Account
	Billing   Billing
	Volumes   Volumes
	APIClock  APIClock
	Desk      *rental.Desk
	Watch     *watch.Watcher
	InForce   func(ctx context.Context) guard.InForce
	Idle      view.Idle
	Sandbox   bool
}

// Sets lists every toolset. It is the one registry.
func Sets(d Deps) []tool.Set {
	return []tool.Set{{
		Name: "core", Doc: "Find, rent, use and end GPU instances.", Default: true,
		Tools: slices.Concat(offerTools(d), instanceTools(d), leaseTools(d), keyTools(d), accountTools(d)),
	}}
}
