package vast

import (
	"context"
	"math"
)

// CreateInstance is what to run on a rented offer. Fields with their zero
// value are not sent, so that the template's or the API's defaults hold.
type CreateInstance struct {
	// Image or TemplateHash is needed.
	Image        string
	TemplateHash string
	// Label is the way to find the instance when the answer is lost.
	Label   string
	OnStart string // 16384 characters at most
	// RunType is the wire's word for the launch mode, such as
	// "ssh_direc ssh_proxy" (sic).
	RunType    string
	ImageLogin string // "-u USER -p PASSWORD registry"
	User       string
	DiskGB     float64
	// Env holds variables, and ports and volumes as "-p 8080:8080": "1".
	Env  map[string]string
	Args []string
	// BidPerHour is for the whole offer; 0 rents on demand.
	BidPerHour float64
	JupyterLab bool
	JupyterDir string
}

type createBody struct {
	ClientID     string            `json:"client_id"`
	Image        string            `json:"image,omitempty"`
	TemplateHash string            `json:"template_hash_id,omitempty"`
	Label        string            `json:"label,omitempty"`
	OnStart      string            `json:"onstart,omitempty"`
	RunType      string            `json:"runtype,omitempty"`
	ImageLogin   string            `json:"image_login,omitempty"`
	User         string            `json:"user,omitempty"`
	Disk         float64           `json:"disk,omitempty"`
	Env          map[string]string `json:"env,omitempty"`
	Args         []string          `json:"args,omitempty"`
	Price        float64           `json:"price,omitempty"`
	JupyterLab   bool              `json:"use_jupyter_lab,omitempty"`
	JupyterDir   string            `json:"jupyter_dir,omitempty"`
	// Without it an offer that cannot start now would become a stopped
	// instance whose disk is billed.
	CancelUnavail bool `json:"cancel_unavail"`
}

// Create accepts an offer and returns the ID of the new instance. Its disk is
// billed from now, its GPUs once it runs.
//
// The API takes no idempotency key, so the order is sent at most once. When
// its outcome is not known the error is Uncertain: the instance may exist,
// and NewContract is its ID if the API told it. Look for the label in a
// complete list before another try. When the error is NotSent no order left
// this client.
//
// It fails with Taken if somebody else was faster and with Broke if the
// account lacks credit.
func (s *InstanceService) Create(ctx context.Context, offer OfferID, in CreateInstance) (InstanceID, error) {
	if wrong := in.check(); wrong != "" {
		return 0, invalid(opCreate, wrong)
	}
	var out struct {
		NewContract id `json:"new_contract"`
	}
	if err := s.c.do(ctx, opCreate, request{ids: []int64{int64(offer)}, body: in.body()}, &out); err != nil {
		return 0, err
	}
	if out.NewContract <= 0 {
		return 0, garbled(opCreate, "no instance id in the answer")
	}
	return InstanceID(out.NewContract), nil
}

// check keeps a broken number from turning a bid into an order on demand.
func (in CreateInstance) check() string {
	switch {
	case in.Image == "" && in.TemplateHash == "":
		return "an image or a template is needed"
	case !(in.BidPerHour >= 0) || math.IsInf(in.BidPerHour, 0):
		return "the bid makes no sense"
	case !(in.DiskGB >= 0) || math.IsInf(in.DiskGB, 0):
		return "the size of the disk makes no sense"
	}
	return ""
}

func (in CreateInstance) body() createBody {
	return createBody{
		ClientID: "me", Image: in.Image, TemplateHash: in.TemplateHash, Label: in.Label,
		OnStart: in.OnStart, RunType: in.RunType, ImageLogin: in.ImageLogin, User: in.User,
		Disk: in.DiskGB, Env: in.Env, Args: in.Args, Price: in.BidPerHour,
		JupyterLab: in.JupyterLab, JupyterDir: in.JupyterDir, CancelUnavail: true,
	}
}
