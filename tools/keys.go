package tools

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"vast-mcp/guard"
	"vast-mcp/internal/plain"
	"vast-mcp/internal/tool"
	"vast-mcp/rental"
	"vast-mcp/vast"
)

type keys struct {
	api       SSHKeys
	instances Instances
	clock     APIClock
	adding    chan struct{} // room for one: the API keeps twice what it is sent twice
}

func keyTools(d Deps) []tool.Tool {
	k := &keys{api: d.SSHKeys, instances: d.Instances, clock: d.APIClock, adding: make(chan struct{}, 1)}
	return []tool.Tool{
		tool.Read(tool.Spec{Name: "list_ssh_keys", Title: "List SSH keys", Doc: "Public SSH keys of the account, or of one instance."}, k.list),
		tool.Access(tool.Spec{
			Name: "add_ssh_key", Title: "Add SSH key", Idempotent: true,
			Doc: "Add a public SSH key to the account; instances rented later accept it. Needs approval.",
		}, tool.Guarded[addKeyInput, keyOutput]{Plan: k.planAdd, Do: k.add}),
		tool.Access(tool.Spec{
			Name: "attach_ssh_key", Title: "Attach SSH key", Idempotent: true,
			Doc: "Let a public SSH key log in to one instance. Needs approval.",
		}, tool.Guarded[attachKeyInput, keyOutput]{Plan: k.planAttach, Do: k.attach}),
		tool.Change(tool.Spec{Name: "detach_ssh_key", Title: "Detach SSH key", Idempotent: true, Doc: "Take an SSH key off one instance."}, k.detach),
	}
}

// keyView is a public key as an agent sees it.
type keyView struct {
	KeyID       vast.SSHKeyID `json:"key_id"`
	Type        string        `json:"type"`
	Fingerprint string        `json:"fingerprint"`
	Comment     string        `json:"comment,omitempty"`
}

func viewKey(k vast.SSHKey) keyView {
	pub, comment, err := parseKey(k.PublicKey)
	if err != nil {
		return keyView{KeyID: k.ID, Type: "not a public key", Comment: plain.Line(k.PublicKey, 40)}
	}
	return keyView{KeyID: k.ID, Type: pub.Type(), Fingerprint: ssh.FingerprintSHA256(pub), Comment: plain.Line(comment, 60)}
}

// parseKey reads one line of authorized_keys without options. The API stores
// whatever it is given, so everything is checked here.
func parseKey(text string) (ssh.PublicKey, string, error) {
	pub, comment, options, rest, err := ssh.ParseAuthorizedKey([]byte(text))
	switch {
	case strings.Contains(text, "PRIVATE KEY"):
		return nil, "", tool.Fail(tool.InvalidArguments, "public_key: this is a PRIVATE key; it was not sent anywhere").
			Hint("give the public key (the file that ends in .pub), and replace this private key if others can read this conversation")
	case err != nil || len(options) > 0 || len(strings.TrimSpace(string(rest))) > 0:
		return nil, "", tool.Fail(tool.InvalidArguments, "public_key: this is not one public SSH key").
			Hint(`give the text of the .pub file, like "ssh-ed25519 AAAA... name", not its path`)
	}
	return pub, comment, nil
}

// keysInput is what list_ssh_keys takes.
type keysInput struct {
	InstanceID vast.InstanceID `json:"instance_id,omitempty" jsonschema:"minimum=1" jsonschema_description:"keys of this instance"`
}

// keysOutput is what list_ssh_keys answers.
type keysOutput struct {
	Keys []keyView `json:"keys"`

	of vast.InstanceID // zero: the account
}

// Text is the keys, one line each.
func (o keysOutput) Text() string {
	switch {
	case len(o.Keys) == 0 && o.of != 0:
		return fmt.Sprintf("No SSH keys on instance %d. attach_ssh_key lets one in.\n", o.of)
	case len(o.Keys) == 0:
		return "No SSH keys on the account. add_ssh_key adds one.\n"
	}
	var b strings.Builder
	for _, k := range o.Keys {
		fmt.Fprintf(&b, "%d  %s  %s  %s\n", k.KeyID, k.Type, k.Fingerprint, k.Comment)
	}
	return b.String()
}

func (k *keys) list(ctx context.Context, _ tool.Call, in keysInput) (keysOutput, error) {
	rows, err := k.rows(ctx, in.InstanceID)
	if err != nil {
		return keysOutput{}, err
	}
	out := keysOutput{Keys: []keyView{}, of: in.InstanceID}
	for _, row := range rows {
		out.Keys = append(out.Keys, viewKey(row))
	}
	return out, nil
}

// rows are the keys of an instance, or of the account when id is zero.
func (k *keys) rows(ctx context.Context, id vast.InstanceID) ([]vast.SSHKey, error) {
	if id == 0 {
		return k.api.List(ctx)
	}
	if _, err := k.instances.Get(ctx, id); err != nil {
		return nil, err
	}
	return k.api.OnInstance(ctx, id)
}

// same reports whether a stored key is this one, its comment apart.
func same(stored vast.SSHKey, pub ssh.PublicKey) bool {
	have, _, err := parseKey(stored.PublicKey)
	return err == nil && string(have.Marshal()) == string(pub.Marshal())
}

// addKeyInput is what add_ssh_key takes.
type addKeyInput struct {
	PublicKey string `json:"public_key" jsonschema_description:"text of the .pub file"`
}

// keyOutput is what add_ssh_key and attach_ssh_key answer.
type keyOutput struct {
	tool.Decision
	Key *keyView `json:"key,omitempty"`

	done string
}

// Text tells which key was let in where.
func (o keyOutput) Text() string {
	return fmt.Sprintf("%s: %s %s\n", o.done, o.Key.Type, o.Key.Fingerprint)
}

func (k *keys) plan(summary string, pub ssh.PublicKey, comment string, there bool) guard.Plan {
	p := guard.Plan{
		Kind: guard.KindAct, Nonce: rental.NewNonce(k.clock.ServerTime()), Free: there,
		Summary: summary, Binding: ssh.FingerprintSHA256(pub),
		Facts: []guard.Fact{{Name: "key", Value: pub.Type() + " " + ssh.FingerprintSHA256(pub)}},
	}
	if comment = plain.Line(comment, 60); comment != "" {
		p.Facts = append(p.Facts, guard.Fact{Name: "comment", Value: fmt.Sprintf("%q", comment)})
	}
	return p
}

func (k *keys) planAdd(ctx context.Context, _ tool.Call, in addKeyInput) (guard.Plan, error) {
	pub, comment, err := parseKey(in.PublicKey)
	if err != nil {
		return guard.Plan{}, err
	}
	_, there, err := k.find(ctx, 0, pub)
	if err != nil {
		return guard.Plan{}, err
	}
	return k.plan("Add an SSH key to the account: whoever holds it can log in to instances rented later", pub, comment, there), nil
}

func (k *keys) add(ctx context.Context, _ tool.Call, g *guard.Grant, in addKeyInput) (keyOutput, error) {
	pub, _, err := parseKey(in.PublicKey)
	if err != nil {
		return keyOutput{}, err
	}
	text := strings.TrimSpace(in.PublicKey)
	row, was, err := k.put(ctx, g, 0, pub, text, func() (vast.SSHKey, error) { return k.api.Add(ctx, text) })
	if was {
		return keyDone(g, row, "Already on the account"), err
	}
	return keyDone(g, row, "Added"), err
}

// put carries out a grant that lets pub in on the account, or on the instance
// that is not zero, and reports whether it was in already. Of all calls with
// the same grant, in whatever process, one sends, and only what is not there.
func (k *keys) put(ctx context.Context, g *guard.Grant, on vast.InstanceID, pub ssh.PublicKey, text string, send func() (vast.SSHKey, error)) (row vast.SSHKey, was bool, err error) {
	select {
	case k.adding <- struct{}{}:
		defer func() { <-k.adding }()
	case <-ctx.Done():
		return row, false, ctx.Err()
	}
	first, err := g.Begin(ctx)
	if err != nil {
		return row, false, err
	}
	row, was, err = k.find(ctx, on, pub)
	switch {
	case err != nil, was:
	case first:
		row, err = send()
	case g.Finished():
		row, was = vast.SSHKey{PublicKey: text}, true // not listed yet
	default:
		err = tool.Fail(tool.NotReady, "another call is adding this very key, and it is not there yet").
			Hint("call again in a minute with the same arguments, or look at list_ssh_keys")
	}
	if err != nil && first {
		return row, was, g.Failed(ctx, err)
	}
	if err != nil {
		return row, was, err
	}
	return row, was, g.Finish(ctx)
}

// find looks for pub among the keys of the account, or of the instance that is
// not zero.
func (k *keys) find(ctx context.Context, on vast.InstanceID, pub ssh.PublicKey) (row vast.SSHKey, found bool, err error) {
	rows, err := k.rows(ctx, on)
	if err != nil {
		return row, false, err
	}
	i := slices.IndexFunc(rows, func(row vast.SSHKey) bool { return same(row, pub) })
	if i < 0 {
		return row, false, nil
	}
	return rows[i], true, nil
}

func keyDone(g *guard.Grant, row vast.SSHKey, done string) keyOutput {
	v := viewKey(row)
	return keyOutput{Decision: tool.Finished(g), Key: &v, done: done}
}

// attachKeyInput is what attach_ssh_key takes.
type attachKeyInput struct {
	InstanceID vast.InstanceID `json:"instance_id" jsonschema:"minimum=1" jsonschema_description:"id"`
	PublicKey  string          `json:"public_key,omitempty" jsonschema_description:"text of the .pub file; or key_id"`
	KeyID      vast.SSHKeyID   `json:"key_id,omitempty" jsonschema:"minimum=1" jsonschema_description:"from list_ssh_keys"`
}

// key is the text of the key that is meant.
func (k *keys) key(ctx context.Context, in attachKeyInput) (string, error) {
	if (in.PublicKey == "") == (in.KeyID == 0) {
		return "", tool.Fail(tool.InvalidArguments, "give either public_key or key_id").Hint("list_ssh_keys shows the keys of the account")
	}
	if in.PublicKey != "" {
		return in.PublicKey, nil
	}
	rows, err := k.api.List(ctx)
	if err != nil {
		return "", err
	}
	for _, row := range rows {
		if row.ID == in.KeyID {
			return row.PublicKey, nil
		}
	}
	return "", tool.Fail(tool.NotFound, "there is no SSH key %d on the account", in.KeyID).Hint("list_ssh_keys shows the keys of the account")
}

func (k *keys) planAttach(ctx context.Context, _ tool.Call, in attachKeyInput) (guard.Plan, error) {
	text, err := k.key(ctx, in)
	if err != nil {
		return guard.Plan{}, err
	}
	pub, comment, err := parseKey(text)
	if err != nil {
		return guard.Plan{}, err
	}
	_, there, err := k.find(ctx, in.InstanceID, pub)
	if err != nil {
		return guard.Plan{}, err
	}
	return k.plan(fmt.Sprintf("Let an SSH key log in to instance %d", in.InstanceID), pub, comment, there), nil
}

func (k *keys) attach(ctx context.Context, _ tool.Call, g *guard.Grant, in attachKeyInput) (keyOutput, error) {
	text, err := k.key(ctx, in)
	if err != nil {
		return keyOutput{}, err
	}
	pub, _, err := parseKey(text)
	if err != nil {
		return keyOutput{}, err
	}
	if ssh.FingerprintSHA256(pub) != g.Plan().Binding {
		return keyOutput{}, tool.Fail(tool.OtherCall, "key %d is another key than the one that was approved", in.KeyID).Hint("look at list_ssh_keys and call again with public_key")
	}
	text = strings.TrimSpace(text)
	row, was, err := k.put(ctx, g, in.InstanceID, pub, text, func() (vast.SSHKey, error) {
		return vast.SSHKey{ID: in.KeyID, PublicKey: text}, k.api.Attach(ctx, in.InstanceID, text)
	})
	if was {
		return keyDone(g, row, fmt.Sprintf("Already attached to instance %d", in.InstanceID)), err
	}
	return keyDone(g, row, fmt.Sprintf("Attached to instance %d, effective in some seconds", in.InstanceID)), err
}

// detachKeyInput is what detach_ssh_key takes.
type detachKeyInput struct {
	InstanceID vast.InstanceID `json:"instance_id" jsonschema:"minimum=1" jsonschema_description:"id"`
	KeyID      vast.SSHKeyID   `json:"key_id" jsonschema:"minimum=1" jsonschema_description:"from list_ssh_keys with instance_id"`
}

func (k *keys) detach(ctx context.Context, _ tool.Call, in detachKeyInput) (keysOutput, error) {
	if _, err := k.rows(ctx, in.InstanceID); err != nil {
		return keysOutput{}, err
	}
	if err := k.api.Detach(ctx, in.InstanceID, in.KeyID); err != nil {
		return keysOutput{}, err
	}
	return k.list(ctx, tool.Call{}, keysInput{InstanceID: in.InstanceID})
}
